//! What was read of a function, as the contract says it.
//!
//! Pure: nothing here calls AWS.

use std::collections::BTreeMap;

use aws_sdk_lambda::types::{FunctionConfiguration, LastUpdateStatus, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::alias::{Alias, LATEST};
use super::publish::kept_as;
use super::seen::Seen;
use super::target::Target;
use super::words;
use crate::domain::alias::{self, Description, Note, Traffic};
use crate::domain::live::{Foreign, Health, Lag, LastCommit, Live, Revision, Token, Unkept};
use crate::domain::name::ServiceName;
use crate::domain::release::{Actor, Provenance, RevisionNumber};
use crate::domain::rollout;
use crate::domain::service::{Analysis, Build, Function, Kind, Run, Service, Variable};
use crate::domain::traffic::{Split, Weights};
use crate::domain::version::VersionNote;

/// Who had all the traffic and was not left.
fn served(note: &Note) -> Vec<RevisionNumber> {
    let numbers = note.served.iter().copied();
    numbers.filter(|one| !note.left.contains(one)).collect()
}

/// Everything about one service.
pub(super) fn live(service: &ServiceName, seen: &Seen) -> Live {
    let note = seen.alias.as_ref().map(Alias::note);
    let split = seen.traffic().and_then(split);
    let unpublished = seen
        .alias
        .as_ref()
        .filter(|alias| alias.is_on_latest)
        .map(|_| LATEST.to_owned());
    let last_commit = seen
        .alias
        .as_ref()
        // What was changed outside squad was not changed by whom the description names.
        .filter(|alias| alias.is_as_noted())
        .and_then(|alias| last_commit(&alias.note()));
    let revisions = seen
        .versions
        .iter()
        .map(|(number, version)| {
            let facts = Facts {
                service,
                seen,
                note: note.as_ref(),
                split: split.as_ref(),
                at: last_commit.as_ref().map(|commit| commit.at),
            };
            revision(&facts, *number, version)
        })
        .collect::<Vec<_>>();
    Live {
        left_releases: Vec::new(),
        served: note.as_ref().map(served).unwrap_or_default(),
        token: Token(
            seen.alias
                .as_ref()
                .map(|alias| alias.revision_id.clone())
                .unwrap_or_default(),
        ),
        kind: (!revisions.is_empty() || unpublished.is_some()).then_some(Kind::Function),
        revisions,
        split,
        unpublished,
        unkept: unkept(seen),
        foreign: foreign(seen),
        lag: seen.alias.as_ref().and_then(|alias| alias.lag.clone()),
        state: note.map(|note| note.state).unwrap_or_default(),
        last_commit,
        address: seen
            .alias
            .as_ref()
            .map(|alias| alias.arn.clone())
            .filter(|arn| !arn.is_empty()),
    }
}

/// What answers callers of a function without the alias, and is kept nowhere.
fn unkept(seen: &Seen) -> Option<Unkept> {
    let latest = seen.unkept.as_ref()?;
    Some(Unkept {
        what: LATEST.to_owned(),
        alias: seen.target.alias.clone(),
        kept_as: kept_as(latest, &seen.versions),
    })
}

/// Whoever wrote an alias's description; none where its operation tells no time.
pub(super) fn last_commit(note: &Note) -> Option<LastCommit> {
    Some(LastCommit {
        actor: alias::actor(&note.by),
        at: time_of(&note.operation)?,
        operation: note.operation.clone(),
    })
}

/// When an operation began: a ULID begins with its time.
pub(super) fn time_of(ulid: &str) -> Option<Timestamp> {
    let ulid = ulid::Ulid::from_string(ulid).ok()?;
    i64::try_from(ulid.timestamp_ms())
        .ok()
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
}

/// The traffic as the contract has it.
fn split(traffic: Traffic) -> Option<Split> {
    let rest = match traffic {
        Traffic::All(sole) => Weights::all(sole),
        Traffic::Shared {
            primary,
            other,
            weight,
        } => Weights::new(BTreeMap::from([
            (primary, 100_u8.saturating_sub(weight)),
            (other, weight),
        ]))
        .ok()?,
    };
    Some(Split {
        routes: Vec::new(),
        rest,
    })
}

struct Facts<'a> {
    service: &'a ServiceName,
    seen: &'a Seen,
    note: Option<&'a Note>,
    split: Option<&'a Split>,
    at: Option<Timestamp>,
}

