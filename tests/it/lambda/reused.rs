//! A release that was deployed before comes back: with what others set on the function since, and in the version of then only
//! where they set nothing.

use std::path::PathBuf;

use serde_json::{Value, json};
use snapbox::str;

use super::deploy::sources;
use super::{Cloud, QUIET};

fn versions(cloud: &Cloud) -> Vec<Value> {
    let function = cloud.aws.function("receipts");
    function["versions"].as_array().unwrap().clone()
}

#[test]
fn a_release_that_comes_back_keeps_what_others_set_since() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    sources(&cloud, "two");
    cloud.squad_in(&directory, &["deploy"]).success();
    // Nobody changed anything: the version of then.
    sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!(cloud.sole(), "1");
    cloud.aws.change(json!({
        "kind": "configuration", "function": "receipts", "configuration": {
            "Environment": { "Variables": { "GREETING": QUIET, "DB_PASSWORD": format!("{QUIET}-2") } },
            "DeadLetterConfig": { "TargetArn": "arn:aws:sqs:eu-west-1:123456789012:dead" },
            "Layers": [{ "Arn": "arn:aws:lambda:eu-west-1:123456789012:layer:tracer:7", "CodeSize": 1024 }],
        },
    }));
    sources(&cloud, "two");
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   nothing to build: revision 2 has this code; it is published anew with the settings of now
›   at AWS: function.layers is new: arn:aws:lambda:eu-west-1:[HASH]:l…
›   at AWS: run.env.DB_PASSWORD is new: #ee6ab6
›   at AWS: dead-letter queue is new: arn:aws:sqs:eu-west-1:[HASH]:dead
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         Lambda is still making the function (The function is being created.)
› ✔ published        revision 3, ready
› ✔ live             all traffic on revision 3
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
3
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "3");
    sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!(cloud.sole(), "4");
    let made = versions(&cloud);
    assert_eq!(made[3]["CodeSha256"], made[0]["CodeSha256"]);
    for kept in ["Environment", "DeadLetterConfig", "Layers"] {
        let latest = &cloud.aws.function("receipts")["latest"];
        assert_eq!(made[3][kept], latest[kept], "{kept}");
    }
    // It is that release: nothing to do, and then the version with all of it.
    cloud.squad_in(&directory, &["deploy"]).success();
    sources(&cloud, "two");
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!((cloud.sole().as_str(), versions(&cloud).len()), ("3", 4));
    cloud.squad(&["audit", "verify"]).success();
}

/// The sources with a build that makes something else each time.
fn built(cloud: &Cloud, answer: &str) -> PathBuf {
    let directory = sources(cloud, answer);
    let manifest = std::fs::read_to_string(directory.join("squad.toml")).unwrap();
    let manifest = manifest.replace(
        "artifact = \"src\"",
        "command = [\"sh\", \"build.sh\"]\nartifact = \"dist\"",
    );
    cloud.home.write("receipts/squad.toml", &manifest);
    cloud.home.write("receipts/.gitignore", "dist\n");
    cloud.home.write(
        "receipts/build.sh",
        &format!(
            "mkdir -p dist\ncp src/handler.py dist/\nod -N 8 -A n -t x1 /dev/urandom > dist/nonce\necho built >> {}/builds\n",
            cloud.home.path().display()
        ),
    );
    cloud.home.commit_all(&directory, answer);
    directory
}

fn builds(cloud: &Cloud) -> usize {
    let text = std::fs::read_to_string(cloud.home.path().join("builds")).unwrap();
    text.lines().count()
}

/// `Code.Location` (Lambda API, `FunctionCodeLocation`): it is what was published then, and nothing is built.
#[test]
fn a_release_that_is_published_anew_has_the_code_of_then() {
    let cloud = Cloud::new();
    for answer in ["one", "two"] {
        let directory = built(&cloud, answer);
        cloud.squad_in(&directory, &["deploy"]).success();
    }
    assert_eq!(builds(&cloud), 2);
    cloud.aws.change(json!({
        "kind": "configuration", "function": "receipts", "configuration": {
            "DeadLetterConfig": { "TargetArn": "arn:aws:sqs:eu-west-1:123456789012:dead" },
        },
    }));
    let directory = cloud.home.work().join("receipts");
    cloud.home.git(&directory, ["revert", "--no-edit", "HEAD"]);
    cloud
        .squad_in(&directory, &["deploy"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   1 change since what is live (revision 2, ana@example.com, [AGO]):
›     Revert "two"  Ana Example
›   nothing to build: revision 1 has this code; it is published anew with the settings of now
›   at AWS: dead-letter queue is new: arn:aws:sqs:eu-west-1:[HASH]:dead
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         sending the code
› ◌ revision         Lambda is still making the function (The function is being created.)
› ✔ published        revision 3, ready
› ✔ live             all traffic on revision 3
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
3
[exit 0]

"#]]);
    assert_eq!(builds(&cloud), 2);
    let made = versions(&cloud);
    assert_eq!(made[2]["CodeSha256"], made[0]["CodeSha256"]);
    assert_eq!(
        made[2]["DeadLetterConfig"]["TargetArn"],
        "arn:aws:sqs:eu-west-1:123456789012:dead"
    );
    cloud
        .squad(&["invoke", "receipts", "--payload", "{}"])
        .success();
    cloud.squad(&["audit", "verify"]).success();
    cloud.is_quiet();
}

/// Others changed what the code has to be for: then the one of then is not it.
#[test]
fn the_code_of_then_is_not_taken_for_another_architecture() {
    let cloud = Cloud::new();
    for answer in ["one", "two"] {
        let directory = built(&cloud, answer);
        let file = directory.join("squad.toml");
        let manifest = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, manifest.replace("architecture = \"x86_64\"\n", "")).unwrap();
        cloud.squad_in(&directory, &["deploy"]).success();
    }
    cloud.aws.change(json!({
        "kind": "configuration", "function": "receipts", "configuration": { "Architectures": ["x86_64"] },
    }));
    let directory = cloud.home.work().join("receipts");
    cloud.home.git(&directory, ["revert", "--no-edit", "HEAD"]);
    let file = directory.join("squad.toml");
    let manifest = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, manifest.replace("architecture = \"x86_64\"\n", "")).unwrap();
    let output = cloud.squad_in(&directory, &["deploy"]).success();
    assert!(
        output
            .stderr
            .contains("warning: the code of revision 1 cannot be had from AWS: it is built again"),
        "{}",
        output.transcript()
    );
    assert_eq!(builds(&cloud), 3);
}
