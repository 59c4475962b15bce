//! What the local platform remembers: the records of its journal, and what they add up to.
//!
//! Pure: a record is applied the same way when it is written and when it is read again. Nothing here reads a
//! clock or a file.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::live::{LastCommit, LeftRelease, Token};
use crate::domain::name::ServiceName;
use crate::domain::release::{Release, RevisionNumber};
use crate::domain::rollout;
use crate::domain::service::Kind;
use crate::domain::traffic::Split;
use crate::platform::{Commit, Diagnosis};

/// How many of the newest revisions stay on the disk, besides the live one and the one before it.
const NEWEST_KEPT: usize = 5;

/// How many releases that were left are remembered.
const LEFT_KEPT: usize = 200;

/// The token of a service that no commit has touched, known even where there is no journal yet.
pub(super) const UNTOUCHED: &str = "0";

/// One thing that became true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// Everything up to here, in one: the first record of every journal.
    Snapshot {
        /// What is true.
        state: Box<State>,
    },
    /// The environment got its port.
    EnvironmentPort {
        /// Which one.
        port: u16,
    },
    /// A service got a port, or another one.
    Port {
        /// Which service.
        service: ServiceName,
        /// Which port.
        port: u16,
    },
    /// A revision was made.
    Published {
        /// Its number.
        number: RevisionNumber,
        /// What it is.
        release: Box<Release>,
        /// When.
        at: Timestamp,
    },
    /// A revision became ready.
    Started {
        /// Of which service.
        service: ServiceName,
        /// Which one.
        revision: RevisionNumber,
    },
    /// A revision does not start, or crashes again and again.
    Failed {
        /// Of which service.
        service: ServiceName,
        /// Which one.
        revision: RevisionNumber,
        /// Why.
        diagnosis: Box<Diagnosis>,
    },
    /// The traffic changed.
    Committed {
        /// Of which service.
        service: ServiceName,
        /// How.
        commit: Box<Commit>,
        /// When.
        at: Timestamp,
    },
    /// A revision was removed.
    Removed {
        /// Of which service.
        service: ServiceName,
        /// Which one.
        revision: RevisionNumber,
    },
}

/// Everything that is true.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// A random name of this journal: a token of another one never matches.
    pub(super) id: String,
    /// The port that all services share, told apart by host name.
    pub(super) environment_port: Option<u16>,
    /// By name.
    pub(super) services: BTreeMap<ServiceName, ServiceState>,
}

/// All about one service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ServiceState {
    /// Its own loopback port.
    pub(super) port: Option<u16>,
    /// The highest number that a revision ever had.
    pub(super) highest: u64,
    /// Those that are there.
    pub(super) revisions: BTreeMap<RevisionNumber, RevisionState>,
    /// How many commits there were.
    pub(super) generation: u64,
    /// The present traffic.
    pub(super) traffic: Option<Traffic>,
    /// Releases that a commit left and that have had no traffic since, oldest first: known also when their revisions are
    /// removed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) left_releases: Vec<LeftRelease>,
}

/// One revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RevisionState {
    /// What it is; its artifact is in the store, not where this says.
    pub(super) release: Release,
    /// When it was made.
    pub(super) published_at: Timestamp,
    /// When a commit last gave it traffic.
    pub(super) last_served_at: Option<Timestamp>,
    /// It never failed while it had traffic.
    pub(super) served_healthily: bool,
    /// A rollback left it.
    pub(super) left: bool,
    /// Why it does not start, when it was seen not to.
    pub(super) failed: Option<Diagnosis>,
}

/// What a commit set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Traffic {
    /// Who takes what.
    pub(super) split: Split,
    /// The rollout's state.
    pub(super) state: String,
    /// Who set it.
    pub(super) last: LastCommit,
}

