//! APIs that somebody has to deploy: their integrations are moved and taken back, and what a stage serves until then is told.

use serde_json::{Value, json};
use snapbox::str;

use super::Cloud;
use super::callers::{FUNCTION, behind_a_stage, deploy_api, forbid, long, target};

/// Those that pass by the alias, as `squad doctor` tells of them.
fn past(cloud: &Cloud) -> Vec<String> {
    let wire = cloud.squad(&["doctor", "receipts", "-o", "json"]).json();
    let checks = wire["checks"].as_array().unwrap().iter();
    let findings = checks.filter_map(|check| check["findings"].as_array());
    findings
        .flatten()
        .map(|finding| finding["what"].as_str().unwrap().to_owned())
        .collect()
}

const ADOPT: [&str; 3] = ["deploy", "receipts", "--adopt-alias"];
const UNDO: [&str; 4] = ["deploy", "receipts", "--adopt-alias", "--undo"];

#[test]
fn a_rest_api_is_moved_and_told_of_until_somebody_deploys_it() {
    let cloud = behind_a_stage("rest");
    cloud.squad(&ADOPT).success().assert(str![[r#"
›   move API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:older/*/*/receipts) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
›   move GET /0 of the REST API `older` (older) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
› ✔ moved API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:older/*/*/receipts)
› ✔ moved GET /0 of the REST API `older` (older)
› still to do by hand: when the integrations of the REST API `older` (older) call the alias, deploy it: `aws apigateway create-deployment --rest-api-id older --stage-name 'prod'`, which takes along whatever else was changed in the API; back with `aws apigateway update-stage --rest-api-id older --stage-name 'prod' --patch-operations op=replace,path=/deploymentId,value=d00001`
› still to do by hand: point API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:older/*/*/receipts) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id api`
› hint: take it back with `squad deploy receipts --env cloud --adopt-alias --undo`
by-hand  what was deployed to the stage `prod` of the REST API `older` (older)
moved  API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:older/*/*/receipts)
moved  GET /0 of the REST API `older` (older)
[exit 0]

"#]]);
    assert_eq!(target(&cloud, "older"), long(&format!("{FUNCTION}:live")));
    // Nothing that anybody else may be at work on was put live.
    let written: Vec<_> = cloud
        .calls()
        .into_iter()
        .filter(|call| !call.contains(".Get") && !call.contains(".List"))
        .filter(|call| call.starts_with("lambda") || call.starts_with("apigateway"))
        .collect();
    assert_eq!(
        written,
        ["lambda.AddPermission", "apigateway.UpdateIntegration"]
    );
    cloud
        .squad(&["doctor", "receipts"])
        .failure(3)
        .assert(str![[r#"
› 2 things are wrong
✔ git: git version [..]
✔ python3: Python [..]
✔ state directory: [HOME]/.local/state/squad
✔ account: [HASH] as arn:aws:iam::[HASH]:user/stand-in
✔ code storage: 0.0 GB of 75.0 GB used, 0 %
✔ audit log: every event is in the store
✔ receipts: revision 2 is live and ok
✖ callers of receipts: API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:older/*/*/receipts) call `$LATEST`
    no rollout, no rollback and no check before a deploy has any effect for them
    next: point API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:older/*/*/receipts) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id api`
✖ callers of receipts: what was deployed to the stage `prod` of the REST API `older` (older) call `$LATEST`
    no rollout, no rollback and no check before a deploy has any effect for them
    next: when the integrations of the REST API `older` (older) call the alias, deploy it: `aws apigateway create-deployment --rest-api-id older --stage-name 'prod'`, which takes along whatever else was changed in the API; back with `aws apigateway update-stage --rest-api-id older --stage-name 'prod' --patch-operations op=replace,path=/deploymentId,value=d00001`
[exit 3]

"#]]);
    deploy_api(&cloud, "older");
    let still = past(&cloud);
    assert_eq!(still.len(), 1, "{still:?}");
    assert!(still[0].starts_with("API Gateway"), "{still:?}");
    cloud.squad(&["audit", "verify"]).success();
}

#[test]
fn what_nobody_deployed_since_is_taken_back_at_once() {
    for kind in ["rest", "http"] {
        let cloud = behind_a_stage(kind);
        cloud.squad(&ADOPT).success();
        assert_eq!(target(&cloud, "older"), long(&format!("{FUNCTION}:live")));
        cloud.squad(&UNDO).success();
        assert_eq!(target(&cloud, "older"), long(FUNCTION), "{kind}");
        let policies = &cloud.aws.function("receipts")["policies"]["live"];
        assert!(!policies.to_string().contains("apigateway"), "{policies}");
    }
}

