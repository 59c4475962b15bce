//! Counters that say nothing, or only half of it, for a whole longest hold: it pauses, and nothing else.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::super::brake::abort;
use super::super::drive::{Ended, Options, drive};
use super::super::read;
use super::*;
use crate::domain::analysis::Reason;
use crate::domain::counts::{CountSeries, Counts, MinuteCounts, REST};
use crate::domain::live::{Live, Token};
use crate::domain::release::Release;
use crate::domain::rollout::Command;
use crate::ops::Cancel;
use crate::platform::{
    Capabilities, Diagnosis, Error, Invocation, LogLine, LogQuery, OnProgress, Published, Result,
};

/// How long a promoted revision is watched.
const WATCH: Duration = Duration::from_secs(2);

/// What is read instead of the counters.
#[derive(Debug, Clone, Copy)]
pub(super) enum Counters {
    /// No answer.
    Gone,
    /// Numbers that never change.
    Silent,
    /// More and more requests of one revision, and none of the other.
    OnlyOf(RevisionNumber),
    /// They begin anew each time, with the same few requests.
    AlwaysAnew,
    /// Many and good ones of both, until everything goes to the canary: then each of them fails.
    BadOncePromoted,
    /// The same, but then there is no answer for twice as long as the watch; after it they are as good as before.
    GoneOncePromoted,
}

/// The local platform with other counters; everything else is real.
pub(super) struct With {
    platform: Arc<dyn Platform>,
    counters: Counters,
    readings: AtomicU64,
    bad: AtomicU64,
    /// When everything went to the canary.
    promoted: OnceLock<Instant>,
    /// Objects cannot be read or made either.
    without_objects: bool,
    /// Somebody sends everything to the canary right after an abort.
    pub(super) is_meddled_with: bool,
    /// Requests are counted as they come.
    pub(super) counts_at_once: bool,
}

impl With {
    pub(super) fn new(platform: Arc<dyn Platform>, counters: Counters) -> Self {
        Self {
            platform,
            counters,
            readings: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            promoted: OnceLock::new(),
            without_objects: false,
            is_meddled_with: false,
            counts_at_once: true,
        }
    }

    fn has_objects(&self) -> Result<()> {
        if self.without_objects {
            return Err(Error::Unreachable("the store does not answer".to_owned()));
        }
        Ok(())
    }

    fn reading(&self, is_promoted: bool) -> Result<Counts> {
        let number = self.readings.fetch_add(1, Ordering::Relaxed);
        let bad = if is_promoted { 1000 } else { 0 };
        let bad = bad + self.bad.fetch_add(bad, Ordering::Relaxed);
        let series = |revision, requests| CountSeries {
            route: REST.to_owned(),
            method: String::new(),
            revision,
            requests,
            bad: 0,
            errors: 0,
            slow: 0,
            forced: false,
        };
        let (one, two) = (RevisionNumber(1), RevisionNumber(2));
        let (epoch, series) = match self.counters {
            Counters::Gone => {
                return Err(Error::Unreachable("the metrics do not answer".to_owned()));
            }
            Counters::Silent => ("0".to_owned(), vec![series(one, 900), series(two, 90)]),
            Counters::OnlyOf(revision) => ("0".to_owned(), vec![series(revision, 10_000 * number)]),
            Counters::AlwaysAnew => (number.to_string(), vec![series(one, 9), series(two, 3)]),
            Counters::GoneOncePromoted => {
                let is_gone =
                    is_promoted && self.promoted.get_or_init(Instant::now).elapsed() < WATCH * 2;
                if is_gone {
                    return Err(Error::Unreachable("the metrics do not answer".to_owned()));
                }
                let requests = [series(one, 9000 * number), series(two, 1000 * number)];
                ("0".to_owned(), requests.to_vec())
            }
            Counters::BadOncePromoted => {
                let stable = series(one, 9000 * (number - bad / 1000));
                let canary = CountSeries {
                    bad,
                    errors: bad,
                    ..series(two, 1000 * number)
                };
                ("0".to_owned(), vec![stable, canary])
            }
        };
        Ok(Counts {
            at: Timestamp::now(),
            epoch,
            series,
            last_request: Vec::new(),
        })
    }
}

