//! Shows the events of a use case: moving progress on a terminal, plain lines elsewhere, nothing with JSON.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::context::Context;
use crate::cli::view;
use crate::ops::{Event, Reporter};
use crate::output::{Output, Style, sanitize};

/// The reporter of the command line.
pub(crate) struct Progress<'a> {
    output: &'a Output,
    spinner: Option<ProgressBar>,
    /// The last plain line about something that goes on: one line for each change, not for each event.
    last: Mutex<String>,
    /// Put before each line: the service, when several are deployed beside each other.
    prefix: String,
}

/// Columns of a line with its step, its detail and its time.
const COLUMNS: usize = 78;

impl<'a> Progress<'a> {
    /// For one operation; `prefix` names it where several run beside each other.
    pub(crate) fn new(context: &'a Context, prefix: &str) -> Self {
        let animate = context.output.can_animate(&context.env) && prefix.is_empty();
        let spinner = animate.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let ticks = if context.output.unicode() {
                "◌◍●◍"
            } else {
                "-\\|/"
            };
            bar.set_style(
                ProgressStyle::with_template("{spinner} {wide_msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner())
                    .tick_chars(ticks),
            );
            bar
        });
        let prefix = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}: ")
        };
        Self {
            output: &context.output,
            spinner,
            last: Mutex::new(String::new()),
            prefix,
        }
    }

    /// Whether columns would be broken: on a terminal that moves, a line fits or is short.
    fn is_narrow(&self) -> bool {
        self.spinner.is_some() && self.output.width() < COLUMNS
    }

    fn line(&self, line: &str) {
        let line = format!("{}{line}", self.prefix);
        match &self.spinner {
            Some(bar) => bar.suspend(|| self.output.status(&line)),
            None => self.output.status(&line),
        }
    }

    fn going(&self, what: &str, detail: &str) {
        // Of many services beside each other, what is done is enough to read.
        if !self.prefix.is_empty() && self.output.verbosity() < 1 {
            return;
        }
        let text = if self.is_narrow() {
            format!("{what} {}", sanitize(detail))
        } else {
            format!("{what:<16} {}", sanitize(detail))
        };
        if let Some(bar) = &self.spinner {
            bar.set_message(self.output.for_people(&text).into_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != text {
            self.line(&format!("{} {text}", self.output.going()));
            *last = text;
        }
    }
}

impl Reporter for Progress<'_> {
    fn report(&self, event: Event) {
        match event {
            Event::Began { what, detail } | Event::Going { what, detail } => {
                self.going(what, &detail);
            }
            Event::Done {
                what,
                detail,
                milliseconds,
            } => {
                if let Some(bar) = &self.spinner {
                    bar.set_message("");
                    bar.disable_steady_tick();
                }
                let tick = self.output.paint(Style::Done, self.output.tick());
                let took = if milliseconds >= 100 {
                    seconds(milliseconds)
                } else {
                    String::new()
                };
                let detail = sanitize(&detail);
                let line = if self.is_narrow() {
                    format!("{tick} {what} {detail} {took}")
                } else {
                    format!("{tick} {what:<16} {detail:<48} {took:>8}")
                };
                self.line(line.trim_end());
            }
            Event::Failed { what, detail } => {
                let cross = self.output.paint(Style::Error, self.output.cross());
                self.line(&format!("{cross} {what:<16} {}", sanitize(&detail)));
            }
            Event::Wrote(files) => self.line(&format!("  {}", view::deploy::wrote(&files))),
            Event::Exposed { service, address } => {
                let text = exposed(&service, address);
                match &self.spinner {
                    Some(bar) => bar.suspend(|| self.output.warn(&text)),
                    None => self.output.warn(&text),
                }
            }
            Event::Warning(what) => {
                let what = format!("{}{}", self.prefix, sanitize(&what));
                match &self.spinner {
                    Some(bar) => bar.suspend(|| self.output.warn(&what)),
                    None => self.output.warn(&what),
                }
            }
            Event::Output(line) => {
                if self.output.verbosity() < 0 || self.output.is_json() {
                    return;
                }
                if self.spinner.is_some() && self.output.verbosity() == 0 {
                    self.going("build", line.lines().next_back().unwrap_or_default());
                    return;
                }
                // All at once: a build may print a million of them.
                let prefix = &self.prefix;
                let lines: Vec<_> = line
                    .split('\n')
                    .map(|line| self.output.paint(Style::Dim, &sanitize(line.trim_end())))
                    .map(|line| format!("{prefix}  {line}"))
                    .collect();
                match &self.spinner {
                    Some(bar) => bar.suspend(|| self.output.status(&lines.join("\n"))),
                    None => self.output.status(&lines.join("\n")),
                }
            }
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.spinner {
            bar.finish_and_clear();
        }
    }
}

/// What is wrong with a service that listens there, and what ends it.
fn exposed(service: &str, address: IpAddr) -> String {
    let service = sanitize(service);
    format!(
        "`{service}` listens on {address}: everybody on the network reaches it there, past the proxy; \
         let it listen on the address in the variable HOST, here 127.0.0.1"
    )
}

/// `0.4 s`, `21 s`, `3 min 5 s`.
pub(crate) fn seconds(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..=9 => format!("{}.{} s", seconds, milliseconds % 1000 / 100),
        10..=119 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
