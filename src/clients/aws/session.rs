//! One environment's way to AWS: its pinned account and region, and clients made for them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::sync::OnceCell;

use super::connector::{self, Paced};
use super::contact::Contact;
use super::credentials::{Chain, Source, Surroundings};
use super::error::{Called, Error, Result, Why};
use super::gateway::{self, Gateway};
use super::identity::Identity;
use super::images;
use super::logs::{self, Logs};
use super::pace::{Pace, Priority};
use super::patience::{CONNECT, Patience, limits};
use super::signed::{self, Service, Signed};
use crate::domain::environment::Environment;
use crate::env::{self, Env};

/// Times that a call is tried when AWS throttles, fails or does not answer. 409 and 412 are never tried again here:
/// whoever called looks first.
const ATTEMPTS: u32 = 8;
/// Where a bucket is looked for when nothing says so, as by the AWS command line.
const DEFAULT_REGION: &str = "us-east-1";
/// The behaviour of the SDK that squad was tested with.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// What it takes to reach AWS for one environment.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    environment: String,
    account: Option<String>,
    region: Option<String>,
    surroundings: Surroundings,
    endpoint: Option<String>,
    endpoint_s3: Option<String>,
    /// One service at least has an address of its own, which goes before the one for all.
    is_split: bool,
    pace: Option<PathBuf>,
    /// Calls go as they come.
    #[cfg(test)]
    is_unpaced: bool,
}

impl Settings {
    /// Those of an environment; the account and the region are pinned by the org file alone. `pace` is a directory
    /// in which the processes of this machine share their pace.
    pub(crate) fn of(environment: &Environment, env: &Env, pace: Option<PathBuf>) -> Self {
        let get = |name: &str| env.get(name).map(str::to_owned);
        Self {
            environment: environment.name.to_string(),
            account: environment.account.clone(),
            region: environment.region.clone(),
            surroundings: Surroundings::of(env),
            endpoint: get(env::AWS_ENDPOINT_URL),
            endpoint_s3: get(env::AWS_ENDPOINT_URL_S3),
            is_split: env
                .all()
                .any(|(name, _)| name.starts_with("AWS_ENDPOINT_URL_")),
            pace,
            #[cfg(test)]
            is_unpaced: false,
        }
    }

    /// The same without a pace: for tests of what is not about it, on a server that has no quotas. The pace is tested
    /// where it is made and in the tests of the binary, which always has it.
    #[cfg(test)]
    pub(crate) fn without_pace(mut self) -> Self {
        self.is_unpaced = true;
        self
    }
}

/// One environment's way to AWS. Cheap to clone; touches nothing before the first call.
#[derive(Debug, Clone)]
pub(crate) struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    contact: Contact,
    loaded: OnceCell<Loaded>,
    lambda: OnceCell<aws_sdk_lambda::Client>,
    identity: OnceCell<Identity>,
}

#[derive(Debug)]
struct Loaded {
    config: SdkConfig,
    http: SharedHttpClient,
    chain: Chain,
    pace: Pace,
}

