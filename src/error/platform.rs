//! The words for errors of platforms.

use super::{Error, Kind};
use crate::platform;

impl From<platform::Error> for Error {
    fn from(error: platform::Error) -> Self {
        Self::new(Kind::Failed, "platform", error.to_string())
    }
}
