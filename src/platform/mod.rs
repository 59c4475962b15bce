//! Where services run: one contract, several platforms (DESIGN §4).
//!
//! A platform holds revisions and traffic. It knows nothing of people, prompts or audit logs: `ops` records
//! the intent before it calls, and the outcome after.

mod connection;
#[cfg(test)]
mod contract;
mod invocation;
pub(crate) mod lambda;
pub(crate) mod local;
mod log;
mod progress;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::counts::{Counts, MinuteCounts};
use crate::domain::doctor::{Callers, Check, Moved};
use crate::domain::fleet::{Found, Seen};
use crate::domain::image::ImageReference;
use crate::domain::live::{LastCommit, LeftRelease, Live, Token};
use crate::domain::name::ServiceName;
use crate::domain::plan::Difference;
use crate::domain::release::{Actor, Package, Release, RevisionNumber};
use crate::domain::service::Service;
use crate::domain::traffic::Split;

pub(crate) use connection::{Places, connect, local_settings};
pub(crate) use invocation::{INIT_ERRORS, Invocation, THROWN};
pub(crate) use log::{LogLine, LogQuery};
pub(crate) use progress::{OnProgress, Progress};

/// What a platform can do; a plan that needs more is refused with the reason, and the contract suite names what it skips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// Weights for each route.
    pub(crate) routes: bool,
    /// A header can force a revision (`x-squad-canary`).
    pub(crate) forced_header: bool,
    /// New routes can be gated.
    pub(crate) gate: bool,
    /// Capacity can be set for each revision.
    pub(crate) capacity: bool,
    /// What was counted can be read at once.
    pub(crate) counts_at_once: bool,
}

/// How a platform's numbers arrive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// Seconds until everything that was counted in a moment can be read.
    pub(crate) late_seconds: u64,
    /// Seconds that one number covers: to read more often tells nothing new. 0 = any.
    pub(crate) every_seconds: u64,
}

/// How full the place for what is published is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes in use, by everybody.
    pub(crate) used: u64,
    /// Bytes that there are.
    pub(crate) limit: u64,
    /// Old revisions of the service that nothing refers to, ascending.
    pub(crate) old: Vec<RevisionNumber>,
    /// Bytes of them.
    pub(crate) of_old: u64,
    /// A command that deletes one of them, by its number.
    pub(crate) delete: String,
}

