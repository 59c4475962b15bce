//! The body of a request on its way to a process, and what is known of its progress.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::Instant;

/// How far the body of a request is.
#[derive(Debug)]
pub(super) struct Progress {
    ended: AtomicBool,
    last: Mutex<Instant>,
}

/// A client's body, passed on as it comes.
pub(super) struct Upload {
    incoming: Incoming,
    progress: Arc<Progress>,
}

impl Progress {
    /// Whether all of the request was taken.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Returns when nothing of the request was taken for `limit`: then it is not the client that is slow.
    pub(super) async fn silent(&self, limit: Duration) {
        loop {
            let until = *self.last.lock().unwrap_or_else(PoisonError::into_inner) + limit;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

impl Upload {
    pub(super) fn new(incoming: Incoming) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress {
            ended: AtomicBool::new(incoming.is_end_stream()),
            last: Mutex::new(Instant::now()),
        });
        let upload = Self {
            incoming,
            progress: Arc::clone(&progress),
        };
        (upload, progress)
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { incoming, progress } = self.get_mut();
        let frame = Pin::new(&mut *incoming).poll_frame(context);
        if let Poll::Ready(frame) = &frame {
            *progress.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            // After trailers there is nothing more, and nobody asks again.
            let ended = match frame {
                None => true,
                Some(Ok(frame)) => frame.is_trailers() || incoming.is_end_stream(),
                Some(Err(_)) => false,
            };
            if ended {
                progress.ended.store(true, Ordering::Release);
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
