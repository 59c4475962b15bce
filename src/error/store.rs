//! The words for errors of the audit store.

use std::error::Error as _;

use super::{Error, Kind};
use crate::clients::store;

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::File(error) => error.into(),
            store::Error::Aws(error) => error.into(),
            store::Error::Path(_) | store::Error::NoSession(_) => Self::internal(error),
            store::Error::Store(error) => {
                let mut words = Self::new(
                    Kind::Failed,
                    "audit-store",
                    format!("the audit store does not answer as it should: {error}"),
                )
                .retryable();
                // The store's own words name its internals; the system's reason is what a person can act on.
                let mut source = error.source();
                while let Some(inner) = source {
                    if let Some(io) = inner.downcast_ref::<std::io::Error>() {
                        words.message =
                            format!("the audit store cannot be used: {}", super::fs::words(io));
                        words.causes = vec![error.to_string()];
                        break;
                    }
                    source = inner.source();
                }
                words
            }
        }
    }
}
