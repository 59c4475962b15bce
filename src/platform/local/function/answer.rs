//! What a function returned, as the HTTP answer that API Gateway would make of it.
//!
//! HTTP API, "Lambda function response for format 2.0". Pure.

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use super::event::is_hop;
use super::{Failure, Refused};

/// Says why the answer is the platform's own; not from API Gateway, which keeps the reason in its log.
pub(super) const ERROR_HEADER: &str = "x-squad-error";

/// Why a function's answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the function's answer cannot be used: {0}")]
pub(super) struct Malformed(String);

/// Why there is no answer of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// It raised an error, or its process ended or did not start.
    Function,
    /// Its time limit was over.
    FunctionTimeout,
    /// It answered something that is no answer.
    Malformed,
    /// The gateway's own time limit was over.
    GatewayTimeout,
    /// No process was free.
    Busy,
    /// The request is too large for the gateway or for an event.
    TooLarge,
    /// The request's body ended too early.
    Truncated,
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Function | Failure::Response => Self::Function,
            Failure::Timeout => Self::FunctionTimeout,
        }
    }
}

impl From<&Refused> for Problem {
    fn from(refused: &Refused) -> Self {
        match refused {
            Refused::TooLarge { .. } => Self::TooLarge,
            Refused::Busy(_) | Refused::Stopped => Self::Busy,
        }
    }
}

/// The gateway's own answer. `{"message":"Internal Server Error"}` is what an HTTP API answers when its
/// integration fails ("Troubleshooting issues with HTTP API Lambda integrations"), a function's own timeout
/// among it; `Service Unavailable` is for the gateway's time limit and for throttling.
pub(super) fn problem(problem: Problem) -> Response<Bytes> {
    let (status, message, word) = match problem {
        Problem::Function => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal Server Error",
            "function-error",
        ),
        Problem::FunctionTimeout => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal Server Error",
            "function-timeout",
        ),
        Problem::Malformed => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal Server Error",
            "malformed-answer",
        ),
        Problem::GatewayTimeout => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Service Unavailable",
            "gateway-timeout",
        ),
        Problem::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Service Unavailable",
            "no-free-process",
        ),
        Problem::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "Request Entity Too Large",
            "too-large",
        ),
        Problem::Truncated => (StatusCode::BAD_REQUEST, "Bad Request", "truncated-body"),
    };
    let mut response = Response::new(Bytes::from(json!({"message": message}).to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(ERROR_HEADER, HeaderValue::from_static(word));
    response
}

/// The answer that a payload describes.
pub(super) fn answer(payload: &Bytes) -> Result<Response<Bytes>, Malformed> {
    let value: Value = serde_json::from_slice(payload)
        .map_err(|error| Malformed(format!("it is no JSON: {error}")))?;
    match value {
        Value::Object(fields) if fields.contains_key("statusCode") => explicit(&fields),
        value => inferred(value, payload),
    }
}

/// "If your Lambda function returns valid JSON and doesn't return a `statusCode`, API Gateway assumes":
/// status 200, content type `application/json`, and the value as the body; a string is the body itself.
fn inferred(value: Value, payload: &Bytes) -> Result<Response<Bytes>, Malformed> {
    let body = match value {
        Value::String(text) => text.into(),
        _ => payload.clone(),
    };
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(|error| Malformed(error.to_string()))
}

/// "To customize the response, your Lambda function should return a response with the following format":
/// `cookies`, `isBase64Encoded`, `statusCode`, `headers`, `body`.
fn explicit(fields: &Map<String, Value>) -> Result<Response<Bytes>, Malformed> {
    let mut response = Response::new(body(fields)?);
    *response.status_mut() = status(fields)?;
    let headers = response.headers_mut();
    if let Some(given) = given(fields, "headers") {
        let given = given
            .as_object()
            .ok_or_else(|| Malformed("`headers` is no object".to_owned()))?;
        for (name, value) in given {
            let key = HeaderName::try_from(name)
                .map_err(|_| Malformed(format!("`{name}` is no name of a header")))?;
            // How long the body is and how it is sent is the gateway's business.
            if !is_hop(&key) && key != header::CONTENT_LENGTH {
                headers.append(key, header_value(name, value)?);
            }
        }
    }
    if !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain;charset=UTF-8"),
        );
    }
    // "Payload format differences": "In the response to the client, each cookie becomes a set-cookie header".
    if let Some(cookies) = given(fields, "cookies") {
        let cookies = cookies
            .as_array()
            .ok_or_else(|| Malformed("`cookies` is no array".to_owned()))?;
        for cookie in cookies {
            headers.append(header::SET_COOKIE, header_value("cookies", cookie)?);
        }
    }
    Ok(response)
}

/// A field that is there and is not null.
fn given<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn status(fields: &Map<String, Value>) -> Result<StatusCode, Malformed> {
    let value = fields.get("statusCode").unwrap_or(&Value::Null);
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number
        .filter(|number| (200..600).contains(number))
        .and_then(|number| StatusCode::from_u16(u16::try_from(number).ok()?).ok())
        .ok_or_else(|| Malformed(format!("`statusCode` is {value}")))
}

fn body(fields: &Map<String, Value>) -> Result<Bytes, Malformed> {
    let encoded = given(fields, "isBase64Encoded").is_some_and(|value| value == true);
    match given(fields, "body") {
        None => Ok(Bytes::new()),
        Some(Value::String(text)) if encoded => base64::engine::general_purpose::STANDARD
            .decode(text)
            .map(Bytes::from)
            .map_err(|error| Malformed(format!("`body` is no base64: {error}"))),
        Some(Value::String(text)) => Ok(Bytes::from(text.clone())),
        Some(_) => Err(Malformed("`body` is no string".to_owned())),
    }
}

