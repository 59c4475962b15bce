//! Starting a rollout: plan (observe, history, rules), then apply (keep the plan, record, commit).

use jiff::Timestamp;
use serde_json::Value;

use super::lint::{self, History, UnitForecast};
use super::{Tools, change, objects};
use crate::domain::audit::event::RolloutStep;
use crate::domain::live::{Live, Revision};
use crate::domain::name::ServiceName;
use crate::domain::release::{Actor, RevisionNumber};
use crate::domain::rollout::mistake::Mistake;
use crate::domain::rollout::plan::{Given, Wish, plan as make};
use crate::domain::rollout::{Command, Plan, State};
use crate::domain::service::{Kind as ServiceKind, Service};
use crate::domain::traffic::Split;
use crate::error::{Error, Kind, Result};
use crate::ops::audit::{self, Intent, ResultWord};
use crate::ops::{live_state, warnings};
use crate::platform::{self, Commit, Platform};

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Whose traffic.
    pub(crate) service: ServiceName,
    /// What a command needs behind it to mean this environment.
    pub(crate) flag: String,
    /// What to roll out; none = the newest revision that is not live and was not left.
    pub(crate) revision: Option<RevisionNumber>,
    /// Steps and routes.
    pub(crate) wish: Wish,
    /// A live rollout is aborted first.
    pub(crate) supersede: bool,
    /// A revision that was left may be rolled out once more; it needs a reason.
    pub(crate) again: bool,
    /// Why.
    pub(crate) reason: Option<String>,
    /// The environment is protected: a plain deploy is a rollout there.
    pub(crate) protected: bool,
}

/// A plan, and what it was made from.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// What is live now.
    pub(crate) live: Live,
    /// The plan.
    pub(crate) plan: Plan,
    /// What each step will take.
    pub(crate) forecasts: Vec<UnitForecast>,
    /// A live rollout that is aborted first.
    pub(crate) supersedes: Option<State>,
}

/// What a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A revision that is published.
    Revision,
    /// The sources, as a deploy would publish them next.
    Sources,
    /// What serves, once more: nothing newer is known.
    Live,
}

/// Observes and decides; changes nothing.
pub(crate) async fn plan(
    platform: &dyn Platform,
    options: &Options,
    actor: Actor,
    now: Timestamp,
) -> Result<Planned> {
    check_reason(options)?;
    match published(platform, options, &actor, now).await? {
        Found::Plan(planned) => Ok(*planned),
        Found::Nothing(live, stable) => Err(nothing_newer(options, &live, stable)),
    }
}

/// Nothing is newer than what serves, or all that is was left.
fn nothing_newer(options: &Options, live: &Live, stable: RevisionNumber) -> Error {
    let (name, flag) = (&options.service, &options.flag);
    let mut newer = live.revisions.iter().rev();
    if let Some(left) = newer.find(|one| one.number > stable) {
        let left = left.number;
        let asked = format!(
            "cannot start a rollout of `{name}`: no revision that is newer than {stable}, which serves, can be rolled out"
        );
        return left_before(&asked, live, options, left);
    }
    Error::new(
        Kind::Refused,
        "rollout-no-canary",
        format!(
            "cannot start a rollout of `{name}`: there is no newer revision than {stable}, which serves"
        ),
    )
    .live(live_state(name, Some(live)))
    .hint(format!(
        "publish one and start in one go: `squad deploy {name}{flag} --canary`"
    ))
}

/// Somebody, or the judge, had a reason to leave a revision: nothing brings it back by accident.
fn left_before(asked: &str, live: &Live, options: &Options, number: RevisionNumber) -> Error {
    let (name, flag) = (&options.service, &options.flag);
    Error::new(
        Kind::Refused,
        "release-left",
        format!("{asked}: a rollback or an abort left revision {number}"),
    )
    .live(live_state(name, Some(live)))
    .hint(format!(
        "roll something else out: `squad deploy {name}{flag} --canary`"
    ))
    .hint(format!(
        "or, if the cause was elsewhere: `squad rollout start {name}{flag} --revision {number} --again --reason \"…\"`"
    ))
}

/// A revision that was left is brought back with a reason, or not at all.
fn check_reason(options: &Options) -> Result<()> {
    let reason = options.reason.as_deref().unwrap_or_default();
    if !options.again || !reason.trim().is_empty() {
        return Ok(());
    }
    let (name, flag) = (&options.service, &options.flag);
    Err(Error::new(
        Kind::Usage,
        "reason-missing",
        format!("cannot start a rollout of `{name}`: `--again` needs a reason"),
    )
    .hint(format!(
        "say why, for the audit log: `squad rollout start {name}{flag} --again --reason \"…\"`"
    )))
}

