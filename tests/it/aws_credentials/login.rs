//! IAM Identity Center (SSO): a login that has ended is renewed with its refresh token, as by the AWS CLI, or its command
//! is named.
//!
//! The services are two small servers in the form of the references: AWS SSO OIDC `CreateToken`, SSO Portal
//! `GetRoleCredentials`; the file is that of `aws sso login` (`~/.aws/sso/cache/<SHA-1 of the session's name>.json`).

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use snapbox::str;

use super::{at, home, serve_all, source};
use crate::support::Home;
use crate::support::aws::{Aws, KEY};

/// SHA-1 of `acme`, the name of the session.
const SESSION: &str = "293abb6b76d7791c0732cc517d38c4b5c734b87f";
/// SHA-1 of the start address, for a profile of before there were sessions.
const START: &str = "40169cea58ca6cbf23fb27b2542923fb5f524af0";

/// A home whose profile `dev` logs in through the session `acme`, and whose profile `old` needs no session.
fn login() -> Home {
    let mut home = home();
    home.write(
        "../.aws/config",
        "[sso-session acme]\nsso_start_url = https://acme.awsapps.com/start\nsso_region = eu-west-1\n\
         sso_registration_scopes = sso:account:access\n\
         [profile dev]\nsso_session = acme\nsso_account_id = 123456789012\nsso_role_name = Deployer\n\
         [profile old]\nsso_start_url = https://acme.awsapps.com/start\nsso_region = eu-west-1\n\
         sso_account_id = 123456789012\nsso_role_name = Deployer\n",
    );
    home.set("AWS_PROFILE", "dev");
    home
}

fn file(home: &Home, name: &str) -> PathBuf {
    home.path().join(format!(".aws/sso/cache/{name}.json"))
}

/// What `aws sso login` left, long ago; its registration ends in `registered`.
fn keep(home: &Home, name: &str, registered: &str) {
    let token = json!({
        "startUrl": "https://acme.awsapps.com/start", "region": "eu-west-1",
        "accessToken": "4cc3ss-old", "expiresAt": "2020-01-01T00:00:00Z",
        "clientId": "cl13nt", "clientSecret": "s3cr3t-of-client", "registrationExpiresAt": registered,
        "refreshToken": "r3fr3sh-old",
    });
    let path = format!("../.aws/sso/cache/{name}.json");
    home.write(path, &token.to_string());
}

/// The services of Identity Center: they know the refresh token `r3fr3sh-old` when `is_known`, and only the access token
/// that it gives. What they were asked, one line for each request.
#[derive(Clone)]
struct Center {
    endpoint: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Center {
    fn start(is_known: bool) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let endpoint = serve_all(move |request| {
            let line = request.lines().next().unwrap_or_default();
            let place = line.split(['?', ' ']).nth(1).unwrap_or_default();
            log.lock().unwrap().push(place.to_owned());
            if place == "/token" {
                let body = request.split_once("\r\n\r\n").unwrap().1;
                let body: Value = serde_json::from_str(body).unwrap();
                assert_eq!(body["grantType"], "refresh_token");
                assert_eq!(body["clientId"], "cl13nt");
                if is_known && body["refreshToken"] == "r3fr3sh-old" {
                    return (200, json!({"accessToken": "4cc3ss-new", "expiresIn": 28800, "refreshToken": "r3fr3sh-new", "tokenType": "Bearer"}).to_string());
                }
                return (400, json!({"__type": "InvalidGrantException", "error": "invalid_grant", "error_description": "Invalid refresh token provided"}).to_string());
            }
            if request.contains("4cc3ss-new") {
                return (200, json!({"roleCredentials": {"accessKeyId": KEY, "secretAccessKey": "s", "sessionToken": "t", "expiration": 32_503_680_000_000_u64}}).to_string());
            }
            (401, json!({"__type": "UnauthorizedException", "message": "Session token not found or invalid"}).to_string())
        });
        Self { endpoint, asked }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn variables(&self) -> [(&str, &str); 2] {
        [
            ("AWS_ENDPOINT_URL_SSO", &self.endpoint),
            ("AWS_ENDPOINT_URL_SSO_OIDC", &self.endpoint),
        ]
    }
}

#[test]
fn a_login_that_ended_is_renewed_with_its_refresh_token() {
    let (aws, home, center) = (Aws::start(), login(), Center::start(true));
    keep(&home, SESSION, "2999-01-01T00:00:00Z");
    let wanted = json!({"source": "profile", "profile": "dev"});
    let mut command = at(&aws, &home, &center.variables());
    assert_eq!(source(&home, &mut command), wanted);
    assert_eq!(center.asked(), ["/token", "/federation/credentials"]);
    // Kept where the AWS CLI looks for it, so that the next one, whoever it is, needs no renewal.
    let kept = std::fs::read_to_string(file(&home, SESSION)).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["accessToken"], "4cc3ss-new");
    assert_eq!(kept["refreshToken"], "r3fr3sh-new");
    assert_eq!(kept["clientSecret"], "s3cr3t-of-client");
    assert_eq!(source(&home, &mut command), wanted);
    assert_eq!(center.asked(), ["/federation/credentials"]);
}

