//! One process of a revision over its life: attempt after attempt, until it is to end.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::domain::service::Kind;

use super::backoff::Backoff;
use super::diagnosis::{self, Exit, How, Seen};
use super::environment;
use super::process::{Ended, Process, Sink};
use super::program;
use super::ready::{self, Answer};
use super::runner::{Phase, Runner, Wanted};
use super::sockets::{self, Lease};
use super::watcher::Launch;

/// A worker that lives so long has started.
const WORKER_LIVES: Duration = Duration::from_secs(1);
/// How long a function that has reported an init error may take to end by itself.
const AFTER_INIT_ERROR: Duration = Duration::from_secs(2);

/// How long a process that was waited for long enough may take to answer for the last time.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// How one attempt ended.
enum Attempt {
    /// It was to end, and has.
    Stopped,
    /// It was killed because its function ran too long; that is no fault of its start.
    Replaced,
    /// It cannot run, or did not get ready in time.
    NotReady(Seen),
    /// It ended by itself.
    Ended { exit: Exit, init: Option<String> },
}

/// Keeps one process of a revision running for as long as it is wanted.
pub(super) async fn supervise(runner: Arc<Runner>, slot: usize) {
    let mut wanted = runner.wanted.subscribe();
    let mut backoff = Backoff::new(runner.start_time());
    loop {
        let attempt = attempt(&runner, slot, &mut wanted, &mut backoff).await;
        let (pause, failed) = match attempt {
            Attempt::Stopped => return runner.set(slot, Phase::Stopped),
            Attempt::Replaced => {
                runner.set(slot, Phase::Starting);
                continue;
            }
            Attempt::NotReady(seen) => (backoff.not_ready(), Some(seen)),
            Attempt::Ended { exit, init } => {
                let next = backoff.ended(exit);
                let failed = next.failed.map(|seen| match (seen, init) {
                    (Seen::Exited(_), Some(reason)) => Seen::Init(reason),
                    (seen, _) => seen,
                });
                let phase = Phase::Restarting(backoff.times(), exit.words());
                if failed.is_none() && !was_failed(&runner, slot) {
                    runner.set(slot, phase);
                }
                (next.after, failed)
            }
        };
        if let Some(seen) = failed {
            let diagnosis = runner.diagnosed(slot, &seen);
            sink(&runner, slot, &[]).say(&format!("failed: {}", diagnosis.summary));
            let diagnosis = Box::new(diagnosis);
            if matches!(seen, Seen::Crashed(_)) {
                runner.set_crashing(slot, Some(diagnosis.clone()));
            }
            runner.set(slot, Phase::Failed(diagnosis));
            if *wanted.borrow_and_update() != Wanted::Serving {
                return;
            }
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = stopped(&mut wanted) => return runner.set(slot, Phase::Stopped),
        }
    }
}

fn was_failed(runner: &Runner, slot: usize) -> bool {
    matches!(runner.phases.borrow().get(slot), Some(Phase::Failed(_)))
}

fn sink(runner: &Runner, slot: usize, secrets: &[String]) -> Sink {
    Sink {
        log: Arc::clone(&runner.plan.log),
        revision: runner.plan.revision,
        slot,
        secrets: secrets.into(),
        pool: runner.pool.clone().map(|pool| (pool, slot)),
    }
}

/// Returns when the process is to end.
async fn stopped(wanted: &mut watch::Receiver<Wanted>) {
    if wanted
        .wait_for(|wanted| *wanted == Wanted::Stopped)
        .await
        .is_err()
    {
        pending::<()>().await;
    }
}

/// Starts the process once and stays with it to its end.
async fn attempt(
    runner: &Runner,
    slot: usize,
    wanted: &mut watch::Receiver<Wanted>,
    backoff: &mut Backoff,
) -> Attempt {
    if *wanted.borrow_and_update() == Wanted::Stopped {
        return Attempt::Stopped;
    }
    let (launch, sink, lease) = match prepare(runner, slot) {
        Ok(prepared) => prepared,
        Err(seen) => return Attempt::NotReady(seen),
    };
    let mut restarts = runner.restart_requests(slot);
    if let Some(restarts) = &mut restarts {
        restarts.mark_unchanged();
    }
    if let Some(pool) = &runner.pool {
        pool.process_starting(slot);
    }
    runner.plan.log.begin(runner.plan.revision, slot);
    let started = runner.now();
    let mut process = match runner.plan.launcher.launch(launch, sink.clone()).await {
        Ok(process) => process,
        Err(reason) => return Attempt::NotReady(Seen::NoCommand(reason)),
    };
    let (pid, port) = (process.pid, lease.as_ref().map(|lease| lease.port));
    sink.say(&match port {
        Some(port) => format!("started as process {} on port {port}", process.pid),
        None => format!("started as process {}", process.pid),
    });
    runner.going_up.begun(slot, pid, port, started);
    let init = tokio::select! {
        ended = process.ended() => return ended_by_itself(runner, slot, &sink, started, ended, None),
        outcome = becomes_ready(runner, slot, pid, port) => outcome.err(),
        () = ready::patience(runner.start_time()) => {
            if !ready_after_all(runner, pid, port).await
                && let Some(seen) = runner.never_ready(slot)
            {
                end(runner, slot, &sink, process).await;
                return Attempt::NotReady(seen);
            }
            None
        }
        () = stopped(wanted) => {
            end(runner, slot, &sink, process).await;
            return Attempt::Stopped;
        }
    };
    if init.is_some() {
        let ended = match timeout(AFTER_INIT_ERROR, process.ended()).await {
            Ok(ended) => ended,
            Err(_) => process.stop().await,
        };
        return ended_by_itself(runner, slot, &sink, started, ended, init);
    }
    if let (Some(backend), Some(port)) = (&runner.backend, port) {
        let exposed = spawn_blocking(move || sockets::exposed_on(port, pid)).await;
        *runner.exposed() = exposed.unwrap_or_default();
        backend.set_target(super::proxy::Target::Http(([127, 0, 0, 1], port).into()));
    }
    backoff.ready();
    runner.going_up.over(slot);
    runner.set(slot, Phase::Ready);
    let ready_after = diagnosis::seconds(runner.now().saturating_sub(started));
    sink.say(&format!("ready after {ready_after}"));
    let recovers = async {
        sleep(backoff.forgiven()).await;
        runner.set_crashing(slot, None);
        pending::<Infallible>().await
    };
    tokio::select! {
        never = recovers => match never {},
        ended = process.ended() => ended_by_itself(runner, slot, &sink, started, ended, None),
        () = stopped(wanted) => {
            end(runner, slot, &sink, process).await;
            Attempt::Stopped
        }
        () = restart_requested(&mut restarts) => {
            sockets::kill_group(process.pid);
            let ended = process.ended().await;
            report_to_pool(runner, slot, ended.how);
            sink.say("killed: the invocation ran longer than the function's timeout");
            Attempt::Replaced
        }
    }
}

