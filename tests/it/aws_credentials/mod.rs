//! Where AWS credentials come from, and what is said when there are none.

mod broken;
mod login;
mod silence;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use snapbox::str;

use crate::support::aws::{ACCOUNT, Aws, KEY};
use crate::support::{Home, Output, SQUAD};

/// A home with one environment at AWS and no credentials; the instance's metadata service refuses connections.
fn home() -> Home {
    let mut home = Home::new();
    let file = home.write(
        "org/org.toml",
        &format!(
            "schema = 1\n[org]\nname = \"acme\"\n\
             [env.prod]\nplatform = \"lambda\"\naccount = \"{ACCOUNT}\"\nregion = \"eu-west-1\"\n"
        ),
    );
    let directory = file.parent().unwrap().display().to_string();
    home.set("SQUAD_ORG", &directory)
        .set("SQUAD_ENV", "prod")
        .set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    home
}

fn whoami(home: &Home) -> Output {
    home.squad(["whoami"])
}

/// `whoami` with the stand-in's address, and no credentials but those of the home.
fn at(aws: &Aws, home: &Home, more: &[(&str, &str)]) -> Command {
    let mut command = home.program(SQUAD);
    command
        .args(["whoami", "-o", "json"])
        .env("AWS_ENDPOINT_URL", aws.endpoint())
        .envs(more.iter().copied());
    command
}

/// Where the credentials came from.
fn source(home: &Home, command: &mut Command) -> serde_json::Value {
    let json = home.run(command).success().json();
    assert_eq!(json["identity"]["account"], ACCOUNT);
    json["credentials"].clone()
}

/// Answers each request with what `answer` says to its first line, until the test ends.
fn serve(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    serve_all(move |request| (200, answer(request.lines().next().unwrap_or_default())))
}

/// Answers each request, head and body, with a status and a body, until the test ends.
fn serve_all(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (status, body) = answer(&request(&mut stream));
            let reply = format!(
                "HTTP/1.1 {status} Said\r\nconnection: close\r\nx-aws-ec2-metadata-token-ttl-seconds: 600\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            drop(stream.write_all(reply.as_bytes()));
        }
    });
    format!("http://{address}")
}

/// A whole request: its head, and as much more as the head says.
fn request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut bytes = [0; 8192];
    loop {
        let length = stream.read(&mut bytes).unwrap_or(0);
        text.extend_from_slice(&bytes[..length]);
        let read = String::from_utf8_lossy(&text).into_owned();
        let whole = read.split_once("\r\n\r\n").map(|(head, _)| {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse::<usize>().ok());
            head.len() + 4 + length.unwrap_or(0)
        });
        if length == 0 || whole.is_some_and(|whole| text.len() >= whole) {
            return read;
        }
    }
}

const LEASE: &str = r#"{"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","Type":"AWS-HMAC","AccessKeyId":"AKIASTANDIN000000001","SecretAccessKey":"s","Token":"t","Expiration":"2999-01-01T00:00:00Z"}"#;

