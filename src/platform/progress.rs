//! What a platform tells while it is at work.

use std::net::IpAddr;

/// A sign of life while something takes long.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Progress {
    /// The artifact is being stored.
    Storing,
    /// The processes are being started: how many of how many are ready.
    Starting {
        /// Ready ones.
        ready: u32,
        /// All.
        of: u32,
    },
    /// The platform is at work, or is waited for.
    Waiting {
        /// On what, in a few words.
        what: String,
    },
    /// A process ended; it will be tried again.
    Restarting {
        /// How often it ended so far.
        times: u32,
        /// How, in a few words.
        how: String,
    },
    /// A process that is ready listens on more than this machine's own addresses.
    Exposed {
        /// On which.
        address: IpAddr,
    },
    /// What could not be done beside it, and what that means for people.
    Warning {
        /// In one line.
        text: String,
    },
}

/// Takes signs of life.
pub(crate) type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);
