//! `squad rollout drive`: looks and goes on, until the rollout is over.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::cli::context::Context;
use crate::cli::deploy::{put_aside, under_interrupts};
use crate::cli::progress::Progress;
use crate::cli::view::rollout as view;
use crate::domain::environment::Environment;
use crate::domain::live::Live;
use crate::domain::name::ServiceName;
use crate::domain::release::Actor;
use crate::domain::rollout::{Phase, State, Waiting, Why};
use crate::error::{Error, Kind, Result};
use crate::ops::rollout::drive::{self, Ended, Options};
use crate::ops::rollout::snapshot::{DRIVING, Driver, Snapshot};
use crate::ops::rollout::{Rollout, Tools, words};
use crate::ops::{Event, Reporter, going_on, live_state};
use crate::platform::Platform;

/// Take up a rollout and drive it to its end
///
/// Any machine may: the state is with the traffic. A driver that still lives is left alone, unless --take-over is given;
/// it then stops by itself. With --once it looks one time and does not go beyond what nobody has to attend.
///
/// With --all a rollout that somebody else drives is said and left alone, and what cannot be read keeps nobody from the
/// others. The exit code is the highest of the rollouts that were driven or could not be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  $ squad rollout drive payments --env prod
  $ squad rollout drive --all --once")]
pub(crate) struct Args {
    /// Service; the one of the current directory if not given
    #[arg(value_name = "service")]
    service: Option<ServiceName>,
    /// Every live rollout of the environment
    #[arg(long, conflicts_with = "service")]
    all: bool,
    /// Look one time, then end
    #[arg(long)]
    once: bool,
    /// Take it from a driver that still lives
    #[arg(long)]
    take_over: bool,
}

/// How many services are looked at beside each other: a platform answers only so many questions.
const LOOKS: usize = 8;

/// Runs `squad rollout drive`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    context.block_on(async {
        if args.all {
            return all(context, args).await;
        }
        let (_, environment, name) = super::find(context, args.service.as_ref(), "rollout drive")?;
        let platform = context.platform(&environment)?;
        one(context, &*platform, &environment, name, args).await
    })
}

/// Every live rollout, beside each other; the worst exit code of those that were driven or could not be read.
async fn all(context: &Context, args: &Args) -> Result<u8> {
    let config = context.config()?;
    let environment = context.environment(&config)?;
    let platform = context.platform(&environment)?;
    let looks = Semaphore::new(LOOKS);
    let drives = platform.services().await?.into_iter().map(|service| {
        let (platform, environment, looks) = (&*platform, &environment, &looks);
        async move {
            let result = of_all(context, (platform, looks), environment, service, args).await;
            result.unwrap_or_else(|error| {
                crate::cli::print_error(&context.output, &error);
                Some(error.kind.exit_code())
            })
        }
    });
    let codes = futures_util::future::join_all(drives).await;
    let worst = codes.iter().flatten().max();
    if codes.iter().all(Option::is_none) {
        context
            .output
            .status(&format!("no rollout is live in {}", environment.spoken()));
    }
    Ok(worst.copied().unwrap_or(0))
}

/// One service among all: none where no rollout is live.
async fn of_all(
    context: &Context,
    (platform, looks): (&dyn Platform, &Semaphore),
    environment: &Environment,
    service: ServiceName,
    args: &Args,
) -> Result<Option<u8>> {
    let unreadable =
        |error: Error| error.context(&format!("cannot read the rollout of `{service}`"));
    let live = {
        // Never closed.
        let _turn = looks.acquire().await;
        platform.observe(&service).await
    };
    if State::live(&live.map_err(|error| unreadable(error.into()))?.state).is_none() {
        return Ok(None);
    }
    let driven = driven(context, platform, environment, &service).await;
    if let Some((snapshot, actor, _)) = driven.map_err(unreadable)?
        && !args.take_over
    {
        if context.output.is_json() {
            context.output.json(&view::SnapshotWire::new(&snapshot));
        } else {
            let left_alone = format!("{service}: {actor} drives it, so it is left alone");
            context.output.status(&left_alone);
        }
        return Ok(Some(0));
    }
    let prefix = service.to_string();
    let options = options(context, environment, service, args);
    drive_to_end(context, platform, environment, &options, &prefix)
        .await
        .map(Some)
}

async fn one(
    context: &Context,
    platform: &dyn Platform,
    environment: &Environment,
    service: ServiceName,
    args: &Args,
) -> Result<u8> {
    if !args.take_over
        && let Some((_, actor, live)) = driven(context, platform, environment, &service).await?
    {
        let flag = environment.flag();
        return Err(Error::new(
            Kind::Conflict,
            "rollout-driven",
            format!("cannot drive the rollout of `{service}`: {actor} drives it"),
        )
        .hint(format!(
            "follow it: `squad rollout status {service}{flag} --watch`"
        ))
        .hint(format!(
            "or take it over: `squad rollout drive {service}{flag} --take-over`"
        ))
        .live(live_state(&service, Some(&live))));
    }
    let options = options(context, environment, service, args);
    drive_to_end(context, platform, environment, &options, "").await
}

fn options(
    context: &Context,
    environment: &Environment,
    service: ServiceName,
    args: &Args,
) -> Options {
    Options {
        flag: environment.flag(),
        service,
        stays: !args.once,
        waits_for_people: context.output.can_ask() && !args.once,
    }
}