fn revision(
    facts: &Facts<'_>,
    number: RevisionNumber,
    version: &FunctionConfiguration,
) -> Revision {
    let published = version.description().and_then(VersionNote::parse);
    let served = facts
        .note
        .and_then(|note| note.served.iter().position(|one| *one == number));
    let has_traffic = facts
        .split
        .is_some_and(|split| split.revisions().contains(&number));
    let published_at = version
        .last_modified()
        .and_then(time)
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let state = facts.seen.states.get(&number).unwrap_or(version);
    let is_needed = has_traffic
        || facts
            .note
            .is_some_and(|note| rollout::State::kept(&note.state).contains(&number));
    let (health, problem) = health(state);
    let lag = facts
        .seen
        .alias
        .as_ref()
        .and_then(|alias| alias.lag.as_ref());
    let lag = lag.filter(|lag| lag.to == number);
    let health = match health {
        Health::Ok if lag.is_some_and(|lag| lag.failed.is_some()) => Health::Degraded,
        Health::Ok if served.is_some() && !is_needed => Health::Stopped,
        health => health,
    };
    let changed = facts
        .seen
        .alias
        .as_ref()
        .filter(|_| has_traffic)
        .and_then(|alias| changed_outside(facts.seen, alias));
    Revision {
        number,
        digest: published.as_ref().map_or_else(
            || digest_of_code(version),
            |published| published.digest.clone(),
        ),
        published_at,
        actor: published.as_ref().map_or_else(outside, VersionNote::actor),
        provenance: Provenance {
            commit: published
                .map(|published| published.commit)
                .filter(|commit| !commit.is_empty()),
            ..Provenance::default()
        },
        service: Some(Box::new(configured(
            facts.service,
            &facts.seen.target,
            version,
        ))),
        last_served_at: match (has_traffic, served) {
            (true, _) => Some(facts.at.unwrap_or(published_at)),
            (false, Some(rank)) => Some(before(facts.at.unwrap_or(published_at), rank)),
            (false, None) => None,
        },
        served_healthily: (has_traffic || served.is_some()) && health != Health::Failed,
        left: facts.note.is_some_and(|note| note.left.contains(&number)),
        health,
        problem: problem.or_else(|| lag.map(Lag::told)).or(changed),
    }
}

/// The alias tells the order in which versions served and not when: each of them before the one after it.
fn before(at: Timestamp, rank: usize) -> Timestamp {
    let rank = i64::try_from(rank).unwrap_or(i64::MAX);
    at.checked_sub(jiff::SignedDuration::from_millis(rank))
        .unwrap_or(at)
}

/// Whoever publishes with other tools.
fn outside() -> Actor {
    Actor {
        name: "somebody outside squad".to_owned(),
        host: String::new(),
        key: None,
    }
}

/// What somebody else wrote in the alias, or that squad's words are gone from it.
fn foreign(seen: &Seen) -> Option<Foreign> {
    let was_ours = seen.had_note();
    match &seen.alias.as_ref()?.description {
        Description::Foreign(text) => Some(Foreign {
            text: text.clone(),
            was_ours,
        }),
        Description::Empty if was_ours => Some(Foreign {
            text: String::new(),
            was_ours,
        }),
        Description::Empty | Description::Ours(_) => None,
    }
}

/// What others did to the alias, in a few words.
fn changed_outside(seen: &Seen, alias: &Alias) -> Option<String> {
    let is_moved = alias.is_ours() && !alias.is_as_noted();
    foreign(seen)
        .map(|foreign| foreign.told())
        .or_else(|| is_moved.then(|| "the alias was changed outside squad".to_owned()))
}

