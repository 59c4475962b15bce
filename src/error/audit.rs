//! The words for errors of the audit log on this machine: key, outbox and pin.

use super::{Error, Kind};
use crate::clients::{device_key, outbox, pin};

impl From<device_key::Error> for Error {
    fn from(error: device_key::Error) -> Self {
        match error {
            device_key::Error::File(error) => error.into(),
            device_key::Error::Damaged(path) => Self::new(
                Kind::Failed,
                "audit-key-damaged",
                format!("cannot use this machine's key: `{}` does not hold one", path.display()),
            )
            .hint(format!("move it away, and a new key is made: `mv {0} {0}.damaged`", path.display())),
            device_key::Error::Exposed(path) => Self::new(
                Kind::Refused,
                "audit-key-exposed",
                format!("cannot use this machine's key: others can read `{}`", path.display()),
            )
            .hint(format!(
                "if nobody else has read it: `chmod 600 {0}`; otherwise have a new one made: `mv {0} {0}.exposed`",
                path.display()
            )),
            device_key::Error::Random => Self::internal("the system gives no random numbers"),
        }
    }
}

impl From<outbox::Error> for Error {
    fn from(error: outbox::Error) -> Self {
        match error {
            outbox::Error::File(error) => error.into(),
            outbox::Error::Corrupt { path, offset, why } => Self::new(
                Kind::Failed,
                "audit-outbox-corrupt",
                format!(
                    "cannot read the audit outbox `{}` at byte {offset}",
                    path.display()
                ),
            )
            .cause(why)
            .hint(format!(
                "keep it for the record and start an empty one: `mv {0} {0}.corrupt`",
                path.display()
            )),
        }
    }
}

impl From<pin::Error> for Error {
    fn from(error: pin::Error) -> Self {
        match error {
            pin::Error::File(error) => error.into(),
            pin::Error::Damaged(path) => Self::new(
                Kind::Failed,
                "audit-pin-damaged",
                format!(
                    "cannot read what this machine remembers of the audit log: `{}` is damaged",
                    path.display()
                ),
            )
            .hint(format!(
                "move it away, and the log is trusted as it is now: `mv {0} {0}.damaged`",
                path.display()
            )),
        }
    }
}