#[test]
fn without_any_the_files_are_named_and_nobody_waits() {
    let home = home();
    let began = Instant::now();
    whoami(&home).assert(str![[r#"
› error: cannot find out who this is at AWS: there are no AWS credentials
›   looked at: `[HOME]/.aws/config` (not there), `[HOME]/.aws/credentials` (not there)
› hint: choose a profile: `AWS_PROFILE=PROFILE squad whoami`
› hint: or make one: `aws configure sso`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-missing.md
[exit 4]

"#]]);
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_metadata_service_that_takes_connections_and_says_nothing_is_not_waited_for() {
    let mut home = home();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    home.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &address);
    let began = Instant::now();
    whoami(&home).failure(4);
    assert!(
        began.elapsed() < Duration::from_millis(2500),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_profile_that_is_not_there_is_named() {
    let mut home = home();
    home.set("AWS_PROFILE", "nope");
    whoami(&home).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials cannot be loaded
›   tried: profile `nope`
›   looked at: `[HOME]/.aws/config` (not there), `[HOME]/.aws/credentials` (not there)
›   caused by: there is no profile `nope`
› hint: there is no profile yet; make one: `aws configure sso`
› hint: or leave AWS_PROFILE out: `unset AWS_PROFILE`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-broken.md
[exit 4]

"#]]);
}

#[test]
fn a_profile_that_was_mistyped_names_those_that_there_are() {
    let mut home = home();
    home.write(
        "../.aws/config",
        "[default]\nregion = eu-west-1\n[profile acme-prod]\nsso_session = acme\n[profile acme-dev]\nsso_session = acme\n\
         [sso-session acme]\nsso_start_url = https://acme.awsapps.com/start\n",
    );
    home.write(
        "../.aws/credentials",
        "[keys]\naws_access_key_id = AKIASTANDIN000000001\naws_secret_access_key = s\n",
    );
    home.set("AWS_PROFILE", "acme-prdo");
    whoami(&home).failure(4).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials cannot be loaded
›   tried: profile `acme-prdo`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials`
›   caused by: there is no profile `acme-prdo`
› hint: `acme-prod` may be meant: `AWS_PROFILE=acme-prod squad whoami`
› hint: the profiles that there are: `acme-dev`, `acme-prod`, `default`, `keys`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-broken.md
[exit 4]

"#]]);
    home.set("AWS_PROFILE", "nosuch");
    whoami(&home).failure(4).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials cannot be loaded
›   tried: profile `nosuch`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials`
›   caused by: there is no profile `nosuch`
› hint: the profiles that there are: `acme-dev`, `acme-prod`, `default`, `keys`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-broken.md
[exit 4]

"#]]);
    home.set("AWS_PROFILE", "keys");
    let output = whoami(&home);
    assert!(
        !output.stderr.contains("profiles that there are"),
        "{}",
        output.stderr
    );
}

/// AWS SDKs and Tools Reference Guide, "Login credentials provider": what only new tools can use is shared by a process.
#[test]
fn a_profile_of_aws_login_names_what_gives_its_credentials() {
    let mut home = home();
    home.write(
        "../.aws/config",
        "[profile dev]\nlogin_session = arn:aws:iam::123456789012:user/ana\nregion = eu-west-1\n\
         [profile prod]\nrole_arn = arn:aws:iam::123456789012:role/deployer\nsource_profile = dev\n",
    );
    home.set("AWS_PROFILE", "dev");
    whoami(&home).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials cannot be loaded
›   tried: profile `dev`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials` (not there)
›   caused by: the profile `dev` logs in with `aws login`, which only the AWS CLI can use by itself
› hint: for this shell: `eval "$(aws configure export-credentials --profile dev --format env)"`
› hint: for good: name a profile in AWS_PROFILE that has `credential_process = aws configure export-credentials --profile dev --format process`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-broken.md
[exit 4]

"#]]);
    home.set("AWS_PROFILE", "prod");
    whoami(&home).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials cannot be loaded
›   tried: profile `prod`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials` (not there)
›   caused by: the profile `dev` logs in with `aws login`, which only the AWS CLI can use by itself
› hint: for this shell: `eval "$(aws configure export-credentials --profile dev --format env)"`
› hint: for good: name a profile in AWS_PROFILE that has `credential_process = aws configure export-credentials --profile dev --format process`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-broken.md
[exit 4]

"#]]);
}

#[test]
fn a_profile_without_a_login_names_the_command() {
    let mut home = home();
    home.write(
        "../.aws/config",
        "[sso-session acme]\nsso_start_url = https://acme.awsapps.com/start\nsso_region = eu-west-1\n\
         [profile dev]\nsso_session = acme\nsso_account_id = 123456789012\nsso_role_name = Deployer\n\
         [profile prod]\nrole_arn = arn:aws:iam::123456789012:role/deployer\nsource_profile = dev\n",
    );
    home.set("AWS_PROFILE", "prod");
    whoami(&home).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials have expired
›   tried: profile `prod`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials` (not there)
›   caused by: failed to load the cached SSO token
› hint: log in: `aws sso login --profile dev`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-expired.md
[exit 4]

"#]]);
    home.set("CI", "true");
    let error = home.squad(["whoami", "-o", "json"]).failure(4).error_json();
    assert_eq!(error["id"], "credentials-expired");
    assert!(
        error["hints"][0]
            .as_str()
            .unwrap()
            .starts_with("a pipeline cannot log in"),
        "{error}"
    );
}

#[test]
fn what_a_credential_process_writes_is_never_shown() {
    let mut home = home();
    home.write(
        "../.aws/config",
        "[profile broken]\ncredential_process = sh -c \"echo wJalrXUtnFEMI >&2; echo wJalrXUtnFEMI; exit 3\"\n",
    );
    home.set("AWS_PROFILE", "broken");
    let output = whoami(&home);
    let text = output.transcript();
    assert!(!text.contains("wJalr"), "{text}");
    assert!(text.contains("credentials-broken"), "{text}");
    output.failure(4);
}

#[test]
fn each_source_is_used_and_named() {
    let (aws, mut home) = (Aws::start(), home());
    let keys = [
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    assert_eq!(
        source(&home, &mut at(&aws, &home, &keys)),
        json!({"source": "environment"})
    );
    let account = (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        serve(|_| LEASE.into()),
    );
    assert_eq!(
        source(&home, &mut at(&aws, &home, &[(account.0, &account.1)])),
        json!({"source": "container"})
    );
    let instance = serve(|line| {
        if line.starts_with("PUT") {
            "token".into()
        } else if line.contains("security-credentials/ ") {
            "deployer".into()
        } else {
            LEASE.into()
        }
    });
    let instance = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance.as_str());
    assert_eq!(
        source(&home, &mut at(&aws, &home, &[instance])),
        json!({"source": "instance"})
    );
    let token = home.write("token", "a.b.c");
    let web = [
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/deployer"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
    ];
    assert_eq!(
        source(&home, &mut at(&aws, &home, &web)),
        json!({"source": "web-identity"})
    );
    home.write(
        "../.aws/config",
        &format!(
            "[profile keys]\naws_access_key_id = {KEY}\naws_secret_access_key = s\n\
             [profile process]\ncredential_process = echo '{{\"Version\":1,\"AccessKeyId\":\"{KEY}\",\"SecretAccessKey\":\"s\"}}'\n\
             [profile role]\nrole_arn = arn:aws:iam::123456789012:role/deployer\nsource_profile = keys\n"
        ),
    );
    for profile in ["keys", "process", "role"] {
        home.set("AWS_PROFILE", profile);
        assert_eq!(
            source(&home, &mut at(&aws, &home, &[])),
            json!({"source": "profile", "profile": profile}),
        );
    }
}

#[test]
fn keys_that_have_expired_are_exit_code_4() {
    let (aws, home) = (Aws::start(), home());
    aws.keys(json!({KEY: {"expired": true}}));
    let mut command = aws.squad(&home, &["whoami"]);
    home.run(&mut command).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials have expired
›   tried: environment variables
›   caused by: The security token included in the request is expired (ExpiredToken, request [ID])
› hint: AWS_ACCESS_KEY_ID is set and is used before any profile; set new ones, or `unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-expired.md
[exit 4]

"#]]);
}
