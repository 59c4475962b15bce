//! Use cases: plain `Options` in, a typed `Outcome` out. No printing, no prompting, no environment.

pub(crate) mod adopt;
pub(crate) mod audit;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod fetched;
pub(crate) mod fleet;
pub(crate) mod going_on;
pub(crate) mod history;
pub(crate) mod invoke;
pub(crate) mod lag;
pub(crate) mod org;
pub(crate) mod prune;
pub(crate) mod registry;
pub(crate) mod rollback;
pub(crate) mod rollout;
pub(crate) mod scaffold;
pub(crate) mod served;
pub(crate) mod settle;
pub(crate) mod status;
pub(crate) mod whoami;

use std::net::IpAddr;

/// Something that a use case did or waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A step began; `what` is a word such as `build`.
    Began {
        /// The step.
        what: &'static str,
        /// What it is about.
        detail: String,
    },
    /// A sign of life of the step that is under way.
    Going {
        /// The step.
        what: &'static str,
        /// How far it is.
        detail: String,
    },
    /// A step succeeded; `what` is a participle such as `built`.
    Done {
        /// The step.
        what: &'static str,
        /// Its result.
        detail: String,
        /// Milliseconds it took.
        milliseconds: u64,
    },
    /// A step failed; the error follows as the operation's result.
    Failed {
        /// The step.
        what: &'static str,
        /// Why, in one line.
        detail: String,
    },
    /// Something went wrong beside the operation, which goes on.
    Warning(String),
    /// One line that a child process (a build) wrote.
    Output(String),
    /// A build wrote files that git does not ignore among its sources.
    Wrote(Vec<deploy::Written>),
    /// A service listens on more than this machine's own addresses, where the proxy is not asked.
    Exposed {
        /// Its name.
        service: String,
        /// On which.
        address: IpAddr,
    },
}

/// Takes the events of a use case: a terminal with moving progress, or plain lines.
pub(crate) trait Reporter: Send + Sync {
    /// One event, in the order in which they happen.
    fn report(&self, event: Event);
}

/// Hands on what a platform warns of while it commits; its other signs of life are not worth a line there.
pub(crate) fn warnings(
    reporter: &dyn Reporter,
) -> impl Fn(crate::platform::Progress) + Send + Sync + '_ {
    move |progress| {
        if let crate::platform::Progress::Warning { text } = progress {
            reporter.report(Event::Warning(text));
        }
    }
}

/// A person's wish to stop (Ctrl-C), seen by the use case at the points where it can stop cleanly.
#[derive(Debug, Clone)]
pub(crate) struct Cancel(tokio::sync::watch::Receiver<bool>);

impl Cancel {
    /// Hands out the wish and the switch that makes it.
    pub(crate) fn new() -> (tokio::sync::watch::Sender<bool>, Self) {
        let (sender, receiver) = tokio::sync::watch::channel(false);
        (sender, Self(receiver))
    }

    /// Returns once the person wants to stop; never if they cannot any more.
    pub(crate) async fn cancelled(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the person wants to stop.
    pub(crate) fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }
}

/// What is live, for the line after a failure.
pub(crate) fn live_state(
    service: &crate::domain::name::ServiceName,
    live: Option<&crate::domain::live::Live>,
) -> crate::error::LiveState {
    let revision = live
        .filter(|live| live.lag.is_none())
        .and_then(|live| live.sole());
    let is_silent = live.is_some_and(|live| live.split.is_none() && live.unpublished.is_none());
    crate::error::LiveState {
        revision: revision.map(|revision| revision.number.to_string()),
        traffic: match revision {
            Some(_) => Some(100),
            None => is_silent.then_some(0),
        },
        split: live
            .filter(|_| revision.is_none())
            .and_then(|live| live.split.clone())
            .map(Box::new),
        requests: None,
        failed_requests: None,
        text: match live {
            Some(live) => live.traffic_in_words(service),
            None => format!("not known: look with `squad status {service}`"),
        },
    }
}
