//! What asks a command to end: Ctrl-C (SIGINT), a CI job that is cancelled (SIGTERM), a terminal that is closed (SIGHUP); and
//! for what shows and goes on, that nobody reads it any more.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::interrupt::heard_by_others;
use crate::error::{Error, Result};
use crate::output::{Output, Reader};

/// The three signals; from now on they end the command only where it lets them.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None when whoever started the command wants it to outlive the terminal (`nohup`).
    hangup: Option<Signal>,
    /// None where it does not matter who reads.
    reader: Option<Reader>,
}

impl Signals {
    /// Takes them over; the first one that comes after this is not lost.
    pub(crate) fn listen() -> Result<Self> {
        let signals = Self::beside_others()?;
        heard_by_others();
        Ok(signals)
    }

    /// Hears them too, for whoever acts only when nobody else does.
    pub(crate) fn beside_others() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(Error::internal);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: if hangup_is_ignored() {
                None
            } else {
                Some(listen(SignalKind::hangup())?)
            },
            reader: None,
        })
    }

    /// The same, and a reader of standard output that goes away counts as one of them: `Output::is_closed` tells it apart.
    pub(crate) fn listen_and_watch(output: &Output) -> Result<Self> {
        Ok(Self {
            reader: Some(output.reader()),
            ..Self::listen()?
        })
    }

    /// Waits until one of them comes; true for Ctrl-C, which a terminal sends to the children of the command as well.
    pub(crate) async fn asked(&mut self) -> bool {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let reader = async {
            match &mut self.reader {
                Some(reader) => reader.gone().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => false,
            _ = hangup => false,
            () = reader => false,
        }
    }
}

/// Does what changes nothing; none when one of them comes first, and what it was in the middle of is dropped. Without any to
/// listen for they end the process by themselves.
pub(crate) async fn unless_asked<T>(
    signals: Option<&mut Signals>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let asked = async {
        match signals {
            Some(signals) => signals.asked().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        done = work => Some(done),
        _ = asked => None,
    }
}

/// Whether SIGHUP was ignored when the process began: bit 0 of `SigIgn` in proc(5)'s `status`. Where there is no such file it
/// counts as not ignored.
fn hangup_is_ignored() -> bool {
    let status =
        crate::fs::read_to_string(std::path::Path::new("/proc/self/status")).unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 1)
}
