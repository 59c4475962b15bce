//! `squad whoami`: who the credentials are, and what they may do.

use serde_json::json;
use snapbox::str;

use crate::support::Home;
use crate::support::aws::{ACCOUNT, Aws};

/// A home with an org whose environment `prod` lies in the stand-in's account, and `other` in another one.
fn home() -> Home {
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

fn stand_in() -> Aws {
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
    aws.settings(json!({"denied": ["lambda:UpdateAlias", "tagging:GetResources"]}));
    home.run(&mut aws.squad(&home, &["whoami", "--env", "prod"]))
        .assert(str![[r#"
identity     stand-in
arn          arn:aws:iam::[HASH]:user/stand-in
account      [HASH], as org.toml pins it
region       eu-west-1
credentials  environment variables
env          acme/prod
recorded as  ana@example.com on [..]
function     any

MAY                           ALLOWED                      ACTION
see the account's limits      yes                          lambda:GetAccountSettings
list functions                yes                          lambda:ListFunctions
read a function               yes                          lambda:GetFunction
read who takes the traffic    yes                          lambda:GetAlias
see the revisions             yes                          lambda:ListVersionsByFunction
see what may not be deleted   yes                          lambda:ListAliases
wait for what is provisioned  yes                          lambda:GetProvisionedConcurrencyConfig
see what may not be deleted   yes                          lambda:ListProvisionedConcurrencyConfigs
see which rollouts are live   yes                          lambda:ListTags
find functions by their tags  no                           tag:GetResources
judge a rollout               yes                          cloudwatch:GetMetricData
read logs                     yes                          logs:FilterLogEvents
see who calls it              yes                          lambda:GetPolicy
see who calls it              yes                          lambda:ListEventSourceMappings
see who calls it              yes                          lambda:ListFunctionUrlConfigs
deploy code                   yes                          lambda:UpdateFunctionCode
deploy a configuration        yes                          lambda:UpdateFunctionConfiguration
publish a revision            yes                          lambda:PublishVersion
go live first                 yes                          lambda:CreateAlias
shift traffic, roll back      no                           lambda:UpdateAlias
tag a function                yes                          lambda:TagResource
end the tag of a rollout      yes                          lambda:UntagResource
call a function               yes                          lambda:InvokeFunction
read the record               yes                          s3:ListBucket
make a function               unknown: to ask is to do it  lambda:CreateFunction
give a function its role      unknown: to ask is to do it  iam:PassRole
delete an old revision        unknown: to ask is to do it  lambda:DeleteFunction
write the record              unknown: to ask is to do it  s3:PutObject
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
            ["Create", "Update", "Publish", "Put", "Delete"]
                .iter()
                .any(|verb| name.contains(verb))
        })
        .collect()
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
identity     stand-in
arn          arn:aws:iam::[HASH]:user/stand-in
account      [HASH], as org.toml pins it
region       eu-west-1
credentials  environment variables
env          acme/prod
recorded as  ana@example.com on [..]
function     receipts-prod

MAY                           ALLOWED                      ACTION
see the account's limits      yes                          lambda:GetAccountSettings
list functions                yes                          lambda:ListFunctions
read a function               yes                          lambda:GetFunction
read who takes the traffic    yes                          lambda:GetAlias
see the revisions             yes                          lambda:ListVersionsByFunction
see what may not be deleted   yes                          lambda:ListAliases
wait for what is provisioned  yes                          lambda:GetProvisionedConcurrencyConfig
see what may not be deleted   yes                          lambda:ListProvisionedConcurrencyConfigs
see which rollouts are live   yes                          lambda:ListTags
find functions by their tags  yes                          tag:GetResources
judge a rollout               yes                          cloudwatch:GetMetricData
read logs                     yes                          logs:FilterLogEvents
see who calls it              yes                          lambda:GetPolicy
see who calls it              yes                          lambda:ListEventSourceMappings
see who calls it              yes                          lambda:ListFunctionUrlConfigs
deploy code                   yes                          lambda:UpdateFunctionCode
deploy a configuration        yes                          lambda:UpdateFunctionConfiguration
publish a revision            yes                          lambda:PublishVersion
go live first                 yes                          lambda:CreateAlias
shift traffic, roll back      yes                          lambda:UpdateAlias
tag a function                yes                          lambda:TagResource
end the tag of a rollout      yes                          lambda:UntagResource
call a function               yes                          lambda:InvokeFunction
read the record               yes                          s3:ListBucket
make a function               unknown: to ask is to do it  lambda:CreateFunction
give a function its role      unknown: to ask is to do it  iam:PassRole
delete an old revision        unknown: to ask is to do it  lambda:DeleteFunction
write the record              unknown: to ask is to do it  s3:PutObject
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
            "s3:PutObject"
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
› hint: choose the profile of that account: `AWS_PROFILE=<profile> squad whoami --env other`
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
