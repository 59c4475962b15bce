//! Calls to services of AWS of which squad needs one thing or two: signed here, and sent through the session's own
//! connections, retries and limits.
//!
//! For such a service its SDK would be most of what there is to compile (decision 0016). Knows no service, and
//! writes nothing by itself.

use std::fmt;

use aws_config::SdkConfig;
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{
    HttpStatusCodeClassifier, TransientErrorClassifier,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::service_config::ServiceConfigKey;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::credentials::Chain;
use super::error::{Called, Error, Result, Why};
use super::patience::limits;

/// A service, by the names that AWS gives it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    /// In variables and profiles, such as `CloudWatch Logs` of `AWS_ENDPOINT_URL_CLOUDWATCH_LOGS` (AWS SDKs and Tools
    /// Reference Guide, "Service-specific endpoints").
    pub(super) id: &'static str,
    /// In signatures.
    pub(super) signing: &'static str,
    /// The beginning of its host.
    pub(super) host: &'static str,
    /// The beginning of its hosts for IPv6, and of those for FIPS where AWS is not another partition.
    pub(super) other_host: &'static str,
    /// Its usual hosts of `GovCloud` are those for FIPS.
    pub(super) is_fips_in_gov: bool,
}

/// One call.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// The IAM action, such as `logs:FilterLogEvents`.
    pub(super) action: &'static str,
    /// What it is asked about, for errors.
    pub(super) resource: &'a str,
    /// Of HTTP.
    pub(super) method: &'static str,
    /// The path and, after a question mark, the query; encoded.
    pub(super) path: &'a str,
    /// Names in small letters, and values; all are signed.
    pub(super) headers: &'a [(&'static str, &'static str)],
    /// Empty for none.
    pub(super) body: String,
}

/// A service of one environment. Cheap to make; reaches nothing before the first call.
#[derive(Debug)]
pub(super) struct Signed {
    service: Service,
    config: SdkConfig,
    chain: Chain,
    endpoint: String,
}

impl Signed {
    /// Where the configuration says that it is.
    pub(super) fn new(service: Service, config: &SdkConfig, chain: Chain) -> Self {
        Self {
            service,
            config: config.clone(),
            chain,
            endpoint: endpoint(service, config),
        }
    }

    /// One call of a service that speaks JSON with the operation in a header (Smithy, "AWS JSON 1.1 protocol"). `target`
    /// is such as `Logs_20140328.FilterLogEvents`.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        action: &'static str,
        resource: &str,
        target: &'static str,
        input: &impl Serialize,
    ) -> Result<T> {
        let body = serde_json::to_string(input)
            .map_err(|error| Error::of_answer(action, resource, &error))?;
        self.call(Request {
            action,
            resource,
            method: "POST",
            path: "/",
            headers: &[
                ("content-type", "application/x-amz-json-1.1"),
                ("x-amz-target", target),
            ],
            body,
        })
        .await
    }

    /// One call: signed, sent, tried again where that helps, understood.
    pub(super) async fn call<T: DeserializeOwned>(&self, request: Request<'_>) -> Result<T> {
        let (action, resource) = (request.action, request.resource);
        let limits = self.config.timeout_config().cloned();
        let signing = self.service.signing;
        let operation = operation(&self.config, signing, &self.endpoint, action, limits);
        let prepared = self.prepared(request).await?;
        let answer = operation.invoke(prepared).await.called(action, resource)?;
        serde_json::from_slice(&answer.0).map_err(|_| Error::new(action, resource, Why::Unreadable))
    }

    async fn prepared(&self, request: Request<'_>) -> Result<Prepared> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Error::of_answer(request.action, request.resource, error)
        };
        let credentials = self.chain.credentials().await;
        let identity = credentials.map_err(|error| failed(&error))?.into();
        let region = self.config.region().map_or("", |region| region.as_ref());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(self.service.signing)
            .time(self.config.time_source().unwrap_or_default().now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let uri = format!("{}{}", self.endpoint, request.path);
        let signable = SignableRequest::new(
            request.method,
            &uri,
            request.headers.iter().copied(),
            SignableBody::Bytes(request.body.as_bytes()),
        );
        let signed = signable.and_then(|signable| sign(signable, &params));
        let (instructions, _) = signed.map_err(|error| failed(&error))?.into_parts();
        let own = request.headers.iter().copied();
        Ok(Prepared {
            method: request.method,
            headers: own
                .chain(instructions.headers())
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            uri,
            body: request.body,
        })
    }
}

