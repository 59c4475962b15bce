//! An error of a service, and how each protocol writes it.

use serde_json::{Map, Value, json};

use crate::request::{Reply, Request, escaped};

/// A refusal in the service's own words.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// Further members of the error's shape, such as `Reason`.
    pub(crate) members: Map<String, Value>,
    /// Seconds, as the header `Retry-After`.
    pub(crate) retry_after: Option<u64>,
}

impl Failure {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            members: Map::new(),
            retry_after: None,
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn retry_after(mut self, seconds: Option<u64>) -> Self {
        self.retry_after = seconds;
        self
    }

    /// Too many calls, as each service says it: Lambda `TooManyRequestsException` 429 (API reference, each
    /// operation's errors), S3 `SlowDown` 503 (S3 API reference, Error responses), others `Throttling` 400
    /// (Common errors).
    pub(crate) fn throttled(service: &str, retry_after: Option<u64>) -> Self {
        let failure = match service {
            "lambda" => Self::new(429, "TooManyRequestsException", "Rate exceeded")
                .with("Reason", "CallerRateLimitExceeded")
                .with("Type", "User"),
            "s3" => Self::new(503, "SlowDown", "Please reduce your request rate."),
            "sts" => Self::new(400, "Throttling", "Rate exceeded"),
            "apigateway" => Self::new(429, "TooManyRequestsException", "Too Many Requests"),
            _ => Self::new(400, "ThrottlingException", "Rate exceeded"),
        };
        failure.retry_after(retry_after)
    }

    /// Something broke at AWS (Lambda API reference: `ServiceException` 500; Common errors: `InternalFailure`).
    pub(crate) fn broken(service: &str) -> Self {
        match service {
            "lambda" => Self::new(
                500,
                "ServiceException",
                "An error occurred and the request cannot be processed.",
            )
            .with("Type", "Service"),
            "s3" => Self::new(
                500,
                "InternalError",
                "We encountered an internal error. Please try again.",
            ),
            _ => Self::new(
                500,
                "InternalFailure",
                "The request processing has failed because of an unknown error, exception or failure.",
            ),
        }
    }

    /// The service is not there for a moment (Common errors, `ServiceUnavailable` 503).
    pub(crate) fn unavailable() -> Self {
        Self::new(
            503,
            "ServiceUnavailable",
            "The request has failed due to a temporary failure of the server.",
        )
    }

    /// A session that has ended. Each service has its own word (Lambda and the JSON services:
    /// `ExpiredTokenException`; STS and S3: `ExpiredToken`).
    pub(crate) fn expired(service: &str) -> Self {
        let message = "The security token included in the request is expired";
        match service {
            "sts" => Self::new(403, "ExpiredToken", message),
            "s3" => Self::new(400, "ExpiredToken", "The provided token has expired."),
            "logs" | "tagging" | "ecr" => Self::new(400, "ExpiredTokenException", message),
            _ => Self::new(403, "ExpiredTokenException", message),
        }
    }

    /// Not allowed (IAM User Guide, Troubleshoot access denied error messages).
    /// Actions have names of their own where they differ from the operation's (Service Authorization Reference).
    pub(crate) fn denied(service: &str, operation: &str, caller: &str) -> Self {
        let action = match (service, operation) {
            ("lambda", "Invoke") => "lambda:InvokeFunction".to_owned(),
            ("tagging", _) => format!("tag:{operation}"),
            ("monitoring", _) => format!("cloudwatch:{operation}"),
            // By the method of HTTP (Service Authorization Reference, "Actions … for Amazon API Gateway Management V2").
            ("apigateway", "UpdateIntegration") => "apigateway:PATCH".to_owned(),
            ("apigateway", _) => "apigateway:GET".to_owned(),
            _ => format!("{service}:{operation}"),
        };
        let message = format!(
            "User: {caller} is not authorized to perform: {action} because no identity-based policy allows the {action} action"
        );
        match service {
            "sts" | "s3" => Self::new(403, "AccessDenied", message),
            "logs" | "tagging" | "ecr" => Self::new(400, "AccessDeniedException", message),
            _ => Self::new(403, "AccessDeniedException", message),
        }
    }

    /// In the protocol that the request speaks.
    pub(crate) fn reply(&self, request: &Request, request_id: &str) -> Reply {
        let reply = match request.service.as_str() {
            "sts" => self.query_xml(request_id),
            "s3" => self.s3_xml(request, request_id),
            "monitoring" => self.cbor(),
            "logs" | "tagging" | "ecr" => self.json_11(),
            _ => self.rest_json(),
        };
        match self.retry_after {
            Some(seconds) => reply.with("Retry-After", seconds.to_string()),
            None => reply,
        }
    }

    /// AWS restJson1: the code is in `x-amzn-errortype`.
    fn rest_json(&self) -> Reply {
        let mut body = self.members.clone();
        // Lambda's model names the member `Message` in some shapes and `message` in others; clients read both.
        let name = match self.code.as_str() {
            "ResourceNotFoundException" | "ServiceException" => "Message",
            _ => "message",
        };
        body.insert(name.to_owned(), json!(self.message));
        Reply::json(self.status, &Value::Object(body)).with("x-amzn-errortype", self.code.clone())
    }

    /// AWS JSON 1.1: the code is in `__type`.
    fn json_11(&self) -> Reply {
        let mut body = self.members.clone();
        body.insert("__type".to_owned(), json!(self.code));
        body.insert("message".to_owned(), json!(self.message));
        Reply::empty(self.status).with_body(
            "application/x-amz-json-1.1",
            Value::Object(body).to_string(),
        )
    }

    fn query_xml(&self, request_id: &str) -> Reply {
        Reply::xml(
            self.status,
            format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
                self.code,
                escaped(&self.message)
            ),
        )
    }

    fn s3_xml(&self, request: &Request, request_id: &str) -> Reply {
        if request.method == http::Method::HEAD || self.status == 304 {
            return Reply::empty(self.status);
        }
        Reply::empty(self.status).with_body(
            "application/xml",
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message><Resource>{}</Resource><RequestId>{request_id}</RequestId></Error>",
                self.code,
                escaped(&self.message),
                escaped(&request.raw_path)
            ),
        )
    }

    /// Smithy RPC v2 CBOR: `__type` is the shape's absolute id.
    fn cbor(&self) -> Reply {
        let body = Map::from_iter([
            (
                "__type".to_owned(),
                json!(format!("com.amazonaws.cloudwatch#{}", self.code)),
            ),
            ("message".to_owned(), json!(self.message)),
        ]);
        Reply::empty(self.status)
            .with("smithy-protocol", "rpc-v2-cbor")
            .with_body(
                "application/cbor",
                crate::cbor::encode(&Value::Object(body)),
            )
    }
}
