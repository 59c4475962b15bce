//! Node.js functions that fail: the error in words, by the smoke test of a deploy and by `squad invoke`. The stand-in reports
//! errors as AWS's runtime does.

use serde_json::json;
use snapbox::str;

use super::Cloud;
use super::deploy::sources;
use crate::support::skip::tool;

const HANDLER: &str = r#"
exports.handler = async (event) => {
  if (event.do === "throw") { throw new RangeError("no such receipt"); }
  if (event.do === "reject") { return Promise.reject(new Error("no such receipt")); }
  if (event.do === "text") { throw "no such receipt"; }
  if (event.do === "nothing") { throw null; }
  if (event.do === "forget") { Promise.reject(new Error("no such receipt")); }
  return "fine";
};
"#;

/// A Node function whose smoke test does this.
fn node(cloud: &Cloud, smoke: &str, handler: &str) -> std::path::PathBuf {
    let directory = sources(cloud, "one");
    std::fs::remove_file(directory.join("src/handler.py")).unwrap();
    let file = directory.join("squad.toml");
    let toml = std::fs::read_to_string(&file).unwrap();
    let toml = toml.replace("python3.13", "nodejs22.x") + "smoke = \"smoke.json\"\n";
    std::fs::write(file, toml).unwrap();
    let event = json!({ "do": smoke }).to_string();
    std::fs::write(directory.join("smoke.json"), event).unwrap();
    std::fs::write(directory.join("src/handler.js"), handler).unwrap();
    directory
}

#[test]
fn a_smoke_test_that_fails_tells_what_was_thrown() {
    if tool("a_smoke_test_that_fails_tells_what_was_thrown", "node").is_none() {
        return;
    }
    let cloud = Cloud::new();
    cloud.aws.settings(json!({ "settle_ms": 0 }));
    let directory = node(&cloud, "throw", HANDLER);
    cloud
        .squad_in(&directory, &["deploy"])
        .failure(1)
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         creating the function `receipts`
› ◌ revision         calling version 1 with the smoke event
› ✖ revision         1: version 1 failed on the smoke event: RangeError: no such receipt
› error: cannot deploy `receipts`: revision 1 does not start
›   [TIME] [ID] ERROR Invoke Error  {"errorType":"RangeError","errorMessage":"no such receipt","trace":[[..]
›   caused by: RangeError: no such receipt
› live: `receipts` is not live here, and takes no traffic
› hint: correct it and deploy again; version 1 of `receipts` stays without traffic
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/revision-does-not-start.md
[exit 1]

"#]]);
    let told = |smoke: &str, handler: &str| {
        let directory = node(&cloud, smoke, handler);
        let output = cloud.squad_in(&directory, &["deploy"]).failure(1);
        let error = output
            .stderr
            .lines()
            .find(|line| line.contains("caused by: "));
        error.unwrap().to_owned()
    };
    for (smoke, wanted) in [
        ("reject", "Error: no such receipt"),
        ("text", "no such receipt (thrown, and no Error: string)"),
        (
            "nothing",
            "there was a problem while reading the error (thrown, and no Error: handled)",
        ),
        (
            "forget",
            "Runtime.UnhandledPromiseRejection: Error: no such receipt",
        ),
    ] {
        let told = told(smoke, HANDLER);
        assert!(told.ends_with(wanted), "{told}");
    }
    let told = told("ok", "throw new Error(\"no such settings\");");
    assert!(told.ends_with("Error: no such settings"), "{told}");
}

#[test]
fn squad_invoke_tells_what_was_thrown_and_where() {
    if tool("squad_invoke_tells_what_was_thrown_and_where", "node").is_none() {
        return;
    }
    let cloud = Cloud::new();
    cloud.aws.settings(json!({ "settle_ms": 0 }));
    let directory = node(&cloud, "ok", HANDLER);
    cloud.squad_in(&directory, &["deploy"]).success();
    let told = |what: &str| {
        let event = json!({ "do": what }).to_string();
        cloud.squad(&["invoke", "receipts", "--payload", &event])
    };
    told("ok").success();
    told("throw").failure(1).assert(str![[r#"
› error: cannot invoke `receipts`: it failed with RangeError (revision 1)
›   no such receipt
›       at exports.handler ([..]/handler.js:3:37)
...
› hint: read its log: `squad logs receipts --revision 1`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/function-error.md
[exit 1]

"#]]);
    told("reject").failure(1).assert(str![[r#"
› error: cannot invoke `receipts`: it failed with Error (revision 1)
›   no such receipt
›       at exports.handler ([..]/handler.js:4:54)
...
› hint: read its log: `squad logs receipts --revision 1`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/function-error.md
[exit 1]

"#]]);
    told("text").failure(1).assert(str![[r#"
› error: cannot invoke `receipts`: it threw what is no Error (string) (revision 1)
›   no such receipt
› hint: read its log: `squad logs receipts --revision 1`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/function-error.md
[exit 1]

"#]]);
    told("nothing").failure(1).assert(str![[r#"
› error: cannot invoke `receipts`: it threw what is no Error (handled) (revision 1)
›   there was a problem while reading the error
› hint: read its log: `squad logs receipts --revision 1`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/function-error.md
[exit 1]

"#]]);
    told("forget").failure(1).assert(str![[r#"
› error: cannot invoke `receipts`: a promise was rejected that nothing waited for (Runtime.UnhandledPromiseRejection) (revision 1)
›   Error: no such receipt
›       at process.emit (node:events)
› hint: read its log: `squad logs receipts --revision 1`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/function-error.md
[exit 1]

"#]]);
}
