//! An HTTP request as the event that API Gateway would make of it: payload format version 2.0.
//!
//! HTTP API, "Payload format structure" shows the whole event; each rule below names its place. Pure: the
//! time, the request id and the body come in as values.

use std::net::IpAddr;

use base64::Engine as _;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::identifier;
use crate::domain::service::Route;

/// A request, and what the gateway knows about it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// Method, address and headers as they were received.
    pub(super) head: &'a Parts,
    /// The whole body.
    pub(super) body: &'a Bytes,
    /// The route that it matched; none for the rest.
    pub(super) route: Option<&'a Route>,
    /// Who called.
    pub(super) source_ip: IpAddr,
    /// When.
    pub(super) now: Timestamp,
    /// The gateway's own id of the request.
    pub(super) request_id: &'a str,
    /// The X-Ray header that the function gets too.
    pub(super) trace: &'a str,
}

/// The event, ready to be handed to a function.
pub(super) fn event(call: &Call<'_>) -> Value {
    let head = call.head;
    let raw_path = head.uri.path();
    let raw_query = head.uri.query().unwrap_or("");
    let route_key = route_key(call.route);
    let (body, is_base64) = body(&head.headers, call.body);

    let mut event = Map::new();
    let mut put = |name: &str, value: Value| drop(event.insert(name.to_owned(), value));
    put("version", "2.0".into());
    put("routeKey", route_key.as_str().into());
    put("rawPath", raw_path.into());
    put("rawQueryString", raw_query.into());
    let cookies = cookies(&head.headers);
    if !cookies.is_empty() {
        put("cookies", cookies.into());
    }
    put("headers", headers(call).into());
    if !raw_query.is_empty() {
        put("queryStringParameters", query_parameters(raw_query).into());
    }
    put("requestContext", request_context(call, &route_key));
    if let Some(parameters) = path_parameters(call.route, raw_path) {
        put("pathParameters", parameters.into());
    }
    if let Some(body) = body {
        put("body", body.into());
    }
    put("isBase64Encoded", is_base64.into());
    Value::Object(event)
}

/// API Gateway Developer Guide, "Create routes for HTTP APIs": `GET /pets/{petID}`, and `$default` for what
/// matches no route. A parameter that takes the rest is `{proxy+}` there and `{proxy*}` here.
fn route_key(route: Option<&Route>) -> String {
    route.map_or_else(
        || "$default".to_owned(),
        |route| format!("{} {}", route.method, route.path.0.replace("*}", "+}")),
    )
}

/// HTTP API, "Payload format differences": "Duplicate headers are combined with commas"; "Payload format
/// structure": "All header names are lowercased". Cookies are in their own field. The gateway adds who called.
fn headers(call: &Call<'_>) -> Map<String, Value> {
    let mut all = Map::new();
    let received = &call.head.headers;
    for name in received
        .keys()
        .filter(|name| **name != header::COOKIE && !is_hop(name))
    {
        let values: Vec<_> = received
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        all.insert(name.as_str().to_owned(), values.join(",").into());
    }
    let mut add = |name: &str, value: String| {
        all.entry(name).or_insert_with(|| value.into());
    };
    // HTTP/2 has no Host header, only an authority.
    if let Some(authority) = call.head.uri.authority() {
        add("host", authority.to_string());
    }
    add("x-forwarded-proto", "http".to_owned());
    add("x-amzn-trace-id", call.trace.to_owned());
    let source = call.source_ip.to_string();
    match all.get_mut("x-forwarded-for") {
        Some(Value::String(chain)) => *chain = format!("{chain}, {source}"),
        _ => drop(all.insert("x-forwarded-for".to_owned(), source.into())),
    }
    all
}

/// Headers that speak of one connection (RFC 9110 §7.6.1), not of the request.
pub(super) fn is_hop(name: &HeaderName) -> bool {
    [
        header::CONNECTION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
    ]
    .contains(name)
        || *name == "keep-alive"
        || *name == "proxy-connection"
}

/// HTTP API, "Payload format differences": the cookies of the request are in the `cookies` field, one each.
fn cookies(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .split(';')
                .map(|cookie| cookie.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

/// HTTP API, "Payload format differences": "Duplicate query strings are combined with commas and included in
/// the `queryStringParameters` field". Names and values are decoded; the raw string is beside them.
fn query_parameters(raw: &str) -> Map<String, Value> {
    let mut all: Map<String, Value> = Map::new();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value, true);
        match all.get_mut(&decode(name, true)) {
            Some(Value::String(known)) => {
                known.push(',');
                known.push_str(&value);
            }
            _ => drop(all.insert(decode(name, true), value.into())),
        }
    }
    all
}

