//! A release that was rolled back from is refused also when its version is gone.

use serde_json::json;
use snapbox::str;

use super::Cloud;
use super::deploy::sources;

#[test]
fn a_release_that_was_left_is_refused_after_its_version_was_pruned() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    let deploy = |word: &str| {
        let _directory = sources(&cloud, word);
        cloud.squad_in(&directory, &["deploy"])
    };
    deploy("one").success();
    deploy("two").success();
    cloud.squad(&["rollback", "receipts"]).success();
    // Its version is there.
    deploy("two").failure(7);
    for word in ["three", "four", "five", "six", "seven", "eight"] {
        deploy(word).success();
    }
    let function = cloud.aws.function("receipts");
    let versions: Vec<_> = function["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["Version"].as_str().unwrap().to_owned())
        .collect();
    assert!(!versions.contains(&"2".to_owned()), "{versions:?}");
    deploy("two").assert(str![[r#"
› error: cannot deploy `receipts`: a rollback or an abort left this very release (revision 2)
› live: revision 8 serves all traffic
› hint: change something; or, if the cause was elsewhere: `squad deploy receipts --env cloud --again --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/release-left.md
[exit 7]

"#]]);
    assert_eq!(cloud.sole(), "8");
    cloud
        .squad_in(
            &directory,
            &[
                "deploy",
                "--again",
                "--reason",
                "what it needs is there now",
            ],
        )
        .success();
    assert_eq!(cloud.sole(), "9");
    // Nothing was ever wrong with this one.
    deploy("eight").success();
    deploy("two").success();
    cloud.squad(&["audit", "verify"]).success();
}

/// A permission that is missing would be missing for ever, and nobody would know before the account's storage is full.
#[test]
fn a_deploy_that_may_not_tidy_says_so() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    for word in ["one", "two", "three", "four", "five", "six"] {
        let _directory = sources(&cloud, word);
        cloud.squad_in(&directory, &["deploy"]).success();
    }
    cloud
        .aws
        .settings(json!({ "denied": ["lambda:ListAliases"] }));
    let _directory = sources(&cloud, "seven");
    let output = cloud
        .squad_in(&directory, &["deploy", "-o", "json"])
        .success();
    let said = output.stderr.lines().find(|line| line.contains("warning"));
    let why = "cannot list the aliases of `receipts`: arn:aws:iam::123456789012:user/stand-in may not do lambda:ListAliases";
    let wanted = format!(
        "warning: old revisions are not removed: {why}; until they can be, they pile up, and count towards the account's \
         storage for code"
    );
    assert_eq!(said, Some(wanted.as_str()), "{}", output.transcript());
    assert_eq!(output.json()["not_pruned"], why);
    cloud.aws.settings(json!({ "denied": [] }));
    let _directory = sources(&cloud, "eight");
    let output = cloud
        .squad_in(&directory, &["deploy", "-o", "json"])
        .success();
    assert!(
        !output.stderr.contains("warning"),
        "{}",
        output.transcript()
    );
    assert!(output.json().get("not_pruned").is_none());
}

/// What somebody deleted cannot be gone back to, and who goes back further is told.
#[test]
fn a_rollback_names_the_revision_that_it_passes_over() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    for word in ["one", "two", "three"] {
        let _directory = sources(&cloud, word);
        cloud.squad_in(&directory, &["deploy"]).success();
    }
    let delete = |version: &str| {
        cloud.aws.change(
            json!({ "kind": "delete-version", "function": "receipts", "version": version }),
        );
    };
    delete("2");
    cloud
        .squad(&["rollback", "receipts", "--dry-run"])
        .success()
        .assert(str![[r#"
› receipts → cloud: revision 3 → 1 (ana@example.com, [AGO])
›   revision 2 served later than 1, and was deleted: it cannot be gone back to
[exit 0]

"#]]);
    delete("1");
    cloud
        .squad(&["rollback", "receipts"])
        .failure(7)
        .assert(str![[r#"
› error: cannot roll back `receipts`: no other revision served healthily without being left
›   2  served before, and was deleted
›   1  served before, and was deleted
› live: revision 3 serves all traffic
› hint: deploy an older state of the sources instead
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-rollback-target.md
[exit 7]

"#]]);
}
