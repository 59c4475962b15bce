//! The body of an answer: a text of the proxy's own, or the stream from a revision, counted when it ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::forward::Finish;

/// What goes back to the client.
pub(crate) enum Body {
    /// A whole text; none once it was sent.
    Full(Option<Bytes>),
    /// The stream from a revision.
    Stream {
        /// What comes.
        incoming: Incoming,
        /// Told how it ends.
        finish: Finish,
    },
}

impl Body {
    /// A whole text.
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::Full((!bytes.is_empty()).then_some(bytes))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream { incoming, finish } => {
                let frame = Pin::new(&mut *incoming).poll_frame(context);
                match &frame {
                    Poll::Ready(None) => finish.whole(),
                    Poll::Ready(Some(Err(_))) => finish.broken(),
                    // After trailers there is nothing more, and nobody asks again.
                    Poll::Ready(Some(Ok(frame)))
                        if frame.is_trailers() || incoming.is_end_stream() =>
                    {
                        finish.whole();
                    }
                    _ => {}
                }
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Stream { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Stream { incoming, .. } => incoming.size_hint(),
        }
    }
}
