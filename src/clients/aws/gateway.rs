//! Amazon API Gateway, as far as it tells which function an API calls: read, and changed. Deploys nothing.
//!
//! A dozen small calls, signed by hand and sent through the session's own connections, retries and limits: the SDKs of the two
//! generations of API Gateway are larger than all that squad has of Lambda. Knows nothing of aliases.

use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{
    HttpStatusCodeClassifier, TransientErrorClassifier,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::credentials::Chain;
use super::error::{Called, Error, Result, Why};

/// The name in signatures, of both generations.
const SERVICE: &str = "apigateway";
/// To read needs this permission (Service Authorization Reference, "Actions, resources, and condition keys for Amazon API
/// Gateway Management V2": actions are the methods of HTTP).
const GET: &str = "apigateway:GET";
/// To change needs this one.
const PATCH: &str = "apigateway:PATCH";
/// Items of one page, the most that are given out.
const PAGE: u32 = 500;
/// Between two calls: an account may make 10 each second, all people and pipelines together ("Amazon API Gateway quotas").
const EVERY: Duration = Duration::from_millis(200);
/// Calls that go at once before that.
const AT_ONCE: u32 = 5;

/// An API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Api {
    /// Such as `a1b2c3d4e5`.
    #[serde(alias = "apiId")]
    pub(crate) id: String,
    /// As people called it.
    #[serde(default)]
    pub(crate) name: String,
    /// `HTTP` or `WEBSOCKET`; empty for REST APIs, and where nobody told.
    #[serde(rename = "protocolType", default)]
    pub(crate) protocol: String,
}

/// What an HTTP or WebSocket API calls.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Integration {
    /// Unique in its API.
    #[serde(rename = "integrationId", default)]
    pub(crate) id: String,
    /// A function's ARN, or an address that holds it.
    #[serde(rename = "integrationUri", default)]
    pub(crate) uri: String,
    /// The role that it calls with; none where the function's own policy lets it.
    #[serde(rename = "credentialsArn", default)]
    pub(crate) role: Option<String>,
}

/// A stage of an API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stage {
    /// Such as `$default`.
    #[serde(rename = "stageName", default)]
    pub(crate) name: String,
    /// A change of the API is live at once. Never so for REST APIs.
    #[serde(default)]
    pub(crate) auto_deploy: bool,
    /// What it serves; none where nothing was ever deployed to it.
    #[serde(rename = "deploymentId", default)]
    pub(crate) deployment: Option<String>,
}

/// One method of a REST API, with what it calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Method {
    /// The resource's id.
    pub(crate) resource: String,
    /// Such as `/charges/{id}`.
    pub(crate) path: String,
    /// Such as `GET`, or `ANY`.
    pub(crate) verb: String,
    /// What it calls.
    pub(crate) integration: RestIntegration,
}

/// What a method of a REST API calls.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct RestIntegration {
    /// An address that holds a function's ARN.
    #[serde(default)]
    pub(crate) uri: String,
    /// The role that it calls with; none where the function's own policy lets it.
    #[serde(rename = "credentials", default)]
    pub(crate) role: Option<String>,
}

/// API Gateway of one environment. Cheap to make; reaches nothing before the first call.
#[derive(Debug)]
pub(crate) struct Gateway {
    config: SdkConfig,
    chain: Chain,
    endpoint: String,
    pace: Mutex<Pace>,
}

/// Few calls go at once, and then one after the other.
#[derive(Debug)]
struct Pace {
    left: u32,
    interval: Option<Interval>,
}

impl Gateway {
    /// `endpoint` is where it is, when a variable says so.
    pub(super) fn new(config: &SdkConfig, chain: Chain, endpoint: Option<&str>) -> Self {
        let region = config.region().map_or("", |region| region.as_ref());
        let suffix = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        Self {
            config: config.clone(),
            chain,
            endpoint: endpoint.map_or_else(
                || format!("https://apigateway.{region}.{suffix}"),
                |endpoint| endpoint.trim_end_matches('/').to_owned(),
            ),
            pace: Mutex::new(Pace {
                left: AT_ONCE,
                interval: None,
            }),
        }
    }

