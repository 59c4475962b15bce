//! What came in and what goes out, before any service looks at it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

/// A request with its body, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// As sent, percent-encoded.
    pub(crate) raw_path: String,
    /// The parts of the path between slashes, decoded; a trailing slash is dropped.
    pub(crate) path: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    /// All pairs of the query, for parameters that come more than once (`tagKeys`).
    pub(crate) query_pairs: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// From the credential scope (Signature Version 4: `Credential=<key>/<date>/<region>/<service>/aws4_request`).
    pub(crate) service: String,
    pub(crate) region: String,
    pub(crate) access_key: String,
}

/// Percent-decoding; `+` stays as it is, since AWS's SDKs send a blank as `%20`.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let escaped = (bytes[index] == b'%')
            .then(|| text.get(index + 1..index + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(byte) = escaped {
            out.push(byte);
            index += 3;
        } else {
            out.push(bytes[index]);
            index += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `a=1&b=2`, decoded.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

impl Request {
    pub(crate) fn new(parts: &http::request::Parts, body: Bytes) -> Self {
        let raw_path = parts.uri.path().to_owned();
        let query_pairs = pairs(parts.uri.query().unwrap_or(""));
        let path = raw_path
            .trim_matches('/')
            .split('/')
            .filter(|part| !part.is_empty())
            .map(decode)
            .collect();
        let authorization = parts
            .headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .unwrap_or("");
        let scope: Vec<&str> = authorization
            .split_once("Credential=")
            .map_or("", |(_, rest)| rest.split([',', ' ']).next().unwrap_or(""))
            .split('/')
            .collect();
        let of = |index: usize| scope.get(index).copied().unwrap_or("").to_owned();
        let mut request = Self {
            method: parts.method.clone(),
            path,
            query: query_pairs.iter().cloned().collect(),
            query_pairs,
            raw_path,
            headers: parts.headers.clone(),
            body,
            access_key: of(0),
            region: of(2),
            service: of(3),
        };
        if request.service.is_empty() && request.text().contains("Action=AssumeRoleWithWebIdentity")
        {
            // The one call that nobody signs (STS API reference, AssumeRoleWithWebIdentity).
            "sts".clone_into(&mut request.service);
        }
        request
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text, for people and for recording.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when there is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The request as it was on the wire, near enough to look for words that must not be in it.
    pub(crate) fn raw(&self) -> String {
        const MOST: usize = 1 << 20;
        let query: Vec<String> = self
            .query_pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut text = format!("{} {}", self.method, self.raw_path);
        if !query.is_empty() {
            text += &format!("?{}", query.join("&"));
        }
        for (name, value) in &self.headers {
            text += &format!("\n{name}: {}", String::from_utf8_lossy(value.as_bytes()));
        }
        let body = self.body.get(..self.body.len().min(MOST)).unwrap_or(&[]);
        text + "\n\n" + &String::from_utf8_lossy(body)
    }
}

/// What goes back.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::empty(status).with_body("application/json", body.to_string())
    }

    pub(crate) fn xml(status: u16, body: String) -> Self {
        Self::empty(status).with_body("text/xml", body)
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn with_body(self, kind: &str, body: impl Into<Bytes>) -> Self {
        let mut reply = self.with("content-type", kind);
        reply.body = body.into();
        reply
    }
}

/// Text for XML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