/// `whoami` for people, and no token in what it says.
fn refused(home: &Home, center: &Center) -> crate::support::Output {
    let mut command = home.command(["whoami"]);
    let output = home.run(command.envs(center.variables()));
    let text = output.transcript();
    for secret in ["4cc3ss", "r3fr3sh", "s3cr3t"] {
        assert!(!text.contains(secret), "{text}");
    }
    output
}

#[test]
fn a_login_that_ended_for_good_names_the_command() {
    let (mut home, center) = (login(), Center::start(false));
    keep(&home, SESSION, "2999-01-01T00:00:00Z");
    refused(&home, &center).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials have expired
›   tried: profile `dev`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials` (not there)
›   caused by: UnauthorizedException: Session token not found or invalid
› hint: log in: `aws sso login --profile dev`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-expired.md
[exit 4]

"#]]);
    assert_eq!(center.asked(), ["/token", "/federation/credentials"]);
    // Without a registration there is nobody who could ask for a renewal.
    keep(&home, SESSION, "2020-01-01T00:00:00Z");
    refused(&home, &center).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials have expired
›   tried: profile `dev`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials` (not there)
›   caused by: the SSO token has expired and cannot be refreshed
› hint: log in: `aws sso login --profile dev`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-expired.md
[exit 4]

"#]]);
    assert_eq!(center.asked(), [""; 0]);
    home.set("AWS_PROFILE", "old");
    keep(&home, START, "2999-01-01T00:00:00Z");
    refused(&home, &center).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials have expired
›   tried: profile `old`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials` (not there)
›   caused by: UnauthorizedException: Session token not found or invalid
› hint: log in: `aws sso login --profile old`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-expired.md
[exit 4]

"#]]);
    assert_eq!(center.asked(), ["/federation/credentials"]);
}

#[test]
fn an_identity_center_that_cannot_be_reached_is_no_expired_login() {
    let home = login();
    keep(&home, SESSION, "2999-01-01T00:00:00Z");
    let center = Center {
        endpoint: "http://127.0.0.1:1".to_owned(),
        asked: Arc::default(),
    };
    // Where that takes longer than a second, what is waited for is said first.
    refused(&home, &center).assert(str![[r#"
...
› error: cannot find out who this is at AWS: AWS cannot be reached for the credentials
›   tried: profile `dev`
›   caused by: Connection refused (os error 111)
› hint: check the network, a proxy, and `AWS_ENDPOINT_URL` if it is set
› hint: whether AWS answers again: `squad whoami`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/aws-unreachable.md
[exit 1]

"#]]);
}

#[test]
fn a_file_of_a_login_that_is_no_json_says_so() {
    let (home, center) = (login(), Center::start(true));
    home.write(format!("../.aws/sso/cache/{SESSION}.json"), "{4cc3ss");
    refused(&home, &center).assert(str![[r#"
› error: cannot find out who this is at AWS: the AWS credentials have expired
›   tried: profile `dev`
›   looked at: `[HOME]/.aws/config`, `[HOME]/.aws/credentials` (not there)
›   caused by: failed to load the cached SSO token
› hint: log in: `aws sso login --profile dev`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/credentials-expired.md
[exit 4]

"#]]);
}