/// What went wrong on a platform.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The commit named a state that is no longer the present one.
    #[error("another commit got there first")]
    Conflict {
        /// Who won; none when a publish or a retirement moved the state.
        winner: Option<LastCommit>,
    },
    /// There is no such revision.
    #[error("there is no revision {0}")]
    NoRevision(RevisionNumber),
    /// The revision has traffic, so it cannot be retired.
    #[error("revision {0} takes traffic")]
    HasTraffic(RevisionNumber),
    /// The revision does not start or does not become ready.
    #[error("revision {revision} does not start")]
    DoesNotStart {
        /// Which one: it was published, and takes no traffic.
        revision: RevisionNumber,
        /// Why.
        diagnosis: Box<Diagnosis>,
    },
    /// Traffic cannot be shared in the way that was asked for; trying again cannot help.
    #[error("{0}")]
    Unsplittable(String),
    /// The split or the state is not acceptable (weights, length of the state).
    #[error("{0}")]
    Invalid(String),
    /// The platform could not do what it took on: why, and what a person can do about it, where that is known.
    #[error("{said}")]
    NotApplied {
        /// What did not happen, and why.
        said: String,
        /// What to do.
        hint: Option<&'static str>,
    },
    /// The traffic was committed, and what is to be kept ready for it could not be allocated: why, and where the traffic is.
    #[error("{0}")]
    NotProvisioned(String),
    /// Which function the service is here is only guessed, and it may be another environment's.
    #[error(
        "which function `{service}` is in this environment is not known here: `{function}` may be another environment's, and {found}"
    )]
    UnclearTarget {
        /// The service.
        service: ServiceName,
        /// The function and its alias, by name or tag.
        function: String,
        /// What the environment's store tells.
        found: String,
    },
    /// The port that the service has kept is taken by somebody else.
    #[error("port {port} is taken{}", owner.as_ref().map(|owner| format!(" by {owner}")).unwrap_or_default())]
    PortTaken {
        /// Which port.
        port: u16,
        /// The process that listens there, when it can be found.
        owner: Option<String>,
    },
    /// The time for the operation ran out.
    #[error("not finished after {} s", .0.as_secs())]
    Timeout(Duration),
    /// The journal on the disk cannot be trusted.
    #[error("the journal `{}` is damaged at byte {offset}: {reason}", path.display())]
    CorruptJournal {
        /// The file.
        path: PathBuf,
        /// Where the first bad record starts.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// There is no journal, and there was one: revisions are there, which nobody makes without it.
    #[error("the journal `{}` is gone, and revisions of `{service}` are there: what is live cannot be told", path.display())]
    LostJournal {
        /// The file.
        path: PathBuf,
        /// A service that has revisions.
        service: ServiceName,
    },
    /// The supervisor cannot be started or does not answer.
    #[error("the local platform does not answer: {0}")]
    Unreachable(String),
    /// The local platform does not run, and cannot be started: its state directory cannot be used.
    #[error("cannot start the local platform, which keeps its state in `{}`: {source}", state.display())]
    NotStarted {
        /// The state directory.
        state: PathBuf,
        /// What could not be done there.
        source: crate::fs::Error,
    },
    /// The state directory or the socket belongs to somebody else.
    #[error("`{}` belongs to another user", .0.display())]
    ForeignOwner(PathBuf),
    /// Somebody else changed what is not traffic (a function's code, its settings) first; says who, as far as known.
    #[error("{0}")]
    Overtaken(String),
    /// The platform cannot do what was asked (a secret store that it does not have, a runtime).
    #[error("{0}")]
    Unsupported(String),
    /// This version of squad has no such platform.
    #[error(
        "the platform `{platform}` of the environment `{environment}` is not in this version of squad"
    )]
    NotThere {
        /// As `org.toml` names it.
        platform: &'static str,
        /// The environment that has it.
        environment: String,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] crate::fs::Error),
    /// AWS.
    #[error(transparent)]
    Aws(#[from] crate::clients::aws::Error),
}

/// What every call returns.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// One change of the traffic: everything in it becomes true at once, or nothing does.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Commit {
    /// Who takes what.
    pub(crate) split: Split,
    /// The rollout's state: at most 200 bytes of ASCII, "" for none.
    pub(crate) state: String,
    /// A revision that is marked as left because it was bad (rollback, abort).
    pub(crate) leaves: Option<RevisionNumber>,
    /// Who.
    pub(crate) actor: Actor,
    /// The operation (ULID).
    pub(crate) operation: String,
}

/// A revision that was published.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Published {
    /// Its number.
    pub(crate) revision: RevisionNumber,
    /// It was there already: the same digest.
    pub(crate) existed: bool,
    /// Where it can be reached before it has traffic, with the forcing header.
    pub(crate) address: Option<String>,
    /// The state after the publish, for the commit.
    pub(crate) token: Token,
}

/// Why a revision does not serve.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Diagnosis {
    /// Stable id of the kind of cause, such as `process-exited`, `command-not-found`, `port-not-opened`,
    /// `never-ready`, `crash-loop`, `init-error`; the id of its page in `docs/errors/`.
    pub(crate) id: String,
    /// One line in the user's words, such as `process ended with exit code 1, 0.4 s after it started, 3 times`.
    pub(crate) summary: String,
    /// The likely cause read out of the evidence, such as the variable that is missing; none if not known.
    pub(crate) cause: Option<String>,
    /// The last lines of the log, at most 10, oldest first.
    pub(crate) evidence: Vec<String>,
    /// What to do, in backticks where it is a command; none when there is nothing better than the log.
    pub(crate) hint: Option<String>,
}

/// What was observed of a service to begin with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Serving {
    /// What serves, and who set it. Where this is not all that there is, it is that one revision takes all traffic by the last
    /// commit, that nothing else takes a part in it, and the revisions without traffic are missing.
    pub(crate) live: Live,
    /// Nothing is missing.
    pub(crate) is_all: bool,
}