/// The same where it has to be told before anything newer is published: then for the sources, as far as they are here, else
/// for what serves.
pub(crate) async fn lint(
    platform: &dyn Platform,
    options: &Options,
    sources: impl FnOnce() -> Option<Service>,
    actor: Actor,
    now: Timestamp,
) -> Result<(Planned, Subject)> {
    let (live, stable) = match published(platform, options, &actor, now).await? {
        Found::Plan(planned) => return Ok((*planned, Subject::Revision)),
        Found::Nothing(live, stable) => (live, stable),
    };
    let name = &options.service;
    let (after, subject) = match sources() {
        Some(service) => (Some(service), Subject::Sources),
        None => (platform.configuration(name, stable).await?, Subject::Live),
    };
    let (Some(after), Some(serving)) = (after, live.revision(stable)) else {
        return Err(Error::internal("a revision without its configuration"));
    };
    let pair = (serving, next_number(&live), &after);
    let planned = planned(platform, options, &live, pair, None, (actor, now)).await?;
    Ok((planned, subject))
}

/// What is published for a rollout.
enum Found {
    /// A revision, and the plan for it.
    Plan(Box<Planned>),
    /// Nothing that is newer than what serves.
    Nothing(Box<Live>, RevisionNumber),
}

async fn published(
    platform: &dyn Platform,
    options: &Options,
    actor: &Actor,
    now: Timestamp,
) -> Result<Found> {
    let name = &options.service;
    let asked = format!("cannot start a rollout of `{name}`");
    let live = platform
        .observe(name)
        .await
        .map_err(|error| Error::from(error).context(&asked))?;
    let supersedes = State::live(&live.state);
    if !options.supersede {
        super::refuse_live(&asked, name, &live, &options.flag).map_err(|error| {
            error.hint(format!(
                "or take its place: `squad rollout start {name}{} --supersede`",
                options.flag
            ))
        })?;
    }
    let stable = serving(&asked, &live, options, supersedes.as_ref())?;
    let Some(canary) = candidate(&asked, &live, options, stable)? else {
        let stable = stable.number;
        return Ok(Found::Nothing(Box::new(live), stable));
    };
    check_kind(&asked, platform, live.kind, options, &live)?;
    let refused = |error: platform::Error| {
        Error::from(error)
            .context(&asked)
            .live(live_state(name, Some(&live)))
    };
    platform
        .check_shared(name, stable.number, canary.number)
        .await
        .map_err(refused)?;
    let after = platform
        .configuration(name, canary.number)
        .await
        .map_err(refused)?;
    let Some(after) = after else {
        return Err(Error::internal("a revision without its configuration"));
    };
    let pair = (stable, canary.number, &after);
    let who = (actor.clone(), now);
    let planned = planned(platform, options, &live, pair, supersedes, who).await?;
    Ok(Found::Plan(Box::new(planned)))
}

/// The number that the next revision will most likely have.
fn next_number(live: &Live) -> RevisionNumber {
    RevisionNumber(
        live.revisions
            .last()
            .map_or(1, |newest| newest.number.0 + 1),
    )
}

/// What a rollout of a release will be that is not published yet: for the plan of a deploy, and to refuse before
/// anything is built.
pub(crate) async fn ahead(
    platform: &dyn Platform,
    options: &Options,
    deploy: &crate::ops::deploy::Plan,
    actor: Actor,
    now: Timestamp,
) -> Result<Planned> {
    let live = &deploy.live;
    let Some(stable) = live.sole() else {
        return Err(Error::internal(
            "a gradual deploy of a service that is not live",
        ));
    };
    let number = match &deploy.decision {
        crate::domain::plan::Deploy::Change(change) => change.existing,
        _ => None,
    }
    .unwrap_or_else(|| next_number(live));
    let pair = (stable, number, &deploy.wanted.service);
    planned(platform, options, live, pair, None, (actor, now)).await
}

