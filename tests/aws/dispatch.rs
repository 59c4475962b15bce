//! Which service and operation a request is, and who answers it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::request::{Reply, Request};
use crate::server::Shared;
use crate::world::Identity;
use crate::{cloudwatch, ecr, gateway, invoke, lambda, logs, s3, sts, tagging};

/// What a request asks for.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) parameters: Map<String, Value>,
    /// It changes something.
    pub(crate) writes: bool,
}

impl Operation {
    pub(crate) fn new(name: &'static str) -> Self {
        let reads = [
            "Get",
            "List",
            "Describe",
            "Head",
            "Filter",
            "Invoke",
            "AssumeRole",
        ];
        Self {
            name,
            parameters: Map::new(),
            writes: !reads.iter().any(|prefix| name.starts_with(prefix)),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.to_owned(), value.into());
        self
    }

    /// A parameter as text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).and_then(Value::as_str)
    }
}

/// Never fails: what nobody knows is the operation `Unknown`.
pub(crate) fn operation(request: &Request) -> Operation {
    let found = match request.service.as_str() {
        "lambda" => lambda::operation(request),
        "sts" => sts::operation(request),
        "monitoring" => cloudwatch::operation(request),
        "logs" => logs::operation(request),
        "tagging" => tagging::operation(request),
        "ecr" => ecr::operation(request),
        "s3" => s3::operation(request),
        "apigateway" => gateway::operation(request),
        _ => None,
    };
    found.unwrap_or_else(|| {
        Operation::new("Unknown").with(
            "request",
            json!(format!("{} {}", request.method, request.raw_path)),
        )
    })
}

/// The service's answer.
pub(crate) async fn handle(
    request: &Request,
    operation: &Operation,
    identity: &Identity,
    request_id: &str,
    shared: &Arc<Shared>,
) -> Result<Reply, Failure> {
    let unknown = || {
        Err(Failure::new(
            404,
            "UnknownOperationException",
            format!(
                "the stand-in does not know {} {} of {:?}",
                request.method, request.raw_path, request.service
            ),
        ))
    };
    match (request.service.as_str(), operation.name) {
        (_, "Unknown") => unknown(),
        ("lambda", "Invoke") => {
            invoke::handle(request, operation, identity, request_id, shared).await
        }
        ("lambda", _) => lambda::handle(request, operation, identity, &mut shared.world()),
        ("sts", _) => sts::handle(request, operation, identity, &mut shared.world()),
        ("monitoring", _) => cloudwatch::handle(request, operation, identity, &mut shared.world()),
        ("logs", _) => logs::handle(request, operation, identity, &mut shared.world()),
        ("tagging", _) => tagging::handle(request, identity, &mut shared.world()),
        ("ecr", _) => ecr::handle(request, &shared.world()),
        ("s3", _) => s3::handle(request, operation, &mut shared.world()),
        ("apigateway", _) => gateway::handle(request, operation, identity, &mut shared.world()),
        _ => unknown(),
    }
}
