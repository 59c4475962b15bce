//! `squad whoami`: who the credentials are, and what they may do.

use serde_json::json;
use snapbox::str;

use crate::support::Home;
use crate::support::aws::{ACCOUNT, Aws};

/// A home with an org whose environment `prod` lies in the stand-in's account, and `other` in another one.
pub(crate) fn home() -> Home {
    let mut home = Home::new();
    let file = home.write(
        "org/org.toml",
        &format!(
            "schema = 1\n[org]\nname = \"acme\"\n\
             [env.prod]\nplatform = \"lambda\"\naccount = \"{ACCOUNT}\"\nregion = \"eu-west-1\"\n\
             audit = \"s3://acme-audit/squad\"\n\
             [env.other]\nplatform = \"lambda\"\naccount = \"210987654321\"\nregion = \"eu-west-1\"\n"
        ),
    );
    let directory = file.parent().unwrap().display().to_string();
    home.set("SQUAD_ORG", &directory);
    home
}

pub(crate) fn stand_in() -> Aws {
    let aws = Aws::start();
    aws.bucket("acme-audit", false);
    aws
}

#[test]
fn on_this_machine_it_is_who_git_says() {
    Home::new().squad(["whoami"]).assert(str![[r#"
you          ana@example.com on [..]
env          local (this machine)
[exit 0]

"#]]);
}

#[test]
fn it_says_who_where_and_what_is_allowed() {
    let (aws, home) = (stand_in(), home());
    aws.settings(json!({"denied": [
        "lambda:UpdateAlias", "tagging:GetResources", "lambda:AddPermission", "apigateway:UpdateIntegration",
    ]}));
    home.run(&mut aws.squad(&home, &["whoami", "--env", "prod"]))
        .assert(str![[r#"
› ◌ asking AWS what is allowed, a few calls each second
identity     stand-in
arn          arn:aws:iam::[HASH]:user/stand-in
account      [HASH], as org.toml pins it
region       eu-west-1
credentials  environment variables
env          acme/prod
recorded as  ana@example.com on [..]
function     any
may          35 of 39 actions that were asked for
not asked    lambda:CreateFunction, iam:PassRole, lambda:DeleteFunction, s3:PutObject: to ask is to do it; s3:GetObjectVersion: no answer tells it surely

MAY                           ALLOWED  ACTION                NEEDED BY
find functions by their tags  no       tag:GetResources      status --all, doctor --all
shift traffic, roll back      no       lambda:UpdateAlias    deploy, rollback, rollout, stop
let callers call the alias    no       lambda:AddPermission  deploy --adopt-alias
point an API at the alias     no       apigateway:PATCH      deploy --adopt-alias, deploy --adopt-alias --undo
[exit 0]

"#]]);
    assert_eq!(writes(&aws), [""; 0], "nothing is changed");
}

/// What was written, by those calls that did not fail.
fn writes(aws: &Aws) -> Vec<String> {
    aws.calls()
        .into_iter()
        .filter(|call| call.status.is_some_and(|status| status < 300))
        .map(|call| call.name())
        .filter(|name| {
            [
                "Create", "Update", "Publish", "Put", "Delete", "Add", "Remove",
            ]
            .iter()
            .any(|verb| name.contains(verb))
        })
        .collect()
}

/// With `-v` what is allowed is told too.
#[test]
fn all_of_it_is_shown_where_that_is_asked_for() {
    let (aws, home) = (stand_in(), home());
    home.run(&mut aws.squad(&home, &["whoami", "--env", "prod", "-v"]))
        .assert(str![[r#"
› ◌ asking AWS what is allowed, a few calls each second
identity     stand-in
arn          arn:aws:iam::[HASH]:user/stand-in
account      [HASH], as org.toml pins it
region       eu-west-1
credentials  environment variables
env          acme/prod
recorded as  ana@example.com on [..]
function     any
may          all 39 actions that were asked for
not asked    lambda:CreateFunction, iam:PassRole, lambda:DeleteFunction, s3:PutObject: to ask is to do it; s3:GetObjectVersion: no answer tells it surely

MAY                                ALLOWED                             ACTION                                     NEEDED BY
see the account's limits           yes                                 lambda:GetAccountSettings                  doctor
list functions                     yes                                 lambda:ListFunctions                       status --all, doctor --all
read a function                    yes                                 lambda:GetFunction                         deploy, rollback, rollout, stop, status
read who takes the traffic         yes                                 lambda:GetAlias                            deploy, rollback, rollout, stop, status
see the revisions                  yes                                 lambda:ListVersionsByFunction              deploy, rollback, rollout, stop, status
see what may not be deleted        yes                                 lambda:ListAliases                         deploy
wait for what is provisioned       yes                                 lambda:GetProvisionedConcurrencyConfig     deploy, rollback, rollout, stop
see what may not be deleted        yes                                 lambda:ListProvisionedConcurrencyConfigs   deploy, rollout
see which rollouts are live        yes                                 lambda:ListTags                            status --all, doctor --all
find functions by their tags       yes                                 tag:GetResources                           status --all, doctor --all
judge a rollout                    yes                                 cloudwatch:GetMetricData                   rollout
read logs                          yes                                 logs:FilterLogEvents                       logs, deploy
see who calls it                   yes                                 lambda:GetPolicy                           deploy, doctor, deploy --adopt-alias
see who calls it                   yes                                 lambda:ListEventSourceMappings             deploy, doctor, deploy --adopt-alias
see who calls it                   yes                                 lambda:ListFunctionUrlConfigs              deploy, doctor, deploy --adopt-alias
see how events are delivered       yes                                 lambda:GetFunctionEventInvokeConfig        doctor, deploy --adopt-alias
see which APIs call it             yes                                 apigateway:GET                             deploy, doctor, deploy --adopt-alias
deploy code                        yes                                 lambda:UpdateFunctionCode                  deploy
deploy a configuration             yes                                 lambda:UpdateFunctionConfiguration         deploy
publish a revision                 yes                                 lambda:PublishVersion                      deploy
go live first                      yes                                 lambda:CreateAlias                         deploy
shift traffic, roll back           yes                                 lambda:UpdateAlias                         deploy, rollback, rollout, stop
keep environments ready            yes                                 lambda:PutProvisionedConcurrencyConfig     deploy, rollout
keep no environments ready         yes                                 lambda:DeleteProvisionedConcurrencyConfig  deploy, rollout
tag a function                     yes                                 lambda:TagResource                         deploy, rollout
end the tag of a rollout           yes                                 lambda:UntagResource                       rollout, stop
call a function                    yes                                 lambda:InvokeFunction                      invoke, deploy, rollback
move an event source               yes                                 lambda:GetEventSourceMapping               deploy --adopt-alias, deploy --adopt-alias --undo
move an event source               yes                                 lambda:UpdateEventSourceMapping            deploy --adopt-alias, deploy --adopt-alias --undo
let callers call the alias         yes                                 lambda:AddPermission                       deploy --adopt-alias
take the alias's permission back   yes                                 lambda:RemovePermission                    deploy --adopt-alias --undo
deliver events as before           yes                                 lambda:PutFunctionEventInvokeConfig        deploy --adopt-alias
take its settings back             yes                                 lambda:DeleteFunctionEventInvokeConfig     deploy --adopt-alias --undo
give the alias an address          yes                                 lambda:CreateFunctionUrlConfig             deploy --adopt-alias
take the alias's address back      yes                                 lambda:DeleteFunctionUrlConfig             deploy --adopt-alias --undo
point an API at the alias          yes                                 apigateway:PATCH                           deploy --adopt-alias, deploy --adopt-alias --undo
tell what an image's tag means     yes                                 ecr:DescribeImages                         deploy
read the record                    yes                                 s3:ListBucket                              deploy, rollback, rollout, stop, history, audit
read the record                    yes                                 s3:GetObject                               deploy, rollback, rollout, stop, history, audit
make a function                    unknown: to ask is to do it         lambda:CreateFunction                      deploy
give a function its role           unknown: to ask is to do it         iam:PassRole                               deploy
delete an old revision             unknown: to ask is to do it         lambda:DeleteFunction                      deploy
write the record                   unknown: to ask is to do it         s3:PutObject                               deploy, rollback, rollout, stop, history, audit
let AWS read a package over 50 MB  unknown: no answer tells it surely  s3:GetObjectVersion                        deploy
[exit 0]

"#]]);
}

/// What a deploy, a rollout, a rollback and `--adopt-alias` with its way back need, each by its own answer.
#[test]
fn every_action_is_refused_by_itself() {
    let (aws, home) = (stand_in(), home());
    let denied = [
        "lambda:GetFunctionEventInvokeConfig",
        "apigateway:GetRestApis",
        "lambda:PutProvisionedConcurrencyConfig",
        "lambda:DeleteProvisionedConcurrencyConfig",
        "lambda:GetEventSourceMapping",
        "lambda:UpdateEventSourceMapping",
        "lambda:AddPermission",
        "lambda:RemovePermission",
        "lambda:PutFunctionEventInvokeConfig",
        "lambda:DeleteFunctionEventInvokeConfig",
        "lambda:CreateFunctionUrlConfig",
        "lambda:DeleteFunctionUrlConfig",
        "apigateway:UpdateIntegration",
        "ecr:DescribeImages",
    ];
    let refused = |denied: &[&str]| -> Vec<String> {
        aws.settings(json!({ "denied": denied }));
        let json = home
            .run(&mut aws.squad(&home, &["whoami", "--env", "prod", "-o", "json"]))
            .success()
            .json();
        let permissions = json["permissions"].as_array().unwrap().iter();
        permissions
            .filter(|one| one["allowed"] == false)
            .map(|one| one["action"].as_str().unwrap().to_owned())
            .collect()
    };
    // Actions of API Gateway are the methods of HTTP.
    let actions = denied.map(|denied| match denied {
        "apigateway:GetRestApis" => "apigateway:GET",
        "apigateway:UpdateIntegration" => "apigateway:PATCH",
        denied => denied,
    });
    assert_eq!(refused(&denied), actions);
    for half in [&denied[..7], &denied[7..]] {
        assert_eq!(refused(half).len(), 7, "{half:?}");
    }
}

/// The 15 calls each second of everything but `GetFunction` and `GetPolicy` belong to the whole account.
#[test]
fn it_stays_below_eight_calls_each_second() {
    let (aws, home) = (stand_in(), home());
    aws.settings(json!({"quotas": true}));
    home.run(&mut aws.squad(&home, &["whoami", "--env", "prod"]))
        .success();
    let calls = aws.calls();
    let refused = calls.iter().filter(|call| call.status == Some(429));
    assert_eq!(refused.count(), 0);
    let times: Vec<_> = calls
        .iter()
        .filter(|call| call.service == "lambda")
        .filter(|call| !["GetFunction", "GetPolicy", "Invoke"].contains(&call.operation.as_str()))
        .map(|call| call.began)
        .collect();
    for (first, ninth) in times.iter().zip(times.iter().skip(8)) {
        assert!(ninth - first >= 1000, "nine calls in {} ms", ninth - first);
    }
}

/// A policy may name functions, so that one that does not exist is none to ask for.
#[test]
fn the_function_of_the_directory_is_asked_for_and_stays_as_it_is() {
    let (aws, mut home) = (stand_in(), home());
    home.set("SQUAD_ENV", "prod");
    let file = home.write(
        "receipts/squad.toml",
        "schema = 1\n[service]\nname = \"receipts\"\nkind = \"function\"\n[build]\nartifact = \"dist\"\n\
         [function]\nname = \"receipts-prod\"\nruntime = \"python3.13\"\nhandler = \"app.handler\"\n\
         role = \"arn:aws:iam::123456789012:role/receipts\"\n",
    );
    let directory = file.parent().unwrap().to_owned();
    aws.functions(json!({
        "name": "receipts-prod", "versions": 2, "alias": "live", "tags": { "squad.dev/service": "receipts" },
    }));
    let before = aws.function("receipts-prod");
    let run = |more: &[&str]| {
        let mut command = aws.squad(&home, &[&["whoami"], more].concat());
        home.run(command.current_dir(&directory))
    };
    run(&[]).assert(str![[r#"
› ◌ asking AWS what is allowed, a few calls each second
identity     stand-in
arn          arn:aws:iam::[HASH]:user/stand-in
account      [HASH], as org.toml pins it
region       eu-west-1
credentials  environment variables
env          acme/prod
recorded as  ana@example.com on [..]
function     receipts-prod
may          all 38 actions that were asked for
not asked    lambda:CreateFunction, iam:PassRole, lambda:DeleteFunction, s3:PutObject: to ask is to do it; s3:GetObjectVersion: no answer tells it surely
[exit 0]

"#]]);
    assert_eq!(
        run(&["-o", "json"]).success().json()["function"],
        "receipts-prod"
    );
    assert_eq!(aws.function("receipts-prod"), before);
    assert_eq!(writes(&aws), [""; 0], "nothing is changed");
    // A mistake in it does not matter.
    std::fs::write(&file, "nonsense").unwrap();
    let output = run(&[]).success();
    assert!(
        output.stdout.contains("function     any"),
        "{}",
        output.stdout
    );
}

#[test]
fn the_same_as_json() {
    let (aws, home) = (stand_in(), home());
    let json = home
        .run(&mut aws.squad(&home, &["whoami", "--env", "prod", "-o", "json"]))
        .success()
        .json();
    assert_eq!(json["schema"], "squad.whoami/v1");
    assert_eq!(json["identity"]["account"], ACCOUNT);
    assert_eq!(json["is_pinned_account"], true);
    assert_eq!(json["credentials"], json!({"source": "environment"}));
    let permissions = json["permissions"].as_array().unwrap();
    assert!(permissions.len() > 9);
    let (told, unasked): (Vec<_>, Vec<_>) = permissions
        .iter()
        .partition(|one| one["allowed"].is_boolean());
    for one in &told {
        assert_eq!(one["allowed"], true, "{one}");
    }
    let unasked: Vec<_> = unasked.iter().map(|one| &one["action"]).collect();
    assert_eq!(
        unasked,
        [
            "lambda:CreateFunction",
            "iam:PassRole",
            "lambda:DeleteFunction",
            "s3:PutObject",
            "s3:GetObjectVersion"
        ]
    );
}

#[test]
fn another_account_is_the_answer_and_exit_code_7() {
    let (aws, home) = (stand_in(), home());
    home.run(&mut aws.squad(&home, &["whoami", "--env", "other"]))
        .assert(str![[r#"
› error: the environment `other` is the AWS account [HASH], and the credentials are of [HASH]
›   caused by: they are `arn:aws:iam::[HASH]:user/stand-in`, from the environment variables
› hint: AWS_ACCESS_KEY_ID is set and is used before any profile: `unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN`
› hint: choose the profile of that account: `AWS_PROFILE=PROFILE squad whoami --env other`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/wrong-account.md
identity     stand-in
arn          arn:aws:iam::[HASH]:user/stand-in
account      [HASH], but org.toml pins [HASH]
region       eu-west-1
credentials  environment variables
env          acme/other
recorded as  ana@example.com on [..]
[exit 7]

"#]]);
    assert_eq!(
        aws.names(),
        ["sts.GetCallerIdentity"],
        "another account is asked nothing more"
    );
}
