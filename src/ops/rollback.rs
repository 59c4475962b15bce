//! `squad rollback`: all traffic back to the last revision that served healthily, in one commit.
//!
//! A brake: it needs the local outbox and nothing else of the audit log.

use std::time::Duration;

use serde_json::json;

use crate::clock::Clock;
use crate::domain::live::{Live, Revision};
use crate::domain::name::ServiceName;
use crate::domain::plan::served::Before;
use crate::domain::plan::{self, Difference, Refusal, Rollback};
use crate::domain::release::RevisionNumber;
use crate::domain::traffic::Split;
use crate::error::{Error, Kind, Result};
use crate::ops::audit::{self, Intent, Journal, Recorded, ResultWord};
use crate::ops::deploy::apply::millis;
use crate::ops::deploy::build::stopped;
use crate::ops::deploy::described;
use crate::ops::served::Told;
use crate::ops::{Cancel, Event, Reporter, lag, live_state, warnings};
use crate::platform::{self, Commit, Platform, Progress};

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// What a command needs behind it to mean this environment.
    pub(crate) flag: String,
    /// Whose traffic moves.
    pub(crate) service: ServiceName,
    /// `--to`.
    pub(crate) to: Option<RevisionNumber>,
    /// `--reason`.
    pub(crate) reason: Option<String>,
    /// The longest that starting the revision may take.
    pub(crate) timeout: Duration,
}

/// A plan, and what it was made for.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// What is live now.
    pub(crate) live: Live,
    /// What will be done.
    pub(crate) decision: Rollback,
    /// What in the record says where to go; none where the platform itself tells it.
    pub(crate) by_record: Option<Before>,
    /// What changes in the settings, whoever set them.
    pub(crate) differences: Vec<Difference>,
}

impl Plan {
    /// Revisions that served after the one that is gone back to, and that somebody deleted.
    pub(crate) fn passed_over(&self) -> Vec<RevisionNumber> {
        match self.decision {
            Rollback::Change { to, .. } if self.live.served.contains(&to) => {
                deleted(&self.live, Some(to))
            }
            _ => Vec::new(),
        }
    }

    /// The error of what keeps it from being begun: what is live stays.
    pub(crate) fn not_begun(&self, options: &Options, error: Error) -> Error {
        let name = &options.service;
        error
            .context(&format!("cannot roll back `{name}`"))
            .live(live_state(name, Some(&self.live)))
    }
}

/// The outcome of a rollback.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// The operation (ULID); none when nothing had to be done.
    pub(crate) operation: Option<String>,
    /// What serves now.
    pub(crate) revision: RevisionNumber,
    /// What was left.
    pub(crate) previous: Option<RevisionNumber>,
    /// Milliseconds.
    pub(crate) milliseconds: u64,
    /// Events that are on this machine only.
    pub(crate) pending_events: usize,
}

/// Whether what is live does not tell who served before, because somebody else took that away: then the record may.
pub(crate) fn is_forgotten(live: &Live, options: &Options) -> bool {
    options.to.is_none()
        && live.foreign.is_some()
        && matches!(plan::rollback(live, None), Err(Refusal::NoTarget { .. }))
}

/// Decides on what was just `seen`; where it was not, observes first. `told` is what the record says where
/// [`is_forgotten`].
pub(crate) async fn plan(
    platform: &dyn Platform,
    options: &Options,
    seen: Option<Live>,
    told: Option<Told>,
) -> Result<Plan> {
    let asked = format!("cannot roll back `{}`", options.service);
    let live = match seen {
        Some(live) => live,
        None => platform
            .observe(&options.service)
            .await
            .map_err(|error| Error::from(error).context(&asked))?,
    };
    crate::ops::rollout::refuse_live(&asked, &options.service, &live, &options.flag)?;
    let planned = |live, decision, by_record| Plan {
        differences: differences(platform, &options.service, decision),
        live,
        decision,
        by_record,
    };
    match (plan::rollback(&live, options.to), told) {
        (Ok(decision), _) => Ok(planned(live, decision, None)),
        (Err(Refusal::NoTarget { .. }), Some(Told::Before(before))) => {
            let decision = Rollback::Change {
                from: live.split.as_ref().and_then(Split::sole),
                to: before.revision,
            };
            Ok(planned(live, decision, Some(before)))
        }
        (Err(refusal), told) => {
            let mut error = refuse(&asked, &refusal, options, &live);
            if let Some(Told::Nothing(why)) = told {
                // Behind whose words are there, before the revisions that may be chosen.
                error.details.insert(error.details.len().min(1), why);
            }
            Err(error)
        }
    }
}