#[async_trait]
impl Platform for With {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            counts_at_once: self.counts_at_once,
            ..self.platform.capabilities()
        }
    }
    async fn observe(&self, service: &ServiceName) -> Result<Live> {
        self.platform.observe(service).await
    }
    async fn services(&self) -> Result<Vec<ServiceName>> {
        self.platform.services().await
    }
    async fn publish(&self, release: &Release, progress: OnProgress<'_>) -> Result<Published> {
        self.platform.publish(release, progress).await
    }
    async fn prepare(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
        progress: OnProgress<'_>,
    ) -> Result<()> {
        self.platform.prepare(service, revision, progress).await
    }
    async fn commit(
        &self,
        service: &ServiceName,
        token: &Token,
        commit: &Commit,
        progress: OnProgress<'_>,
    ) -> Result<Token> {
        let token = self
            .platform
            .commit(service, token, commit, progress)
            .await?;
        let phase = State::parse(&commit.state).map(|state| state.phase);
        if self.is_meddled_with && matches!(phase, Some(Phase::Aborting | Phase::Aborted)) {
            let other = Commit {
                split: Split::all(&[], RevisionNumber(2)),
                leaves: None,
                actor: actor("elsewhere"),
                operation: ulid::Ulid::generate().to_string(),
                ..commit.clone()
            };
            // What was left may have been stopped already.
            let canary = RevisionNumber(2);
            self.platform.prepare(service, canary, &|_| {}).await?;
            let now = self.platform.observe(service).await?.token;
            self.platform
                .commit(service, &now, &other, progress)
                .await?;
        }
        Ok(token)
    }
    async fn retire(&self, service: &ServiceName, revision: RevisionNumber) -> Result<()> {
        self.platform.retire(service, revision).await
    }
    async fn diagnose(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
    ) -> Result<Option<Diagnosis>> {
        self.platform.diagnose(service, revision).await
    }
    async fn logs(
        &self,
        service: &ServiceName,
        query: &LogQuery,
        on_line: &mut (dyn FnMut(LogLine) -> bool + Send),
    ) -> Result<()> {
        self.platform.logs(service, query, on_line).await
    }
    async fn invoke(
        &self,
        service: &ServiceName,
        revision: Option<RevisionNumber>,
        payload: &str,
    ) -> Result<Invocation> {
        self.platform.invoke(service, revision, payload).await
    }
    async fn counts(&self, service: &ServiceName) -> Result<Counts> {
        let split = self.platform.observe(service).await?.split;
        let sole = split.as_ref().and_then(Split::sole);
        self.reading(sole == Some(RevisionNumber(2)))
    }
    async fn history(&self, service: &ServiceName, since: Duration) -> Result<Vec<MinuteCounts>> {
        self.platform.history(service, since).await
    }
    async fn create_object(&self, path: &str, bytes: &[u8]) -> Result<bool> {
        self.has_objects()?;
        self.platform.create_object(path, bytes).await
    }
    async fn object(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.has_objects()?;
        self.platform.object(path).await
    }
    async fn objects(&self, prefix: &str) -> Result<Vec<String>> {
        self.has_objects()?;
        self.platform.objects(prefix).await
    }
    async fn set_port(&self, service: &ServiceName, port: u16) -> Result<()> {
        self.platform.set_port(service, port).await
    }
}

/// Drives a rollout with such counters, without holds and with a longest one of two seconds, as far as it goes by itself;
/// how it ended, and what is there then.
async fn driven(counters: Counters) -> (Ended, Rollout) {
    let home = Home::new();
    let mut machine = Machine::new(&home, "first");
    let service = ServiceName::new("payments").unwrap();
    for digest in ["a", "b"] {
        let release = home.release(service.as_str(), digest);
        machine.platform.publish(&release, &|_| {}).await.unwrap();
    }
    let analysis = Analysis {
        max_hold_seconds: Some(2),
        watch_seconds: match counters {
            Counters::GoneOncePromoted => Some(WATCH.as_secs()),
            _ => None,
        },
        ..Analysis::default()
    };
    start_with(&home, &*machine.platform, &service, analysis, Some(0)).await;
    machine.platform = Arc::new(With::new(Arc::clone(&machine.platform), counters));
    let tools = machine.tools();
    let (_switch, cancel) = Cancel::new();
    let options = Options {
        service: service.clone(),
        flag: String::new(),
        stays: true,
        waits_for_people: false,
    };
    let ended = drive(&tools, &options, &cancel, &mut |_, _| {}).await;
    let after = read(tools.platform, &service).await.unwrap().unwrap();
    (ended.unwrap(), after)
}

