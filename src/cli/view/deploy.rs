//! How a deploy is shown: the plan in plain words, and the result as a wire struct.

use jiff::Timestamp;
use serde::Serialize;

use super::difference::{SHORT, tails};
use super::fetched;
use crate::cli::time::relative;
use crate::clients::git::Commit;
use crate::domain::environment::PlatformKind;
use crate::domain::live::{Health, Revision};
use crate::domain::plan::{Change, Deploy, Difference};
use crate::error::shell;
use crate::ops::deploy::port::PortChange;
use crate::ops::deploy::{Listed, Options, Outcome, Plan, Written};
use crate::output::sanitize;

/// `squad.deploy/v1`.
#[derive(Debug, Serialize)]
pub(crate) struct Wire {
    schema: &'static str,
    service: String,
    env: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// `succeeded`, `unchanged`, `superseded`, (dry run) `planned` or (`--no-wait`) `going-on`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    digest: String,
    changed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<f64>,
    #[serde(skip_serializing_if = "is_zero")]
    pending_events: usize,
    /// Why old revisions were not removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_pruned: Option<String>,
    /// The operation of somebody else who deployed the very same meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    done_by: Option<String>,
    /// Commits that are live and are not in what goes out, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    going_away: Vec<WireCommit>,
    /// There are more of them than are listed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    going_away_more: bool,
    /// The commit that is live, where it is not in this clone.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_live_commit: Option<String>,
    /// Files that the last build wrote and that count as sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    build_wrote: Vec<String>,
    /// Who calls past the traffic, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    callers_past: Vec<String>,
    /// Which callers could not be looked for, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    callers_unread: Vec<String>,
    /// Where the sources were fetched from for this deploy.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<fetched::Wire>,
}

/// One commit.
#[derive(Debug, Serialize)]
struct WireCommit {
    commit: String,
    author: String,
    subject: String,
}

