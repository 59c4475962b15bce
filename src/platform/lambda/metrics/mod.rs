//! What CloudWatch counted of a function's alias, by version.
//!
//! AWS Lambda Developer Guide, "Types of metrics for Lambda functions" and "Viewing metrics for Lambda functions": a point
//! is stamped with the time at which the invocation began, so that a minute is complete only when everything that
//! began in it can have ended. Nothing younger is ever read; what comes later still is found by reading the whole time
//! again.

mod query;
mod sum;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::alias::Alias;
use super::seen::Seen;
use super::{Lambda, observe};
use crate::clock::{Clock, SystemClock};
use crate::domain::alias::Traffic;
use crate::domain::counts::{Counts, MinuteCounts};
use crate::domain::name::ServiceName;
use crate::domain::release::RevisionNumber;
use crate::domain::rollout::State;
use crate::platform::{Error, Result};
use query::{Ask, Of, Points};

/// Seconds that CloudWatch takes to show what Lambda sent, beyond the function's own timeout (research: rollouts §5.3).
pub(super) const DELAY_SECONDS: u64 = 60;
/// Seconds that one point covers.
pub(super) const MINUTE_SECONDS: u64 = 60;
/// The same for arithmetic with times.
const MINUTE: i64 = 60;

/// How long `CloudWatch` keeps points of one minute (API reference, `GetMetricData`, `StartTime`: a period of 60 s up to
/// 15 days ago).
const KEPT: SignedDuration = SignedDuration::from_hours(15 * 24);

/// The times that are asked for: whole minutes, the last one complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: Timestamp,
    to: Timestamp,
}

impl Span {
    fn is_empty(self) -> bool {
        self.to <= self.from
    }
}

/// The minute in which a moment lies.
fn minute(at: Timestamp) -> Timestamp {
    let seconds = at.as_second().div_euclid(MINUTE) * MINUTE;
    Timestamp::from_second(seconds).unwrap_or(at)
}

/// The end of the last minute that is complete.
fn horizon(now: Timestamp, timeout: u64) -> Timestamp {
    let late = i64::try_from(timeout.saturating_add(DELAY_SECONDS)).unwrap_or(i64::MAX);
    minute(
        now.checked_sub(SignedDuration::from_secs(late))
            .unwrap_or(now),
    )
}

/// When counting began: with the live rollout, else with the last operation.
fn anchor(alias: &Alias) -> Option<Timestamp> {
    let note = alias.note();
    let rollout = State::live_id(&note.state).and_then(observe::time_of);
    rollout
        .or_else(|| observe::time_of(&note.operation))
        .map(minute)
}

impl Lambda {
    /// Every counter since the anchor. While two versions share the traffic and the alias is called, silence about both
    /// is an error and not a number: then the dimension that tells them apart is missing.
    pub(super) async fn read_counts(&self, service: &ServiceName) -> Result<Counts> {
        let now = SystemClock::new().now();
        let seen = self.see(service).await?;
        let nothing = |at: Timestamp, epoch: String| Counts {
            at,
            epoch,
            series: Vec::new(),
            last_request: Vec::new(),
        };
        let Some((alias, from)) = seen
            .alias
            .as_ref()
            .and_then(|alias| Some((alias, anchor(alias)?)))
        else {
            return Ok(nothing(now, String::new()));
        };
        let to = horizon(now, timeout(&seen));
        let epoch = from.to_string();
        let span = Span { from, to };
        if span.is_empty() {
            // Nothing is complete yet; the time is that up to which everything was counted.
            return Ok(nothing(to, epoch));
        }
        if now.duration_since(from) > KEPT {
            // What began to be forgotten would be counters that fall.
            return Err(Error::Unsupported(format!(
                "CloudWatch keeps single minutes for 15 days, and the counting began at {from}"
            )));
        }
        let versions = versions(alias);
        let slow = self.slow(service, &seen, &versions).await?;
        let ask = Ask {
            target: &seen.target,
            span,
            versions: &versions,
            slow,
            timeouts: timeouts(&seen, &versions),
            sole: taking_all(alias),
        };
        let points = self.ask(&ask).await?;
        let is_shared = matches!(alias.traffic, Some(Traffic::Shared { .. }));
        if is_shared {
            told_apart(&points, &seen.target.alias, &versions)?;
        }
        Ok(Counts {
            at: to,
            epoch,
            series: sum::by_version(&points, &versions, sole(alias, &points, &versions, from)),
            last_request: sum::last_requests(&points, &versions),
        })
    }

    /// What was counted by the minute. Refuses where the function is called and its alias is not: then nothing of what
    /// a rollout changes would reach the callers.
    pub(super) async fn read_history(
        &self,
        service: &ServiceName,
        since: Duration,
    ) -> Result<Vec<MinuteCounts>> {
        let now = SystemClock::new().now();
        let seen = self.see(service).await?;
        let Some(alias) = &seen.alias else {
            return Ok(Vec::new());
        };
        let to = horizon(now, timeout(&seen));
        let back = SignedDuration::try_from(since).unwrap_or(SignedDuration::MAX);
        let from = minute(now.checked_sub(back).unwrap_or(Timestamp::UNIX_EPOCH));
        let span = Span { from, to };
        if span.is_empty() {
            return Ok(Vec::new());
        }
        let versions = versions(alias);
        let slow = self.slow(service, &seen, &versions).await?;
        let points = self
            .ask(&Ask {
                target: &seen.target,
                span,
                versions: &versions,
                slow,
                timeouts: timeouts(&seen, &versions),
                sole: taking_all(alias),
            })
            .await?;
        let function = points.total(Of::Function);
        if points.total(Of::Alias) == 0 && function > 0 && !told(&points, &versions) {
            let called = match function {
                1 => "once".to_owned(),
                times => format!("{times} times"),
            };
            return Err(Error::Unsupported(format!(
                "`{}` was called {called}, and never through its alias `{}`: its callers name the function or a version, so that nothing here would reach them",
                seen.target.function, seen.target.alias
            )));
        }
        // For a plan the callers' habits count, and they are those of the alias: whoever served before.
        let sole = match alias.traffic {
            Some(Traffic::All(sole)) => {
                Some((sole, after_told(&points, &versions).unwrap_or(from)))
            }
            _ => None,
        };
        Ok(sum::by_minute(&points, &versions, sole, span))
    }

