//! Whether AWS answers at all, from the first request of a session on: without a network nobody is to wait in silence, or
//! for long.
//!
//! Says nothing to anybody: who has a person to tell asks [`Contact::silent`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::result::ConnectorError;
use tokio::time::Instant;

/// How long connections may fail before the first answer; after that only what AWS's answers say counts.
const PATIENCE: Duration = Duration::from_secs(8);

/// What is known of the way to AWS. Cheap to clone; all clones share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contact(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    /// Nothing was asked yet.
    #[default]
    Unused,
    /// Nothing was answered yet.
    Silent { host: String, since: Instant },
    /// Something was answered once.
    Answered,
}

impl Contact {
    /// A request goes out to this address.
    pub(super) fn asked(&self, uri: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Unused) {
            *state = State::Silent {
                host: host(uri).to_owned(),
                since: Instant::now(),
            };
        }
    }

    /// An answer came, whatever it says.
    pub(super) fn answered(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::Answered;
    }

    /// What a failed connection comes to: it is tried again, unless nothing was ever answered for long enough.
    pub(super) fn failed(&self, error: ConnectorError) -> ConnectorError {
        match self.silent() {
            Some((_, silence)) if silence >= PATIENCE => {
                ConnectorError::other(Box::new(GivenUp(error)), None).never_connected()
            }
            _ => error,
        }
    }

    /// The host that was asked first, and for how long nothing was answered; none once anything was, or before.
    pub(crate) fn silent(&self) -> Option<(String, Duration)> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Silent { host, since } => Some((host.clone(), since.elapsed())),
            State::Unused | State::Answered => None,
        }
    }
}

/// The host of an address, with its port where it names one.
fn host(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or(rest)
}

/// The last failure of a connection that is not tried again.
#[derive(Debug)]
pub(super) struct GivenUp(ConnectorError);

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for GivenUp {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> ConnectorError {
        ConnectorError::io(Box::new(std::io::Error::other("refused")))
    }

    /// As if the first request had gone out so long ago.
    fn asked_before(silence: Duration) -> Contact {
        let contact = Contact::default();
        assert_eq!(contact.silent(), None);
        contact.asked("https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions?x=1");
        contact.asked("https://sts.eu-west-1.amazonaws.com/");
        if let State::Silent { since, .. } = &mut *contact.0.lock().unwrap() {
            *since = since.checked_sub(silence).unwrap();
        }
        contact
    }

    #[test]
    fn only_who_never_heard_anything_gives_up() {
        let contact = asked_before(Duration::ZERO);
        assert!(contact.failed(refused()).is_io());
        let contact = asked_before(PATIENCE);
        let (host, silence) = contact.silent().unwrap();
        assert_eq!(host, "lambda.eu-west-1.amazonaws.com");
        assert!(silence >= PATIENCE);
        assert!(!contact.failed(refused()).is_io());
        contact.answered();
        assert_eq!(contact.silent(), None);
        assert!(contact.failed(refused()).is_io());
        // Once there was a network, a request is nothing that is waited for in silence.
        contact.asked("https://lambda.eu-west-1.amazonaws.com/");
        assert_eq!(contact.silent(), None);
    }

    #[test]
    fn a_host_has_its_port() {
        assert_eq!(host("http://127.0.0.1:4566"), "127.0.0.1:4566");
        assert_eq!(host("https://a.example?x=1"), "a.example");
    }
}
