//! Time as the services write it. The stand-in has the machine's clock and no other.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

fn timestamp(milliseconds: u64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds as i64).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// As Lambda writes `LastModified`: `2026-11-26T15:18:31.123+0000` (API reference, FunctionConfiguration).
pub(crate) fn lambda_time(milliseconds: u64) -> String {
    timestamp(milliseconds)
        .strftime("%Y-%m-%dT%H:%M:%S.%3f+0000")
        .to_string()
}

/// As STS and S3 write times in XML.
pub(crate) fn iso_time(milliseconds: u64) -> String {
    timestamp(milliseconds)
        .strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
        .to_string()
}

/// As HTTP headers have it.
pub(crate) fn http_time(milliseconds: u64) -> String {
    timestamp(milliseconds)
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}
