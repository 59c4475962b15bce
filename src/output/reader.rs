//! Whoever reads standard output, when it is a pipe or a socket: that they went away is seen without a write.

use std::io;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::oneshot;

/// Waits for the reader to go away.
#[derive(Debug)]
pub(crate) struct Reader(Option<oneshot::Receiver<()>>);

impl Reader {
    /// From now on, on a thread of its own that lives as long as the process: no timer runs meanwhile.
    pub(super) fn watched() -> Self {
        let (sender, receiver) = oneshot::channel();
        std::thread::spawn(move || {
            if is_gone_within(None) {
                // Whoever waited may have ended meanwhile.
                _ = sender.send(());
            }
        });
        Self(Some(receiver))
    }

    /// One that never goes away: a terminal says with SIGHUP that it is closed.
    pub(super) fn forever() -> Self {
        Self(None)
    }

    /// Ends when they are gone, and never otherwise.
    pub(crate) async fn gone(&mut self) {
        if let Some(receiver) = &mut self.0
            && receiver.await.is_ok()
        {
            self.0 = None;
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// Whether the reader is gone right now.
pub(super) fn is_gone() -> bool {
    is_gone_within(Some(&Timespec::default()))
}

/// Whether the reader goes away within this time; none = however long it takes. False where it cannot be told.
fn is_gone_within(time: Option<&Timespec>) -> bool {
    let stdout = io::stdout();
    loop {
        let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
        match poll(&mut ends, time) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) => {
                let gone = PollFlags::ERR | PollFlags::HUP;
                return ends.iter().any(|end| end.revents().intersects(gone));
            }
        }
    }
}