impl State {
    /// Makes a record true. The error says why it cannot follow what is true already: the journal is damaged.
    pub(super) fn apply(&mut self, record: Record) -> Result<(), String> {
        match record {
            Record::Snapshot { state } => *self = *state,
            Record::EnvironmentPort { port } => self.environment_port = Some(port),
            Record::Port { service, port } => {
                self.services.entry(service).or_default().port = Some(port);
            }
            Record::Published {
                number,
                release,
                at,
            } => self.published(number, *release, at)?,
            Record::Started { service, revision } => {
                self.revision_mut(&service, revision)?.failed = None;
            }
            Record::Failed {
                service,
                revision,
                diagnosis,
            } => {
                let serves = self.service_mut(&service)?.serves(revision);
                let state = self.revision_mut(&service, revision)?;
                state.failed = Some(*diagnosis);
                state.served_healthily &= !serves;
            }
            Record::Committed {
                service,
                commit,
                at,
            } => self.service_mut(&service)?.committed(*commit, at)?,
            Record::Removed { service, revision } => {
                let state = self.service_mut(&service)?;
                if state.serves(revision) {
                    return Err(format!("it removes revision {revision}, which has traffic"));
                }
                state
                    .revisions
                    .remove(&revision)
                    .ok_or_else(|| format!("it removes revision {revision}, which is not there"))?;
            }
        }
        Ok(())
    }

    fn published(
        &mut self,
        number: RevisionNumber,
        release: Release,
        at: Timestamp,
    ) -> Result<(), String> {
        let service = self
            .services
            .entry(release.service.name.clone())
            .or_default();
        if number.0 <= service.highest {
            return Err(format!("it uses the number {number} a second time"));
        }
        service.highest = number.0;
        service.revisions.insert(
            number,
            RevisionState {
                release,
                published_at: at,
                last_served_at: None,
                served_healthily: true,
                left: false,
                failed: None,
            },
        );
        Ok(())
    }

    fn service_mut(&mut self, service: &ServiceName) -> Result<&mut ServiceState, String> {
        self.services
            .get_mut(service)
            .ok_or_else(|| format!("it speaks of the service `{service}`, which is not there"))
    }

    fn revision_mut(
        &mut self,
        service: &ServiceName,
        revision: RevisionNumber,
    ) -> Result<&mut RevisionState, String> {
        self.service_mut(service)?
            .revisions
            .get_mut(&revision)
            .ok_or_else(|| format!("it speaks of revision {revision}, which is not there"))
    }

    /// The token of a service as it is now.
    pub(super) fn token(&self, service: &ServiceName) -> Token {
        match self.services.get(service).map(|service| service.generation) {
            None | Some(0) => Token(UNTOUCHED.to_owned()),
            Some(generation) => Token(format!("{}-{generation}", self.id)),
        }
    }
}

