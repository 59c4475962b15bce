//! What Ctrl-C, SIGTERM and SIGHUP do in a command that does not listen to them itself: it ends with words, from its first
//! moment on.
//!
//! A command that has to finish something first listens with [`Signals`](super::signals::Signals), and a question to a person
//! is ended by the key itself; nothing is said here then.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::print_error;
use super::signals::Signals;
use crate::error::{Error, Kind, Result};
use crate::output::Output;

/// How many others hear the signals now.
static OTHERS: AtomicUsize = AtomicUsize::new(0);

/// Somebody else hears the signals as long as this value lives.
#[derive(Debug)]
pub(crate) struct HeardElsewhere(());

impl HeardElsewhere {
    /// From now on.
    pub(crate) fn begin() -> Self {
        OTHERS.fetch_add(1, Ordering::AcqRel);
        Self(())
    }

    /// Until the process ends: what was heard is being said, or the command goes on to listen.
    pub(crate) fn for_good(self) {
        std::mem::forget(self);
    }
}

impl Drop for HeardElsewhere {
    fn drop(&mut self) {
        OTHERS.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Listens from now on, on a thread of its own.
pub(crate) fn end_with_words(output: Output) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(Error::internal)?;
    let mut signals = {
        let _within = runtime.enter();
        Signals::beside_others()?
    };
    #[expect(
        clippy::exit,
        clippy::disallowed_methods,
        reason = "the main thread is in the middle of something, and cannot return from `run`"
    )]
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                signals.asked().await;
                if OTHERS.load(Ordering::Acquire) == 0 {
                    break;
                }
            }
        });
        let error = Error::new(
            Kind::Interrupted,
            "interrupted",
            "stopped before it was done; nothing is left half way",
        )
        .hint("nothing has to be cleaned up: run the same command again");
        print_error(&output, &error);
        // What the command started and its guard know of ends with it.
        std::process::exit(i32::from(error.kind.exit_code()));
    });
    Ok(())
}