    /// The HTTP and WebSocket APIs (API Gateway Version 2 API Reference, `GetApis`).
    pub(crate) async fn http_apis(&self) -> Result<Vec<Api>> {
        self.items("/v2/apis").await
    }

    /// What one of them calls (`GetIntegrations`).
    pub(crate) async fn integrations(&self, api: &str) -> Result<Vec<Integration>> {
        self.items(&format!("/v2/apis/{}/integrations", part(api)))
            .await
    }

    /// Its stages (`GetStages`).
    pub(crate) async fn stages(&self, api: &str) -> Result<Vec<Stage>> {
        self.items(&format!("/v2/apis/{}/stages", part(api))).await
    }

    /// One integration as it is now (`GetIntegration`).
    pub(crate) async fn integration(&self, api: &str, id: &str) -> Result<Integration> {
        let path = integration_path(api, id);
        self.call(GET, "GET", &path, "", None).await
    }

    /// Has it call something else; the rest of it stays (`UpdateIntegration`).
    pub(crate) async fn point(&self, api: &str, id: &str, uri: &str) -> Result<Integration> {
        let body = serde_json::json!({ "integrationUri": uri }).to_string();
        let path = integration_path(api, id);
        self.call(PATCH, "PATCH", &path, "", Some(body)).await
    }

    /// The REST APIs (API Gateway API Reference, `GetRestApis`).
    pub(crate) async fn rest_apis(&self) -> Result<Vec<Api>> {
        self.rest_items("/restapis", "").await
    }

    /// The methods of one that call an address (`GetResources` with `embed=methods`).
    pub(crate) async fn rest_methods(&self, api: &str) -> Result<Vec<Method>> {
        let path = format!("/restapis/{}/resources", part(api));
        let resources: Vec<Resource> = self.rest_items(&path, "embed=methods&").await?;
        Ok(resources.into_iter().flat_map(Resource::methods).collect())
    }

    /// What a method of a REST API calls now (`GetIntegration`).
    pub(crate) async fn rest_integration(
        &self,
        api: &str,
        resource: &str,
        verb: &str,
    ) -> Result<RestIntegration> {
        let path = rest_integration_path(api, resource, verb);
        self.call(GET, "GET", &path, "", None).await
    }

    /// Has a method of a REST API call something else; the rest of it stays (`UpdateIntegration`).
    pub(crate) async fn rest_point(
        &self,
        api: &str,
        resource: &str,
        verb: &str,
        uri: &str,
    ) -> Result<RestIntegration> {
        let operation = serde_json::json!({ "op": "replace", "path": "/uri", "value": uri });
        let body = serde_json::json!({ "patchOperations": [operation] }).to_string();
        let path = rest_integration_path(api, resource, verb);
        self.call(PATCH, "PATCH", &path, "", Some(body)).await
    }

    /// The stages of a REST API (`GetStages`), which come in one page.
    pub(crate) async fn rest_stages(&self, api: &str) -> Result<Vec<Stage>> {
        let path = format!("/restapis/{}/stages", part(api));
        let page: RestItems<Stage> = self.call(GET, "GET", &path, "", None).await?;
        Ok(page.item)
    }

    /// What a stage of an HTTP API serves, as a document of `OpenAPI` (`ExportApi`).
    pub(crate) async fn served(&self, api: &str, stage: &str) -> Result<Value> {
        let path = format!("/v2/apis/{}/exports/OAS30", part(api));
        let query = format!(
            "includeExtensions=true&outputType=JSON&stageName={}",
            part(stage)
        );
        self.call(GET, "GET", &path, &query, None).await
    }