/// The values of a template's parameters, decoded; none where the route has no parameters.
fn path_parameters(route: Option<&Route>, raw_path: &str) -> Option<Map<String, Value>> {
    let all: Map<String, Value> = route?
        .path
        .parameters(raw_path)?
        .into_iter()
        .map(|(name, value)| (name, decode(&value, false).into()))
        .collect();
    (!all.is_empty()).then_some(all)
}

/// Percent-decoding (RFC 3986 §2.1); in a query, `+` is a space. What is no valid escape stays as it is.
fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let escaped = match after {
            [high, low, ..] if first == b'%' => digit(high).zip(digit(low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            rest = after.get(2..).unwrap_or_default();
            continue;
        }
        bytes.push(if plus_is_space && first == b'+' {
            b' '
        } else {
            first
        });
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn request_context(call: &Call<'_>, route_key: &str) -> Value {
    let head = call.head;
    let header = |name: HeaderName| {
        let value = head
            .headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        value.map(std::borrow::Cow::into_owned)
    };
    let host = head
        .uri
        .host()
        .map(str::to_owned)
        .or_else(|| header(header::HOST).map(|host| without_port(&host).to_owned()))
        .unwrap_or_default();
    json!({
        "accountId": "000000000000",
        "apiId": "local",
        "domainName": host,
        "domainPrefix": host.split('.').next().unwrap_or_default(),
        "http": {
            "method": head.method.as_str(),
            "path": head.uri.path(),
            "protocol": format!("{:?}", head.version),
            "sourceIp": call.source_ip.to_string(),
            "userAgent": header(header::USER_AGENT).unwrap_or_default(),
        },
        "requestId": call.request_id,
        "routeKey": route_key,
        "stage": "$default",
        "time": identifier::common_log_time(call.now),
        "timeEpoch": call.now.as_millisecond(),
    })
}

/// The host of a `Host` header; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
}

/// The body as text or as base64. Which one is decided as AWS does it for functions behind a load balancer
/// (Elastic Load Balancing, "Lambda functions as targets", "Receive events from the load balancer": text for
/// `text/*`, `application/json`, `application/javascript` and `application/xml`, base64 where there is a
/// `content-encoding`); HTTP API does the same and does not write it down. What is no UTF-8 is always base64.
fn body(headers: &HeaderMap, body: &Bytes) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let text = std::str::from_utf8(body).ok().filter(|_| is_text(headers));
    text.map_or_else(
        || {
            (
                Some(base64::engine::general_purpose::STANDARD.encode(body)),
                true,
            )
        },
        |text| (Some(text.to_owned()), false),
    )
}

