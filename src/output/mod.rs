//! The terminal: the one owner of standard output and standard error.
//!
//! Standard output carries the answer, standard error everything else. A closed pipe is no error: what comes
//! after it is dropped.

mod ascii;
pub(crate) mod canvas;
mod fold;
mod place;
mod reader;
pub(crate) mod table;

pub(crate) use place::Place;
pub(crate) use reader::Reader;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::env::{self, Env};

/// The form of the answer on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people; may change at any release.
    Text,
    /// For programs: one document, or JSON Lines; only grows.
    Json,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Color {
    /// When the stream is a terminal that can, and nothing forbids it.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a piece of text means; the colour follows from it and is never needed to understand the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Something succeeded.
    Done,
    /// Something to look at.
    Warning,
    /// Something failed.
    Error,
    /// A name or a command.
    Name,
    /// Less important.
    Dim,
    /// A heading.
    Bold,
}

/// How the output behaves, from flags and environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Text or JSON.
    pub(crate) format: Format,
    /// When to colour.
    pub(crate) color: Color,
    /// −1 = errors and data only, 0 = default, 1 = more, 2 = most.
    pub(crate) verbosity: i8,
    /// Never ask, even on a terminal.
    pub(crate) no_input: bool,
}

/// The two streams.
#[derive(Debug)]
pub(crate) struct Output {
    settings: Settings,
    out_color: bool,
    err_color: bool,
    /// Standard error is a terminal that can move its cursor.
    err_terminal: bool,
    /// Standard error is any terminal.
    err_wraps: bool,
    out_terminal: bool,
    dumb: bool,
    can_ask: bool,
    unicode: bool,
    is_github_job: bool,
    width: usize,
    place: Place,
    begun: AtomicBool,
    closed: AtomicBool,
    lost: OnceLock<String>,
}