    /// The same of a REST API (`GetExport`).
    pub(crate) async fn rest_served(&self, api: &str, stage: &str) -> Result<Value> {
        let path = format!(
            "/restapis/{}/stages/{}/exports/oas30",
            part(api),
            part(stage)
        );
        self.call(GET, "GET", &path, "extensions=integrations", None)
            .await
    }

    /// All pages of a list of the second generation.
    async fn items<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        let (mut items, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut query = format!("maxResults={PAGE}");
            if let Some(token) = &token {
                query.push_str(&format!("&nextToken={}", part(token)));
            }
            let page: Items<T> = self.call(GET, "GET", path, &query, None).await?;
            items.extend(page.items);
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(items);
            }
        }
    }

    /// All pages of a list of the first generation.
    async fn rest_items<T: DeserializeOwned>(&self, path: &str, query: &str) -> Result<Vec<T>> {
        let (mut items, mut position) = (Vec::new(), None::<String>);
        loop {
            let mut query = format!("{query}limit={PAGE}");
            if let Some(position) = &position {
                query.push_str(&format!("&position={}", part(position)));
            }
            let page: RestItems<T> = self.call(GET, "GET", path, &query, None).await?;
            items.extend(page.item);
            position = page.position.filter(|position| !position.is_empty());
            if position.is_none() {
                return Ok(items);
            }
        }
    }

    /// One call: signed, sent, tried again where that helps, understood.
    async fn call<T: DeserializeOwned>(
        &self,
        action: &'static str,
        method: &'static str,
        path: &str,
        query: &str,
        body: Option<String>,
    ) -> Result<T> {
        self.turn().await;
        let mark = if query.is_empty() { "" } else { "?" };
        let uri = format!("{}{path}{mark}{query}", self.endpoint);
        let request = self.signed(action, method, path, &uri, body).await?;
        let operation = self.operation(method);
        let answer = operation.invoke(request).await.called(action, path)?;
        serde_json::from_slice(&answer.0).map_err(|_| Error::new(action, path, Why::Unreadable))
    }

    /// Waits until one more call is fair to the others of the account.
    async fn turn(&self) {
        let mut pace = self.pace.lock().await;
        if let Some(left) = pace.left.checked_sub(1) {
            pace.left = left;
            return;
        }
        let interval = pace.interval.get_or_insert_with(|| {
            let mut interval = tokio::time::interval_at(Instant::now() + EVERY, EVERY);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        interval.tick().await;
    }

    async fn signed(
        &self,
        action: &'static str,
        method: &'static str,
        path: &str,
        uri: &str,
        body: Option<String>,
    ) -> Result<Prepared> {
        let credentials = self.chain.credentials().await;
        let credentials = credentials.map_err(|error| Error::of_answer(action, path, &error))?;
        let unsigned =
            |error: &(dyn std::error::Error + 'static)| Error::of_answer(action, path, error);
        let region = self.config.region().map_or("", |region| region.as_ref());
        let time = self.config.time_source().unwrap_or_default().now();
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(SERVICE)
            .time(time)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unsigned(&error))?
            .into();
        let body = body.unwrap_or_default();
        let signable = SignableRequest::new(
            method,
            uri,
            std::iter::empty(),
            SignableBody::Bytes(body.as_bytes()),
        )
        .map_err(|error| unsigned(&error))?;
        let (instructions, _) = sign(signable, &params)
            .map_err(|error| unsigned(&error))?
            .into_parts();
        let headers = instructions.headers();
        Ok(Prepared {
            method,
            uri: uri.to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body,
        })
    }

    fn operation(&self, name: &'static str) -> Operation<Prepared, Answer, Failure> {
        let config = &self.config;
        let retries = config.retry_config().cloned();
        let limits = config.timeout_config().cloned();
        let mut builder = Operation::builder()
            .service_name(SERVICE)
            .operation_name(name)
            .no_auth()
            .endpoint_url(&self.endpoint)
            .standard_retry(&retries.unwrap_or_else(RetryConfig::standard))
            .timeout_config(limits.unwrap_or_else(TimeoutConfig::disabled))
            .retry_classifier(TransientErrorClassifier::<Failure>::new())
            .retry_classifier(HttpStatusCodeClassifier::new_from_codes(
                &[429, 500, 502, 503, 504][..],
            ));
        if let Some(version) = config.behavior_version() {
            builder = builder.behavior_version(version);
        }
        if let Some(http) = config.http_client() {
            builder = builder.http_client(http);
        }
        builder
            .serializer(Prepared::request)
            .deserializer(answer)
            .build()
    }
}

fn integration_path(api: &str, id: &str) -> String {
    format!("/v2/apis/{}/integrations/{}", part(api), part(id))
}

fn rest_integration_path(api: &str, resource: &str, verb: &str) -> String {
    format!(
        "/restapis/{}/resources/{}/methods/{}/integration",
        part(api),
        part(resource),
        part(verb)
    )
}

/// One part of a path, or a value of a query: what is not a letter, a digit or one of `-._~` is encoded (RFC 3986).
fn part(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// A page of the second generation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Items<T> {
    #[serde(default = "Vec::new")]
    items: Vec<T>,
    next_token: Option<String>,
}

/// A page of the first generation.
#[derive(Deserialize)]
struct RestItems<T> {
    #[serde(default = "Vec::new")]
    item: Vec<T>,
    position: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    #[serde(default)]
    id: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    resource_methods: std::collections::BTreeMap<String, RestMethod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestMethod {
    method_integration: Option<RestIntegration>,
}

impl Resource {
    fn methods(self) -> impl Iterator<Item = Method> {
        let (resource, path) = (self.id, self.path);
        self.resource_methods
            .into_iter()
            .filter_map(move |(verb, method)| {
                Some(Method {
                    resource: resource.clone(),
                    path: path.clone(),
                    verb,
                    integration: method.method_integration?,
                })
            })
    }
}

/// A request that is signed.
struct Prepared {
    method: &'static str,
    uri: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// Without its signature.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.uri)
    }
}

impl Prepared {
    fn request(self) -> std::result::Result<HttpRequest, BoxError> {
        let mut request = HttpRequest::new(SdkBody::from(self.body.clone()));
        request.set_method(self.method)?;
        request.set_uri(self.uri)?;
        let headers = request.headers_mut();
        for (name, value) in self.headers {
            headers.try_insert(name, value)?;
        }
        // Without it the first generation answers in HAL.
        headers.insert("accept", "application/json");
        headers.insert("user-agent", concat!("squad/", env!("CARGO_PKG_VERSION")));
        if !self.body.is_empty() {
            headers.insert("content-type", "application/json");
            headers.insert("content-length", self.body.len().to_string());
        }
        Ok(request)
    }
}

type BoxError = aws_smithy_runtime_api::box_error::BoxError;

/// The body of an answer.
struct Answer(Vec<u8>);

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// An answer that is a refusal.
#[derive(Debug)]
struct Failure(ErrorMetadata);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl ProvideErrorMetadata for Failure {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

/// What the body of a refusal says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Refusal {
    #[serde(alias = "Message", default)]
    message: String,
}

/// An answer as it is; AWS's name for an error is in a header, before what follows a colon.
fn answer(response: &HttpResponse) -> std::result::Result<Answer, OrchestratorError<Failure>> {
    let bytes = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return Ok(Answer(bytes.to_vec()));
    }
    let code = response.headers().get("x-amzn-errortype");
    let code = code.and_then(|code| code.split(':').next()).unwrap_or("");
    let said: Refusal = serde_json::from_slice(bytes).unwrap_or_default();
    let meta = ErrorMetadata::builder().code(code).message(said.message);
    Err(OrchestratorError::operation(Failure(meta.build())))
}