/// History, rules, forecasts.
async fn planned(
    platform: &dyn Platform,
    options: &Options,
    live: &Live,
    (stable, number, after): (&Revision, RevisionNumber, &Service),
    supersedes: Option<State>,
    (actor, now): (Actor, Timestamp),
) -> Result<Planned> {
    let name = &options.service;
    let asked = format!("cannot start a rollout of `{name}`");
    check_kind(&asked, platform, Some(after.kind), options, live)?;
    let (history, before) = futures_util::future::join(
        History::read(platform, name, stable.number),
        platform.configuration(name, stable.number),
    )
    .await;
    let history =
        history.map_err(|error| error.context(&asked).live(live_state(name, Some(live))))?;
    let Some(before) = before? else {
        return Err(Error::internal("a revision without its configuration"));
    };
    let (before, after) = (&movable(platform, &before), &movable(platform, after));
    let given = Given {
        id: ulid::Ulid::generate().to_string(),
        stable: (stable.number, before),
        canary: (number, after),
        base: Split::all(&before.routes, stable.number),
        actor,
        at: now,
        reason: options.reason.clone(),
    };
    let mut plan = make(&given, &options.wish, |routes, is_rest| {
        history.known(routes, is_rest)
    })
    .map_err(|mistakes| wrong(&asked, &mistakes))?;
    let numbers = [before, after].map(|service| platform.numbers(service));
    for numbers in numbers {
        plan.late_seconds = plan.late_seconds.max(numbers.late_seconds);
        plan.interval_seconds = plan.interval_seconds.max(numbers.every_seconds);
    }
    lint::check(&asked, &plan, live, options, &before.routes)?;
    Ok(Planned {
        forecasts: lint::forecasts(&plan),
        plan,
        live: live.clone(),
        supersedes,
    })
}

/// A service without what the platform cannot move apart: where there is one weight for all requests, its routes are not
/// looked at one by one.
fn movable(platform: &dyn Platform, service: &Service) -> Service {
    let mut service = service.clone();
    if !platform.capabilities().routes {
        service.routes.clear();
    }
    service
}

/// A platform without weights for each route takes none; what takes no requests cannot be rolled out gradually.
fn check_kind(
    asked: &str,
    platform: &dyn Platform,
    kind: Option<ServiceKind>,
    options: &Options,
    live: &Live,
) -> Result<()> {
    let name = &options.service;
    if kind == Some(ServiceKind::Worker) {
        return Err(Error::new(
            Kind::Refused,
            "rollout-unsupported",
            format!("{asked}: a worker takes no requests, so there is nothing to split"),
        )
        .hint(format!("deploy it: `squad deploy {name}{}`", options.flag))
        .live(live_state(name, Some(live))));
    }
    if !options.wish.routes.is_empty() && !platform.capabilities().routes {
        return Err(Error::new(
            Kind::Refused,
            "rollout-unsupported",
            format!("{asked}: this platform has one weight for all requests, so `--route` cannot be kept"),
        )
        .hint("leave `--route` out: the whole service moves together")
        .live(live_state(name, Some(live))));
    }
    if !options.wish.gates.is_empty() && !platform.capabilities().gate {
        return Err(Error::new(
            Kind::Refused,
            "rollout-unsupported",
            format!("{asked}: this platform cannot tell one caller from another, so `--gate` cannot be kept"),
        )
        .hint("leave `--gate` out: a new route opens with the promotion")
        .live(live_state(name, Some(live))));
    }
    Ok(())
}

/// What serves.
fn serving<'a>(
    asked: &str,
    live: &'a Live,
    options: &Options,
    supersedes: Option<&State>,
) -> Result<&'a Revision> {
    let name = &options.service;
    let stable = match supersedes {
        Some(state) => live.revision(state.stable),
        None => live.sole(),
    };
    let why = if live.split.is_some() {
        "several revisions share the traffic, and no rollout of squad says why"
    } else {
        "nothing is live yet, so there is nothing to compare with"
    };
    stable.ok_or_else(|| {
        Error::new(Kind::Refused, "nothing-live", format!("{asked}: {why}"))
            .live(live_state(name, Some(live)))
            .hint(format!(
                "deploy it first: `squad deploy {name}{}`",
                options.flag
            ))
    })
}

/// What is rolled out; none where nothing is newer than what serves and was not left. One that was left is rolled out where
/// that is asked for, and only where nothing else could be meant.
fn candidate<'a>(
    asked: &str,
    live: &'a Live,
    options: &Options,
    stable: &Revision,
) -> Result<Option<&'a Revision>> {
    let others = || {
        live.revisions
            .iter()
            .rev()
            .filter(|one| one.number != stable.number)
    };
    let Some(number) = options.revision else {
        let newer = || others().filter(|one| one.number > stable.number);
        let left = || newer().next().filter(|_| options.again);
        return Ok(newer().find(|one| !one.left).or_else(left));
    };
    if number == stable.number {
        return Err(Error::new(
            Kind::Refused,
            "rollout-same-revision",
            format!("{asked}: revision {number} serves all traffic already"),
        )
        .live(live_state(&options.service, Some(live))));
    }
    let found = others().find(|one| one.number == number);
    if found.is_some_and(|one| one.left) && !options.again {
        return Err(left_before(asked, live, options, number));
    }
    found.map(Some).ok_or_else(|| {
        let mut error = Error::new(
            Kind::Usage,
            "no-such-revision",
            format!("{asked}: there is no revision {number}"),
        );
        for one in others().take(5) {
            error = error.detail(format!("{}", one.number));
        }
        error
    })
}

