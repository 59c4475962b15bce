//! The proxy's own answers, as `application/problem+json` (RFC 9457).

use http::{Response, StatusCode, header};

use super::Body;
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;

/// An answer of the proxy itself, naming the service and, when one was picked, the revision.
pub(super) fn problem(
    status: StatusCode,
    detail: &str,
    service: Option<&ServiceName>,
    revision: Option<RevisionNumber>,
) -> Response<Body> {
    let mut document = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
    });
    if let Some(members) = document.as_object_mut() {
        if let Some(service) = service {
            members.insert("service".into(), service.as_str().into());
        }
        if let Some(revision) = revision {
            members.insert("revision".into(), revision.to_string().into());
        }
    }
    let mut response = Response::new(Body::full(format!("{document}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/problem+json"),
    );
    response
}