/// A look at many services at once.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Look<'a> {
    /// Only these; none = every service of the environment.
    pub(crate) only: Option<&'a [ServiceName]>,
    /// Only what serves is asked for, also of a single service.
    pub(crate) only_serving: bool,
    /// Reads each second at most, where the platform has a limit to share with others; none = its own habit.
    pub(crate) rate: Option<u32>,
    /// Services of which somebody knows that a rollout is live, or was at the last look: how they share their traffic is
    /// read also where nothing at the platform says that there is one.
    pub(crate) rolling: &'a [ServiceName],
}

/// How far callers of a service are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    /// Wherever the account may hold one.
    Everywhere,
    /// Only those that pass by the traffic, and only where the service itself names them, which takes few calls; by what was
    /// observed of it last, where something was.
    Named,
}

/// What a look tells while it goes on.
#[derive(Debug, Clone)]
pub(crate) enum Sight {
    /// So many services are there to be read.
    Total(usize),
    /// One was read; in any order, each of them once.
    Seen(Box<Seen>),
    /// One is of another environment that shares the account, and is not shown.
    Elsewhere,
}

/// Takes what a look tells.
pub(crate) type OnSight<'a> = &'a (dyn Fn(Sight) + Send + Sync);

/// The contract that every platform keeps; `contract.rs` is its test. Each method is idempotent.
#[async_trait]
pub(crate) trait Platform: Send + Sync {
    /// What this platform can do.
    fn capabilities(&self) -> Capabilities;

    /// Everything about one service, and a token for the next commit. A service that was never published has
    /// no revisions and no split.
    async fn observe(&self, service: &ServiceName) -> Result<Live>;

    /// What serves, without the revisions that take no traffic where those cost calls of their own: enough to be shown, and to
    /// see that there is nothing to do. What changes something is decided by [`Self::observe_rest`].
    async fn observe_serving(&self, service: &ServiceName) -> Result<Serving> {
        Ok(Serving {
            live: self.observe(service).await?,
            is_all: true,
        })
    }

    /// The same state with all that [`Self::observe`] tells, for the next commit.
    async fn observe_rest(&self, service: &ServiceName, serving: Serving) -> Result<Live> {
        if serving.is_all {
            return Ok(serving.live);
        }
        self.observe(service).await
    }

    /// What serves after a commit that was made through this value, and who set it: what a commit is verified by. Revisions
    /// without traffic may be missing or as they were before it, where calls are counted.
    async fn observe_committed(&self, service: &ServiceName) -> Result<Live> {
        self.observe(service).await
    }

    /// Whether a release was left of which no revision is there any more, where [`Self::observe`] does not tell, because it
    /// would cost every look a call.
    async fn left(&self, _service: &ServiceName, _digest: &str) -> Result<Option<LeftRelease>> {
        Ok(None)
    }

    /// All services that were ever published here.
    async fn services(&self) -> Result<Vec<ServiceName>>;

    /// Looks at many services, as cheaply as it can: what a service's revisions besides those with traffic are may be
    /// missing. A single service that is named is observed. One that cannot be read is told with its reason; an error
    /// means that nothing could be read at all.
    async fn look(&self, look: &Look<'_>, on_sight: OnSight<'_>) -> Result<()> {
        let mut services = self.services().await?;
        if let Some(only) = look.only {
            services.retain(|service| only.contains(service));
        }
        on_sight(Sight::Total(services.len()));
        for service in services {
            let found = Found::Live(Box::new(self.observe(&service).await?));
            on_sight(Sight::Seen(Box::new(Seen {
                service,
                found,
                unknown: None,
            })));
        }
        Ok(())
    }

    /// Looks for trouble that concerns no single service. An error means that nothing could be looked at.
    async fn examine(&self) -> Result<Vec<Check>> {
        Ok(Vec::new())
    }

    /// Whether nothing of it runs at the moment, so that a look at a service would start it.
    async fn is_at_rest(&self) -> Result<bool> {
        Ok(false)
    }

    /// Refuses where the credentials lead to another place than the environment is: asked before anything is recorded there.
    async fn guard(&self) -> Result<()> {
        Ok(())
    }

    /// Who calls a service; none where it is not there, or nobody can call past its traffic on this platform.
    async fn callers(&self, _service: &ServiceName, _search: Search) -> Result<Option<Callers>> {
        Ok(None)
    }

