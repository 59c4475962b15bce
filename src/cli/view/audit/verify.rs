//! How the check of a log and the keys that signed it are shown.

use jiff::Timestamp;
use serde::Serialize;

use super::{noun, short};
use crate::cli::time::relative;
use crate::cli::view::number::{counted, grouped};
use crate::domain::audit::hex;
use crate::domain::audit::note::VerifierKey;
use crate::domain::audit::verdict::{KeyUse, Verdict};
use crate::ops::audit::{OpenSummary, Report};
use crate::output::{Output, Style, sanitize};

/// Lines of one kind that are shown at most.
const MOST_LINES: usize = 10;

/// `squad.audit-verify/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct Verification<'a> {
    schema: &'static str,
    log: &'a str,
    verdict: &'static str,
    /// What exactly was found, when something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<WireFinding<'a>>,
    /// Commits that fit; with a bad verdict those before the finding.
    commits: u64,
    events: u64,
    /// Those of them that `audit list` shows; the others are the first of each commit, about the commit itself.
    listed_events: u64,
    /// Root of the tree over them, hexadecimal.
    root: String,
    /// Events covered by the checkpoint that this machine had kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_events: Option<u64>,
    /// Events newer than it.
    unanchored_events: u64,
    keys: Vec<WireKey>,
    open_operations: Vec<WireOpen>,
    pending_events: usize,
    /// Why they wait, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    why_pending: Option<&'a str>,
    foreign_names: &'a [String],
    /// Why this machine does not remember the log as it is now; absent where it does, and with a bad verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_remembered: Option<&'a str>,
}

#[derive(Debug, Default, Serialize)]
struct WireFinding<'a> {
    /// Only with `tampered`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// Signed note that this machine kept; only with `forked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'a str>,
    /// Signed note in the store at the same place; only with `forked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct WireKey {
    id: String,
    name: String,
    /// C2SP verifier key.
    key: String,
    commits: u64,
    first_commit: u64,
    /// Whether it is this machine's, or this machine had seen it before.
    known: bool,
    /// Whether the org's file trusts it; absent where no file says which keys count.
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted: Option<bool>,
}

#[derive(Debug, Serialize)]
struct WireOpen {
    operation: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    since: String,
    under_way: bool,
}

impl<'a> Verification<'a> {
    /// For the log of this name.
    pub(crate) fn new(log: &'a str, report: &'a Report) -> Self {
        Self {
            schema: "squad.audit-verify/v1",
            log,
            verdict: report.verdict.as_str(),
            finding: finding(&report.verdict),
            commits: report.commits,
            events: report.events,
            listed_events: report.events.saturating_sub(report.commits),
            root: hex(&report.root),
            kept_events: report.kept,
            unanchored_events: match report.verdict {
                Verdict::UnanchoredTail(tail) => tail,
                _ => 0,
            },
            keys: report.keys.iter().map(wire_key).collect(),
            open_operations: report.open.iter().map(wire_open).collect(),
            pending_events: report.pending,
            why_pending: report
                .why_pending
                .as_ref()
                .map(|error| error.message.as_str()),
            foreign_names: &report.foreign,
            not_remembered: report
                .not_remembered
                .as_ref()
                .map(|error| error.message.as_str()),
        }
    }
}

fn finding(verdict: &Verdict) -> Option<WireFinding<'_>> {
    let none = WireFinding::default();
    match verdict {
        Verdict::Ok | Verdict::UnanchoredTail(_) => None,
        Verdict::Untrusted { first, .. } => Some(WireFinding {
            commit: Some(*first),
            ..none
        }),
        Verdict::Incomplete { missing } => Some(WireFinding {
            commit: Some(*missing),
            ..none
        }),
        Verdict::Tampered(damage) => Some(WireFinding {
            kind: Some(damage.kind.as_str()),
            commit: Some(damage.commit),
            event: Some(damage.event),
            detail: Some(&damage.detail),
            ..none
        }),
        Verdict::Forked { kept, found } => Some(WireFinding {
            kept: Some(kept),
            found: Some(found),
            ..none
        }),
        Verdict::Unverifiable { commit, why } => Some(WireFinding {
            commit: Some(*commit),
            detail: Some(why),
            ..none
        }),
    }
}

fn wire_key(one: &KeyUse) -> WireKey {
    WireKey {
        id: one.key.id(),
        name: one.key.name().to_owned(),
        key: one.key.to_string(),
        commits: one.commits,
        first_commit: one.first_commit,
        known: one.known,
        trusted: one.trusted,
    }
}

