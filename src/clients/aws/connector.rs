//! What every request passes on its way out: the pace, and on its way back: `Retry-After`, and where the credentials
//! came from, for the error that an answer may become.
//!
//! Knows methods and paths of Lambda's API as its reference lists them; changes no request.

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use super::contact::Contact;
use super::credentials::Chain;
use super::pace::{Lane, Pace, Priority};

/// The one pool of connections of a session. What it takes to trust a server (hundreds of files on a usual system) is
/// read when the first call over TLS goes out, and never for an address without it. `contact` learns whether anything is
/// answered.
pub(super) fn http(contact: Contact) -> SharedHttpClient {
    SharedHttpClient::new(ByScheme {
        contact,
        plain: Builder::new().build_http(),
        secure: Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build_https(),
    })
}

/// Two pools, of which an address chooses one.
#[derive(Debug, Clone)]
struct ByScheme {
    contact: Contact,
    plain: SharedHttpClient,
    secure: SharedHttpClient,
}

impl HttpClient for ByScheme {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Chosen {
            pools: self.clone(),
            settings: settings.clone(),
            components: components.clone(),
        })
    }
}

/// Asks a pool for its connector when the address is known: the pool keeps it for the next call.
#[derive(Debug, Clone)]
struct Chosen {
    pools: ByScheme,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for Chosen {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let pool = if request.uri().starts_with("http://") {
            &self.pools.plain
        } else {
            &self.pools.secure
        };
        let contact = self.pools.contact.clone();
        contact.asked(request.uri());
        let answer = pool
            .http_connector(&self.settings, &self.components)
            .call(request);
        HttpConnectorFuture::new(async move {
            match answer.await {
                Ok(response) => {
                    contact.answered();
                    Ok(response)
                }
                Err(error) => Err(contact.failed(error)),
            }
        })
    }
}

/// A pool of connections with a gate before it.
#[derive(Debug, Clone)]
pub(super) struct Paced {
    http: SharedHttpClient,
    gate: Option<(Pace, Priority)>,
    chain: Chain,
}

impl Paced {
    /// For what has no small quota.
    pub(super) fn unpaced(http: &SharedHttpClient, chain: Chain) -> SharedHttpClient {
        SharedHttpClient::new(Self {
            http: http.clone(),
            gate: None,
            chain,
        })
    }

    /// For Lambda's control plane.
    pub(super) fn wrap(
        http: &SharedHttpClient,
        pace: Pace,
        priority: Priority,
        chain: Chain,
    ) -> SharedHttpClient {
        SharedHttpClient::new(Self {
            http: http.clone(),
            gate: Some((pace, priority)),
            chain,
        })
    }
}

impl HttpClient for Paced {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Gate {
            connector: self.http.http_connector(settings, components),
            gate: self.gate.clone(),
            chain: self.chain.clone(),
        })
    }
}

#[derive(Debug, Clone)]
struct Gate {
    connector: SharedHttpConnector,
    gate: Option<(Pace, Priority)>,
    chain: Chain,
}

impl HttpConnector for Gate {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let gate = self.clone();
        HttpConnectorFuture::new(async move {
            let lane = Lane::of(request.method(), request.uri());
            if let Some(((pace, priority), lane)) = gate.gate.as_ref().zip(lane) {
                pace.turn(lane, *priority).await;
            }
            let mut response = gate.connector.call(request).await?;
            let status = response.status().as_u16();
            if status == 429
                && let Some((pace, priority)) = &gate.gate
            {
                pace.throttled(*priority);
            }
            if status >= 400 {
                retry_after(&mut response);
                response.add_extension(gate.chain.origin());
            }
            Ok(response)
        })
    }
}

/// The SDK waits as long as `x-amz-retry-after` says, in milliseconds. Lambda says it in seconds, as HTTP has it (RFC
/// 9110, section 10.2.3; Lambda API Reference, `TooManyRequestsException`).
fn retry_after(response: &mut HttpResponse) {
    const AMAZON: &str = "x-amz-retry-after";
    let headers = response.headers_mut();
    let seconds = headers
        .get("retry-after")
        .and_then(|text| text.trim().parse::<u64>().ok())
        .filter(|_| !headers.contains_key(AMAZON));
    if let Some(seconds) = seconds {
        headers.insert(AMAZON, (seconds.min(60) * 1000).to_string());
    }
}
