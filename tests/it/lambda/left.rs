//! A release that was rolled back from is refused also when its version is gone.

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