fn header_value(name: &str, value: &Value) -> Result<HeaderValue, Malformed> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return Err(Malformed(format!("`{name}` is neither text nor number"))),
    };
    HeaderValue::try_from(text)
        .map_err(|_| Malformed(format!("`{name}` holds a forbidden character")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(response: &Response<Bytes>) -> String {
        let mut text = response.status().as_u16().to_string();
        for (name, value) in response.headers() {
            text.push_str(&format!(" | {name}: {}", value.to_str().unwrap()));
        }
        format!("{text} | {:?}", String::from_utf8_lossy(response.body()))
    }

    #[test]
    fn payloads_become_answers() {
        for (payload, wanted) in [
            // The three examples of "Lambda function response for format 2.0".
            (
                r#""Hello from Lambda!""#,
                r#"200 | content-type: application/json | "Hello from Lambda!""#,
            ),
            (
                r#"{ "message": "Hello from Lambda!" }"#,
                r#"200 | content-type: application/json | "{ \"message\": \"Hello from Lambda!\" }""#,
            ),
            (
                r#"{"cookies":["a=1; Path=/","b=2"],"isBase64Encoded":true,"statusCode":201,"headers":{"X-A":"b","Content-Type":"image/png"},"body":"YQ=="}"#,
                r#"201 | content-type: image/png | x-a: b | set-cookie: a=1; Path=/ | set-cookie: b=2 | "a""#,
            ),
            // What the page leaves open.
            ("null", r#"200 | content-type: application/json | "null""#),
            ("[1]", r#"200 | content-type: application/json | "[1]""#),
            (
                r#"{"statusCode":204}"#,
                r#"204 | content-type: text/plain;charset=UTF-8 | """#,
            ),
            (
                r#"{"statusCode":"404","body":"no","headers":null}"#,
                r#"404 | content-type: text/plain;charset=UTF-8 | "no""#,
            ),
            (
                r#"{"statusCode":200,"headers":{"a":1,"b":true,"content-length":"9","connection":"close","transfer-encoding":"chunked"}}"#,
                r#"200 | a: 1 | b: true | content-type: text/plain;charset=UTF-8 | """#,
            ),
        ] {
            let response = answer(&Bytes::from_static(payload.as_bytes())).unwrap();
            assert_eq!(shown(&response), wanted, "{payload}");
        }
    }

    #[test]
    fn what_is_no_answer() {
        for (payload, part) in [
            ("", "no JSON"),
            ("hello", "no JSON"),
            (r#"{"statusCode":"ok"}"#, "`statusCode` is \"ok\""),
            (r#"{"statusCode":null}"#, "`statusCode` is null"),
            (r#"{"statusCode":100}"#, "`statusCode` is 100"),
            (r#"{"statusCode":600}"#, "`statusCode` is 600"),
            (r#"{"statusCode":200.5}"#, "`statusCode` is 200.5"),
            (r#"{"statusCode":200,"body":{}}"#, "`body` is no string"),
            (
                r#"{"statusCode":200,"body":"?","isBase64Encoded":true}"#,
                "no base64",
            ),
            (
                r#"{"statusCode":200,"headers":[]}"#,
                "`headers` is no object",
            ),
            (
                r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
                "no name of a header",
            ),
            (
                r#"{"statusCode":200,"headers":{"a":"b\r\nc: d"}}"#,
                "forbidden character",
            ),
            (
                r#"{"statusCode":200,"headers":{"a":["b"]}}"#,
                "neither text nor number",
            ),
            (
                r#"{"statusCode":200,"cookies":"a=1"}"#,
                "`cookies` is no array",
            ),
        ] {
            let error = answer(&Bytes::from_static(payload.as_bytes())).unwrap_err();
            assert!(error.to_string().contains(part), "{payload}: {error}");
        }
    }

    #[test]
    fn the_gateway_s_own_answers() {
        for (given, wanted) in [
            (
                Problem::Function,
                r#"500 | content-type: application/json | x-squad-error: function-error | "{\"message\":\"Internal Server Error\"}""#,
            ),
            (
                Problem::from(Failure::Timeout),
                r#"500 | content-type: application/json | x-squad-error: function-timeout | "{\"message\":\"Internal Server Error\"}""#,
            ),
            (
                Problem::Malformed,
                r#"500 | content-type: application/json | x-squad-error: malformed-answer | "{\"message\":\"Internal Server Error\"}""#,
            ),
            (
                Problem::GatewayTimeout,
                r#"503 | content-type: application/json | x-squad-error: gateway-timeout | "{\"message\":\"Service Unavailable\"}""#,
            ),
            (
                Problem::from(&Refused::Stopped),
                r#"503 | content-type: application/json | x-squad-error: no-free-process | "{\"message\":\"Service Unavailable\"}""#,
            ),
            (
                Problem::from(&Refused::TooLarge { size: 1 }),
                r#"413 | content-type: application/json | x-squad-error: too-large | "{\"message\":\"Request Entity Too Large\"}""#,
            ),
            (
                Problem::Truncated,
                r#"400 | content-type: application/json | x-squad-error: truncated-body | "{\"message\":\"Bad Request\"}""#,
            ),
        ] {
            assert_eq!(shown(&problem(given)), wanted);
        }
    }
}
