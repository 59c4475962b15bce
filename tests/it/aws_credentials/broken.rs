//! Web identity and `credential_process` that give nothing: exit code 4, in words, and never what a program wrote.

use serde_json::json;
use snapbox::str;

use super::home;
use crate::support::Home;
use crate::support::aws::Aws;

const ROLE: &str = "arn:aws:iam::123456789012:role/deployer";

/// `whoami` with a token of a pipeline.
fn with_token(aws: &Aws, home: &Home, file: &str) -> crate::support::Output {
    let web = [
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file),
    ];
    let mut command = home.command(["whoami"]);
    let output = home.run(command.env("AWS_ENDPOINT_URL", aws.endpoint()).envs(web));
    assert!(!output.transcript().contains("t0k3n"));
    output
}

#[test]
fn a_web_identity_token_that_is_not_accepted_says_so() {
    let (aws, home) = (Aws::start(), home());
    let token = home.write("token", "t0k3n.b.c");
    let token = token.to_str().unwrap();
    let answer = |status: u16, code: &str, message: &str| {
        aws.forget_rules();
        aws.rule(json!({
            "service": "sts", "operation": "AssumeRoleWithWebIdentity", "times": 0, "do": "answer",
            "answer": {"status": status, "code": code, "message": message},
        }));
    };
    answer(
        400,
        "ExpiredTokenException",
        "Token expired: current date/time 1764184177 must be before the expiration date/time 1764180577",
    );
    with_token(&aws, &home, token).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials have expired
›   tried: web identity token
›   looked at: `[WORK]/token`
›   caused by: ExpiredTokenException: Token expired: current date/time [HASH] must be before the expiration date/time [HASH] (request [ID])
› hint: have the pipeline write a new token to the file of AWS_WEB_IDENTITY_TOKEN_FILE, and check that the role of AWS_ROLE_ARN trusts it
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-expired.md
[exit 4]

"#]]);
    answer(
        400,
        "InvalidIdentityToken",
        "No OpenIDConnect provider found in your account for https://gitlab.acme.example",
    );
    with_token(&aws, &home, token).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials cannot be loaded
›   tried: web identity token
›   looked at: `[WORK]/token`
›   caused by: InvalidIdentityTokenException: No OpenIDConnect provider found in your account for https://gitlab.acme.example (request [ID])
› hint: have the pipeline write a new token to the file of AWS_WEB_IDENTITY_TOKEN_FILE, and check that the role of AWS_ROLE_ARN trusts it
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-broken.md
[exit 4]

"#]]);
    answer(
        403,
        "AccessDenied",
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
    );
    with_token(&aws, &home, token).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials cannot be loaded
›   tried: web identity token
›   looked at: `[WORK]/token`
›   caused by: Not authorized to perform sts:AssumeRoleWithWebIdentity (AccessDenied, request [ID])
› hint: have the pipeline write a new token to the file of AWS_WEB_IDENTITY_TOKEN_FILE, and check that the role of AWS_ROLE_ARN trusts it
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-broken.md
[exit 4]

"#]]);
    with_token(&aws, &home, "no-such-file").assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials cannot be loaded
›   tried: web identity token
›   looked at: `no-such-file` (not there)
›   caused by: No such file or directory (os error 2)
› hint: have the pipeline write a new token to the file of AWS_WEB_IDENTITY_TOKEN_FILE, and check that the role of AWS_ROLE_ARN trusts it
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-broken.md
[exit 4]

"#]]);
}

#[test]
fn a_credential_process_that_gives_nothing_says_so() {
    let mut home = home();
    home.write(
        "../.aws/config",
        "[profile missing]\ncredential_process = /no/such/program --wJalr\n\
         [profile fails]\ncredential_process = echo wJalr >&2; exit 3\n\
         [profile talks]\ncredential_process = echo wJalr\n\
         [profile ended]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"AKIAwJalr\",\"SecretAccessKey\":\"wJalr\",\"SessionToken\":\"wJalr\",\"Expiration\":\"2020-01-01T00:00:00Z\"}'\n",
    );
    for profile in ["missing", "fails", "talks", "ended"] {
        home.set("AWS_PROFILE", profile);
        let output = home.squad(["whoami"]);
        assert!(!output.transcript().contains("wJalr"));
        match profile {
            "missing" => output.assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials cannot be loaded
›   tried: profile `missing`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials` (not there)
›   caused by: Error retrieving credentials: external process exited with code exit status: 127
› hint: renew what the profile gives, and try it: `aws sts get-caller-identity --profile missing`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-broken.md
[exit 4]

"#]]),
            "fails" => output.assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials cannot be loaded
›   tried: profile `fails`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials` (not there)
›   caused by: Error retrieving credentials: external process exited with code exit status: 3
› hint: renew what the profile gives, and try it: `aws sts get-caller-identity --profile fails`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-broken.md
[exit 4]

"#]]),
            "talks" => output.assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials cannot be loaded
›   tried: profile `talks`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials` (not there)
›   caused by: Error retrieving credentials from external process, could not parse response: invalid JSON in response: Error at offset 0: unexpected token 'w'. Expected one of '{', '[', '"', 'null', 'true', 'false', <number>
› hint: renew what the profile gives, and try it: `aws sts get-caller-identity --profile talks`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-broken.md
[exit 4]

"#]]),
            _ => output.assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials have expired
›   tried: profile `ended`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials` (not there)
›   caused by: what gives them gave some that have ended already
› hint: renew what the profile gives, and try it: `aws sts get-caller-identity --profile ended`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-expired.md
[exit 4]

"#]]),
        };
    }
}

#[test]
fn an_assumed_role_that_is_refused_says_so() {
    let (aws, mut home) = (Aws::start(), home());
    aws.settings(json!({"denied": ["sts:AssumeRole"]}));
    home.write(
        "../.aws/config",
        &format!(
            "[profile keys]\naws_access_key_id = AKIASTANDIN000000001\naws_secret_access_key = s\n\
             [profile role]\nrole_arn = {ROLE}\nsource_profile = keys\n"
        ),
    );
    home.set("AWS_PROFILE", "role");
    let mut command = home.command(["whoami"]);
    home.run(command.env("AWS_ENDPOINT_URL", aws.endpoint()))
        .assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials cannot be loaded
›   tried: profile `role`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials` (not there)
›   caused by: User: arn:aws:iam::[HASH]:user/stand-in is not authorized to perform: sts:AssumeRole because no identity-based policy allows the sts:AssumeRole action (AccessDenied, request [ID])
› hint: renew what the profile gives, and try it: `aws sts get-caller-identity --profile role`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-broken.md
[exit 4]

"#]]);
}