/// `sha256:<hex>` of the code alone, for versions that tell no release; it never equals the digest of a release.
fn digest_of_code(version: &FunctionConfiguration) -> String {
    let bytes = STANDARD
        .decode(version.code_sha256().unwrap_or_default())
        .unwrap_or_default();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A time as Lambda writes it: `2026-11-26T15:00:00.000+0000`.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    text.strip_suffix("+0000")
        .and_then(|time| format!("{time}Z").parse().ok())
}

/// How a version is, and what is wrong with it.
pub(super) fn health(version: &FunctionConfiguration) -> (Health, Option<String>) {
    match version.state() {
        Some(State::Pending) => (Health::Starting, Some(words::of_state(version))),
        Some(State::Failed) => (Health::Failed, Some(words::of_state(version))),
        _ if version.last_update_status() == Some(&LastUpdateStatus::Failed) => {
            (Health::Degraded, Some(words::of_update(version)))
        }
        _ => (Health::Ok, None),
    }
}

/// A service as far as its function tells: what only `squad.toml` knows (routes, the rollout, the analysis) is in the
/// object that was kept when it was published.
pub(super) fn configured(
    service: &ServiceName,
    target: &Target,
    version: &FunctionConfiguration,
) -> Service {
    let number = |number: Option<i32>, otherwise: u32| {
        number
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(otherwise)
    };
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Service {
        name: service.clone(),
        squad: None,
        tier: None,
        kind: Kind::Function,
        build: Build {
            command: Vec::new(),
            artifact: ".".to_owned(),
            inputs: Vec::new(),
            python_lock: None,
        },
        run: Run {
            command: Vec::new(),
            port: 8080,
            ready: "/readyz".to_owned(),
            grace_seconds: 20,
            start_seconds: 60,
            env: variables(version)
                .into_iter()
                .map(|(name, value)| (name, Variable::Value(value)))
                .collect(),
        },
        function: Some(Function {
            name: target.function.clone(),
            runtime: version
                .runtime()
                .map(|runtime| runtime.as_str().to_owned())
                .unwrap_or_default(),
            handler: text(version.handler()),
            role: version.role().map(str::to_owned),
            unsaid: Vec::new(),
            memory_mb: number(version.memory_size(), 128),
            timeout_seconds: number(version.timeout(), 3),
            architecture: version
                .architectures()
                .first()
                .map(|one| one.as_str().to_owned())
                .unwrap_or_default(),
            alias: target.alias.clone(),
            concurrency: 2,
            layers: None,
            env_remove: Vec::new(),
            smoke: None,
            provisioned_concurrency: None,
        }),
        routes: Vec::new(),
        rollout: None,
        analysis: Analysis::default(),
    }
}

/// The variables of a version.
pub(super) fn variables(version: &FunctionConfiguration) -> BTreeMap<String, String> {
    version
        .environment()
        .and_then(|environment| environment.variables())
        .map(|variables| {
            variables
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_writes_times_its_own_way() {
        let wanted: Timestamp = "2026-11-26T15:00:00.123Z".parse().unwrap();
        for text in ["2026-11-26T15:00:00.123+0000", "2026-11-26T15:00:00.123Z"] {
            assert_eq!(time(text), Some(wanted), "{text}");
        }
        assert_eq!(time("yesterday"), None);
    }

    #[test]
    fn an_operation_tells_its_time() {
        let at = time_of("01KB0C5YZ8XJ3V5R8M2T6W9Y0A").unwrap();
        assert!(at > "2025-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(time_of("operation of ana"), None);
    }

    #[test]
    fn what_served_earlier_comes_before_what_served_later() {
        let at: Timestamp = "2026-11-26T15:00:00Z".parse().unwrap();
        assert!(before(at, 1) < at && before(at, 2) < before(at, 1));
    }
}