/// Who drives a rollout right now: a driver that lives is not disturbed.
async fn driven(
    context: &Context,
    platform: &dyn Platform,
    environment: &Environment,
    service: &ServiceName,
) -> Result<Option<(Snapshot, Actor, Live)>> {
    let Some(rollout) = crate::ops::rollout::read(platform, service).await? else {
        return Ok(None);
    };
    let snapshot = snapshot(context, environment, &rollout)?;
    Ok(match snapshot.driver.clone() {
        Driver::Alive(actor) => Some((snapshot, actor, rollout.live)),
        _ => None,
    })
}

/// A rollout as it is now, for a view.
pub(super) fn snapshot(
    context: &Context,
    environment: &Environment,
    rollout: &Rollout,
) -> Result<Snapshot> {
    let going_on = going_on::list(&context.directories()?.state, environment);
    Ok(Snapshot::of(
        rollout,
        environment.name.as_str(),
        &going_on,
        &super::host(),
        context.now(),
    ))
}

/// Drives, shows how it goes, and ends with the exit code of its verdict.
pub(super) async fn drive_to_end(
    context: &Context,
    platform: &dyn Platform,
    environment: &Environment,
    options: &Options,
    prefix: &str,
) -> Result<u8> {
    let service = options.service.clone();
    let _mark = context.mark(environment, DRIVING, vec![service.clone()])?;
    let journal = context.record(environment)?;
    let ended = under_interrupts(context, async |cancel| {
        let reporter = Progress::new(context, prefix);
        let tools = Tools {
            platform,
            journal: &journal,
            clock: context.clock(),
            reporter: &reporter,
        };
        let last = Mutex::new(Duration::ZERO);
        let mut on_round = |rollout: &Rollout, waiting: &Waiting| {
            round(context, environment, rollout, waiting, &reporter, &last);
        };
        drive::drive(&tools, options, &cancel, &mut on_round).await
    })
    .await;
    put_aside(context, &journal);
    end(context, environment, &service, platform, ended?).await
}

/// One line about how it goes; as JSON one document for each look.
fn round(
    context: &Context,
    environment: &Environment,
    rollout: &Rollout,
    waiting: &Waiting,
    reporter: &Progress<'_>,
    last: &Mutex<Duration>,
) {
    if context.output.is_json() || *waiting == Waiting::Traffic {
        return;
    }
    let Ok(snapshot) = snapshot(context, environment, rollout) else {
        return;
    };
    let now = crate::clock::Clock::monotonic(context.clock());
    let mut last = last
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    // Without a terminal a line every now and then is enough to see that it lives.
    let pause = if context.output.can_animate(&context.env) {
        Duration::from_secs(1)
    } else {
        Duration::from_secs((rollout.plan.interval_seconds * 2).max(10))
    };
    if *last != Duration::ZERO && now.saturating_sub(*last) < pause {
        return;
    }
    *last = now;
    let (what, detail) = view::going(&snapshot, waiting);
    reporter.report(Event::Going { what, detail });
}

async fn end(
    context: &Context,
    environment: &Environment,
    service: &ServiceName,
    platform: &dyn Platform,
    ended: Ended,
) -> Result<u8> {
    let flag = environment.flag();
    let (state, code) = match &ended {
        Ended::Over(state, why) => (state, over(state, why.as_ref())),
        Ended::Looked(state) => (state, 0),
        Ended::NeedsPerson(state, why) => {
            return Err(needs_person(platform, service, &flag, state, why.as_ref()).await);
        }
        Ended::Left(state) => {
            let phase = words::phase(state.phase);
            return Err(Error::new(
                Kind::Interrupted,
                "interrupted",
                format!("the rollout of `{service}` is {phase}, and nobody drives it now"),
            )
            .live(live_state(
                service,
                platform.observe(service).await.ok().as_ref(),
            ))
            .hint(format!("take it up: `squad rollout drive {service}{flag}`"))
            .hint(format!("or stop it: `squad stop {service}{flag}`")));
        }
    };
    if context.output.is_json() {
        context
            .output
            .json(&view::EndWire::new(service, environment, state, code));
    } else {
        context.output.out(state.phase.as_str());
    }
    Ok(code)
}

/// The exit code of a rollout that is over: 0 promoted, 3 the verdict was bad, 1 a person ended it.
pub(super) fn over(state: &State, why: Option<&Why>) -> u8 {
    match (state.phase, why) {
        (Phase::Succeeded, _) => 0,
        (_, Some(Why::ByHand(_))) => Kind::Failed.exit_code(),
        _ => Kind::Unhealthy.exit_code(),
    }
}

async fn needs_person(
    platform: &dyn Platform,
    service: &ServiceName,
    flag: &str,
    state: &State,
    why: Option<&Why>,
) -> Error {
    let rollout = crate::ops::rollout::read(platform, service)
        .await
        .ok()
        .flatten();
    let why = match (&rollout, why) {
        (Some(rollout), Some(why)) => words::why(&rollout.plan, why),
        _ => "no reason is recorded".to_owned(),
    };
    let error = if state.phase == Phase::Drifted {
        Error::new(
            Kind::Failed,
            "rollout-drifted",
            format!("the rollout of `{service}` needs a person: {why}"),
        )
        .hint(format!(
            "put the wanted traffic back: `squad rollout rebase {service}{flag}`"
        ))
    } else {
        Error::new(
            Kind::Failed,
            "rollout-paused",
            format!("the rollout of `{service}` is paused and needs a person: {why}"),
        )
        .hint(format!(
            "go on: `squad rollout resume {service}{flag}`, then `squad rollout drive {service}{flag}`"
        ))
    };
    error
        .hint(format!("give up: `squad stop {service}{flag}`"))
        .live(live_state(service, rollout.as_ref().map(|one| &one.live)))
}