/// What the settings of the one that is gone back to are, beside those of the one that is left.
fn differences(
    platform: &dyn Platform,
    service: &ServiceName,
    decision: Rollback,
) -> Vec<Difference> {
    match decision {
        Rollback::Change {
            from: Some(from),
            to,
        } => platform.differences_between(service, from, to),
        Rollback::Change { from: None, .. } | Rollback::Already { .. } => Vec::new(),
    }
}

/// Revisions that had all the traffic, back to one of them, and that are not there any more.
fn deleted(live: &Live, back_to: Option<RevisionNumber>) -> Vec<RevisionNumber> {
    let served = live.served.iter().copied();
    served
        .take_while(|one| Some(*one) != back_to)
        .filter(|one| live.revision(*one).is_none())
        .collect()
}

fn refuse(asked: &str, refusal: &Refusal, options: &Options, live: &Live) -> Error {
    let (name, flag) = (&options.service, &options.flag);
    let list = |error: Error, numbers: &[RevisionNumber]| {
        numbers
            .iter()
            .filter_map(|number| live.revision(*number))
            .fold(error, |error, revision| {
                error.detail(described_candidate(revision))
            })
    };
    let error = match refusal {
        Refusal::NothingLive => Error::new(
            Kind::Refused,
            "nothing-live",
            format!("{asked}: nothing of it is live here"),
        )
        .hint(format!("deploy it with `squad deploy {name}{flag}`")),
        Refusal::NoTarget { .. } if live.foreign.is_some() => unknown_target(asked, options, live),
        Refusal::NoTarget { candidates } => {
            let error = Error::new(
                Kind::Refused,
                "no-rollback-target",
                format!("{asked}: no other revision served healthily without being left"),
            );
            let error = deleted(live, None).into_iter().fold(error, |error, gone| {
                error.detail(format!("{gone}  served before, and was deleted"))
            });
            match candidates.first() {
                Some(first) => list(error, candidates).hint(format!(
                    "choose one: `squad rollback {name}{flag} --to {first}`"
                )),
                None => error.hint("deploy an older state of the sources instead"),
            }
        }
        Refusal::UnknownRevision {
            revision,
            candidates,
        } => {
            let error = Error::new(
                Kind::Usage,
                "no-such-revision",
                format!("{asked}: there is no revision {revision}"),
            );
            match candidates.first() {
                Some(first) => list(error, candidates).hint(format!(
                    "choose one: `squad rollback {name}{flag} --to {first}`"
                )),
                None => error,
            }
        }
        _ => Error::internal("a rollback was refused as a deploy"),
    };
    error.live(live_state(name, Some(live)))
}