fn wrong(asked: &str, mistakes: &[Mistake]) -> Error {
    let count = mistakes.len();
    let verb = if count == 1 { "is" } else { "are" };
    let noun = if count == 1 { "thing" } else { "things" };
    let mut error = Error::new(
        Kind::Usage,
        "rollout-plan",
        format!("{asked}: {count} {noun} of the plan {verb} wrong"),
    );
    for mistake in mistakes {
        error = error.detail(mistake.to_string());
    }
    error
}

/// Starts what was planned: on return the rollout is live, and whoever drives it goes on.
pub(crate) async fn apply(
    tools: &Tools<'_>,
    options: &Options,
    planned: &Planned,
) -> Result<State> {
    let name = &options.service;
    let asked = format!("cannot start a rollout of `{name}`");
    let fail = |error: Error| {
        error
            .context(&asked)
            .live(live_state(name, Some(&planned.live)))
    };
    let mut token = planned.live.token.clone();
    if let Some(state) = &planned.supersedes {
        let why = Some(format!("superseded by {}", planned.plan.id));
        super::brake::abort(tools, name, Command::Supersede, None, why, None).await?;
        let live = tools.platform.observe(name).await?;
        // Aborted to nothing on the canary, by us: then the plan still fits.
        if live.sole().map(|one| one.number) != Some(state.stable) {
            return Err(fail(Error::overtaken(
                name,
                live.last_commit.as_ref(),
                &live,
            )));
        }
        token = live.token;
    }
    let plan = &planned.plan;
    let (bytes, digest) = objects::plan_bytes(plan)?;
    let state = State::planned(
        plan.id.clone(),
        plan.units.len(),
        plan.stable,
        plan.canary,
        digest,
    );
    let text = state.encode();
    if text.len() > crate::domain::rollout::state::LONGEST {
        return Err(Error::internal("the state of a rollout is too long"));
    }
    let canary = planned.live.revision(plan.canary);
    let intent = Intent {
        kind: audit::Kind::Rollout(RolloutStep::Start),
        service: name.clone(),
        reason: options.reason.clone(),
        before: crate::ops::deploy::described(&planned.live),
        after: change::described(plan, &state),
        provenance: canary.map(|revision| revision.provenance.clone()),
        digest: canary.map(|revision| revision.digest.clone()),
    };
    let operation = tools
        .journal
        .begin(tools.clock, intent)
        .await
        .map_err(fail)?;
    let commit = Commit {
        split: plan.base.clone(),
        state: text,
        leaves: None,
        actor: tools.journal.actor().clone(),
        operation: operation.id().to_owned(),
    };
    let result = async {
        objects::create_plan(tools.platform, plan, &bytes).await?;
        commit_start(tools, planned, token, &commit).await
    }
    .await;
    let outcome = audit::Outcome {
        result: match &result {
            Ok(()) => ResultWord::Succeeded,
            Err(_) => ResultWord::Failed,
        },
        after: match &result {
            Ok(()) => change::described(plan, &state),
            Err(_) => Value::Null,
        },
        message: result.as_ref().err().map(|error| error.message.clone()),
        error_id: result.as_ref().err().map(|error| error.id.to_owned()),
    };
    tools
        .journal
        .finish(tools.clock, operation, outcome)
        .await?;
    result.map_err(fail)?;
    Ok(state)
}

/// Commits; a publish that moved the token meanwhile does not matter, another change of the traffic does.
async fn commit_start(
    tools: &Tools<'_>,
    planned: &Planned,
    mut token: crate::domain::live::Token,
    commit: &Commit,
) -> Result<()> {
    let name = &planned.plan.service;
    loop {
        let winner = match tools
            .platform
            .commit(name, &token, commit, &warnings(tools.reporter))
            .await
        {
            Ok(_) => return Ok(()),
            Err(platform::Error::Conflict { winner })
                if change::is_ours(commit, winner.as_ref()) =>
            {
                return Ok(());
            }
            Err(platform::Error::Conflict { winner }) => winner,
            Err(error) => return Err(error.into()),
        };
        let live = tools.platform.observe(name).await?;
        let same = planned.supersedes.is_none() && live.last_commit == planned.live.last_commit;
        if !same || live.token == token {
            return Err(Error::overtaken(name, winner.as_ref(), &live));
        }
        token = live.token;
    }
}
