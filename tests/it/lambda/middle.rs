//! What others do in the middle of a deploy: the function is deleted, the alias is deleted or moved, the new version is
//! pruned. The deploy says so and overwrites nothing; the next one is right.

use serde_json::{Value, json};

use super::Cloud;
use super::deploy::sources;
use super::faults::{answer, is_each_once};

/// Before this call somebody makes this change; the exit code then, and what is said.
struct Case {
    operation: &'static str,
    change: Value,
    code: i32,
    said: &'static str,
}

fn case(operation: &'static str, change: Value, code: i32, said: &'static str) -> Case {
    Case {
        operation,
        change,
        code,
        said,
    }
}

#[test]
fn what_is_gone_or_moved_in_the_middle_of_a_deploy_is_said_and_the_next_one_is_right() {
    let delete = json!({ "kind": "delete-function", "function": "receipts" });
    let deleted = "somebody deleted the function `receipts` while this deploy ran";
    let no_alias = json!({ "kind": "delete-alias", "function": "receipts", "alias": "live" });
    let no_version = json!({ "kind": "delete-version", "function": "receipts", "version": "2" });
    let cases = [
        case("UpdateFunctionCode", delete.clone(), 6, deleted),
        case("PublishVersion", delete.clone(), 6, deleted),
        case("UpdateAlias", delete, 6, "changed what is live first"),
        case("UpdateAlias", no_alias, 6, "changed what is live first"),
        case(
            "UpdateAlias",
            no_version,
            6,
            "somebody removed revision 2 of `receipts`",
        ),
        case(
            "UpdateAlias",
            json!({ "kind": "alias", "function": "receipts", "alias": "live", "version": "1",
                "description": "|o=01KB0C5YZ8XJ3V5R8M2T6W9Y0A h=1 by=bob@acme.example on ci" }),
            6,
            "bob@acme.example on ci changed the traffic first",
        ),
        // After the write, before it is verified.
        case(
            "ListProvisionedConcurrencyConfigs",
            json!({ "kind": "alias", "function": "receipts", "alias": "live", "version": "1",
                "description": "|o=01KB0C5YZ8XJ3V5R8M2T6W9Y0A h=1 by=bob@acme.example on ci" }),
            6,
            "bob@acme.example on ci changed the traffic first",
        ),
    ];
    for (number, case) in cases.into_iter().enumerate() {
        let cloud = Cloud::new();
        let directory = sources(&cloud, "one");
        cloud.squad_in(&directory, &["deploy"]).success();
        sources(&cloud, "two");
        cloud.aws.rule(json!({
            "operation": case.operation, "do": "change", "change": case.change,
        }));
        let output = cloud.squad_in(&directory, &["deploy"]);
        let at = format!("case {number}: {}", output.transcript());
        assert_eq!(output.code, case.code, "{at}");
        assert!(output.stderr.contains(case.said), "{at}");
        cloud.aws.forget_rules();
        cloud.squad_in(&directory, &["deploy"]).success();
        assert_eq!(answer(&cloud), "\"two\"", "{at}");
        is_each_once(&cloud, &at);
        cloud.squad(&["audit", "verify"]).success();
        cloud.is_quiet();
    }
}

#[test]
fn a_deploy_to_the_wrong_account_is_refused_before_anything_is_written() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud
        .aws
        .keys(json!({ (crate::support::aws::KEY): { "account": "999999999999" } }));
    let output = cloud.squad_in(&directory, &["deploy"]).failure(7);
    assert!(
        output
            .stderr
            .contains("is the AWS account 123456789012, and the credentials are of"),
        "{}",
        output.transcript()
    );
    assert!(cloud.aws.calls().iter().all(|call| {
        ["Get", "List", "Describe"]
            .iter()
            .any(|read| call.operation.starts_with(read))
    }));
}