impl Output {
    /// Looks at the streams and the environment once.
    pub(crate) fn new(settings: Settings, env: &Env, place: Place) -> Self {
        let out_terminal = io::stdout().is_terminal();
        let err_terminal = io::stderr().is_terminal();
        let dumb = env.get(env::TERM) == Some("dumb");
        let force = env
            .get(env::CLICOLOR_FORCE)
            .is_some_and(|value| value != "0");
        let colored = |terminal: bool| match settings.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => force || (terminal && !dumb && env.get(env::NO_COLOR).is_none()),
        };
        let columns = env.get(env::COLUMNS).and_then(|text| text.parse().ok());
        let asked = rustix::termios::tcgetwinsize(io::stderr())
            .or_else(|_| rustix::termios::tcgetwinsize(io::stdout()))
            .ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0);
        let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| env.get(name))
            .is_some_and(|value| value.to_ascii_lowercase().replace('-', "").contains("utf8"));
        Self {
            settings,
            out_color: colored(out_terminal),
            err_color: colored(err_terminal),
            out_terminal,
            dumb,
            err_terminal: err_terminal && !dumb,
            err_wraps: err_terminal,
            can_ask: io::stdin().is_terminal()
                && err_terminal
                && !env.is_ci()
                && !settings.no_input,
            unicode: utf8,
            is_github_job: env.get(env::GITHUB_ACTIONS) == Some("true"),
            width: columns.or(asked).unwrap_or(80).max(20),
            place,
            begun: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            lost: OnceLock::new(),
        }
    }

    /// Whether the answer is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.settings.format == Format::Json
    }

    /// Whether a job of GitHub Actions reads along, so that an error is shown beside it.
    pub(crate) fn is_github_job(&self) -> bool {
        self.is_github_job
    }

    /// −1 to 2.
    pub(crate) fn verbosity(&self) -> i8 {
        self.settings.verbosity
    }

    /// Whether a person can be asked: standard input and error are terminals, it is not CI, `--no-input` was
    /// not given.
    pub(crate) fn can_ask(&self) -> bool {
        self.can_ask
    }

    /// Whether progress may move (rewrite lines on standard error).
    pub(crate) fn can_animate(&self, env: &Env) -> bool {
        self.err_terminal && !env.is_ci() && !self.is_json() && self.settings.verbosity >= 0
    }

    /// Whether standard output is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.out_terminal
    }

    /// Whether a block on standard output can be drawn again in its place: a terminal that knows how to move its cursor.
    pub(crate) fn can_redraw(&self) -> bool {
        self.out_terminal && !self.dumb
    }

    /// Whether a question may move the cursor.
    pub(crate) fn can_move(&self) -> bool {
        !self.dumb
    }

    /// Columns.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Columns and rows of standard output; a terminal that is asked anew knows whether it was resized.
    pub(crate) fn size(&self) -> (usize, usize) {
        let asked = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let (columns, rows) = asked.map_or((0, 0), |size| {
            (usize::from(size.ws_col), usize::from(size.ws_row))
        });
        let columns = if columns == 0 {
            self.width()
        } else {
            // `COLUMNS` may ask for less.
            columns.min(self.width()).max(20)
        };
        (columns, if rows == 0 { usize::MAX } else { rows })
    }

    /// Whether glyphs beyond ASCII may be used.
    pub(crate) fn unicode(&self) -> bool {
        self.unicode
    }

    /// `✔`, or `+` where the locale is not UTF-8.
    pub(crate) fn tick(&self) -> &'static str {
        if self.unicode { "✔" } else { "+" }
    }

    /// `✖`, or `x`.
    pub(crate) fn cross(&self) -> &'static str {
        if self.unicode { "✖" } else { "x" }
    }

    /// `⚠`, or `!`.
    pub(crate) fn alert(&self) -> &'static str {
        if self.unicode { "⚠" } else { "!" }
    }

    /// `◌`, or `.`.
    pub(crate) fn going(&self) -> &'static str {
        if self.unicode { "◌" } else { "." }
    }

    /// Text as it goes to standard output.
    pub(crate) fn paint_out(&self, style: Style, text: &str) -> String {
        paint(self.out_color, style, text)
    }

    /// Text as it goes to standard error.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        paint(self.err_color, style, text)
    }

    /// One line of the answer, to standard output.
    pub(crate) fn out(&self, line: &str) {
        let line = if self.is_json() {
            Cow::Borrowed(line)
        } else {
            self.for_people(line)
        };
        self.raw(format!("{line}\n").as_bytes());
    }

    /// Text for people that holds its own line ends, to standard output.
    pub(crate) fn text(&self, text: &str) {
        self.raw(self.for_people(text).as_bytes());
    }

    /// The same for prose: on a terminal that is narrower than a line, folded between words.
    pub(crate) fn prose(&self, text: &str) {
        let text = self.for_people(text);
        if self.out_terminal {
            self.raw(fold::folded(&text, self.width).as_bytes());
        } else {
            self.raw(text.as_bytes());
        }
    }

    /// The same for a block that is drawn in its place: nothing becomes wider, so that no line wraps.
    pub(crate) fn drawn(&self, text: &str) {
        if self.unicode {
            self.raw(text.as_bytes());
        } else {
            self.raw(ascii::as_wide(text).as_bytes());
        }
    }

    /// Text as the locale can show it. What goes through [`Self::json`] and [`Self::raw`] is for programs and files, and
    /// stays as it is.
    pub(crate) fn for_people<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.unicode || text.is_ascii() {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(ascii::spelled_out(text))
        }
    }

    /// Bytes of the answer, to standard output.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        self.begun.store(true, Ordering::Relaxed);
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
            self.closed.store(true, Ordering::Relaxed);
            if error.kind() != io::ErrorKind::BrokenPipe {
                // Only the first reason is kept.
                drop(self.lost.set(error.to_string()));
            }
        }
    }

    /// Why a part of the answer was lost although somebody wanted it, such as a full disk; a closed pipe is no
    /// loss.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    /// Whether anything of the answer is out already; on a terminal it may be a screen that is drawn over.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether nobody reads standard output any more (`| head`): a stream of lines can end.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed) || (!self.out_terminal && reader::is_gone())
    }

    /// Watches for that moment, for what may wait long before it writes again.
    pub(crate) fn reader(&self) -> Reader {
        if self.out_terminal {
            Reader::forever()
        } else {
            Reader::watched()
        }
    }

    /// One JSON document on one line, to standard output.
    pub(crate) fn json(&self, value: &impl serde::Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.raw(format!("{text}\n").as_bytes()),
            Err(error) => self.error_line(&format!("error: cannot write JSON: {error}")),
        }
    }

    /// One line about what goes on, to standard error; dropped under `-q` and with JSON output.
    pub(crate) fn status(&self, line: &str) {
        if self.settings.verbosity >= 0 && !self.is_json() {
            self.error_line(line);
        }
    }

    /// A warning, to standard error.
    pub(crate) fn warn(&self, text: &str) {
        if self.settings.verbosity >= 0 {
            let text = self.for_people(text);
            self.error_line(&format!(
                "{} {text}",
                self.paint(Style::Warning, "warning:")
            ));
        }
    }

    /// A text in which every command means the place that was named on the command line.
    pub(crate) fn at_place<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.place.completed(text)
    }

    /// A next step, to standard error.
    pub(crate) fn hint(&self, text: &str) {
        self.status(&format!("{} {text}", self.paint(Style::Name, "hint:")));
    }

    /// One line to standard error, whatever the verbosity. On a terminal that is narrower, it is folded between words.
    pub(crate) fn error_line(&self, line: &str) {
        let line = if self.is_json() {
            format!("{line}\n")
        } else {
            let line = self.place.completed(line);
            let mut line = self.for_people(&line);
            if self.err_wraps {
                line = Cow::Owned(fold::folded(&line, self.width).into_owned());
            }
            format!("{line}\n")
        };
        // In one write: standard error has no buffer, and what others write at the same time is not put in between.
        drop(io::stderr().lock().write_all(line.as_bytes()));
    }
}

fn paint(colored: bool, style: Style, text: &str) -> String {
    if !colored {
        return text.to_owned();
    }
    let code = match style {
        Style::Done => "32",
        Style::Warning => "33",
        Style::Error => "1;31",
        Style::Name => "36",
        Style::Dim => "2",
        Style::Bold => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Text from elsewhere (a log, a name in a repository) made safe for a terminal: control characters but for
/// the tab become visible, so that nobody's log line can move the cursor or forge a line.
pub(crate) fn sanitize(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            // Bidirectional overrides can make a line read as another one.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            c => c,
        })
        .collect()
}