/// Somebody took away what tells who served before: any revision may be named.
fn unknown_target(asked: &str, options: &Options, live: &Live) -> Error {
    let serving = live.sole().map(|one| one.number);
    let others = || {
        let newest_first = live.revisions.iter().rev();
        newest_first.filter(|one| Some(one.number) != serving)
    };
    let mut error = Error::new(
        Kind::Refused,
        "no-rollback-target",
        format!("{asked}: it is not known which revision served before"),
    );
    if let Some(foreign) = &live.foreign {
        error = error.detail(foreign.told());
    }
    for revision in others() {
        let mut words = revision.number.to_string();
        let left = revision.left.then_some("left by a rollback");
        for note in revision
            .provenance
            .subject
            .as_deref()
            .into_iter()
            .chain(left)
        {
            words.push_str(if words.contains("  ") { ", " } else { "  " });
            words.push_str(note);
        }
        error = error.detail(words);
    }
    let is_before = |one: &&Revision| serving.is_none_or(|serving| one.number < serving);
    let chosen = others()
        .filter(|one| !one.left)
        .find(is_before)
        .or_else(|| others().find(|one| !one.left))
        .or_else(|| others().next());
    match chosen {
        Some(one) => error.hint(format!(
            "choose one: `squad rollback {}{} --to {}`",
            options.service, options.flag, one.number
        )),
        None => error.hint("deploy an older state of the sources instead"),
    }
}

/// `41  served until 14:05, left by a rollback`.
fn described_candidate(revision: &Revision) -> String {
    let mut notes = Vec::new();
    if let Some(subject) = &revision.provenance.subject {
        notes.push(subject.clone());
    }
    if revision.left {
        notes.push("left by a rollback".to_owned());
    }
    if revision.last_served_at.is_some() && !revision.served_healthily {
        notes.push("did not serve healthily".to_owned());
    }
    if revision.last_served_at.is_none() {
        notes.push("never served".to_owned());
    }
    format!("{}  {}", revision.number, notes.join(", "))
}

/// What a rollback needs beside its plan.
pub(crate) struct Tools<'a> {
    /// Where it runs.
    pub(crate) platform: &'a dyn Platform,
    /// Where it is recorded.
    pub(crate) journal: &'a Journal,
    /// What time it is.
    pub(crate) clock: &'a dyn Clock,
    /// Who is told.
    pub(crate) reporter: &'a dyn Reporter,
    /// Ctrl-C.
    pub(crate) cancel: Cancel,
}

/// Does what the plan says.
pub(crate) async fn apply(tools: &Tools<'_>, options: &Options, plan: &Plan) -> Result<Outcome> {
    let asked = format!("cannot roll back `{}`", options.service);
    let (from, to) = match plan.decision {
        Rollback::Already { revision } => {
            return Ok(Outcome {
                operation: None,
                revision,
                previous: Some(revision),
                milliseconds: 0,
                pending_events: 0,
            });
        }
        Rollback::Change { from, to } => (from, to),
    };
    let started = tools.clock.monotonic();
    let intent = Intent {
        kind: audit::Kind::Rollback,
        service: options.service.clone(),
        reason: options.reason.clone(),
        before: described(&plan.live),
        after: json!({ "revision": to.to_string() }),
        provenance: plan
            .live
            .revision(to)
            .map(|revision| revision.provenance.clone()),
        digest: plan
            .live
            .revision(to)
            .map(|revision| revision.digest.clone()),
    };
    let operation = tools
        .journal
        .begin_brake(tools.clock, intent)
        .await
        .map_err(|error| plan.not_begun(options, error))?;
    let id = operation.id().to_owned();
    let result = tokio::select! {
        result = shift(tools, options, plan, from, to, &id) => result,
        () = tokio::time::sleep(options.timeout) => {
            Err(timed_out(options))
        }
        () = tools.cancel.cancelled() => Err(stopped("the rollback was stopped").hint(format!(
            "to begin again: `squad rollback {}{}`",
            options.service, options.flag
        ))),
    };
    let live = match &result {
        Ok(live) => Some(live.clone()),
        Err(_) => tools.platform.observe(&options.service).await.ok(),
    };
    let mut after = live.as_ref().map(described).unwrap_or_default();
    if let (Err(_), Some(members)) = (&result, after.as_object_mut()) {
        members.insert("attempted".to_owned(), to.to_string().into());
    }
    let outcome = audit::Outcome {
        result: if result.is_ok() {
            ResultWord::Succeeded
        } else {
            ResultWord::Failed
        },
        after,
        message: result.as_ref().err().map(|error| error.message.clone()),
        error_id: result.as_ref().err().map(|error| error.id.to_owned()),
    };
    let recorded = tools.journal.finish(tools.clock, operation, outcome).await;
    let with_live = |error: Error| {
        lag::in_environment(error, &options.service, &options.flag)
            .context(&asked)
            .live(live_state(&options.service, live.as_ref()))
    };
    result.map_err(with_live)?;
    let recorded = recorded.map_err(|error| Error {
        message: format!(
            "`{}` was rolled back, but {}",
            options.service, error.message
        ),
        ..error.live(live_state(&options.service, live.as_ref()))
    })?;
    Ok(Outcome {
        operation: Some(id),
        revision: to,
        previous: from,
        milliseconds: millis(tools.clock, started),
        pending_events: match recorded {
            Recorded::Committed => 0,
            Recorded::Pending { events } => events,
        },
    })
}

