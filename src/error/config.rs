//! The words for errors of `config`.

use super::Error;
use crate::config;

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Self {
        Self::internal(error)
    }
}
