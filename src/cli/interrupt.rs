//! What Ctrl-C, SIGTERM and SIGHUP do in a command that does not listen to them itself: it ends with words, from its first
//! moment on.
//!
//! A command that has to finish something first listens with [`Signals`], and a question to a person
//! is ended by the key itself; nothing is said here then.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dialoguer::console::Term;

use super::print_error;
use super::signals::Signals;
use crate::error::{Error, Kind, Result};
use crate::ops::audit;
use crate::output::Output;

/// How many others hear the signals now.
static OTHERS: AtomicUsize = AtomicUsize::new(0);
/// How many questions are open, which hear the key of Ctrl-C and nothing else.
static QUESTIONS: AtomicUsize = AtomicUsize::new(0);

/// How many questions are open that are answered by a line: there Ctrl-C is a signal, and ends them.
static LINES: AtomicUsize = AtomicUsize::new(0);

/// Whether a question heard the key, and the command ends because of it.
static ANSWERED: AtomicBool = AtomicBool::new(false);
/// What a question that hears the key needs until it has said so. The terminal makes a signal of a key that is pressed between
/// two that are read, and whoever sends the signal presses no key: then the question hears nothing.
const HEARS_WITHIN: Duration = Duration::from_millis(500);

/// How the terminal was before the newest question.
static BEFORE: Mutex<Option<rustix::termios::Termios>> = Mutex::new(None);

/// Somebody else hears all signals from now on, to the end of the process.
pub(crate) fn heard_by_others() {
    OTHERS.fetch_add(1, Ordering::AcqRel);
}

/// A question hears the key of Ctrl-C as long as this value lives.
#[derive(Debug)]
pub(crate) struct Question(&'static AtomicUsize);

impl Question {
    /// From now on.
    pub(crate) fn begin() -> Self {
        // A question reads key by key; whoever ends the process meanwhile leaves the terminal as it was.
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        *before = rustix::termios::tcgetattr(std::io::stdin()).ok();
        QUESTIONS.fetch_add(1, Ordering::AcqRel);
        Self(&QUESTIONS)
    }

    /// The same for one that is answered by a line, and hears no key.
    pub(crate) fn by_line() -> Self {
        LINES.fetch_add(1, Ordering::AcqRel);
        Self(&LINES)
    }

    /// The key was heard, and is being said.
    pub(crate) fn answered(self) {
        ANSWERED.store(true, Ordering::Release);
        std::mem::forget(self);
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Ended at a question to a person.
pub(crate) fn at_question() -> Error {
    Error::new(
        Kind::Interrupted,
        "interrupted",
        "stopped at the question; nothing was changed",
    )
}

/// What a command does, for the words with which it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It only looks, or makes a service on this machine: nothing is left half way.
    Looks,
    /// It changes an environment, and records what it is about to do before.
    Records,
    /// It changes something without a record.
    Changes,
}

/// Listens from now on, on a thread of its own.
pub(crate) fn end_with_words(output: Output, effect: Effect) -> Result<()> {
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
        let at_a_key = runtime.block_on(async {
            loop {
                let may_be_a_key = signals.asked().await;
                let at_a_key = may_be_a_key && QUESTIONS.load(Ordering::Acquire) > 0;
                let is_answered = at_a_key && {
                    // This thread has nothing else to do.
                    std::thread::sleep(HEARS_WITHIN);
                    ANSWERED.load(Ordering::Acquire)
                };
                let by_line = LINES.load(Ordering::Acquire) > 0;
                if by_line || (OTHERS.load(Ordering::Acquire) == 0 && !is_answered) {
                    break at_a_key;
                }
            }
        });
        let by_line = LINES.load(Ordering::Acquire) > 0;
        if by_line {
            // Behind the question, and what was typed.
            drop(Term::stderr().write_line(""));
        }
        let interrupted = |words| Error::new(Kind::Interrupted, "interrupted", words);
        let error = match effect {
            _ if by_line || (at_a_key && QUESTIONS.load(Ordering::Acquire) > 0) => at_question(),
            Effect::Looks => interrupted("stopped before it was done; nothing is left half way")
                .hint("nothing has to be cleaned up: run the same command again"),
            Effect::Records if !audit::has_begun() => {
                interrupted("stopped before anything was begun: nothing was changed")
                    .hint("nothing has to be cleaned up: run the same command again")
            }
            Effect::Records | Effect::Changes => interrupted("stopped; whether it was done already is not known")
                .hint("`squad status` shows what is live; the next command that changes something closes the record of this one"),
        };
        if QUESTIONS.load(Ordering::Acquire) > 0 {
            let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(before) = &*before {
                let now = rustix::termios::OptionalActions::Now;
                // Where it cannot be set there is no terminal any more.
                _ = rustix::termios::tcsetattr(std::io::stdin(), now, before);
            }
            drop(Term::stderr().show_cursor());
            drop(Term::stderr().write_line(""));
        }
        print_error(&output, &error);
        // What the command started and its guard know of ends with it.
        std::process::exit(i32::from(error.kind.exit_code()));
    });
    Ok(())
}
