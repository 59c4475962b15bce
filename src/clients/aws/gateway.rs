//! Amazon API Gateway, as far as it tells which function an API calls: read, and changed. Deploys nothing.
//!
//! A dozen small calls over [`super::signed`], in place of the SDKs of the two generations of API Gateway. Knows nothing of
//! aliases.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::error::Result;
use super::signed::{Request, Service, Signed};

/// Both generations (AWS General Reference, "Amazon API Gateway endpoints and quotas").
pub(super) const SERVICE: Service = Service {
    id: "API Gateway",
    signing: "apigateway",
    host: "apigateway",
    other_host: "apigateway",
    is_fips_in_gov: false,
};
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
    calls: Signed,
    pace: Mutex<Pace>,
}

/// Few calls go at once, and then one after the other.
#[derive(Debug)]
struct Pace {
    left: u32,
    interval: Option<Interval>,
}

impl Gateway {
    /// Over these calls.
    pub(super) fn new(calls: Signed) -> Self {
        Self {
            calls,
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

    /// One of them at most: a look whether that is allowed.
    pub(crate) async fn glance(&self) -> Result<()> {
        let page: Result<Items<Api>> = self
            .call(GET, "GET", "/v2/apis", "maxResults=1", None)
            .await;
        page.map(drop)
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

    /// One of them at most: a look whether that is allowed.
    pub(crate) async fn rest_glance(&self) -> Result<()> {
        let page: Result<RestItems<Api>> =
            self.call(GET, "GET", "/restapis", "limit=1", None).await;
        page.map(drop)
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

    /// One call, when it is its turn.
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
        // Without `accept` the first generation answers in HAL.
        let mut headers = vec![("accept", "application/json")];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let request = Request {
            action,
            resource: path,
            method,
            path: &format!("{path}{mark}{query}"),
            headers: &headers,
            body: body.unwrap_or_default(),
        };
        self.calls.call(request).await
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
