//! A release that was deployed before comes back: with what others set on the function since, and in the version of then only
//! where they set nothing.

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
