//! Ctrl-C in the demo: the command under way ends in its own way, then the demo says what is left.

use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

use super::stage::clean_command;
use crate::cli::signals::Signals;
use crate::error::{Error, Kind, Result};

/// Whether somebody asked the demo to end.
#[derive(Debug, Default)]
pub(super) struct Stop {
    asked: AtomicBool,
    /// The command under way.
    child: Mutex<Option<Pid>>,
}

impl Stop {
    /// Listens from now on, on a thread of its own.
    pub(super) fn listen() -> Result<Arc<Self>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        let mut signals = {
            let _within = runtime.enter();
            Signals::listen()?
        };
        let stop = Arc::new(Self::default());
        let told = Arc::clone(&stop);
        std::thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    let reaches_children = signals.asked().await;
                    told.asked.store(true, Ordering::Release);
                    if !reaches_children {
                        told.pass_on();
                    }
                }
            });
        });
        Ok(stop)
    }

    /// Waits for a command that a person sees, which is asked to end when the demo is.
    pub(super) fn wait(&self, child: &mut Child) -> Result<ExitStatus> {
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) =
            i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let status = child.wait();
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = None;
        status.map_err(Error::internal)
    }

    /// An error once the demo is to end: what is left of it, and what to do then.
    pub(super) fn check(&self, root: &Path) -> Result<()> {
        if !self.asked.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Error::new(
            Kind::Interrupted,
            "interrupted",
            format!(
                "the demo was stopped; what it started still runs, below {}",
                root.display()
            ),
        )
        .hint(format!("remove all of it: `{}`", clean_command(root))))
    }

    fn pass_on(&self) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(child) = *child {
            // It may have ended just now.
            _ = kill_process(child, Signal::INT);
        }
    }
}
