//! The record of an environment for a command: the audit log, what waits on this machine, and what was left open there.

use super::Context;
use crate::cli::view::number::counted;
use crate::domain::environment::Environment;
use crate::error::{Error, Result};
use crate::ops::audit::{self, Journal};
use crate::ops::settle::{self, Closed};
use crate::platform::Platform;

impl Context {
    /// The audit log of an environment for what goes forward: this machine can record and sign.
    pub(crate) fn journal(&self, environment: &Environment) -> Result<Journal> {
        let journal = self.record(environment)?;
        journal.can_go_forward()?;
        Ok(journal)
    }

    /// The same for whoever only reads it, or brakes: neither needs the machine's key.
    pub(crate) fn record(&self, environment: &Environment) -> Result<Journal> {
        let state = self.directories()?.state;
        Journal::open(audit::Settings {
            store: audit::Store::of(environment, &state),
            session: self.session(environment)?,
            log: environment.log_name(),
            state,
            actor: self.actor(),
            environment: environment.clone(),
        })
    }

    /// Events about an environment that are on this machine only, and why.
    pub(crate) async fn pending_events(
        &self,
        environment: &Environment,
    ) -> Result<(usize, Option<Error>)> {
        if !audit::may_wait(&self.directories()?.state, environment)? {
            return Ok((0, None));
        }
        let journal = self.record(environment)?;
        let events = journal.still_pending(self.clock()).await?;
        Ok((events, journal.why_pending()))
    }

    /// Looks whether the newest of the record can be read.
    pub(crate) async fn look_at_record(&self, environment: &Environment) -> Result<()> {
        self.record(environment)?.look().await
    }

    /// Brings the record up to date before a mutation; what cannot be appended waits, and is said.
    pub(crate) async fn settle_with(&self, platform: &dyn Platform, journal: &Journal) {
        match settle::settle(platform, journal, self.clock()).await {
            Ok(settled) => {
                self.told_of(settled.closed);
            }
            Err(error) => self
                .output
                .warn(&format!("the record is not up to date: {}", error.message)),
        }
    }

    /// Says which operations were closed for processes that are gone, and what live state shows of them.
    fn told_of(&self, closed: Closed) {
        if closed.all == 0 {
            return;
        }
        let shown = match closed {
            Closed {
                all: 1, applied: 1, ..
            } => "; live state shows that it was applied".to_owned(),
            Closed {
                all: 1,
                not_applied: 1,
                ..
            } => "; live state does not show that it was applied".to_owned(),
            Closed {
                applied: 0,
                not_applied: 0,
                ..
            } => String::new(),
            Closed { applied, .. } => {
                format!("; live state shows that {applied} of them were applied")
            }
        };
        self.output.warn(&format!(
            "{} had no outcome: recorded as unknown, with what is live now{shown}",
            counted(closed.all, "earlier operation")
        ));
    }

    /// Closes what was left open on this machine, for who looks at what is live; see [`Self::pending_events`].
    pub(crate) async fn close_left(&self, environment: &Environment) -> Result<()> {
        if !audit::may_wait(&self.directories()?.state, environment)? {
            return Ok(());
        }
        let journal = self.record(environment)?;
        if journal.left_open()?.is_empty() {
            return Ok(());
        }
        let platform = self.platform(environment)?;
        self.told_of(settle::close(&*platform, &journal, self.clock()).await?);
        Ok(())
    }

    /// The same where nothing is to be changed. Where nothing waits, the log is not opened: to know who opens it, git is
    /// asked, and that takes as long as half of all the rest.
    pub(crate) async fn settle(&self, platform: &dyn Platform, environment: &Environment) {
        if self
            .directories()
            .is_ok_and(|found| matches!(audit::may_wait(&found.state, environment), Ok(false)))
        {
            return;
        }
        match self.record(environment) {
            Ok(journal) => self.settle_with(platform, &journal).await,
            Err(error) => self
                .output
                .warn(&format!("the record is not up to date: {}", error.message)),
        }
    }
}
