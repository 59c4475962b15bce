//! APIs of API Gateway that call past the alias: found, told of in the plan, moved, taken back.

use std::time::{Duration, Instant};

use serde_json::json;
use snapbox::str;

use super::Cloud;
use super::callers::{FUNCTION, api, behind_an_api, long, permit, queue, target};
use super::deploy::sources;

#[test]
fn an_http_api_is_moved_after_its_permission_and_taken_back() {
    let cloud = behind_an_api();
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias"])
        .success()
        .assert(str![[r#"
›   move API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
›   move integration i000000 of the HTTP API `shop` (a1b2c3) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
› ✔ moved API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts)
› ✔ moved integration i000000 of the HTTP API `shop` (a1b2c3)
› still to do by hand: point API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id api`
› hint: take it back with `squad deploy receipts --env cloud --adopt-alias --undo`
moved  API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts)
moved  integration i000000 of the HTTP API `shop` (a1b2c3)
[exit 0]

"#]]);
    assert_eq!(target(&cloud, "a1b2c3"), long(&format!("{FUNCTION}:live")));
    let written: Vec<_> = cloud
        .calls()
        .into_iter()
        .filter(|call| call.contains("Add") || call.contains("Update"))
        .collect();
    assert_eq!(
        written,
        ["lambda.AddPermission", "apigateway.UpdateIntegration"]
    );
    cloud
        .squad(&["doctor", "receipts"])
        .failure(3)
        .assert(str![[r#"
› 1 thing is wrong
✔ git: git version [..]
✔ python3: Python [..]
✔ state directory: [HOME]/.local/state/squad
✔ account: [HASH] as arn:aws:iam::[HASH]:user/stand-in
✔ code storage: 0.0 GB of 75.0 GB used, 0 %
✔ audit log: every event is in the store
✔ receipts: revision 2 is live and ok
✖ callers of receipts: API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts) call `$LATEST`
    no rollout, no rollback and no check before a deploy has any effect for them
    next: API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts) names the alias; when its stages are deployed and no authorizer of it calls the function: `aws lambda remove-permission --function-name receipts --statement-id api`
[exit 3]

"#]]);
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--undo"])
        .success()
        .assert(str![[r#"
›   take back integration i000000 of the HTTP API `shop` (a1b2c3)
›   take back API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts)
taken-back  integration i000000 of the HTTP API `shop` (a1b2c3)
taken-back  API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts)
[exit 0]

"#]]);
    assert_eq!(target(&cloud, "a1b2c3"), long(FUNCTION));
    cloud.squad(&["audit", "verify"]).success();
}

#[test]
fn what_squad_cannot_put_live_is_told_with_its_command() {
    let cloud = Cloud::with_function(2);
    api(
        &cloud,
        json!({ "id": "byhand", "name": "by hand", "protocol": "WEBSOCKET", "auto_deploy": false, "integrations": [FUNCTION] }),
    );
    api(
        &cloud,
        json!({ "id": "byrole", "name": "by role", "integrations": [
            { "uri": FUNCTION, "credentials": "arn:aws:iam::123456789012:role/gateway" }] }),
    );
    api(
        &cloud,
        json!({ "id": "older", "name": "older", "kind": "rest", "integrations": [
            { "uri": long(FUNCTION), "credentials": "arn:aws:iam::123456789012:role/gateway" }] }),
    );
    // Neither another function's nor one that calls the alias.
    api(
        &cloud,
        json!({ "id": "fine", "name": "fine", "integrations": [format!("{FUNCTION}:live"), format!("{FUNCTION}-2")] }),
    );
    cloud
        .squad(&["doctor", "receipts"])
        .failure(3)
        .assert(str![[r#"
› 4 things are wrong
✔ git: git version [..]
✔ python3: Python [..]
✔ state directory: [HOME]/.local/state/squad
✔ account: [HASH] as arn:aws:iam::[HASH]:user/stand-in
✔ code storage: 0.0 GB of 75.0 GB used, 0 %
✔ audit log: every event is in the store
✔ receipts: revision 2 is live and ok
✖ callers of receipts: integration i000000 of the WebSocket API `by hand` (byhand) call `$LATEST`
    no rollout, no rollback and no check before a deploy has any effect for them
    next: `aws apigatewayv2 update-integration --api-id byhand --integration-id i000000 --integration-uri arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then deploy `prod`, which takes along whatever else was changed in the API
✖ callers of receipts: integration i000000 of the HTTP API `by role` (byrole) call `$LATEST`
    no rollout, no rollback and no check before a deploy has any effect for them
    next: let the role `arn:aws:iam::[HASH]:role/gateway` call `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws apigatewayv2 update-integration --api-id byrole --integration-id i000000 --integration-uri arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`
✖ callers of receipts: GET /0 of the REST API `older` (older) call `$LATEST`
    no rollout, no rollback and no check before a deploy has any effect for them
    next: let the role `arn:aws:iam::[HASH]:role/gateway` call `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws apigateway update-integration --rest-api-id older --resource-id r00000 --http-method GET --patch-operations op=replace,path=/uri,value=arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live/invocations`
✖ callers of receipts: what was deployed to the stage `prod` of the REST API `older` (older) call `$LATEST`
    no rollout, no rollback and no check before a deploy has any effect for them
    next: when the integrations of the REST API `older` (older) call the alias, deploy it: `aws apigateway create-deployment --rest-api-id older --stage-name 'prod'`, which takes along whatever else was changed in the API; back with `aws apigateway update-stage --rest-api-id older --stage-name 'prod' --patch-operations op=replace,path=/deploymentId,value=d00001`
[exit 3]

"#]]);
    cloud.aws.forget_calls();
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias"])
        .success()
        .assert(str![[r#"
› nobody is left that squad could move
› still to do by hand: `aws apigatewayv2 update-integration --api-id byhand --integration-id i000000 --integration-uri arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then deploy `prod`, which takes along whatever else was changed in the API
› still to do by hand: let the role `arn:aws:iam::[HASH]:role/gateway` call `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws apigatewayv2 update-integration --api-id byrole --integration-id i000000 --integration-uri arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`
› still to do by hand: let the role `arn:aws:iam::[HASH]:role/gateway` call `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws apigateway update-integration --rest-api-id older --resource-id r00000 --http-method GET --patch-operations op=replace,path=/uri,value=arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live/invocations`
› still to do by hand: when the integrations of the REST API `older` (older) call the alias, deploy it: `aws apigateway create-deployment --rest-api-id older --stage-name 'prod'`, which takes along whatever else was changed in the API; back with `aws apigateway update-stage --rest-api-id older --stage-name 'prod' --patch-operations op=replace,path=/deploymentId,value=d00001`
by-hand  integration i000000 of the WebSocket API `by hand` (byhand)
by-hand  integration i000000 of the HTTP API `by role` (byrole)
by-hand  GET /0 of the REST API `older` (older)
by-hand  what was deployed to the stage `prod` of the REST API `older` (older)
[exit 0]

"#]]);
    assert!(cloud.calls().iter().all(|call| !call.contains("Update")));
}

/// It would fail from that moment on.
#[test]
fn an_api_that_the_alias_does_not_let_in_is_not_moved() {
    let cloud = Cloud::with_function(2);
    api(
        &cloud,
        json!({ "id": "a1b2c3", "name": "shop", "integrations": [FUNCTION] }),
    );
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias"])
        .failure(1)
        .assert(str![[r#"
›   move integration i000000 of the HTTP API `shop` (a1b2c3) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
› error: the alias `live` does not let the API a1b2c3 call it, so that its calls would fail; let it with `aws lambda add-permission --function-name receipts --qualifier live --statement-id api-a1b2c3 --action lambda:InvokeFunction --principal apigateway.amazonaws.com --source-arn arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/platform.md
› hint: take it back with `squad deploy receipts --env cloud --adopt-alias --undo`
failed  integration i000000 of the HTTP API `shop` (a1b2c3)
[exit 1]

"#]]);
    assert_eq!(target(&cloud, "a1b2c3"), FUNCTION);
}

#[test]
fn what_somebody_pointed_elsewhere_since_is_not_taken_back() {
    let cloud = behind_an_api();
    queue(&cloud, "receipts");
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias"])
        .success();
    api(
        &cloud,
        json!({ "id": "a1b2c3", "name": "shop", "integrations": [format!("{FUNCTION}:other")] }),
    );
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--undo"])
        .failure(6)
        .assert(str![[r#"
›   take back integration i000000 of the HTTP API `shop` (a1b2c3)
›   take back API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts)
›   take back the events of arn:aws:sqs:eu-west-1:[HASH]:paid
› error: somebody has had the API a1b2c3 call `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:other` since
› hint: look at what is live now with `squad status`, then run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/conflict.md
› API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts) stays: an API that was not taken back may need it
failed  integration i000000 of the HTTP API `shop` (a1b2c3)
moved  API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts)
taken-back  the events of arn:aws:sqs:eu-west-1:[HASH]:paid
[exit 6]

"#]]);
    assert_eq!(target(&cloud, "a1b2c3"), format!("{FUNCTION}:other"));
    // Nobody knows whether it goes by the alias, and it would fail without.
    let granted = cloud.aws.function("receipts")["policies"]["live"].to_string();
    assert!(granted.contains("apigateway"), "{granted}");
    // The queue does not wait for that.
    let wire = cloud
        .squad(&[
            "deploy",
            "receipts",
            "--adopt-alias",
            "--dry-run",
            "-o",
            "json",
        ])
        .success()
        .json();
    let who: Vec<_> = wire["callers"].as_array().unwrap().iter().collect();
    assert!(
        who.iter()
            .any(|one| one["outcome"] == "to-move" && one["who"].to_string().contains(":paid")),
        "{wire}"
    );
}

/// No error: what could be read is told all the same.
#[test]
fn apis_that_may_not_be_read_are_told_with_the_permission() {
    let cloud = behind_an_api();
    cloud.aws.settings(json!({ "denied": ["apigateway:*"] }));
    cloud
        .squad(&["deploy", "receipts", "--adopt-alias", "--dry-run"])
        .success()
        .assert(str![[r#"
› warning: some callers cannot be seen: apigateway:GET of `/v2/apis`: arn:aws:iam::[HASH]:user/stand-in may not do apigateway:GET (request [ID])
› warning: some callers cannot be seen: apigateway:GET of `/restapis`: arn:aws:iam::[HASH]:user/stand-in may not do apigateway:GET (request [ID])
›   move API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts) to arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live
› still to do by hand: point API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts) at `arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live`, then `aws lambda remove-permission --function-name receipts --statement-id api`
to-move  API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts)
[exit 0]

"#]]);
}

/// As where a network lets nobody reach it.
#[test]
fn an_api_gateway_that_does_not_answer_holds_up_no_plan() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    permit(&cloud, "api", "a1b2c3");
    cloud
        .aws
        .settings(json!({ "latency_of": { "apigateway.GetIntegrations": 60_000 } }));
    sources(&cloud, "two");
    let began = Instant::now();
    let output = cloud
        .squad_in(&directory, &["deploy", "--dry-run"])
        .success();
    assert!(
        output
            .stderr
            .contains("some callers cannot be seen: API Gateway did not answer within 5 s"),
        "{}",
        output.stderr
    );
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn the_plan_lists_who_passes_by_the_alias_with_few_calls() {
    let cloud = Cloud::new();
    let directory = sources(&cloud, "one");
    cloud.squad_in(&directory, &["deploy"]).success();
    api(
        &cloud,
        json!({ "id": "a1b2c3", "name": "shop", "integrations": [FUNCTION] }),
    );
    api(
        &cloud,
        json!({ "id": "unnamed", "name": "of others", "integrations": ["https://example.com/"] }),
    );
    queue(&cloud, "receipts");
    permit(&cloud, "api", "a1b2c3");
    cloud.aws.forget_calls();
    // Where there is nothing to do, nobody is looked for.
    cloud.squad_in(&directory, &["deploy"]).success();
    assert_eq!(cloud.calls().len(), 3);
    sources(&cloud, "two");
    cloud
        .squad_in(&directory, &["deploy", "--dry-run"])
        .success()
        .assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   3 callers pass by the alias and get every change at once; move with `squad deploy receipts --env cloud --adopt-alias`:
›     the events of arn:aws:sqs:eu-west-1:[HASH]:paid
›     API Gateway (arn:aws:execute-api:eu-west-1:[HASH]:a1b2c3/*/*/receipts)
›     integration i000000 of the API a1b2c3
›   undo at any time: `squad rollback receipts --env cloud`
›
[exit 0]

"#]]);
    let mut calls = cloud.calls();
    calls.sort_unstable();
    assert_eq!(
        calls,
        [
            "apigateway.GetIntegrations",
            "apigateway.GetResources",
            "apigateway.GetStages",
            "lambda.GetAlias",
            "lambda.GetFunction",
            "lambda.GetFunction",
            "lambda.GetPolicy",
            "lambda.GetPolicy",
            "lambda.ListEventSourceMappings",
            "lambda.ListFunctionUrlConfigs",
            "lambda.ListVersionsByFunction",
            "sts.GetCallerIdentity"
        ]
    );
    let wire = cloud
        .squad_in(&directory, &["deploy", "-o", "json"])
        .success()
        .json();
    assert_eq!(wire["callers_past"].as_array().unwrap().len(), 3);
}
