//! What a deploy hands to Lambda: the package of the built artifact, and the refusal of what Lambda cannot be given.
//!
//! Nothing here talks to AWS.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinHandle;

use super::Options;
use super::apply::millis;
use super::build::interrupted;
use crate::clients::package::{self, Wanted};
use crate::clients::process;
use crate::clients::zip::{Listed, Package};
use crate::clock::Clock;
use crate::domain::environment::PlatformKind;
use crate::error::{Error, Kind, Result};
use crate::ops::{Cancel, Event, Reporter};
use crate::platform::local;

/// A package that is being made on a thread of its own, while what needs no package goes on. The same artifact, lock
/// file, runtime and architecture give the same bytes; a second time they come from the cache.
pub(crate) struct Packing {
    work: JoinHandle<Result<Package, package::Error>>,
    /// Packages have to be fetched.
    making: oneshot::Receiver<()>,
    started: Duration,
    /// pip would go on when nobody waits for it any more: it ends with this value.
    _end: process::EndOnDrop,
    /// The machine's processors are taken until it is done.
    _turn: OwnedSemaphorePermit,
}

impl Packing {
    /// Begins with it.
    pub(crate) fn begin(
        options: &Options,
        (artifact, listed): (PathBuf, Option<Arc<Listed>>),
        clock: &dyn Clock,
        turn: OwnedSemaphorePermit,
    ) -> Result<Self> {
        let Some(function) = options.service.function.clone() else {
            return Err(Error::internal("a package of what is no function"));
        };
        let lock = options.service.build.python_lock.as_ref();
        let lock = lock.map(|lock| options.directory.join(lock));
        let cache = options.cache.clone();
        let (sender, making) = oneshot::channel();
        let children = process::Children::guarded(&options.guard);
        let end = children.end_on_drop();
        let work = tokio::task::spawn_blocking(move || {
            let sender = std::cell::Cell::new(Some(sender));
            let wanted = Wanted {
                artifact: &artifact,
                listed: listed.as_deref(),
                python_lock: lock.as_deref(),
                runtime: &function.runtime,
                architecture: &function.architecture,
                cache: &cache,
                children: &children,
            };
            package::function(&wanted, &|| {
                if let Some(sender) = sender.take() {
                    _ = sender.send(());
                }
            })
        });
        Ok(Self {
            work,
            making,
            started: clock.monotonic(),
            _end: end,
            _turn: turn,
        })
    }

    /// Waits for it; Ctrl-C is heard meanwhile.
    pub(crate) async fn done(
        mut self,
        options: &Options,
        clock: &dyn Clock,
        reporter: &dyn Reporter,
        cancel: &Cancel,
    ) -> Result<Package> {
        let stopped = || interrupted(options, "the packing was stopped");
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(stopped()),
            Ok(()) = &mut self.making => reporter.report(Event::Began {
                what: "packages",
                detail: "fetching the Python packages, once for each lock file".to_owned(),
            }),
            result = &mut self.work => return Ok(result.map_err(Error::internal)??),
        }
        let package = tokio::select! {
            () = cancel.cancelled() => return Err(stopped()),
            result = &mut self.work => result.map_err(Error::internal)??,
        };
        reporter.report(Event::Done {
            what: "packages",
            detail: "Python packages fetched".to_owned(),
            milliseconds: millis(clock, self.started),
        });
        Ok(package)
    }
}

/// Refuses references to secrets in `[run.env]` that the platform cannot read, before anything is planned.
pub(crate) fn check_secrets(options: &Options) -> Result<()> {
    match options.environment.platform {
        PlatformKind::Local => local::check_secrets(&options.service).map_err(|error| {
            let asked = format!("cannot deploy `{}`", options.service.name);
            Error::from(error).context(&asked)
        }),
        PlatformKind::Lambda => without_secrets(options),
        PlatformKind::Eks => Ok(()),
    }
}

/// What is in the configuration of a function can be read by everyone who may see the function, so squad never puts a
/// secret there.
fn without_secrets(options: &Options) -> Result<()> {
    let names = options.service.run.secret_names();
    let Some(first) = names.first() else {
        return Ok(());
    };
    let listed: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    Err(Error::new(
        Kind::Config,
        "secret-on-lambda",
        format!(
            "cannot deploy `{}`: {} under [run.env] would be readable by everyone who may see the function in AWS",
            options.service.name,
            listed.join(", ")
        ),
    )
    .hint(format!(
        "pass the name of the secret instead, such as `{first}_NAME = \"/payments/db\"`, and read it when the function starts"
    ))
    .hint("its role then needs `ssm:GetParameter` or `secretsmanager:GetSecretValue` on that one secret"))
}
