//! The pool's results as the platform contract names them.

use super::{Answer, Refused};
use crate::domain::release::RevisionNumber;
use crate::platform::{Error, Invocation};

impl Answer {
    /// As an [`Invocation`] of `revision`. Bytes that are no UTF-8 are replaced: Lambda returns JSON.
    pub(crate) fn into_invocation(self, revision: RevisionNumber) -> Invocation {
        Invocation {
            revision,
            payload: String::from_utf8_lossy(&self.payload).into_owned(),
            error: self.failure.map(|failure| failure.as_aws().to_owned()),
            duration_milliseconds: u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX),
            request_id: self.request_id,
            log_tail: self.log_tail,
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooLarge { .. } => Self::Invalid(refused.to_string()),
            Refused::Busy(wait) => Self::Timeout(wait),
            Refused::Stopped => Self::Unreachable(refused.to_string()),
        }
    }
}