fn wire_open(one: &OpenSummary) -> WireOpen {
    let change = one.intent.change();
    WireOpen {
        operation: one.intent.operation.clone().unwrap_or_default(),
        kind: noun(&one.intent).to_owned(),
        service: change.as_ref().map(|change| change.service.to_string()),
        by: change.as_ref().map(|change| change.actor.to_string()),
        since: one.intent.time.to_string(),
        under_way: one.under_way,
    }
}

/// `squad.audit-key/v1`: this machine's key.
#[derive(Debug, Serialize)]
pub(crate) struct Key {
    schema: &'static str,
    id: String,
    name: String,
    /// C2SP verifier key.
    key: String,
    /// Whether the org's file trusts it; absent where no file says which keys count.
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted: Option<bool>,
}

impl Key {
    /// The key, and whether it is trusted.
    pub(crate) fn new(key: &VerifierKey, trusted: Option<bool>) -> Self {
        Self {
            schema: "squad.audit-key/v1",
            id: key.id(),
            name: key.name().to_owned(),
            key: key.to_string(),
            trusted,
        }
    }
}

/// A key as a line below `[trusted]`; the name is quoted where TOML has no bare key of it.
pub(crate) fn trusted_line(key: &VerifierKey) -> String {
    let name = sanitize(key.name());
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let quote = if name.chars().all(is_bare) { "" } else { "\"" };
    format!(
        "`{quote}{name}{quote} = \"{}\"`",
        sanitize(&key.to_string())
    )
}

/// `squad audit verify` for people.
pub(crate) fn report(report: &Report, output: &Output, now: Timestamp) -> Vec<String> {
    let good = |text: String| format!("{} {text}", output.paint_out(Style::Done, output.tick()));
    let look = |text: String| {
        format!(
            "{} {text}",
            output.paint_out(Style::Warning, output.alert())
        )
    };
    let bad = |text: String| format!("{} {text}", output.paint_out(Style::Error, output.cross()));
    let mut lines = Vec::new();
    if report.verdict.is_whole() || report.commits > 0 {
        lines.push(good(whole(report)));
        lines.extend(parts(report).map(good));
    }
    if let Some(kept) = report.kept
        && report.verdict.is_whole()
    {
        lines.push(good(format!(
            "the first {} are the same as this machine has seen before",
            counted(kept, "event")
        )));
    }
    for line in problem(&report.verdict) {
        lines.push(bad(line));
    }
    if let Verdict::UnanchoredTail(tail) = report.verdict {
        lines.push(look(format!(
            "{} {} newer than the last checkpoint outside the store",
            counted(tail, "event"),
            if tail == 1 { "is" } else { "are" }
        )));
    }
    let untrusted = key_lines(report, "is not trusted by the org", |one| {
        one.trusted == Some(false)
    });
    lines.extend(capped(untrusted, "key that is not trusted").map(bad));
    let unknown = key_lines(report, "is new to this machine", |one| {
        one.trusted.is_none() && !one.known
    });
    lines.extend(capped(unknown, "new key").map(look));
    let open: Vec<String> = report.open.iter().map(|one| open_line(one, now)).collect();
    lines.extend(capped(open, "open operation").map(look));
    if report.pending > 0 {
        let why = report.why_pending.as_ref();
        lines.push(look(format!(
            "{} recorded on this machine and pending{}",
            if report.pending == 1 {
                "1 event is".to_owned()
            } else {
                format!("{} events are", grouped(report.pending as u64))
            },
            why.map_or_else(String::new, |why| format!(": {}", sanitize(&why.message)))
        )));
    }
    if let Some(why) = &report.not_remembered {
        lines.push(look(format!(
            "this machine does not remember the log as it is now: {}",
            sanitize(&why.message)
        )));
    }
    let foreign = report.foreign.iter().map(|name| {
        format!(
            "`{}` in the log's directory is no commit and was not looked at",
            sanitize(name)
        )
    });
    lines.extend(capped(foreign.collect(), "other file").map(look));
    lines.push(last_word(&report.verdict));
    lines
}