    /// Milliseconds above which a request is slow, as the newest of the versions was published with.
    async fn slow(
        &self,
        service: &ServiceName,
        seen: &Seen,
        versions: &[RevisionNumber],
    ) -> Result<Option<u64>> {
        let state = seen.alias.as_ref().map(|alias| alias.note().state);
        let judged = state
            .as_deref()
            .and_then(State::forced)
            .map(|(_, canary)| canary)
            .or_else(|| versions.iter().max().copied());
        let Some(judged) = judged else {
            return Ok(None);
        };
        let service = self.configured(service, seen, judged).await?;
        Ok(service.and_then(|service| service.analysis.slow_milliseconds))
    }
}

/// The version that takes all the traffic; none where two share it.
fn taking_all(alias: &Alias) -> Option<RevisionNumber> {
    match alias.traffic {
        Some(Traffic::All(sole)) => Some(sole),
        Some(Traffic::Shared { .. }) | None => None,
    }
}

/// Milliseconds after which Lambda ends an invocation of each version that is there.
fn timeouts(seen: &Seen, versions: &[RevisionNumber]) -> BTreeMap<RevisionNumber, u64> {
    versions
        .iter()
        .filter_map(|number| Some((*number, seen.versions.get(number)?.timeout()?)))
        .filter_map(|(number, seconds)| Some((number, u64::try_from(seconds).ok()? * 1000)))
        .collect()
}

/// The longest that an invocation can take, in seconds, over all versions that may run.
fn timeout(seen: &Seen) -> u64 {
    let wanted = seen.alias.as_ref().map(versions).unwrap_or_default();
    wanted
        .iter()
        .filter_map(|number| seen.versions.get(number))
        .filter_map(|version| u64::try_from(version.timeout()?).ok())
        .max()
        .unwrap_or(3)
}

/// The versions that are counted: those that share the traffic, and those of the rollout.
fn versions(alias: &Alias) -> Vec<RevisionNumber> {
    let note = alias.note();
    let mut versions = match alias.traffic {
        Some(Traffic::All(sole)) => vec![sole],
        Some(Traffic::Shared { primary, other, .. }) => vec![primary, other],
        None => Vec::new(),
    };
    versions.extend(State::named(&note.state));
    versions.extend(note.served.iter().take(2));
    versions.sort_unstable();
    versions.dedup();
    versions
}

/// The end of the last minute in which AWS told anything by version.
fn after_told(points: &Points, versions: &[RevisionNumber]) -> Option<Timestamp> {
    sum::last_told(points, versions)
        .and_then(|at| at.checked_add(SignedDuration::from_secs(MINUTE)).ok())
}

/// Since when one version takes all the traffic and AWS tells nothing by version, and which: what was counted of the
/// alias alone since then is its.
fn sole(
    alias: &Alias,
    points: &Points,
    versions: &[RevisionNumber],
    otherwise: Timestamp,
) -> Option<(RevisionNumber, Timestamp)> {
    let Some(Traffic::All(sole)) = alias.traffic else {
        return None;
    };
    let told = after_told(points, versions);
    let note = alias.note();
    let is_stable = State::live_stable(&note.state) == Some(sole);
    let since = match (told, alias.is_ours()) {
        // Every write of a rollout that leaves stable alone has another operation; stable had it all before them.
        (None, true) if is_stable => State::live_id(&note.state).and_then(observe::time_of)?,
        (None, true) => observe::time_of(&note.operation)?,
        // Nobody says since when: it always was.
        (None, false) => otherwise,
        (Some(told), _) => told,
    };
    Some((sole, minute(since)))
}

fn told(points: &Points, versions: &[RevisionNumber]) -> bool {
    versions
        .iter()
        .any(|version| points.total(Of::Version(*version)) > 0)
}

fn told_apart(points: &Points, alias: &str, versions: &[RevisionNumber]) -> Result<()> {
    let called = points.total(Of::Alias);
    if called == 0 || told(points, versions) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "CloudWatch counted {called} invocations of the alias `{alias}` and does not tell by which version"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn only_complete_minutes_are_read() {
        for (now, timeout, wanted) in [
            ("2026-11-26T15:10:00Z", 30, "2026-11-26T15:08:00Z"),
            ("2026-11-26T15:10:29Z", 30, "2026-11-26T15:08:00Z"),
            ("2026-11-26T15:10:30Z", 30, "2026-11-26T15:09:00Z"),
            ("2026-11-26T15:10:00Z", 900, "2026-11-26T14:54:00Z"),
        ] {
            assert_eq!(horizon(at(now), timeout), at(wanted), "{now} {timeout}");
        }
    }
}