/// The time is over. What this process began ends with it.
fn timed_out(options: &Options) -> Error {
    let seconds = options.timeout.as_secs();
    Error::new(
        Kind::Timeout,
        "timeout",
        format!("it was not finished after {seconds} s"),
    )
    .retryable()
    .hint(format!(
        "give it longer: `squad rollback {}{}{} --timeout {}m`",
        options.service,
        options.flag,
        options
            .to
            .map(|to| format!(" --to {to}"))
            .unwrap_or_default(),
        (seconds / 60 * 2).max(5)
    ))
}

/// Moves the traffic; what is live then.
async fn shift(
    tools: &Tools<'_>,
    options: &Options,
    plan: &Plan,
    from: Option<RevisionNumber>,
    to: RevisionNumber,
    operation: &str,
) -> Result<Live> {
    let name = &options.service;
    let started = tools.clock.monotonic();
    let progress = |progress: Progress| {
        if let Progress::Starting { ready, of } = progress {
            tools.reporter.report(Event::Going {
                what: "revision",
                detail: format!("{to}: {ready} of {of} processes ready"),
            });
        }
    };
    tools.platform.prepare(name, to, &progress).await?;
    let routes: Vec<_> = match plan.live.revision(to).and_then(|one| one.service.as_ref()) {
        Some(service) => service.routes.clone(),
        None => Vec::new(),
    };
    let commit = Commit {
        split: Split::all(&routes, to),
        state: String::new(),
        leaves: from,
        actor: tools.journal.actor().clone(),
        operation: operation.to_owned(),
    };
    commit_as_planned(tools, name, plan, &commit).await?;
    let live = tools.platform.observe_committed(name).await?;
    if live.sole().map(|revision| revision.number) != Some(to) {
        return Err(Error::overtaken(name, live.last_commit.as_ref(), &live));
    }
    // Ends before the rollback's own time does, to say where the traffic is.
    let spent = tools.clock.monotonic().saturating_sub(started);
    let within = options.timeout.saturating_sub(spent) * 9 / 10;
    let (platform, clock) = (tools.platform, tools.clock);
    let live = lag::arrived(platform, clock, tools.reporter, name, live, within).await?;
    tools.reporter.report(Event::Done {
        what: "live",
        detail: format!("all traffic on revision {to}"),
        milliseconds: millis(tools.clock, started),
    });
    Ok(live)
}

/// Commits; a publish that moved the token meanwhile does not hold up a brake, another change of the traffic does.
async fn commit_as_planned(
    tools: &Tools<'_>,
    service: &ServiceName,
    plan: &Plan,
    commit: &Commit,
) -> Result<()> {
    let mut token = plan.live.token.clone();
    loop {
        let winner = match tools
            .platform
            .commit(service, &token, commit, &warnings(tools.reporter))
            .await
        {
            Ok(_) => return Ok(()),
            Err(platform::Error::Conflict { winner }) => winner,
            Err(error) => return Err(error.into()),
        };
        let live = tools.platform.observe(service).await?;
        if live.last_commit != plan.live.last_commit || live.token == token {
            return Err(Error::overtaken(service, winner.as_ref(), &live));
        }
        token = live.token;
    }
}