/// What an address of AWS's own leads to, which is signed already (such as `FunctionCodeLocation` of the Lambda API): fetched
/// without credentials, and never shown. `bytes` is how many there will be.
pub(super) async fn fetch(
    config: &SdkConfig,
    address: &str,
    (action, resource): (&'static str, &str),
    bytes: u64,
) -> Result<Vec<u8>> {
    let begin = address.find("://").map_or(0, |at| at + "://".len());
    let end = address
        .get(begin..)
        .and_then(|rest| rest.find('/'))
        .map_or(address.len(), |at| begin + at);
    let (origin, _) = address.split_at(end);
    let limits = Some(limits(bytes));
    let operation = operation(config, "s3", origin, action, limits);
    let prepared = Prepared {
        method: "GET",
        uri: address.to_owned(),
        headers: Vec::new(),
        body: String::new(),
    };
    let answer = operation.invoke(prepared).await.called(action, resource)?;
    Ok(answer.0)
}

fn operation(
    config: &SdkConfig,
    service: &'static str,
    endpoint: &str,
    name: &'static str,
    limits: Option<TimeoutConfig>,
) -> Operation<Prepared, Answer, Failure> {
    let retries = config.retry_config().cloned();
    let mut builder = Operation::builder()
        .service_name(service)
        .operation_name(name)
        .no_auth()
        .endpoint_url(endpoint)
        .standard_retry(&retries.unwrap_or_else(RetryConfig::standard))
        .timeout_config(limits.unwrap_or_else(TimeoutConfig::disabled))
        .retry_classifier(TransientErrorClassifier::<Failure>::new())
        .retry_classifier(AwsErrorCodeClassifier::<Failure>::new())
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

/// The address that a variable or a profile sets for the service, or for all; else the public one.
fn endpoint(service: Service, config: &SdkConfig) -> String {
    let key = ServiceConfigKey::builder()
        .service_id(service.id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let own = key
        .ok()
        .and_then(|key| config.service_config()?.load_config(key));
    own.as_deref()
        .or_else(|| config.endpoint_url())
        .map_or_else(
            || public(service, config),
            |set| set.trim_end_matches('/').to_owned(),
        )
}

/// The ends of the hosts of AWS's partitions, for all and for IPv6, by how the names of their regions begin (the partitions
/// of the SDKs' endpoint rules, version 1.1).
const PARTITIONS: [(&str, &str, &str); 6] = [
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
];

/// As the endpoint rules of the service's SDK make it.
fn public(service: Service, config: &SdkConfig) -> String {
    let region = config.region().map_or("", |region| region.as_ref());
    let ipv6 = config.use_dual_stack() == Some(true);
    let is_gov = region.starts_with("us-gov-");
    let fips = config.use_fips() == Some(true) && !(is_gov && !ipv6 && service.is_fips_in_gov);
    let (_, suffix, suffix_ipv6) = PARTITIONS
        .into_iter()
        .find(|(prefix, ..)| region.starts_with(prefix))
        .unwrap_or(("", "amazonaws.com", "api.aws"));
    let (host, suffix) = match (fips, ipv6) {
        (_, true) => (service.other_host, suffix_ipv6),
        (true, false) if suffix == "amazonaws.com" => (service.other_host, suffix),
        _ => (service.host, suffix),
    };
    let fips = if fips { "-fips" } else { "" };
    format!("https://{host}{fips}.{region}.{suffix}")
}

/// A request that is signed.
struct Prepared {
    method: &'static str,
    uri: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// Without its signature, which is in a header or in the query.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, _) = self.uri.split_once('?').unwrap_or((&self.uri, ""));
        write!(f, "{} {address}", self.method)
    }
}

impl Prepared {
    fn request(self) -> std::result::Result<HttpRequest, BoxError> {
        let length = self.body.len();
        let mut request = HttpRequest::new(SdkBody::from(self.body));
        request.set_method(self.method)?;
        request.set_uri(self.uri)?;
        let headers = request.headers_mut();
        for (name, value) in self.headers {
            headers.try_insert(name, value)?;
        }
        headers.insert("user-agent", concat!("squad/", env!("CARGO_PKG_VERSION")));
        if length > 0 {
            headers.insert("content-length", length.to_string());
        }
        Ok(request)
    }
}

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
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    name: String,
    #[serde(alias = "Message", default)]
    message: String,
}

/// An answer as it is. AWS's name for an error is in a header or in the body, between a namespace with `#` and an address
/// with `:` (Smithy, "AWS JSON 1.1 protocol", "Operation error serialization").
fn answer(response: &HttpResponse) -> std::result::Result<Answer, OrchestratorError<Failure>> {
    let bytes = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return Ok(Answer(bytes.to_vec()));
    }
    let failure = refusal(response.headers().get("x-amzn-errortype"), bytes);
    Err(OrchestratorError::operation(failure))
}

fn refusal(header: Option<&str>, body: &[u8]) -> Failure {
    let said: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let name = header.unwrap_or(&said.name);
    let name = name.split(':').next().unwrap_or_default();
    let code = name.rsplit('#').next().unwrap_or_default();
    let meta = ErrorMetadata::builder().code(code).message(said.message);
    Failure(meta.build())
}

#[cfg(test)]
mod tests {
    use aws_config::Region;

    use super::*;

    use super::super::{gateway, images, logs};

