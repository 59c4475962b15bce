//! The stream below a client's connection, which comes back when the connection fails: so that a client that never
//! ended its head can still be told.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// A stream that goes back to its lender when it is dropped.
pub(super) struct Lent {
    stream: Option<TcpStream>,
    /// Something was read after the last answer, or before the first.
    unanswered: bool,
    back: Option<oneshot::Sender<Returned>>,
}

/// What comes back.
pub(super) struct Returned {
    stream: TcpStream,
    unanswered: bool,
}

impl Lent {
    /// Lends a stream.
    pub(super) fn new(stream: TcpStream) -> (Self, oneshot::Receiver<Returned>) {
        let (back, returned) = oneshot::channel();
        let lent = Self {
            stream: Some(stream),
            unanswered: false,
            back: Some(back),
        };
        (lent, returned)
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        let stream = self.stream.as_mut().map(Pin::new);
        stream.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Returned {
    /// Answers a client that has begun a request and did not end its head, with 408 (RFC 9110 §15.5.9).
    pub(super) async fn time_out(mut self) {
        if !self.unanswered {
            return;
        }
        let body = "{\"detail\":\"the head of the request did not end in time\",\"status\":408,\"title\":\"Request Timeout\",\"type\":\"about:blank\"}\n";
        let answer = format!(
            "HTTP/1.1 408 Request Timeout\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        // Whether the client still listens is its own affair.
        drop(self.stream.write_all(answer.as_bytes()).await);
        drop(self.stream.shutdown().await);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(stream), Some(back)) = (self.stream.take(), self.back.take()) {
            let unanswered = self.unanswered;
            drop(back.send(Returned { stream, unanswered }));
        }
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let lent = self.get_mut();
        let before = buffer.filled().len();
        let read = lent.stream()?.poll_read(context, buffer);
        lent.unanswered |= buffer.filled().len() > before;
        read
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let lent = self.get_mut();
        lent.unanswered = false;
        lent.stream()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let lent = self.get_mut();
        lent.unanswered = false;
        lent.stream()?.poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_shutdown(context)
    }
}