impl From<&Commit> for WireCommit {
    fn from(commit: &Commit) -> Self {
        Self {
            commit: commit.id.clone(),
            author: commit.author.clone(),
            subject: commit.subject.clone(),
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Wire {
    /// For a plan and, when it was applied, its outcome.
    pub(crate) fn new(options: &Options, plan: &Plan, outcome: Option<&Outcome>) -> Self {
        let previous = plan.live.sole().map(|revision| revision.number.to_string());
        let (word, changed) = match &plan.decision {
            Deploy::UpToDate { .. } => ("unchanged", Vec::new()),
            Deploy::Superseded { .. } => ("superseded", Vec::new()),
            Deploy::Change(change) => ("planned", changed(plan, change)),
        };
        let (word, changed) = if plan.changes_something() {
            let word = match outcome {
                Some(outcome) if outcome.done_by.is_some() && plan.port.is_none() => "unchanged",
                Some(_) => "succeeded",
                None => "planned",
            };
            let port = plan.port.map(|_| "port".to_owned());
            (word, changed.into_iter().chain(port).collect())
        } else {
            (word, changed)
        };
        let revision = match (&plan.decision, outcome) {
            (_, Some(outcome)) => Some(outcome.revision.to_string()),
            (Deploy::UpToDate { revision } | Deploy::Superseded { revision }, None) => {
                Some(revision.to_string())
            }
            (Deploy::Change(_), None) => None,
        };
        Self {
            schema: "squad.deploy/v1",
            service: options.service.name.to_string(),
            env: options.environment.name.to_string(),
            operation: outcome.and_then(|outcome| outcome.operation.clone()),
            outcome: word,
            revision,
            previous,
            digest: plan.wanted.digest.clone(),
            changed,
            address: outcome
                .and_then(|outcome| outcome.address.clone())
                .or_else(|| plan.live.address.clone()),
            duration_seconds: outcome.filter(|outcome| outcome.operation.is_some()).map(
                |outcome| {
                    #[expect(clippy::cast_precision_loss, reason = "a duration in milliseconds")]
                    let seconds = outcome.milliseconds as f64 / 1000.0;
                    seconds
                },
            ),
            pending_events: outcome.map_or(0, |outcome| outcome.pending_events),
            not_pruned: outcome.and_then(|outcome| outcome.not_pruned.clone()),
            done_by: outcome.and_then(|outcome| outcome.done_by.clone()),
            going_away: plan.going_away.commits.iter().map(Into::into).collect(),
            going_away_more: plan.going_away.more,
            unknown_live_commit: plan.unknown_live_commit.clone(),
            build_wrote: (plan.build_wrote.iter())
                .map(|one| one.name.clone())
                .collect(),
            callers_past: plan
                .callers
                .found
                .iter()
                .map(|caller| caller.who.clone())
                .collect(),
            callers_unread: plan.callers.unread.clone(),
            fetched: options.fetched.as_ref().map(Into::into),
        }
    }
}

impl Wire {
    /// Of a deploy that was sent to the background.
    pub(crate) fn goes_on(self) -> Self {
        Self {
            outcome: "going-on",
            ..self
        }
    }
}

/// Which parts change: `sources` and the keys of the configuration.
fn changed(plan: &Plan, change: &Change) -> Vec<String> {
    let mut changed: Vec<_> = change
        .configuration
        .iter()
        .map(|one| one.key.clone())
        .collect();
    // Behind the `+` is what only tells two builds of the same apart.
    let base = |digest: &str| digest.split('+').next().map(str::to_owned);
    let is_rebuild = |live: &Revision| base(&live.digest) == base(&plan.wanted.digest);
    let live = plan.live.sole();
    let same = live.is_some_and(|live| change.existing.is_some() || is_rebuild(live));
    if !same && plan.sources_change {
        changed.insert(0, "sources".to_owned());
    }
    changed
}

/// `payments → prod (eks, cluster main, account 123456789012)`.
pub(crate) fn title(options: &Options) -> String {
    let environment = &options.environment;
    let mut place = match environment.platform {
        PlatformKind::Local => vec!["this machine".to_owned()],
        other => vec![other.as_str().to_owned()],
    };
    if let Some(cluster) = &environment.cluster {
        let name = cluster.rsplit('/').next().unwrap_or(cluster);
        place.push(format!("cluster {name}"));
    }
    if let Some(account) = &environment.account {
        place.push(format!("account {account}"));
    }
    format!(
        "{} → {} ({})",
        options.service.name,
        environment.name,
        place.join(", ")
    )
}

/// Why nothing is done, in one line.
pub(crate) fn nothing(options: &Options, plan: &Plan) -> Option<String> {
    let title = format!("{} → {}", options.service.name, options.environment.name);
    if plan.changes_something() {
        return None;
    }
    match &plan.decision {
        Deploy::UpToDate { revision } => {
            let live = plan.live.revision(*revision);
            let was_dirty = live.is_some_and(|live| live.provenance.dirty)
                && !plan.wanted.provenance.dirty
                && plan.wanted.provenance.commit.is_some();
            let dirty = if was_dirty {
                format!(
                    " It was deployed before these changes were committed; `{} --rebuild` records the commit.",
                    options.command()
                )
            } else {
                String::new()
            };
            Some(format!(
                "{title}: revision {revision} already is exactly this (same sources, same configuration). Nothing to do.{dirty}"
            ))
        }
        Deploy::Superseded { revision } => Some(format!(
            "{title}: revision {revision} is newer: this commit is an ancestor of what is live. Nothing to do. To go back to it all the same: `{} --allow-older --reason \"…\"`",
            options.command()
        )),
        Deploy::Change(_) => None,
    }
}

/// What is wrong with the live revision although there is nothing to do, with the command that helps; none when it is well,
/// or not known to be ill.
pub(crate) fn unwell(options: &Options, plan: &Plan) -> Option<(String, String)> {
    let live = plan.live.sole()?;
    if !matches!(live.health, Health::Failed | Health::Degraded) {
        return None;
    }
    let problem = live.problem.as_ref();
    let is_told = problem.is_some_and(|problem| problem.contains('`'));
    let problem = problem.map_or_else(String::new, |problem| format!(": {}", sanitize(problem)));
    Some((
        format!(
            "revision {} is live and {}{problem}",
            live.number,
            live.health.as_str()
        ),
        if is_told {
            "do that, then run the same command again".to_owned()
        } else {
            format!(
                "look at the log with `squad logs {}{}`, or build and start it anew: `{} --rebuild`",
                options.service.name,
                options.environment.flag(),
                options.command()
            )
        },
    ))
}

/// The plan in plain words: first what changes for people, then what changes in the machine.
pub(crate) fn plan_lines(
    options: &Options,
    plan: &Plan,
    now: Timestamp,
    width: usize,
) -> Vec<String> {
    let mut lines = vec![title(options)];
    lines.extend(fetched::line(options));
    lines.push(String::new());
    let change = match &plan.decision {
        Deploy::Change(change) => change,
        Deploy::UpToDate { revision } | Deploy::Superseded { revision } => {
            lines.push(format!("  revision {revision} stays as it is"));
            lines.extend(plan.port.map(port));
            lines.push(String::new());
            return lines;
        }
    };
    match plan.live.sole() {
        Some(live) if change.existing == Some(live.number) => lines.push(format!(
            "  revision {} stays live; what changes is not part of it",
            live.number
        )),
        Some(live) => {
            let who = format!(
                "revision {}, {}, {}",
                live.number,
                sanitize(&live.actor.name),
                relative(live.published_at, now)
            );
            lines.extend(people(plan, &who, width));
        }
        None => lines.extend(first(plan, change)),
    }
    let mut machine = Vec::from_iter(
        plan.live
            .foreign
            .as_ref()
            .map(|foreign| sanitize(&foreign.told())),
    );
    if let Some(existing) = change
        .existing
        .filter(|_| change.existing != change.previous)
    {
        machine.push(format!(
            "nothing to build: revision {existing} is exactly this"
        ));
    }
    machine.extend(plan.code_of.map(|kept| {
        format!("nothing to build: revision {kept} has this code; it is published anew with the settings of now")
    }));
    machine.extend(differences(&change.configuration));
    if plan.wanted.provenance.dirty {
        machine.push("the work tree has changes that are not committed".to_owned());
    }
    machine.extend(build_wrote(&plan.build_wrote));
    lines.extend(machine.into_iter().map(|line| format!("  {line}")));
    lines.extend(plan.port.map(port));
    lines.extend(callers(options, plan));
    lines.extend((plan.live.unkept.as_ref()).map(|unkept| super::unkept::safer(options, unkept)));
    // A rollout says itself how it is stopped.
    let is_kept = plan.live.unkept.is_some() && change.existing.is_none();
    let is_live = plan.live.sole().is_some() || plan.live.unpublished.is_some() || is_kept;
    // Nor does a rollback take back what is no part of a revision.
    let moves = change.previous.is_none() || change.existing != change.previous;
    if is_live && moves && !change.gradual {
        let whom = if is_kept {
            " for callers of the alias"
        } else {
            ""
        };
        lines.push(format!(
            "  undo at any time{whom}: `squad rollback {}{}`",
            options.service.name,
            options.environment.flag()
        ));
    }
    lines.push(String::new());
    lines
}

/// What a plan says where no revision takes all traffic. What serves and is no revision becomes one before anything of it
/// changes.
fn first(plan: &Plan, change: &Change) -> Vec<String> {
    if let Some(unkept) = &plan.live.unkept {
        return super::unkept::lines(unkept, change);
    }
    let Some(what) = &plan.live.unpublished else {
        return vec!["  the first deploy here: nothing is live yet".to_owned()];
    };
    let mut lines = vec![format!(
        "  `{what}` is live, which is no revision: each upload to it is live at once"
    )];
    if change.existing.is_none() {
        let how = "  first it is published as it is, and goes on serving as that revision until the new one is ready";
        lines.push(how.to_owned());
    }
    lines
}

/// Files of the last build that a plan names before it says how many more there are.
const MOST_WRITTEN: usize = 3;

/// Why a deploy of what nobody changed is another revision: the build changed its own sources.
fn build_wrote(files: &[Written]) -> Option<String> {
    (!files.is_empty()).then(|| {
        format!(
            "the last build wrote {}, which git does not ignore, and so the sources changed; {} that",
            written(files),
            way_out(files)
        )
    })
}

/// The same right after a build whose plan could not know it.
pub(crate) fn wrote(files: &[Written]) -> String {
    format!(
        "the build wrote {}, which git does not ignore, so the next deploy is of other sources; {} that",
        written(files),
        way_out(files)
    )
}

/// What ends that a build changes its own sources: git goes on with what it tracks, whatever is ignored.
fn way_out(files: &[Written]) -> String {
    let tracked: Vec<_> = files
        .iter()
        .filter(|file| file.is_tracked)
        .map(|file| shell::quoted(&sanitize(&file.name)).into_owned())
        .collect();
    if tracked.is_empty() {
        return "a line in .gitignore ends".to_owned();
    }
    format!(
        "a line in .gitignore and `git rm --cached -- {}` end",
        tracked.join(" ")
    )
}

fn written(files: &[Written]) -> String {
    let named: Vec<_> = files
        .iter()
        .take(MOST_WRITTEN)
        .map(|file| format!("`{}`", sanitize(&file.name)))
        .collect();
    let named = named.join(", ");
    match files.len().saturating_sub(MOST_WRITTEN) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Callers that a plan names before it says how many more there are.
const MOST_CALLERS: usize = 5;

/// Who gets nothing of what a deploy, a rollout and a rollback do with the traffic.
fn callers(options: &Options, plan: &Plan) -> Vec<String> {
    let past = &plan.callers.found;
    let mut lines = Vec::new();
    if !past.is_empty() {
        let which = if past.len() == 1 {
            "caller passes"
        } else {
            "callers pass"
        };
        lines.push(format!(
            "  {} {which} by the alias and get{} every change at once; move with `{} --adopt-alias`:",
            past.len(),
            if past.len() == 1 { "s" } else { "" },
            options.command()
        ));
        let named = past.iter().take(MOST_CALLERS);
        lines.extend(named.map(|caller| format!("    {}", sanitize(&caller.who))));
        if let Some(more) = past
            .len()
            .checked_sub(MOST_CALLERS)
            .filter(|more| *more > 0)
        {
            lines.push(format!("    and {more} more"));
        }
    }
    for unread in &plan.callers.unread {
        lines.push(format!(
            "  some callers cannot be seen: {}",
            sanitize(unread)
        ));
    }
    lines
}

fn port(change: PortChange) -> String {
    match change.from {
        Some(from) => format!("  its port changes: {from} → {}", change.to),
        None => format!("  its port: {}", change.to),
    }
}

/// Columns that a subject has at most.
const SUBJECT: usize = 60;

fn people(plan: &Plan, who: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if plan.wanted.is_older {
        lines.push(format!("  goes back behind what is live ({who})"));
    } else if plan.changes.commits.is_empty() {
        lines.push(format!("  replaces what is live ({who})"));
    } else {
        let count = counted(&plan.changes);
        lines.push(format!("  {count} since what is live ({who}):"));
        lines.extend(subjects(&plan.changes, width));
    }
    if !plan.going_away.commits.is_empty() {
        let (are, go) = match plan.going_away.commits.len() {
            1 => ("is", "goes"),
            _ => ("are", "go"),
        };
        let count = counted(&plan.going_away);
        lines.push(format!("  {count} that {are} live {go} away:"));
        lines.extend(subjects(&plan.going_away, width));
    }
    if let Some(commit) = &plan.unknown_live_commit {
        let commit = sanitize(commit.get(..7).unwrap_or(commit));
        lines.push(format!(
            "  which changes go away is not known: the live commit {commit} is not in this clone; `git fetch --all` may bring it"
        ));
    }
    lines
}

/// `3 changes`.
fn counted(listed: &Listed) -> String {
    let count = listed.commits.len();
    let more = if listed.more { "more than " } else { "" };
    let plural = if count == 1 { "change" } else { "changes" };
    format!("{more}{count} {plural}")
}

/// A line for each commit: subject and author.
fn subjects(listed: &Listed, width: usize) -> Vec<String> {
    let commits: Vec<_> = listed
        .commits
        .iter()
        .map(|commit| (cut(&commit.subject, SUBJECT), sanitize(&commit.author)))
        .collect();
    let longest = |texts: &mut dyn Iterator<Item = &str>| {
        texts.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let columns = longest(&mut commits.iter().map(|(subject, _)| subject.as_str()));
    let authors = longest(&mut commits.iter().map(|(_, author)| author.as_ref()));
    // Aligned where there is room; a narrow terminal breaks the line by itself.
    let columns = if 6 + columns + authors > width {
        0
    } else {
        columns
    };
    commits
        .iter()
        .map(|(subject, author)| {
            format!("    {subject:<columns$}  {author}")
                .trim_end()
                .to_owned()
        })
        .collect()
}

/// A line for each key that differs, and one for a route that is gone as a whole.
pub(crate) fn differences(all: &[Difference]) -> Vec<String> {
    let gone = |route: &str, key: &str| {
        let key = format!("route.{route}.{key}");
        let found = all.iter().find(|one| one.key == key && one.after.is_none());
        found.and_then(|one| one.before.as_deref())
    };
    let of_gone = |one: &Difference| {
        let (route, key) = one.key.strip_prefix("route.")?.rsplit_once('.')?;
        let (method, path) = (gone(route, "method")?, gone(route, "path")?);
        let line = format!("route {route} ({method} {}) is gone", short(path));
        Some((key == "method").then_some(line))
    };
    all.iter()
        .filter_map(|one| of_gone(one).unwrap_or_else(|| Some(difference(one))))
        .collect()
}

fn difference(difference: &Difference) -> String {
    let key = &difference.key;
    match (&difference.before, &difference.after) {
        (Some(before), Some(after)) if before == after => format!("{key} has another value"),
        (Some(before), Some(after)) => {
            let (before, after) = tails(before, after);
            format!("{key} {} → {}", short(&before), short(&after))
        }
        (None, Some(after)) if after == "…" => format!("{key} is new"),
        (None, Some(after)) => format!("{key} is new: {}", short(after)),
        (_, None) => format!("{key} is gone"),
    }
}

fn short(text: &str) -> String {
    cut(text, SHORT)
}

fn cut(text: &str, most: usize) -> String {
    let text = sanitize(text);
    if text.chars().count() > most {
        format!("{}…", text.chars().take(most - 1).collect::<String>())
    } else {
        text
    }
}