fn is_text(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let kind = String::from_utf8_lossy(kind.as_bytes()).to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || [
            "application/json",
            "application/javascript",
            "application/xml",
        ]
        .contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::RouteName;
    use crate::domain::route::PathTemplate;

    fn route(method: &str, path: &str) -> Route {
        Route {
            name: RouteName::new("r").unwrap(),
            method: method.into(),
            path: PathTemplate(path.into()),
        }
    }

    fn made(request: http::Request<&[u8]>, route: Option<&Route>) -> Value {
        let (head, body) = request.into_parts();
        event(&Call {
            head: &head,
            body: &Bytes::copy_from_slice(body),
            route,
            source_ip: "127.0.0.1".parse().unwrap(),
            now: "2020-03-12T19:03:58.390Z".parse().unwrap(),
            request_id: "id",
            trace: "Root=1-2-3",
        })
    }

    #[test]
    fn a_whole_event() {
        let request = http::Request::post(
            "/receipts/a%20b%2Fc?parameter1=value1&parameter1=value2&parameter2=a%20b+c%2&flag",
        )
        .header("Host", "receipts.localhost:8080")
        .header("User-Agent", "agent")
        .header("Content-Type", "application/json; charset=utf-8")
        .header("Header2", "value1")
        .header("header2", "value2")
        .header("Cookie", "cookie1=a; cookie2=b")
        .header("Cookie", "cookie3=c")
        .header("Connection", "keep-alive")
        .body(&b"{\"a\":\"\xc3\xa4\"}"[..])
        .unwrap();
        assert_eq!(
            made(request, Some(&route("POST", "/receipts/{id}"))),
            json!({
                "version": "2.0",
                "routeKey": "POST /receipts/{id}",
                "rawPath": "/receipts/a%20b%2Fc",
                "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=a%20b+c%2&flag",
                "cookies": ["cookie1=a", "cookie2=b", "cookie3=c"],
                "headers": {
                    "host": "receipts.localhost:8080",
                    "user-agent": "agent",
                    "content-type": "application/json; charset=utf-8",
                    "header2": "value1,value2",
                    "x-forwarded-for": "127.0.0.1",
                    "x-forwarded-proto": "http",
                    "x-amzn-trace-id": "Root=1-2-3",
                },
                "queryStringParameters": {
                    "parameter1": "value1,value2",
                    "parameter2": "a b c%2",
                    "flag": "",
                },
                "requestContext": {
                    "accountId": "000000000000",
                    "apiId": "local",
                    "domainName": "receipts.localhost",
                    "domainPrefix": "receipts",
                    "http": {
                        "method": "POST",
                        "path": "/receipts/a%20b%2Fc",
                        "protocol": "HTTP/1.1",
                        "sourceIp": "127.0.0.1",
                        "userAgent": "agent",
                    },
                    "requestId": "id",
                    "routeKey": "POST /receipts/{id}",
                    "stage": "$default",
                    "time": "12/Mar/2020:19:03:58 +0000",
                    "timeEpoch": 1_584_039_838_390_i64,
                },
                "pathParameters": {"id": "a b/c"},
                "body": "{\"a\":\"ä\"}",
                "isBase64Encoded": false,
            })
        );
    }

    #[test]
    fn a_request_with_nothing_in_it() {
        let request = http::Request::get("/").body(&b""[..]).unwrap();
        assert_eq!(
            made(request, None),
            json!({
                "version": "2.0",
                "routeKey": "$default",
                "rawPath": "/",
                "rawQueryString": "",
                "headers": {
                    "x-forwarded-for": "127.0.0.1",
                    "x-forwarded-proto": "http",
                    "x-amzn-trace-id": "Root=1-2-3",
                },
                "requestContext": {
                    "accountId": "000000000000",
                    "apiId": "local",
                    "domainName": "",
                    "domainPrefix": "",
                    "http": {
                        "method": "GET",
                        "path": "/",
                        "protocol": "HTTP/1.1",
                        "sourceIp": "127.0.0.1",
                        "userAgent": "",
                    },
                    "requestId": "id",
                    "routeKey": "$default",
                    "stage": "$default",
                    "time": "12/Mar/2020:19:03:58 +0000",
                    "timeEpoch": 1_584_039_838_390_i64,
                },
                "isBase64Encoded": false,
            })
        );
    }

    #[test]
    fn routes_and_their_parameters() {
        for (template, path, key, parameters) in [
            ("/a", "/a", "GET /a", Value::Null),
            ("/a/{x}/b", "/a/1/b", "GET /a/{x}/b", json!({"x": "1"})),
            (
                "/{x}/{y}",
                "/1/%32",
                "GET /{x}/{y}",
                json!({"x": "1", "y": "2"}),
            ),
            (
                "/f/{x*}",
                "/f/1/2//3/",
                "GET /f/{x+}",
                json!({"x": "1/2//3/"}),
            ),
            ("/{x*}", "/", "GET /{x+}", json!({"x": ""})),
        ] {
            let request = http::Request::get(path).body(&b""[..]).unwrap();
            let event = made(request, Some(&route("GET", template)));
            assert_eq!(event["routeKey"], key);
            assert_eq!(event["requestContext"]["routeKey"], key);
            assert_eq!(event["rawPath"], path);
            let given = event.get("pathParameters").cloned().unwrap_or_default();
            assert_eq!(given, parameters, "{template} {path}");
        }
    }

    #[test]
    fn bodies_as_text_or_base64() {
        for (kind, encoding, body, wanted, base64) in [
            (Some("text/plain"), None, &b"a"[..], "a", false),
            (Some("Application/JSON"), None, b"{}", "{}", false),
            (Some("application/problem+json"), None, b"{}", "{}", false),
            (None, None, b"a", "a", false),
            (None, None, b"\xff", "/w==", true),
            (Some("text/plain"), None, b"\xff", "/w==", true),
            (Some("text/plain"), Some("gzip"), b"a", "YQ==", true),
            (Some("application/octet-stream"), None, b"a", "YQ==", true),
            (
                Some("application/x-www-form-urlencoded"),
                None,
                b"a",
                "YQ==",
                true,
            ),
            (Some("image/png"), None, b"a", "YQ==", true),
        ] {
            let mut request = http::Request::post("/");
            if let Some(kind) = kind {
                request = request.header("content-type", kind);
            }
            if let Some(encoding) = encoding {
                request = request.header("content-encoding", encoding);
            }
            let event = made(request.body(body).unwrap(), None);
            assert_eq!(
                (&event["body"], &event["isBase64Encoded"]),
                (&wanted.into(), &base64.into()),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn hosts_without_their_ports() {
        for (host, wanted) in [
            ("a.localhost:80", "a.localhost"),
            ("a.localhost", "a.localhost"),
            ("[::1]:80", "[::1]"),
            ("127.0.0.1:80", "127.0.0.1"),
        ] {
            assert_eq!(without_port(host), wanted);
        }
    }
}