impl Session {
    /// Of an environment.
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner {
            settings,
            contact: Contact::default(),
            loaded: OnceCell::new(),
            lambda: OnceCell::new(),
            identity: OnceCell::new(),
        }))
    }

    /// The host that was asked first, and for how long AWS has answered nothing at all; none once it did, or before
    /// anything was asked.
    pub(crate) fn silent(&self) -> Option<(String, Duration)> {
        self.0.contact.silent()
    }

    /// The account that the org file pins.
    pub(crate) fn account(&self) -> Option<&str> {
        self.0.settings.account.as_deref()
    }

    /// The region that the org file pins.
    pub(crate) fn region(&self) -> Option<&str> {
        self.0.settings.region.as_deref()
    }

    /// The endpoint of S3, if a variable sets one. Requests to it name the bucket in their path.
    pub(super) fn endpoint_of_s3(&self) -> Option<&str> {
        let settings = &self.0.settings;
        settings
            .endpoint_s3
            .as_deref()
            .or(settings.endpoint.as_deref())
    }

    /// The pinned region; for an environment that pins none, that of the AWS configuration.
    pub(super) async fn region_in_use(&self) -> Option<String> {
        self.loaded().await.config.region().map(ToString::to_string)
    }

    /// The credentials.
    pub(super) async fn chain(&self) -> Chain {
        self.loaded().await.chain.clone()
    }

    async fn loaded(&self) -> &Loaded {
        self.0
            .loaded
            .get_or_init(|| Box::pin(load(&self.0.settings, self.0.contact.clone())))
            .await
    }

    /// Where the credentials in use came from; none before the first call.
    pub(crate) async fn source(&self) -> Option<Source> {
        self.loaded().await.chain.origin().source
    }

    /// Lambda's control plane, with the priority of a deploy.
    pub(crate) async fn lambda(&self) -> aws_sdk_lambda::Client {
        self.0
            .lambda
            .get_or_init(|| self.paced(Priority::Deploy))
            .await
            .clone()
    }

    /// Lambda's control plane for looking at many functions: at most so many `GetFunction` each second (1 to 80), and
    /// it yields to deploys and to whoever else makes AWS throttle.
    pub(crate) async fn lambda_for_fleet(&self, rate: u32) -> aws_sdk_lambda::Client {
        self.paced(Priority::Fleet { rate }).await
    }

    async fn paced(&self, priority: Priority) -> aws_sdk_lambda::Client {
        let loaded = self.loaded().await;
        #[cfg(test)]
        if self.0.settings.is_unpaced {
            let config = aws_sdk_lambda::config::Builder::from(&loaded.config);
            return aws_sdk_lambda::Client::from_conf(config.interceptor(Patience).build());
        }
        let (pace, chain) = (loaded.pace.clone(), loaded.chain.clone());
        let config = aws_sdk_lambda::config::Builder::from(&loaded.config)
            .http_client(Paced::wrap(&loaded.http, pace, priority, chain))
            .interceptor(Patience);
        aws_sdk_lambda::Client::from_conf(config.build())
    }

    /// Lambda's data plane: one attempt, because running a function twice is not the same as running it once, and so
    /// much time for the answer.
    pub(crate) async fn lambda_to_invoke(&self, limit: Duration) -> aws_sdk_lambda::Client {
        let loaded = self.loaded().await;
        let config = aws_sdk_lambda::config::Builder::from(&loaded.config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT)
                    .read_timeout(limit)
                    .operation_timeout(limit + CONNECT)
                    .build(),
            );
        aws_sdk_lambda::Client::from_conf(config.build())
    }

    /// Security Token Service.
    pub(crate) async fn sts(&self) -> aws_sdk_sts::Client {
        aws_sdk_sts::Client::new(&self.loaded().await.config)
    }

    /// `CloudWatch` metrics.
    pub(crate) async fn cloudwatch(&self) -> aws_sdk_cloudwatch::Client {
        aws_sdk_cloudwatch::Client::new(&self.loaded().await.config)
    }

    /// `CloudWatch` Logs.
    pub(crate) async fn logs(&self) -> Logs {
        Logs::new(self.signed(logs::SERVICE).await)
    }

    /// Resource Groups Tagging.
    pub(crate) async fn tagging(&self) -> aws_sdk_resourcegroupstagging::Client {
        aws_sdk_resourcegroupstagging::Client::new(&self.loaded().await.config)
    }

    /// API Gateway.
    pub(crate) async fn gateway(&self) -> Gateway {
        Gateway::new(self.signed(gateway::SERVICE).await)
    }

    /// What a signed address of AWS leads to, without credentials; see [`signed::fetch`].
    pub(crate) async fn fetch(
        &self,
        address: &str,
        asked: (&'static str, &str),
        bytes: u64,
    ) -> Result<Vec<u8>> {
        let config = &self.loaded().await.config;
        Box::pin(signed::fetch(config, address, asked, bytes)).await
    }

    /// Elastic Container Registry.
    pub(super) async fn images(&self) -> Signed {
        self.signed(images::SERVICE).await
    }

    async fn signed(&self, service: Service) -> Signed {
        let loaded = self.loaded().await;
        Signed::new(service, &loaded.config, loaded.chain.clone())
    }

    /// Who calls; asked once.
    pub(crate) async fn identity(&self) -> Result<Identity> {
        self.0
            .identity
            .get_or_try_init(|| Box::pin(self.ask_identity()))
            .await
            .cloned()
    }

    async fn ask_identity(&self) -> Result<Identity> {
        let found = self.sts().await.get_caller_identity().send().await;
        let found = found.called("sts:GetCallerIdentity", "")?;
        Ok(Identity {
            account: found.account.unwrap_or_default(),
            arn: found.arn.unwrap_or_default(),
            user_id: found.user_id.unwrap_or_default(),
        })
    }

    /// Refuses to go on in another account than the one that the org file pins: before every change. The region is
    /// that of the org file whatever the variables say, because no client is made for another one.
    pub(crate) async fn guard(&self) -> Result<Identity> {
        let identity = self.identity().await?;
        if let Some(pinned) = self.account()
            && *pinned != identity.account
        {
            return Err(Error::new(
                "sts:GetCallerIdentity",
                "",
                Why::WrongAccount {
                    pinned: pinned.to_owned(),
                    found: identity.account,
                    arn: identity.arn,
                    source: self.source().await,
                    environment: self.0.settings.environment.clone(),
                },
            ));
        }
        Ok(identity)
    }
}