    /// The addresses of the tests of the endpoint rules of the SDKs for Rust: aws-sdk-ecr 1.138, aws-sdk-cloudwatchlogs 1.162,
    /// and for API Gateway of the AWS General Reference.
    #[test]
    fn a_service_is_where_aws_has_it() {
        let (ecr, logs, gateway) = (images::SERVICE, logs::SERVICE, gateway::SERVICE);
        for (service, region, fips, ipv6, host) in [
            (
                ecr,
                "eu-west-1",
                false,
                false,
                "api.ecr.eu-west-1.amazonaws.com",
            ),
            (
                ecr,
                "us-east-1",
                true,
                false,
                "ecr-fips.us-east-1.amazonaws.com",
            ),
            (ecr, "us-east-1", false, true, "ecr.us-east-1.api.aws"),
            (ecr, "us-east-1", true, true, "ecr-fips.us-east-1.api.aws"),
            (
                ecr,
                "us-gov-west-1",
                true,
                false,
                "ecr-fips.us-gov-west-1.amazonaws.com",
            ),
            (
                ecr,
                "cn-north-1",
                false,
                false,
                "api.ecr.cn-north-1.amazonaws.com.cn",
            ),
            (
                ecr,
                "cn-north-1",
                false,
                true,
                "ecr.cn-north-1.api.amazonwebservices.com.cn",
            ),
            (
                ecr,
                "cn-northwest-1",
                true,
                false,
                "api.ecr-fips.cn-northwest-1.amazonaws.com.cn",
            ),
            (
                ecr,
                "eusc-de-east-1",
                false,
                false,
                "api.ecr.eusc-de-east-1.amazonaws.eu",
            ),
            (
                ecr,
                "us-iso-east-1",
                true,
                false,
                "api.ecr-fips.us-iso-east-1.c2s.ic.gov",
            ),
            (
                ecr,
                "us-isob-east-1",
                false,
                false,
                "api.ecr.us-isob-east-1.sc2s.sgov.gov",
            ),
            (
                ecr,
                "us-isof-south-1",
                false,
                false,
                "api.ecr.us-isof-south-1.csp.hci.ic.gov",
            ),
            (
                ecr,
                "eu-isoe-west-1",
                false,
                false,
                "api.ecr.eu-isoe-west-1.cloud.adc-e.uk",
            ),
            (
                logs,
                "eu-west-1",
                false,
                false,
                "logs.eu-west-1.amazonaws.com",
            ),
            (
                logs,
                "us-east-1",
                true,
                false,
                "logs-fips.us-east-1.amazonaws.com",
            ),
            (logs, "us-east-1", true, true, "logs-fips.us-east-1.api.aws"),
            (
                logs,
                "us-gov-east-1",
                false,
                false,
                "logs.us-gov-east-1.amazonaws.com",
            ),
            (
                logs,
                "us-gov-east-1",
                true,
                false,
                "logs.us-gov-east-1.amazonaws.com",
            ),
            (
                logs,
                "us-gov-east-1",
                true,
                true,
                "logs-fips.us-gov-east-1.api.aws",
            ),
            (
                logs,
                "us-iso-east-1",
                true,
                false,
                "logs-fips.us-iso-east-1.c2s.ic.gov",
            ),
            (
                gateway,
                "eu-west-1",
                false,
                false,
                "apigateway.eu-west-1.amazonaws.com",
            ),
            (
                gateway,
                "us-east-1",
                true,
                false,
                "apigateway-fips.us-east-1.amazonaws.com",
            ),
            (
                gateway,
                "cn-north-1",
                false,
                false,
                "apigateway.cn-north-1.amazonaws.com.cn",
            ),
        ] {
            let config = SdkConfig::builder()
                .region(Region::new(region))
                .use_fips(fips)
                .use_dual_stack(ipv6);
            let found = endpoint(service, &config.build());
            assert_eq!(found, format!("https://{host}"));
        }
    }

    #[test]
    fn an_address_that_is_set_goes_first() {
        let config = SdkConfig::builder().endpoint_url("http://127.0.0.1:4566/");
        assert_eq!(
            endpoint(images::SERVICE, &config.build()),
            "http://127.0.0.1:4566"
        );
    }

    #[test]
    fn the_name_of_an_error_is_found_where_each_service_puts_it() {
        let of = |header, body: &str| {
            let failure = refusal(header, body.as_bytes());
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            (text(failure.meta().code()), text(failure.meta().message()))
        };
        for (header, body, code, message) in [
            (
                Some("NotFoundException:http://x/"),
                r#"{"message":"m"}"#,
                "NotFoundException",
                "m",
            ),
            (
                None,
                r#"{"__type":"com.amazonaws.logs#A","Message":"m"}"#,
                "A",
                "m",
            ),
            (None, r#"{"__type":"A:http://x/"}"#, "A", ""),
            (None, "<html>", "", ""),
        ] {
            assert_eq!(of(header, body), (code.to_owned(), message.to_owned()));
        }
    }
}
