//! Where credentials come from, in the order of the AWS SDKs, and what is wrong when there are none.
//!
//! Environment, profile (keys, SSO, assumed role, web identity, `credential_process`), web identity, container, and
//! last the instance's own role, which gets one short try. Nothing here keeps, prints or returns the text of a
//! secret, and no text of a program that might have printed one.

mod profile;

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{ecs, imds};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ErrorMetadata;

use crate::env::{self, Env};

/// How long the instance's metadata service may take to accept a connection. Where there is none, nothing answers.
const INSTANCE_CONNECT: Duration = Duration::from_millis(150);
/// How long it may take to answer.
const INSTANCE_READ: Duration = Duration::from_secs(1);
/// Credentials are asked for again so long before they end.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// Where credentials came from, or were to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `AWS_ACCESS_KEY_ID` and its companions.
    Environment,
    /// The shared files, by the name of the profile.
    Profile(String),
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`.
    WebIdentity,
    /// `AWS_CONTAINER_CREDENTIALS_…` (ECS, EKS Pod Identity).
    Container,
    /// The role of the EC2 instance.
    Instance,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("environment variables"),
            Self::Profile(name) => write!(f, "profile `{name}`"),
            Self::WebIdentity => f.write_str("web identity token"),
            Self::Container => f.write_str("container role"),
            Self::Instance => f.write_str("instance role"),
        }
    }
}

/// What is wrong with credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// There are none anywhere.
    Missing,
    /// They, or the login that they come from, have ended.
    Expired,
    /// AWS does not know them.
    Rejected,
    /// What should give them does not.
    Broken,
    /// Who should give them cannot be reached.
    Unreachable,
}

/// Why there are no credentials that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What is wrong.
    pub(crate) wrong: Wrong,
    /// With what; none when nothing was found.
    pub(crate) source: Option<Source>,
    /// Whether the profile logs in through IAM Identity Center: the name of the profile to log in with.
    pub(crate) sso: Option<String>,
    /// Whether the profile logs in with `aws login`: the name of the profile that does.
    pub(crate) login: Option<String>,
    /// The profiles that there are; none where the one that was asked for is among them.
    pub(crate) others: Option<Vec<String>>,
    /// Whether a CI system runs this.
    pub(crate) ci: bool,
    /// The files that were looked at.
    pub(crate) files: Vec<PathBuf>,
    /// A lower fact, on one line; empty when there is none.
    pub(crate) said: String,
}

impl Trouble {
    fn new(wrong: Wrong) -> Self {
        Self {
            wrong,
            source: None,
            sso: None,
            login: None,
            others: None,
            ci: false,
            files: Vec::new(),
            said: String::new(),
        }
    }

    /// AWS says that they have ended.
    pub(super) fn expired() -> Self {
        Self::new(Wrong::Expired)
    }

    /// AWS does not accept them.
    pub(super) fn rejected() -> Self {
        Self::new(Wrong::Rejected)
    }

    /// Says where the credentials came from that AWS did not accept.
    pub(super) fn add(&mut self, origin: &Origin) {
        self.source.clone_from(&origin.source);
        self.sso.clone_from(&origin.sso);
        self.ci = origin.ci;
        self.files.clone_from(&origin.files);
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.wrong {
            Wrong::Missing => "there are no AWS credentials",
            Wrong::Expired => "the AWS credentials have expired",
            Wrong::Rejected => "AWS does not accept the credentials",
            Wrong::Broken => "the AWS credentials cannot be loaded",
            Wrong::Unreachable => "AWS cannot be reached for the credentials",
        })
    }
}

impl StdError for Trouble {}

/// Where the credentials of a call came from: carried by each answer, for the error that it may become.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    pub(super) source: Option<Source>,
    pub(super) sso: Option<String>,
    pub(super) ci: bool,
    pub(super) files: Vec<PathBuf>,
}

/// The variables that decide where credentials come from.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// The credentials of the variables.
    given: Option<Credentials>,
    profile: Option<String>,
    files: Vec<PathBuf>,
    /// The file of a pipeline's own token.
    token: Option<PathBuf>,
    ci: bool,
}

impl Surroundings {
    pub(super) fn of(env: &Env) -> Self {
        let home = env.get(env::HOME).map(PathBuf::from);
        let file = |variable: &str, name: &str| {
            env.get(variable)
                .map(PathBuf::from)
                .or_else(|| Some(home.as_ref()?.join(".aws").join(name)))
        };
        let get = |name: &str| env.get(name).map(str::to_owned);
        let given = get(env::AWS_ACCESS_KEY_ID)
            .zip(get(env::AWS_SECRET_ACCESS_KEY))
            .map(|(id, secret)| {
                let token = get(env::AWS_SESSION_TOKEN);
                Credentials::new(id, secret, token, None, "Environment")
            });
        Self {
            given,
            profile: env.get(env::AWS_PROFILE).map(str::to_owned),
            files: [
                file(env::AWS_CONFIG_FILE, "config"),
                file(env::AWS_SHARED_CREDENTIALS_FILE, "credentials"),
            ]
            .into_iter()
            .flatten()
            .collect(),
            token: env.get(env::AWS_WEB_IDENTITY_TOKEN_FILE).map(PathBuf::from),
            ci: env.is_ci(),
        }
    }

    /// The name of the profile in use.
    fn profile_name(&self) -> &str {
        self.profile.as_deref().unwrap_or("default")
    }
}

/// Credentials of one session: looked for when first needed, kept until they are about to end.
#[derive(Debug, Clone)]
pub(super) struct Chain(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    surroundings: Surroundings,
    config: ProviderConfig,
    links: OnceLock<Vec<(Source, SharedCredentialsProvider)>>,
    kept: tokio::sync::Mutex<Option<Credentials>>,
    origin: Mutex<Origin>,
}

impl Chain {
    pub(super) fn new(surroundings: Surroundings, config: ProviderConfig) -> Self {
        let origin = Origin {
            ci: surroundings.ci,
            files: surroundings.files.clone(),
            ..Origin::default()
        };
        Self(Arc::new(Inner {
            surroundings,
            config,
            links: OnceLock::new(),
            kept: tokio::sync::Mutex::new(None),
            origin: Mutex::new(origin),
        }))
    }

    /// Where the credentials in use came from.
    pub(super) fn origin(&self) -> Origin {
        self.0
            .origin
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Credentials that are good for some minutes; the error's source is a [`Trouble`].
    pub(super) async fn credentials(&self) -> provider::Result {
        let mut kept = self.0.kept.lock().await;
        if let Some(credentials) = kept.as_ref().filter(|kept| is_good(kept)) {
            return Ok(credentials.clone());
        }
        let credentials = self.0.load().await?;
        *kept = Some(credentials.clone());
        Ok(credentials)
    }
}

impl ProvideCredentials for Chain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "credentials say when they end by the machine's clock"
)]
fn is_good_after(credentials: &Credentials, time: Duration) -> bool {
    credentials
        .expiry()
        .is_none_or(|end| end > SystemTime::now() + time)
}

fn is_good(credentials: &Credentials) -> bool {
    is_good_after(credentials, RENEW_BEFORE)
}

fn ended(credentials: &Credentials) -> bool {
    !is_good_after(credentials, Duration::ZERO)
}

impl Inner {
    async fn load(&self) -> provider::Result {
        let links = self.links.get_or_init(|| self.links());
        for (source, link) in links {
            match link.provide_credentials().await {
                Ok(credentials) if ended(&credentials) => {
                    let said = "what gives them gave some that have ended already";
                    return Err(CredentialsError::provider_error(Trouble {
                        said: said.to_owned(),
                        ..self.found(Wrong::Expired, source)
                    }));
                }
                Ok(credentials) => {
                    let sso = match source {
                        Source::Profile(name) => self.sso(name),
                        _ => None,
                    };
                    let mut origin = self.origin.lock().unwrap_or_else(PoisonError::into_inner);
                    origin.source = Some(source.clone());
                    origin.sso = sso;
                    return Ok(credentials);
                }
                Err(CredentialsError::CredentialsNotLoaded(_)) => {}
                // Something answers at that address which is no metadata service.
                Err(_) if *source == Source::Instance => {}
                Err(error) => {
                    return Err(CredentialsError::provider_error(
                        self.trouble(source, &error),
                    ));
                }
            }
        }
        let mut trouble = Trouble::new(Wrong::Missing);
        if let Some(name) = &self.surroundings.profile {
            trouble.source = Some(Source::Profile(name.clone()));
            trouble.wrong = Wrong::Broken;
            trouble.said = format!("the profile `{name}` names no credentials");
            self.add_others(&mut trouble, name);
        }
        trouble.ci = self.surroundings.ci;
        trouble.files.clone_from(&self.surroundings.files);
        trouble.sso = self.sso(self.surroundings.profile_name());
        Err(CredentialsError::not_loaded(trouble))
    }

    fn links(&self) -> Vec<(Source, SharedCredentialsProvider)> {
        let config = &self.config;
        let instance_client = imds::Client::builder()
            .configure(config)
            .connect_timeout(INSTANCE_CONNECT)
            .read_timeout(INSTANCE_READ)
            .operation_timeout(INSTANCE_CONNECT + INSTANCE_READ)
            .max_attempts(1)
            .build();
        let instance = SharedCredentialsProvider::new(
            ImdsCredentialsProvider::builder()
                .configure(config)
                .imds_client(instance_client)
                .build(),
        );
        let mut profile = ProfileFileCredentialsProvider::builder()
            .configure(config)
            .with_custom_provider("Ec2InstanceMetadata", instance.clone());
        if let Some(name) = &self.surroundings.profile {
            profile = profile.profile_name(name);
        }
        let web = WebIdentityTokenCredentialsProvider::builder().configure(config);
        let container = ecs::EcsCredentialsProvider::builder().configure(config);
        let given = self.surroundings.given.clone();
        let given = given.map(|given| (Source::Environment, SharedCredentialsProvider::new(given)));
        let others = [
            (
                Source::Profile(self.surroundings.profile_name().to_owned()),
                SharedCredentialsProvider::new(profile.build()),
            ),
            (
                Source::WebIdentity,
                SharedCredentialsProvider::new(web.build()),
            ),
            (
                Source::Container,
                SharedCredentialsProvider::new(container.build()),
            ),
            (Source::Instance, instance),
        ];
        given.into_iter().chain(others).collect()
    }

    fn sso(&self, name: &str) -> Option<String> {
        profile::sso(&self.surroundings.files, name)
    }

    /// What is wrong with what a source gives.
    fn found(&self, wrong: Wrong, source: &Source) -> Trouble {
        let mut trouble = Trouble::new(wrong);
        trouble.ci = self.surroundings.ci;
        trouble.files.clone_from(&self.surroundings.files);
        match source {
            Source::Profile(name) => trouble.sso = self.sso(name),
            Source::WebIdentity => {
                trouble.files = self.surroundings.token.iter().cloned().collect();
            }
            _ => {}
        }
        trouble.source = Some(source.clone());
        trouble
    }

    /// Says which profiles there are where there is none of this name.
    fn add_others(&self, trouble: &mut Trouble, name: &str) {
        let files = &self.surroundings.files;
        if !profile::exists(files, name) {
            trouble.said = format!("there is no profile `{name}`");
            trouble.others = Some(profile::names(files));
        }
    }

    fn trouble(&self, source: &Source, error: &CredentialsError) -> Trouble {
        let mut texts = Vec::new();
        let mut next: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(error) = next {
            texts.push(match error.downcast_ref::<ErrorMetadata>() {
                Some(answer) => answered(answer),
                None => error.to_string(),
            });
            next = error.source();
        }
        let all = texts.join(" ").to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| all.contains(word));
        // A container's own address is no network that could come back.
        let is_far = matches!(source, Source::Profile(_) | Source::WebIdentity);
        // IAM Identity Center answers 401 for a token that was ended elsewhere, and a login that never was has no file.
        let wrong = if says(&["expired", "unauthorizedexception", "cached sso token"]) {
            Wrong::Expired
        } else if is_far && says(&["dispatch failure", "timed out"]) {
            Wrong::Unreachable
        } else {
            Wrong::Broken
        };
        let mut trouble = self.found(wrong, source);
        trouble.said = lowest(&texts);
        if let Some(id) = request_id(error)
            && !trouble.said.contains(&id)
        {
            trouble.said.push_str(&format!(" (request {id})"));
        }
        if let Source::Profile(name) = source
            && let Some(login) = profile::login(&self.surroundings.files, name)
        {
            trouble.wrong = Wrong::Broken;
            trouble.said = format!(
                "the profile `{login}` logs in with `aws login`, which only the AWS CLI can use by itself"
            );
            trouble.login = Some(login);
        }
        if let Source::Profile(name) = source {
            self.add_others(&mut trouble, name);
        }
        trouble
    }
}

/// The id of the request by which STS was asked for a role, where it answered.
fn request_id(error: &CredentialsError) -> Option<String> {
    let first: &(dyn StdError + 'static) = error;
    std::iter::successors(Some(first), |error| (*error).source()).find_map(|error| {
        let role = error.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>();
        let token = error.downcast_ref::<SdkError<AssumeRoleWithWebIdentityError, HttpResponse>>();
        role.and_then(RequestId::request_id)
            .or_else(|| token?.request_id())
            .map(str::to_owned)
    })
}

/// What AWS answered where the SDK has no words for it.
fn answered(answer: &ErrorMetadata) -> String {
    let code = answer.code().unwrap_or("no code");
    let request = answer
        .request_id()
        .map_or_else(String::new, |id| format!(", request {id}"));
    match answer.message() {
        Some(message) => format!("{} ({code}{request})", message.trim_end_matches('.')),
        None => format!("{code}{request}"),
    }
}

/// The lowest fact of a chain of errors on one line, without what a program wrote to its standard error.
fn lowest(texts: &[String]) -> String {
    let text = texts.last().map(String::as_str).unwrap_or_default();
    let text = text.split("Stderr").next().unwrap_or_default();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|letter| !letter.is_control())
        .take(300)
        .collect::<String>()
        .trim_end_matches(['.', ':', ' '])
        .to_owned()
}