/// The stage calls the alias, and needs its permission.
#[test]
fn what_was_deployed_since_keeps_its_permission_until_it_is_deployed_again() {
    for kind in ["http", "rest"] {
        let cloud = behind_a_stage(kind);
        cloud.squad(&ADOPT).success();
        deploy_api(&cloud, "older");
        let output = cloud.squad(&UNDO).failure(1);
        if kind == "rest" {
            output.assert(str![[r#"
›   take back GET /0 of the REST API `older` (older)
›   take back API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:older/*/*/receipts)
› error: what was deployed to the API older calls the alias until it is deployed again: `aws apigateway create-deployment --rest-api-id older --stage-name 'prod'`, which takes along whatever else was changed in the API; then run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/platform.md
› API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:older/*/*/receipts) stays: an API that was not taken back may need it
failed  GET /0 of the REST API `older` (older)
moved  API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:older/*/*/receipts)
[exit 1]

"#]]);
        }
        assert_eq!(target(&cloud, "older"), long(FUNCTION), "{kind}");
        let granted = |cloud: &Cloud| -> Value {
            let function = cloud.aws.function("receipts");
            function["policies"]["live"].clone()
        };
        assert!(granted(&cloud).to_string().contains("apigateway"), "{kind}");
        deploy_api(&cloud, "older");
        cloud.squad(&UNDO).success();
        assert!(
            !granted(&cloud).to_string().contains("apigateway"),
            "{kind}"
        );
        cloud.squad(&["audit", "verify"]).success();
    }
}

/// Killed around the write, or at the look after it: what was moved is known and taken back, and taking it back goes on.
#[test]
fn a_move_of_a_rest_api_that_is_killed_is_taken_back() {
    for (operation, nth, point) in [
        ("UpdateIntegration", 1, "hold-before"),
        ("UpdateIntegration", 1, "hold-after"),
        ("GetIntegration", 2, "hold-after"),
    ] {
        let at = format!("{point} {operation}");
        let rule = json!({ "operation": operation, "nth": nth, "do": point });
        let cloud = behind_a_stage("rest");
        assert!(cloud.kill_when(&ADOPT, rule.clone()), "{at}");
        cloud.squad(&UNDO).success();
        assert_eq!(target(&cloud, "older"), long(FUNCTION), "{at}");
        cloud.squad(&ADOPT).success();
        assert!(cloud.kill_when(&UNDO, rule), "{at}");
        cloud.squad(&UNDO).success();
        assert_eq!(target(&cloud, "older"), long(FUNCTION), "{at}");
        let policies = &cloud.aws.function("receipts")["policies"]["live"];
        assert!(!policies.to_string().contains("apigateway"), "{at}");
        cloud.squad(&["audit", "verify"]).success();
    }
}

/// From now on nobody may export what a stage serves.
fn deny_exports(cloud: &Cloud) {
    for operation in ["ExportApi", "GetExport"] {
        cloud.aws.rule(json!({
            "service": "apigateway", "operation": operation, "times": 0, "do": "answer",
            "answer": { "status": 403, "code": "AccessDeniedException", "message": "no exports" },
        }));
    }
}

/// What a stage serves that cannot be read is not known, and that is never "it calls nothing".
#[test]
fn an_export_that_cannot_be_read_is_no_stage_that_calls_nothing() {
    for kind in ["http", "rest"] {
        let cloud = behind_a_stage(kind);
        let words = match kind {
            "http" => "HTTP API `older`",
            _ => "REST API `older`",
        };
        // Its integration calls the alias, and what was deployed to its stage does not yet.
        cloud.squad(&ADOPT).success();
        let told = past(&cloud);
        assert!(
            told.iter()
                .any(|who| who.contains("was deployed to the stage `prod`") && who.contains(words)),
            "{told:?}"
        );
        forbid(&cloud, "api");
        deny_exports(&cloud);
        let wire = cloud.squad(&["doctor", "receipts", "-o", "json"]).json();
        let checks = wire["checks"].as_array().unwrap();
        let callers = checks
            .iter()
            .find(|check| check["what"] == "callers of receipts");
        let callers = callers.expect("the check");
        assert_eq!(callers["outcome"], "unknown", "{callers}");
        assert!(
            callers["detail"]
                .as_str()
                .unwrap()
                .contains("apigateway:GET"),
            "{callers}"
        );
        // Nor is a permission taken away that such a stage may need.
        let undone = cloud.squad(&UNDO).failure(4);
        assert!(
            undone.stderr.contains("no exports"),
            "{}",
            undone.transcript()
        );
        let policies = &cloud.aws.function("receipts")["policies"]["live"];
        assert!(policies.to_string().contains("apigateway"), "{policies}");
    }
}

/// One that may not be exported is not moved: nobody could tell what its stages go on with.
#[test]
fn an_api_that_cannot_be_exported_is_not_moved() {
    for kind in ["http", "rest"] {
        let cloud = behind_a_stage(kind);
        deny_exports(&cloud);
        let output = cloud.squad(&ADOPT).success();
        assert!(
            output.stderr.contains("some callers cannot be seen")
                && output.stderr.contains("/exports/")
                && output.stderr.contains("may not do apigateway:GET"),
            "{}",
            output.transcript()
        );
        assert_eq!(target(&cloud, "older"), long(FUNCTION), "{kind}");
    }
}