/// One line for each of these keys.
fn key_lines(report: &Report, what: &str, of: impl Fn(&KeyUse) -> bool) -> Vec<String> {
    let keys = report.keys.iter().filter(|one| of(one));
    keys.map(|one| {
        format!(
            "key {} of `{}` {what}: {} from commit {} on",
            one.key.id(),
            sanitize(one.key.name()),
            counted(one.commits, "commit"),
            grouped(one.first_commit)
        )
    })
    .collect()
}

/// Who signed: where the org's file names keys, those that it trusts; else those that this machine knows.
fn signed(keys: &[KeyUse]) -> String {
    let word = if keys.iter().any(|one| one.trusted.is_some()) {
        "trusted"
    } else {
        "known"
    };
    let good = keys.iter().filter(|one| one.trusted.unwrap_or(one.known));
    match (keys.len() as u64, good.count() as u64) {
        (0, _) => String::new(),
        (1, 1) => format!(", signed by 1 {word} key"),
        (keys, good) if keys == good => format!(", signed by {keys} {word} keys"),
        (keys, good) => format!(
            ", signed by {}, {good} of them {word}",
            counted(keys, "key")
        ),
    }
}

/// What the number of events is made of, so that it can be held against the list: the first event of each commit is about
/// the commit itself.
fn parts(report: &Report) -> Option<String> {
    let listed = report.events.checked_sub(report.commits)?;
    (report.commits > 0).then(|| {
        format!(
            "{} of them in `squad audit list`, {} about the commits themselves",
            grouped(listed),
            grouped(report.commits)
        )
    })
}

fn whole(report: &Report) -> String {
    let signed = signed(&report.keys);
    let root = hex(&report.root);
    let (first, last) = (root.get(..4).unwrap_or(""), root.get(60..).unwrap_or(""));
    let fit = if report.verdict.is_whole() {
        ""
    } else {
        "what comes before fits: "
    };
    format!(
        "{fit}{} in {}, root {first}…{last}{signed}",
        counted(report.events, "event"),
        counted(report.commits, "commit")
    )
}

fn problem(verdict: &Verdict) -> Vec<String> {
    match verdict {
        Verdict::Ok | Verdict::UnanchoredTail(_) | Verdict::Untrusted { .. } => Vec::new(),
        Verdict::Incomplete { missing } => vec![format!(
            "commit {missing} is missing, and there are commits behind it"
        )],
        Verdict::Tampered(damage) => vec![sanitize(&damage.to_string())],
        Verdict::Forked { kept, found } => {
            let line = |note: &str| {
                let mut parts = note.lines().skip(1);
                let size = parts.next().unwrap_or("no");
                let root = parts.next().unwrap_or("none");
                sanitize(&format!("{size} events, root {root}"))
            };
            vec![
                "the store holds another log than this machine has seen; both are signed"
                    .to_owned(),
                format!("this machine kept: {}", line(kept)),
                format!("the store has:     {}", line(found)),
            ]
        }
        Verdict::Unverifiable { why, .. } => vec![sanitize(why)],
    }
}

fn last_word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Ok => "ok".to_owned(),
        Verdict::UnanchoredTail(tail) => {
            format!("ok, with an unanchored tail of {}", grouped(*tail))
        }
        Verdict::Tampered(damage) => format!("tampered ({})", damage.kind.as_str()),
        other => other.as_str().to_owned(),
    }
}

fn open_line(one: &OpenSummary, now: Timestamp) -> String {
    let what = one.intent.change().map_or_else(
        || sanitize(noun(&one.intent)),
        |change| {
            format!(
                "{} {} ({}, {})",
                sanitize(noun(&one.intent)),
                change.service,
                sanitize(&change.actor.to_string()),
                relative(one.intent.time, now)
            )
        },
    );
    let id = one.intent.operation.as_deref().unwrap_or_default();
    let state = if one.under_way {
        "is under way"
    } else {
        "has no outcome"
    };
    format!("operation {} {state}: {what}", sanitize(short(id)))
}

/// The first few lines, and how many more there are.
fn capped(mut lines: Vec<String>, what: &str) -> impl Iterator<Item = String> + use<> {
    let more = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    let rest = (more > 0).then(|| {
        format!(
            "and {} more (all of them: `-o json`)",
            counted(more as u64, what)
        )
    });
    lines.into_iter().chain(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_say_how_much_more_there_is() {
        let lines: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let shown: Vec<String> = capped(lines, "key").collect();
        assert_eq!(shown.len(), 11);
        assert_eq!(shown[10], "and 2 keys more (all of them: `-o json`)");
    }
}
