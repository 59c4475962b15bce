//! One request to a service on a connection of its own.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// `GET`, with the forcing header or without; the body of an answer 200.
pub(super) async fn get(address: &str, path: &str, forced: Option<&str>) -> Result<String, String> {
    get_with(
        address,
        path,
        forced.map(|forced| ("x-squad-canary", forced)),
    )
    .await
}

/// `GET` with one header more, which may be empty.
pub(super) async fn get_with(
    address: &str,
    path: &str,
    header: Option<(&str, &str)>,
) -> Result<String, String> {
    let host = address.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host)
        .await
        .map_err(|error| error.to_string())?;
    let header = header.map_or(String::new(), |(name, value)| {
        format!("{name}: {value}\r\n")
    });
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{header}connection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(|error| error.to_string())?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .map_err(|error| error.to_string())?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => Err(answer),
    }
}
