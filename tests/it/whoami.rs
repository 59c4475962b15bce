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

MAY                           ALLOWED  ACTION
see the account's limits      yes      lambda:GetAccountSettings
list functions                yes      lambda:ListFunctions
read a function               yes      lambda:GetFunction
read who takes the traffic    yes      lambda:GetAlias
find functions by their tags  no       tag:GetResources
judge a rollout               yes      cloudwatch:GetMetricData
read logs                     yes      logs:FilterLogEvents
deploy code                   yes      lambda:UpdateFunctionCode
publish a revision            yes      lambda:PublishVersion
shift traffic, roll back      no       lambda:UpdateAlias
read the record               yes      s3:ListBucket
[exit 0]

"#]]);
    let writes: Vec<_> = aws
        .calls()
        .into_iter()
        .filter(|call| call.status.is_some_and(|status| status < 300))
        .map(|call| call.name())
        .filter(|name| {
            ["Create", "Update", "Publish", "Put", "Delete"]
                .iter()
                .any(|verb| name.contains(verb))
        })
        .collect();
    assert_eq!(writes, [""; 0], "nothing is changed");
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
    for one in permissions {
        assert_eq!(one["allowed"], true, "{one}");
    }
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
