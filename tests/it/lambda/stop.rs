//! The stop button on Lambda: one write that moves the traffic, whatever happens to whoever writes it.

use serde_json::json;
use snapbox::str;

use super::Cloud;

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
    // The first one moves everything at once; the second one only says that the rollout is over.
    assert_eq!(writes.len(), 2);
    for write in &writes {
        let (_, body) = write.request.split_once("\n\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["FunctionVersion"], "2");
        assert_eq!(
            body["RoutingConfig"],
            json!({ "AdditionalVersionWeights": {} })
        );
        assert!(body["RevisionId"].is_string());
    }
    assert!(calls.iter().all(|call| call.service != "monitoring"));
    assert_eq!(cloud.left(), ["3"]);
    cloud
        .squad(&["stop", "receipts"])
        .success()
        .assert(str![[r#""#]]);
    cloud.squad(&["audit", "verify"]).success();
    cloud.is_quiet();
}

/// Killed at every call of a stop, before and after AWS applied it: pressed again, it is stopped.
#[test]
fn a_stop_that_is_killed_at_any_call_is_done_by_the_next_one() {
    let cloud = Cloud::holding();
    let kept = cloud.keep();
    cloud.put_back(&kept);
    cloud.squad(&["stop", "receipts"]).success();
    let count = cloud.calls().len();
    assert!(count >= 8, "{count}");
    for point in ["hold-before", "hold-after"] {
        for nth in 1..=count {
            cloud.put_back(&kept);
            cloud.kill_at(&["stop", "receipts"], point, nth);
            cloud.squad(&["stop", "receipts"]).success();
            let at = format!("{point} {nth}");
            assert_eq!(cloud.sole(), "2", "{at}");
            // The note beside the traffic: the rollout is over, and what it left is left.
            let alias = cloud.alias();
            let note = alias["Description"].as_str().unwrap();
            assert!(note.contains(" x=3"), "{at}: {note}");
            cloud.squad(&["audit", "verify"]).success();
        }
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
    assert_eq!(cloud.weights(), json!({ "3": 0.1 }));
    let count = cloud.calls().len();
    for point in ["hold-before", "hold-after"] {
        for nth in 1..=count {
            cloud.put_back(&kept);
            let arguments = ["rollout", "drive", "receipts", "--once", "--take-over"];
            cloud.kill_at(&arguments, point, nth);
            cloud.drive().success();
            let at = format!("{point} {nth}");
            assert_eq!(cloud.alias()["FunctionVersion"], "2", "{at}");
            assert_eq!(cloud.weights(), json!({ "3": 0.1 }), "{at}");
            let status = cloud
                .squad(&["rollout", "status", "receipts", "-o", "json"])
                .failure(8)
                .json();
            assert_eq!(status["phase"], "holding", "{at}: {status}");
            cloud.squad(&["audit", "verify"]).success();
        }
    }
    cloud.is_quiet();
}