impl ServiceState {
    /// What kind it is: that of the newest revision.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.revisions
            .values()
            .next_back()
            .map(|revision| revision.release.service.kind)
    }

    /// The revisions with traffic, ascending.
    pub(super) fn serving(&self) -> Vec<RevisionNumber> {
        self.traffic
            .as_ref()
            .map(|traffic| traffic.split.revisions())
            .unwrap_or_default()
    }

    /// Whether a revision has traffic.
    pub(super) fn serves(&self, revision: RevisionNumber) -> bool {
        self.serving().contains(&revision)
    }

    /// The revisions that a live rollout names and that are there, ascending: they stay up without traffic too.
    pub(super) fn kept(&self) -> Vec<RevisionNumber> {
        let state = self.traffic.as_ref().map(|traffic| traffic.state.as_str());
        let mut kept = state.map(rollout::State::kept).unwrap_or_default();
        kept.retain(|revision| self.revisions.contains_key(revision));
        kept
    }

    /// The revisions whose processes run: those with traffic and those that are kept, ascending.
    pub(super) fn up(&self) -> Vec<RevisionNumber> {
        let mut up = self.serving();
        up.extend(self.kept());
        up.sort_unstable();
        up.dedup();
        up
    }

    /// The revision with a digest.
    pub(super) fn with_digest(&self, digest: &str) -> Option<RevisionNumber> {
        self.revisions
            .iter()
            .find(|(_, revision)| revision.release.digest == digest)
            .map(|(number, _)| *number)
    }

    fn committed(&mut self, commit: Commit, at: Timestamp) -> Result<(), String> {
        for number in commit.split.revisions() {
            let revision = self.revisions.get_mut(&number).ok_or_else(|| {
                format!("it gives traffic to revision {number}, which is not there")
            })?;
            revision.last_served_at = Some(at);
            revision.left = false;
            let digest = &revision.release.digest;
            self.left_releases.retain(|left| left.digest != *digest);
        }
        if let Some(left) = commit.leaves
            && let Some(revision) = self.revisions.get_mut(&left)
        {
            revision.left = true;
            let digest = revision.release.digest.clone();
            self.left_releases.retain(|other| other.digest != digest);
            self.left_releases.push(LeftRelease {
                digest,
                revision: left,
            });
            let surplus = self.left_releases.len().saturating_sub(LEFT_KEPT);
            drop(self.left_releases.drain(..surplus));
        }
        self.generation += 1;
        self.traffic = Some(Traffic {
            split: commit.split,
            state: commit.state,
            last: LastCommit {
                actor: commit.actor,
                at,
                operation: commit.operation,
            },
        });
        Ok(())
    }

    /// The revision that a rollback would go to: the one that served last, healthily, and was not left.
    fn before_present(&self) -> Option<RevisionNumber> {
        let serving = self.serving();
        self.revisions
            .iter()
            .filter(|(number, revision)| {
                !serving.contains(number) && !revision.left && revision.served_healthily
            })
            .filter_map(|(number, revision)| Some((revision.last_served_at?, *number)))
            .max()
            .map(|(_, number)| number)
    }

    /// The revisions that need not be on the disk: all but those that run, the one before, and `newest` others.
    pub(super) fn superfluous(&self, newest: usize) -> Vec<RevisionNumber> {
        let up = self.up();
        let before = self.before_present();
        let recent: Vec<RevisionNumber> =
            self.revisions.keys().rev().take(newest).copied().collect();
        self.revisions
            .keys()
            .filter(|number| {
                !up.contains(number) && before != Some(**number) && !recent.contains(number)
            })
            .copied()
            .collect()
    }

    /// The same with the number of newest ones that always stay.
    pub(super) fn beyond_room(&self) -> Vec<RevisionNumber> {
        self.superfluous(NEWEST_KEPT)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::release::{Actor, Provenance};
    use crate::domain::service::{Analysis, Build, Run, Service};

    /// A release of an HTTP service.
    pub(in crate::platform) fn release(name: &str, digest: &str) -> Release {
        Release {
            service: Service {
                name: ServiceName::new(name).unwrap(),
                squad: None,
                tier: None,
                kind: Kind::Http,
                build: Build {
                    command: Vec::new(),
                    artifact: ".".into(),
                    inputs: Vec::new(),
                    python_lock: None,
                },
                run: Run {
                    command: vec!["python3".into(), "serve.py".into()],
                    port: 8080,
                    ready: "/readyz".into(),
                    grace_seconds: 5,
                    start_seconds: 20,
                    env: BTreeMap::new(),
                },
                function: None,
                routes: Vec::new(),
                rollout: None,
                analysis: Analysis::default(),
            },
            digest: digest.into(),
            artifact: "/nowhere".into(),
            python_environment: None,
            package: None,
            smoke: None,
            provenance: Provenance::default(),
            actor: actor(),
            operation: "01K8ZC".into(),
        }
    }

    /// Somebody.
    pub(in crate::platform) fn actor() -> Actor {
        Actor {
            name: "ana@example.com".into(),
            host: "laptop".into(),
            key: None,
        }
    }

    /// All traffic to one revision.
    pub(in crate::platform) fn commit_to(number: u64, leaves: Option<u64>) -> Commit {
        Commit {
            split: Split::all(&[], RevisionNumber(number)),
            state: String::new(),
            leaves: leaves.map(RevisionNumber),
            actor: actor(),
            operation: "01K8ZC".into(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A state in which `published` revisions exist and `commits` have happened, a second apart.
    fn state_of(published: u64, commits: &[(u64, Option<u64>)]) -> State {
        let mut state = State::default();
        for number in 1..=published {
            state
                .apply(Record::Published {
                    number: RevisionNumber(number),
                    release: Box::new(release("shop", &format!("sha256:{number}"))),
                    at: at(0),
                })
                .unwrap();
        }
        for (second, (to, leaves)) in (1..).zip(commits) {
            state
                .apply(Record::Committed {
                    service: ServiceName::new("shop").unwrap(),
                    commit: Box::new(commit_to(*to, *leaves)),
                    at: at(second),
                })
                .unwrap();
        }
        state
    }

    fn numbers(list: &[u64]) -> Vec<RevisionNumber> {
        list.iter().copied().map(RevisionNumber).collect()
    }

    #[test]
    fn what_is_kept_is_the_live_one_the_one_before_and_the_newest() {
        for (published, commits, superfluous) in [
            (5, vec![(5, None)], vec![]),
            (7, vec![(7, None)], vec![1, 2]),
            (8, vec![(1, None), (8, None)], vec![2, 3]),
            (9, vec![(3, None), (1, None)], vec![2, 4]),
            // A left revision is not the one to go back to.
            (9, vec![(2, None), (3, None), (1, Some(3))], vec![3, 4]),
        ] {
            let state = state_of(published, &commits);
            let service = state.services.values().next().unwrap();
            assert_eq!(
                service.beyond_room(),
                numbers(&superfluous),
                "{published} {commits:?}"
            );
        }
    }

    #[test]
    fn what_a_live_rollout_names_is_kept() {
        for (phase, kept, superfluous) in [
            ("watching", vec![1, 2], vec![3, 4]),
            ("succeeded", vec![], vec![1, 2, 3, 4]),
        ] {
            let mut state = state_of(10, &[(10, None)]);
            let mut commit = commit_to(10, None);
            commit.state = format!("squad/1 id=01K ph={phase} s=1 c=2");
            state
                .apply(Record::Committed {
                    service: ServiceName::new("shop").unwrap(),
                    commit: Box::new(commit),
                    at: at(9),
                })
                .unwrap();
            let service = state.services.values().next().unwrap();
            assert_eq!(service.kept(), numbers(&kept));
            assert_eq!(service.up().len(), kept.len() + 1);
            assert_eq!(service.beyond_room(), {
                let mut all = numbers(&superfluous);
                all.push(RevisionNumber(5));
                all
            });
        }
    }

    #[test]
    fn a_commit_moves_the_token_and_a_publish_does_not() {
        let name = ServiceName::new("shop").unwrap();
        let one = state_of(1, &[]);
        let two = state_of(2, &[]);
        assert_eq!(one.token(&name), two.token(&name));
        let committed = state_of(2, &[(1, None)]);
        assert_ne!(two.token(&name), committed.token(&name));
    }

    #[test]
    fn failing_counts_against_a_revision_only_while_it_has_traffic() {
        for (serving, healthy) in [(1, true), (2, false)] {
            let mut state = state_of(2, &[(serving, None)]);
            state
                .apply(Record::Failed {
                    service: ServiceName::new("shop").unwrap(),
                    revision: RevisionNumber(2),
                    diagnosis: Box::new(Diagnosis {
                        id: "crash-loop".into(),
                        summary: String::new(),
                        cause: None,
                        evidence: Vec::new(),
                        hint: None,
                    }),
                })
                .unwrap();
            let revision = &state.services.values().next().unwrap().revisions[&RevisionNumber(2)];
            assert_eq!(revision.served_healthily, healthy);
            assert!(revision.failed.is_some());
        }
    }

    #[test]
    fn records_that_cannot_follow_are_refused() {
        let shop = ServiceName::new("shop").unwrap();
        for record in [
            Record::Published {
                number: RevisionNumber(2),
                release: Box::new(release("shop", "sha256:x")),
                at: at(0),
            },
            Record::Committed {
                service: shop.clone(),
                commit: Box::new(commit_to(9, None)),
                at: at(0),
            },
            Record::Removed {
                service: shop.clone(),
                revision: RevisionNumber(1),
            },
            Record::Removed {
                service: shop,
                revision: RevisionNumber(9),
            },
            Record::Started {
                service: ServiceName::new("other").unwrap(),
                revision: RevisionNumber(1),
            },
        ] {
            assert!(
                state_of(2, &[(1, None)]).apply(record.clone()).is_err(),
                "{record:?}"
            );
        }
    }

    #[test]
    fn a_snapshot_is_the_state_and_numbers_are_never_used_again() {
        let mut state = state_of(3, &[(1, None)]);
        state
            .apply(Record::Removed {
                service: ServiceName::new("shop").unwrap(),
                revision: RevisionNumber(3),
            })
            .unwrap();
        let text = serde_json::to_string(&Record::Snapshot {
            state: Box::new(state.clone()),
        })
        .unwrap();
        let mut again = State::default();
        again.apply(serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(again, state);
        assert_eq!(again.services.values().next().unwrap().highest, 3);
    }
}