    /// Moves one caller to the address whose traffic squad moves, and looks that it is done; none when there is nothing
    /// to move. Takes nothing away from a caller that works.
    async fn adopt(&self, _service: &ServiceName, _caller: &str) -> Result<Option<Moved>> {
        Ok(None)
    }

    /// Keeps what answers callers where nothing has traffic ([`crate::domain::live::Unkept`]), as the revision of the answer.
    async fn keep(&self, service: &ServiceName, _actor: &Actor) -> Result<RevisionNumber> {
        Err(Error::Invalid(format!("`{service}` has nothing to keep")))
    }

    /// The architecture that the service has here now; none where nothing is there, or it is this machine's.
    async fn architecture(&self, _service: &ServiceName) -> Result<Option<String>> {
        Ok(None)
    }

    /// What callers get who pass by the traffic, in a clause, where that is not what serves.
    async fn past(&self, _service: &ServiceName) -> Option<String> {
        None
    }

    /// Takes one move back. What is not there any more is no error.
    async fn unadopt(&self, _service: &ServiceName, _moved: &Moved) -> Result<()> {
        Ok(())
    }

    /// Under which name this machine may keep what a look found, to show it at once next time; none where a look is
    /// quick enough.
    fn remembered_as(&self) -> Option<String> {
        None
    }

    /// What a publish would change in the settings that this platform has for the service now, whoever set them; none
    /// where it has no settings of its own, so that those of the live revision count.
    async fn differences(&self, _service: &Service) -> Result<Option<Vec<Difference>>> {
        Ok(None)
    }

    /// Whether a kept revision has, for all that the service's configuration does not name, what the platform has now. False where
    /// others changed something since: then a deploy publishes its release anew, with what they set.
    async fn is_current(&self, _service: &Service, _revision: RevisionNumber) -> Result<bool> {
        Ok(true)
    }

    /// What a kept revision was made of, for its release to be published anew without a build; none where it is to be built.
    async fn kept_code(&self, _service: &Service, _revision: RevisionNumber) -> Option<Package> {
        None
    }

    /// What differs of the settings that belong to the traffic and to no revision, so that a deploy of what is live already has
    /// something to do; in the form of [`Self::differences`].
    async fn differences_of_traffic(&self, _service: &Service) -> Result<Vec<Difference>> {
        Ok(Vec::new())
    }

    /// What changes in the settings when the traffic goes from one revision to another that is there already, whoever set
    /// them; in the form of [`Self::differences`]. By what was observed last: a brake asks for nothing more.
    fn differences_between(
        &self,
        _service: &ServiceName,
        _from: RevisionNumber,
        _to: RevisionNumber,
    ) -> Vec<Difference> {
        Vec::new()
    }

    /// A container image by its digest, so that what a tag means is asked once; [`Error::Invalid`] for one that is not
    /// there, [`Error::Unsupported`] where no images run.
    async fn pinned(&self, image: &ImageReference) -> Result<ImageReference> {
        Err(Error::Unsupported(format!(
            "images do not run here, and `{}` is one",
            image.repository
        )))
    }