/// Why it paused.
async fn paused(counters: Counters) -> Why {
    let (ended, after) = driven(counters).await;
    let Ended::NeedsPerson(state, Some(why)) = ended else {
        panic!("{counters:?}: {ended:?}");
    };
    assert_eq!(state.phase, Phase::Paused, "{counters:?}");
    assert_eq!(after.state, *state);
    assert!(after.is_as_wanted(), "the weights stay");
    assert_eq!(after.state.positions, [1], "neither promoted nor aborted");
    why
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_cannot_be_told_promotes_or_aborts() {
    let (one, two) = (RevisionNumber(1), RevisionNumber(2));
    let (gone, silent, old, new, anew) = tokio::join!(
        paused(Counters::Gone),
        paused(Counters::Silent),
        paused(Counters::OnlyOf(one)),
        paused(Counters::OnlyOf(two)),
        paused(Counters::AlwaysAnew),
    );
    let no_verdict = |reason| Why::NoVerdict {
        unit: REST.to_owned(),
        reason,
    };
    assert_eq!(gone, no_verdict(Reason::NoData));
    assert_eq!(silent, no_verdict(Reason::NoData));
    assert_eq!(old, no_verdict(Reason::OneArmWithoutTraffic));
    assert_eq!(new, no_verdict(Reason::OneArmWithoutTraffic));
    assert!(
        matches!(
            anew,
            Why::NoVerdict {
                reason: Reason::TooFewRequests { .. },
                ..
            }
        ),
        "{anew:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_revision_that_turns_bad_goes_back_by_itself() {
    let (ended, after) = driven(Counters::BadOncePromoted).await;
    let Ended::Over(state, Some(why)) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(
        (state.phase, why),
        (
            Phase::Aborted,
            Why::WatchFailed {
                reason: FailReason::FirstRequestsFailed
            }
        )
    );
    let split = after.live.split.as_ref().and_then(Split::sole);
    assert_eq!(split, Some(RevisionNumber(1)), "stable was kept whole");
    let promoted = after.entries.iter().any(|entry| {
        matches!(&entry.what, What::Decision(decision) if decision.to.0 == Phase::Finalising)
    });
    assert!(promoted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_sees_nothing_goes_on_until_it_sees_again() {
    let (ended, after) = driven(Counters::GoneOncePromoted).await;
    let Ended::Over(state, Some(why)) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!((state.phase, why), (Phase::Succeeded, Why::WatchOver));
    let over = after.entries.iter().position(|entry| {
        matches!(&entry.what, What::Decision(decision) if decision.to.0 == Phase::Succeeded)
    });
    let looks: Vec<_> = after.entries[..over.unwrap()]
        .iter()
        .filter_map(|entry| match &entry.what {
            What::Look(look) => Some(&**look),
            What::Decision(_) => None,
        })
        .collect();
    let unseen = looks.iter().filter(|look| look.missing.is_some());
    let unseen: f64 = unseen.map(|look| look.seconds).sum();
    assert!(
        unseen > WATCH.as_secs_f64(),
        "{unseen} s of the watch were blind"
    );
    assert!(looks.last().unwrap().missing.is_none(), "then it saw again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_needs_neither_counters_nor_a_plan_nor_a_log() {
    let home = Home::new();
    let mut machine = Machine::new(&home, "first");
    let service = ServiceName::new("payments").unwrap();
    told_as_worse(&home, &machine, &service).await;
    machine.platform = Arc::new(With {
        without_objects: true,
        ..With::new(Arc::clone(&machine.platform), Counters::Gone)
    });
    // By another machine, which has nothing but the platform; twice is once.
    let other = Machine {
        platform: Arc::clone(&machine.platform),
        ..Machine::new(&home, "second")
    };
    let tools = other.tools();
    for is_first in [true, false] {
        let asked = abort(&tools, &service, Command::Abort, None, None, None).await;
        let aborted = asked.unwrap();
        assert_eq!(aborted.is_some(), is_first);
        let live = other.platform.observe(&service).await.unwrap();
        let split = live.split.as_ref().and_then(Split::sole);
        assert_eq!(split, Some(RevisionNumber(1)));
        let state = State::parse(&live.state).unwrap();
        assert_eq!((state.phase, state.generation), (Phase::Aborted, 2));
    }
}
