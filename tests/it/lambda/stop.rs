//! The stop button on Lambda: one write that moves the traffic, whatever happens to whoever writes it.

use serde_json::json;
use snapbox::str;

use super::{Cloud, some};

/// No metrics, no log of the rollout, no driver: the alias is enough.
#[test]
fn a_stop_needs_no_metrics_and_moves_all_traffic_with_one_write() {
    let cloud = Cloud::holding();
    cloud.aws.settings(json!({ "denied": ["monitoring:*"] }));
    cloud.aws.forget_calls();
    cloud
        .squad(&["stop", "receipts", "--reason", "refunds fail"])
        .success()
        .assert(str![[r#"
› ✔ aborted          all traffic on revision 2
›   verified: nothing is sent to 3 any more; its numbers follow in some minutes
aborted
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "2");
    let calls = cloud.aws.calls();
    let writes: Vec<_> = calls
        .iter()
        .filter(|call| call.operation == "UpdateAlias")
        .collect();
    // It moves everything at once, and says that the rollout is over.
    assert_eq!(writes.len(), 1);
    let (_, body) = writes[0].request.split_once("\n\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["FunctionVersion"], "2");
    assert_eq!(
        body["RoutingConfig"],
        json!({ "AdditionalVersionWeights": {} })
    );
    assert!(body["RevisionId"].is_string());
    let description = body["Description"].as_str().unwrap();
    assert!(description.contains(" ph=aborted "), "{description}");
    let names: Vec<_> = calls.iter().map(crate::support::aws::Call::name).collect();
    let write = names.iter().position(|name| name == "lambda.UpdateAlias");
    let (before, after) = names.split_at(write.unwrap());
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names
    };
    // One look, what the two revisions are among it.
    assert_eq!(
        sorted(before),
        [
            "lambda.GetAlias",
            "lambda.GetFunction",
            "lambda.GetFunction",
            "lambda.ListVersionsByFunction",
            "sts.GetCallerIdentity",
        ]
    );
    // The hint for the fleet goes.
    assert_eq!(after[1], "lambda.UntagResource");
    // One look verifies it, and two frame what is read for the rollout's log.
    assert_eq!(
        sorted(&after[2..]),
        [
            "lambda.GetAlias",
            "lambda.GetAlias",
            "lambda.GetAlias",
            "lambda.GetFunction",
            "lambda.GetFunction",
            "lambda.GetFunction",
            "lambda.ListVersionsByFunction",
            "lambda.ListVersionsByFunction",
            "lambda.ListVersionsByFunction",
        ]
    );
    assert_eq!(cloud.left(), ["3"]);
    cloud
        .squad(&["stop", "receipts"])
        .success()
        .assert(str![[r#"
› nothing to stop: revision 2 serves all traffic, no rollout of `receipts` is live
[exit 0]

"#]]);
    cloud.squad(&["audit", "verify"]).success();
    cloud.is_quiet();
}

/// The phases before and after each decision in the logs of rollouts.
fn decisions(cloud: &Cloud) -> Vec<String> {
    let store = cloud.home.path().join("store");
    let mut files = crate::support::files_below(&store, "json");
    files.retain(|file| file.to_string_lossy().contains("/log/"));
    files.sort();
    files
        .iter()
        .filter_map(|file| {
            let text = std::fs::read_to_string(file).ok()?;
            let entry: serde_json::Value = serde_json::from_str(&text).ok()?;
            let decision = entry.pointer("/what/decision").or(entry.get("decision"))?;
            let phase = |end: &str| decision[end][0].as_str().unwrap().to_owned();
            Some(format!("{} {}", phase("from"), phase("to")))
        })
        .collect()
}

/// Where a command can be killed: before each of its calls, and after those that change something. After a read is before
/// the next one.
pub(super) fn points(calls: &[String]) -> Vec<(&'static str, usize)> {
    let mut points = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        points.push(("hold-before", index + 1));
        let is_read = ["Get", "List"].iter().any(|read| call.contains(read));
        if !is_read {
            points.push(("hold-after", index + 1));
        }
    }
    points
}

/// Killed at every call of a stop, before and after AWS applied it: pressed again, it is stopped.
#[test]
fn a_stop_that_is_killed_at_any_call_is_done_by_the_next_one() {
    let cloud = Cloud::holding();
    let kept = cloud.keep();
    cloud.put_back(&kept);
    cloud.squad(&["stop", "receipts"]).success();
    let wanted = decisions(&cloud);
    assert!(
        wanted.ends_with(&["holding aborting".into(), "aborting aborted".into()]),
        "{wanted:?}"
    );
    let points = points(&cloud.calls());
    assert!(points.len() >= 10, "{points:?}");
    for (point, nth) in some(points) {
        cloud.put_back(&kept);
        cloud.kill_at(&["stop", "receipts"], point, nth);
        cloud.squad(&["stop", "receipts"]).success();
        let at = format!("{point} {nth}");
        assert_eq!(cloud.sole(), "2", "{at}");
        // The note beside the traffic: the rollout is over, and what it left is left.
        let alias = cloud.alias();
        let note = alias["Description"].as_str().unwrap();
        assert!(note.contains(" x=3"), "{at}: {note}");
        // So is the rollout's log, for the report.
        assert_eq!(decisions(&cloud), wanted, "{at}");
        cloud.squad(&["audit", "verify"]).success();
    }
    // Nothing is left to be done.
    cloud.aws.forget_calls();
    cloud.drive().failure(1);
    assert!(!cloud.calls().contains(&"lambda.UpdateAlias".to_owned()));
    cloud.is_quiet();
}

/// Killed at every call of a driver that takes one step: the next driver takes it, once.
#[test]
fn a_step_that_is_killed_at_any_call_is_taken_by_the_next_driver() {
    let cloud = Cloud::planned();
    let kept = cloud.keep();
    cloud.put_back(&kept);
    cloud.drive().success();
    let state = |cloud: &Cloud| {
        let alias = cloud.alias();
        let note = alias["Description"].as_str().unwrap();
        let (state, _) = note.split_once("|o=").unwrap();
        // Each driver that takes over has a generation of its own.
        let parts = state.split(' ').filter(|part| !part.starts_with("g="));
        parts.collect::<Vec<_>>().join(" ")
    };
    let wanted = state(&cloud);
    for (point, nth) in some(points(&cloud.calls())) {
        cloud.put_back(&kept);
        let arguments = ["rollout", "drive", "receipts", "--once", "--take-over"];
        cloud.kill_at(&arguments, point, nth);
        cloud.drive().success();
        let at = format!("{point} {nth}");
        assert_eq!(cloud.alias()["FunctionVersion"], "2", "{at}");
        assert_eq!(cloud.weights(), json!({ "3": 0.1 }), "{at}");
        assert_eq!(state(&cloud), wanted, "{at}");
        cloud.squad(&["audit", "verify"]).success();
    }
    cloud.is_quiet();
}

/// Whether a rollout was live cannot be told where somebody else wrote over what the alias said: the tag that says so goes all
/// the same with the next write that squad makes.
#[test]
fn the_tag_of_a_rollout_does_not_outlive_a_description_of_somebody_else() {
    let cloud = Cloud::holding();
    let is_tagged = || {
        let tags = cloud.aws.function("receipts")["tags"].clone();
        tags.get("squad.dev/rollout").is_some()
    };
    assert!(is_tagged());
    cloud.aws.change(json!({
        "kind": "alias", "function": "receipts", "alias": "live", "version": "2", "weights": {}, "description": "by hand",
    }));
    cloud
        .squad(&["rollback", "receipts", "--to", "1"])
        .success();
    assert!(!is_tagged());
}
