//! What a proxy does to headers: RFC 9110 §7.6.1 (hop by hop), and who asked.

use std::net::SocketAddr;

use http::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE, UPGRADE};

/// Forces a revision: `<service>=<revision or rollout id>`, several separated by commas.
pub(super) const FORCE: HeaderName = HeaderName::from_static("x-squad-canary");
/// Says which revision answered.
pub(super) const REVISION: HeaderName = HeaderName::from_static("x-squad-revision");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What `x-squad-canary` says for a service, if it says anything for it.
pub(super) fn forced<'a>(headers: &'a HeaderMap, service: &str) -> Option<&'a str> {
    headers
        .get_all(FORCE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(|value| {
            value.split(',').find_map(|part| {
                let (name, wanted) = part.split_once('=')?;
                (name.trim() == service).then(|| wanted.trim())
            })
        })
}

/// Who calls, as a header says. Said twice it says nothing: a caller may have set one, and what stands before the service
/// the other.
pub(super) fn caller<'a>(headers: &'a HeaderMap, identity: &str) -> Option<&'a str> {
    let mut values = headers.get_all(identity).iter();
    let caller = values.next()?.to_str().ok()?.trim();
    (values.next().is_none() && !caller.is_empty()).then_some(caller)
}

/// The protocol that a message wants to switch to, if it does.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    if asks {
        headers.get(UPGRADE).cloned()
    } else {
        None
    }
}

/// Removes what is meant for one connection only, and what `Connection` names besides. Trailers are passed on in both
/// directions, so `TE: trailers` stays true (RFC 9110 §10.1.4).
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // Most messages have none of them, and to pass over all names once costs less than to look each of these up.
    let found: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_hop_by_hop(name))
        .cloned()
        .collect();
    if found.is_empty() {
        return;
    }
    let takes_trailers = headers
        .get_all(TE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("trailers"));
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|token| token.trim().parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in found {
        headers.remove(name);
    }
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "keep-alive" | "proxy-connection" | "te" | "transfer-encoding" | "upgrade"
    )
}

/// Says who asked, and by which name.
pub(super) fn add_forwarded(headers: &mut HeaderMap, remote: SocketAddr) {
    let address = remote.ip().to_string();
    let chain = match headers
        .get(FORWARDED_FOR)
        .and_then(|value| value.to_str().ok())
    {
        Some(before) => format!("{before}, {address}"),
        None => address,
    };
    if let Ok(value) = HeaderValue::from_str(&chain) {
        headers.insert(FORWARDED_FOR, value);
    }
    if !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    if !headers.contains_key(FORWARDED_HOST)
        && let Some(host) = headers.get(HOST).cloned()
    {
        headers.insert(FORWARDED_HOST, host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_forcing_header_speaks_for_its_service() {
        for (value, wanted) in [
            ("payments=2", Some("2")),
            ("orders=1, payments = r-7", Some("r-7")),
            ("orders=1", None),
            ("payments", None),
            ("", None),
        ] {
            assert_eq!(
                forced(&map(&[("x-squad-canary", value)]), "payments"),
                wanted,
                "{value}"
            );
        }
    }

    #[test]
    fn headers_of_one_connection_are_not_passed_on() {
        let mut headers = map(&[
            ("connection", "close, x-mine"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("te", "gzip"),
            ("accept", "*/*"),
        ]);
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("accept", "*/*")]));
    }

    #[test]
    fn trailers_are_asked_for_and_announced() {
        let mut headers = map(&[
            ("connection", "te"),
            ("te", "gzip, Trailers"),
            ("trailer", "x-check"),
        ]);
        remove_hop_by_hop(&mut headers);
        let wanted = map(&[("te", "trailers"), ("trailer", "x-check")]);
        assert_eq!(headers, wanted);
    }
}