    /// Makes an immutable revision that takes no traffic yet, starts it, and returns when it is ready to
    /// serve. The same digest yields the same revision.
    async fn publish(&self, release: &Release, progress: OnProgress<'_>) -> Result<Published>;

    /// Starts a revision that was stopped and returns when it is ready: before a rollback commits to it.
    async fn prepare(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
        progress: OnProgress<'_>,
    ) -> Result<()>;

    /// Changes traffic and rollout state in one compare-and-swap; [`Error::Conflict`] names who won. Requests
    /// that are under way finish where they are. The revisions that the state of a live rollout names stay up, with
    /// traffic and without ([`crate::domain::rollout::State::kept`]), so that going back is one commit and nothing else.
    async fn commit(
        &self,
        service: &ServiceName,
        token: &Token,
        commit: &Commit,
        progress: OnProgress<'_>,
    ) -> Result<Token>;

    /// Whether a publish leaves the token of the traffic as it was: then a plan's own token guards the commit that follows the
    /// publish, and nothing has to be looked at in between. Where it did move the traffic's token after all, fenced by the
    /// one before it, the answer of the publish has the new one.
    fn publish_keeps_token(&self) -> bool {
        false
    }

    /// How many deploys of different services may be under way beside each other. Builds have a limit of their own: they
    /// take this machine's processors, and a deploy mostly waits.
    fn deploys_at_once(&self) -> usize {
        4
    }

    /// How the numbers of a service arrive.
    fn numbers(&self, _service: &Service) -> Numbers {
        Numbers::default()
    }

    /// The configuration that a revision was published with; none when there is no such revision. [`Live`] may know only a
    /// part of it.
    async fn configuration(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
    ) -> Result<Option<Service>> {
        let live = self.observe(service).await?;
        let found = live.revision(revision);
        Ok(found.and_then(|revision| revision.service.as_deref().cloned()))
    }

    /// Refuses two revisions that cannot share the traffic here, whatever the weights: [`Error::Unsplittable`].
    async fn check_shared(
        &self,
        _service: &ServiceName,
        _stable: RevisionNumber,
        _canary: RevisionNumber,
    ) -> Result<()> {
        Ok(())
    }

    /// The same before the one that is to share it is published: what a publish of this service would make, or the revision
    /// that is there already.
    async fn check_next(
        &self,
        _service: &Service,
        _stable: RevisionNumber,
        _existing: Option<RevisionNumber>,
    ) -> Result<()> {
        Ok(())
    }

    /// Removes old revisions that nothing refers to, after a deploy; which ones. A commit does that by itself on a platform
    /// whose revisions cost room here.
    async fn prune(&self, _service: &ServiceName) -> Result<Vec<RevisionNumber>> {
        Ok(Vec::new())
    }

    /// How full the place for what is published is, and what of this service nothing needs: for who is told that it is full.
    /// Where that cannot be found out, none.
    async fn room(&self, _service: &ServiceName) -> Option<Room> {
        None
    }

    /// Removes a revision; [`Error::HasTraffic`] while it has any, [`Error::Invalid`] while a live rollout needs it.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "the contract suite asks; on this platform a commit retires"
        )
    )]
    async fn retire(&self, service: &ServiceName, revision: RevisionNumber) -> Result<()>;

    /// Says why a revision does not serve, or not yet; none when it does.
    async fn diagnose(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
    ) -> Result<Option<Diagnosis>>;

    /// Hands over log lines, oldest first, until there are no more (or for ever, with `follow`).
    async fn logs(
        &self,
        service: &ServiceName,
        query: &LogQuery,
        on_line: &mut (dyn FnMut(LogLine) -> bool + Send),
    ) -> Result<()>;

    /// Calls a function once, as the alias would, or one revision of it.
    async fn invoke(
        &self,
        service: &ServiceName,
        revision: Option<RevisionNumber>,
        payload: &str,
    ) -> Result<Invocation>;

    /// Reads every counter of a service. One that was never published has none.
    async fn counts(&self, service: &ServiceName) -> Result<Counts>;

    /// What a service counted by the minute in the time `since` up to now, oldest first, at most the last two hours;
    /// the last one is the minute that is running. A minute that is missing was not counted at all.
    async fn history(&self, service: &ServiceName, since: Duration) -> Result<Vec<MinuteCounts>>;

    /// Makes an object such as `rollout/<service>/<id>/plan`, which is never changed; false when there is one of this
    /// path already, whatever it holds. Either way it survives a loss of power from then on. The path consists of
    /// parts of ASCII letters, digits, `-`, `_` and `.`, none of which begins with a dot.
    async fn create_object(&self, path: &str, bytes: &[u8]) -> Result<bool>;

    /// What an object holds; none when there is none.
    async fn object(&self, path: &str) -> Result<Option<Vec<u8>>>;

    /// The paths of all objects that begin with `prefix`, sorted.
    async fn objects(&self, prefix: &str) -> Result<Vec<String>>;

    /// Changes the port that the service keeps, also before its first publish. Nothing changes where the new one
    /// cannot be had: [`Error::PortTaken`] names who has it. Requests under way on the old port end there.
    async fn set_port(&self, service: &ServiceName, port: u16) -> Result<()>;
}