async fn restart_requested(restarts: &mut Option<watch::Receiver<u64>>) {
    if let Some(restarts) = restarts
        && restarts.changed().await.is_ok()
    {
        return;
    }
    pending::<()>().await;
}

/// Everything that the process needs, or why it cannot have it.
fn prepare(runner: &Runner, slot: usize) -> Result<(Launch, Sink, Option<Lease>), Seen> {
    let plan = &runner.plan;
    if !plan.artifact.is_dir() {
        return Err(Seen::NoArtifact(plan.artifact.display().to_string()));
    }
    let mut own = Vec::new();
    let mut lease = None;
    if plan.release.service.kind == Kind::Http {
        let leased = plan
            .leases
            .lease()
            .map_err(|error| Seen::NoCommand(format!("there is no free port: {error}")))?;
        own.push(("PORT".to_owned(), leased.port.to_string()));
        lease = Some(leased);
    }
    if let Some(pool) = &runner.pool {
        own.push((
            "LAMBDA_TASK_ROOT".to_owned(),
            plan.artifact.display().to_string(),
        ));
        own.extend(pool.process_environment(slot));
    }
    let made = environment::of_process(
        &plan.base,
        &plan.release,
        &plan.environment,
        plan.revision,
        &own,
    )
    .map_err(|error| Seen::NoSecret(error.to_string()))?;
    if let Some(problem) = program::problem(&plan.command, &plan.artifact, &made.variables) {
        return Err(Seen::NoCommand(problem));
    }
    let launch = Launch {
        command: plan.command.clone(),
        directory: plan.artifact.clone(),
        environment: made.variables,
        grace_milliseconds: u64::try_from(runner.grace().as_millis()).unwrap_or(u64::MAX),
    };
    Ok((launch, sink(runner, slot, &made.secrets), lease))
}

/// Returns when the process can take requests; the error is a function's reason why it never will.
async fn becomes_ready(
    runner: &Runner,
    slot: usize,
    pid: u32,
    port: Option<u16>,
) -> Result<(), String> {
    let service = &runner.plan.release.service;
    if let Some(port) = port {
        let note = |answer| runner.going_up.answered(slot, answer);
        let stranger = move || sockets::stranger_on(port, pid).is_some();
        ready::wait(port, &service.run.ready, note, stranger).await;
        return Ok(());
    }
    if let Some(pool) = &runner.pool {
        return pool
            .slot_ready(slot)
            .await
            .map_err(|failure| failure.to_string());
    }
    sleep(WORKER_LIVES).await;
    Ok(())
}

/// Whether a process that was waited for long enough can take requests now: the last time it was asked may be a while
/// ago, and what it is told to have missed would then be what it does.
async fn ready_after_all(runner: &Runner, pid: u32, port: Option<u16>) -> bool {
    let Some(port) = port else { return false };
    let path = &runner.plan.release.service.run.ready;
    let asked = timeout(LAST_LOOK, ready::ask(port, path)).await;
    matches!(asked, Ok(Answer::Status(200..=299)))
        && spawn_blocking(move || sockets::stranger_on(port, pid).is_none())
            .await
            .unwrap_or(false)
}

/// Ends a process within its grace.
async fn end(runner: &Runner, slot: usize, sink: &Sink, process: Process) {
    let ended = process.stop().await;
    report_to_pool(runner, slot, ended.how);
    sink.say(if ended.forced {
        "killed: it did not end within its grace"
    } else {
        "stopped"
    });
}

fn ended_by_itself(
    runner: &Runner,
    slot: usize,
    sink: &Sink,
    started: Duration,
    ended: Ended,
    init: Option<String>,
) -> Attempt {
    report_to_pool(runner, slot, ended.how);
    let exit = Exit {
        how: ended.how,
        after: runner.now().saturating_sub(started),
    };
    runner.going_up.ended(slot, exit);
    sink.say(&format!(
        "ended with {}, {} after it started",
        exit.words(),
        diagnosis::seconds(exit.after)
    ));
    Attempt::Ended { exit, init }
}

/// Tells a function's pool in AWS's words that a process is gone.
fn report_to_pool(runner: &Runner, slot: usize, how: How) {
    if let Some(pool) = &runner.pool {
        pool.process_ended(
            slot,
            match how {
                How::Code(0) => String::new(),
                How::Code(code) => format!("exit status {code}"),
                How::Signal(9) | How::Lost => "signal: killed".to_owned(),
                How::Signal(signal) => format!("signal: {signal}"),
            },
        );
    }
}