#[cfg(test)]
impl Session {
    /// One that finds AWS by these variables alone: for tests behind the stand-in.
    pub(crate) fn with_variables(
        environment: &Environment,
        variables: &[(String, String)],
    ) -> Self {
        let pairs: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Self::new(Settings::of(environment, &Env::of(&pairs), None))
    }
}

async fn load(settings: &Settings, contact: Contact) -> Loaded {
    let region = settings.region.clone().map(Region::new);
    let http = connector::http(contact);
    let provider = ProviderConfig::without_region()
        .with_region(region.clone())
        .with_http_client(http.clone());
    let chain = Chain::new(settings.surroundings.clone(), provider);
    let mut loader = aws_config::defaults(behavior())
        .http_client(Paced::unpaced(&http, chain.clone()))
        .credentials_provider(chain.clone())
        // Not the SDK's adaptive mode: after one throttle it holds up every later call of the process for seconds (10 s
        // measured), a deploy's too. What has a small quota is paced, and the fleet adapts ([`super::pace`]).
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(ATTEMPTS)
                .with_initial_backoff(Duration::from_millis(250))
                .with_max_backoff(Duration::from_secs(10)),
        )
        .timeout_config(limits(0));
    // Without a pinned region (a record in a bucket, of an environment that is not at AWS): never the instance's, which
    // would have to be asked for it.
    loader = match region {
        Some(region) => loader.region(region),
        None => loader.region(
            RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
                .or_else(ProfileFileRegionProvider::new())
                .or_else(DEFAULT_REGION),
        ),
    };
    if let Some(endpoint) = settings.endpoint.as_ref().filter(|_| !settings.is_split) {
        loader = loader.endpoint_url(endpoint);
    }
    if let Ok(name) = AppName::new(concat!("squad-", env!("CARGO_PKG_VERSION"))) {
        loader = loader.app_name(name);
    }
    let pace = Pace::new(
        settings.pace.as_deref(),
        &format!(
            "{}-{}",
            settings.account.as_deref().unwrap_or("any"),
            settings.region.as_deref().unwrap_or("any")
        ),
    );
    Loaded {
        config: loader.load().await,
        http,
        chain,
        pace,
    }
}
