//! The sources of a service that is deployed by its name alone: those here, those of an earlier deploy, or else its repository,
//! which is fetched for this one deploy.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::context::Context;
use crate::clients::git_checkout::Checkout;
use crate::clients::process::Children;
use crate::config::{self, Config, Located};
use crate::domain::environment::Environment;
use crate::domain::meant::nearest;
use crate::domain::name::ServiceName;
use crate::domain::repository;
use crate::error::{Error, Kind, Result, not_in_repository};
use crate::ops::deploy::{Fetched, Options};
use crate::ops::fetched::{self, Place, Turn};
use crate::ops::live_state;
use crate::ops::registry::Registry;

/// Sources, and what holds them as they are.
pub(crate) struct Sources {
    pub(crate) located: Located,
    /// Where they were fetched from, and the turn that keeps others from changing them; none for those that lie here.
    fetched: Option<(Fetched, Turn)>,
}

impl Sources {
    /// The service, what is to be recorded of its origin, and what has to be held until its sources are not read any more.
    pub(crate) fn parts(self) -> (Located, Option<Fetched>, Option<Turn>) {
        let (fetched, turn) = self.fetched.unzip();
        (self.located, fetched, turn)
    }
}

/// What a deploy of sources that were fetched is: their branch and commit, and nothing of the work tree that CI runs in.
pub(crate) fn of_fetched(options: Options, fetched: Option<Fetched>) -> Options {
    let Some(fetched) = fetched else {
        return options;
    };
    let mut pipeline = options.pipeline;
    pipeline.pull_request = None;
    pipeline.branch.clone_from(&fetched.branch);
    Options {
        pipeline,
        repository: options.repository.or(Some(fetched.repository.clone())),
        fetched: Some(fetched),
        ..options
    }
}

/// An error about sources in words that fit when nobody works in them.
pub(crate) fn explained(options: &Options, error: Error) -> Error {
    if options.fetched.is_none() || error.id != "submodule-missing" {
        return error;
    }
    let mut error = error;
    error.hints.clear();
    error
        .hint("deploy from a checkout that has them: `git clone --recurse-submodules`, then `squad deploy` there")
        .hint("or say in the repository that nothing needs them: `update = none` in .gitmodules")
}

/// What a command that goes on for this one is told, so that it deploys the commit that the plan was shown of, whatever is
/// pushed meanwhile.
pub(crate) fn agreed(options: &Options) -> Vec<String> {
    let fetched = options.fetched.as_ref();
    let commit = fetched.map(|fetched| format!("--fetched-commit={}", fetched.commit));
    commit.into_iter().collect()
}

/// The sources of a service. A fetch takes no longer than `timeout`, and brings the newest commit or the one that is named.
pub(crate) async fn sources(
    context: &Context,
    config: &Config,
    name: Option<&ServiceName>,
    environment: &Environment,
    (timeout, at): (Duration, Option<&str>),
) -> Result<Sources> {
    let located = || {
        context
            .service(config, name, environment)
            .map(|located| Sources {
                located,
                fetched: None,
            })
    };
    let here = config.services();
    let Some(wanted) = name.filter(|name| !here.iter().any(|(known, _)| known == *name)) else {
        return located();
    };
    let registry = Registry::new(&context.directories()?.state, config.org());
    let known = registry.find(wanted)?;
    // What is kept is as old as the last deploy by name.
    let kept = known.filter(|known| fetched::is_kept(&known.directory));
    let named = config.repository_of(wanted);
    if kept.is_none() {
        match located() {
            Err(error) if error.id == "service-unknown" && named.is_some() => {}
            result => return result,
        }
    }
    let Some(repository) = named.or(kept.and_then(|kept| kept.repository)) else {
        return located();
    };
    let job = Job {
        context,
        config,
        wanted,
        environment,
        shown: repository::without_secrets(&repository),
        address: repository::address(&repository),
        timeout,
        at,
    };
    match job.done().await {
        Ok(sources) => Ok(sources),
        Err(error) => Err(job.with_live(error).await),
    }
}

/// One fetch.
struct Job<'a> {
    context: &'a Context,
    config: &'a Config,
    wanted: &'a ServiceName,
    environment: &'a Environment,
    shown: String,
    address: String,
    timeout: Duration,
    at: Option<&'a str>,
}

impl Job<'_> {
    async fn done(&self) -> Result<Sources> {
        let cache = self.context.directories()?.cache;
        let place = Place::new(&cache, &config::kept_as(&self.address))?;
        // Ctrl-C ends all of this at once, as it does before anything is begun.
        let turn = self.turn(&place).await?;
        self.context
            .output
            .status(&format!("fetching {}", self.shown));
        let (checkout, turn) = self.fetch(&place, turn).await?;
        let located = self.locate(&place.tree(), &checkout)?;
        let fetched = Fetched {
            repository: self.shown.clone(),
            branch: checkout.branch,
            commit: checkout.commit,
        };
        Ok(Sources {
            located,
            fetched: Some((fetched, turn)),
        })
    }

    /// One deploy at a time works in a tree.
    async fn turn(&self, place: &Place) -> Result<Turn> {
        let who = format!("{} → {}", self.wanted, self.environment.name);
        if let Some(turn) = place.turn(&who)? {
            return Ok(turn);
        }
        let holder = place.holder();
        let holder = holder.map_or_else(String::new, |holder| format!(" ({holder})"));
        self.context.output.status(&format!(
            "waiting for another deploy from {}{holder}",
            self.shown
        ));
        let waited = place.clone();
        let work = tokio::task::spawn_blocking(move || waited.wait(&who));
        match tokio::time::timeout(self.timeout, work).await {
            Ok(turn) => turn.map_err(Error::internal)?,
            Err(_) => Err(Error::new(
                Kind::Timeout,
                "timeout",
                format!(
                    "another deploy from {}{holder} has not ended within {} s",
                    self.shown,
                    self.timeout.as_secs()
                ),
            )
            .hint("wait for it, or give it longer with `--timeout`")),
        }
    }

    async fn fetch(&self, place: &Place, turn: Turn) -> Result<(Checkout, Turn)> {
        let children = Children::guarded(&self.context.guard()?);
        let _end = children.end_on_drop();
        let (address, shown) = (self.address.clone(), self.shown.clone());
        let (place, timeout) = (place.clone(), self.timeout);
        let at = self.at.map(str::to_owned);
        let work = move || {
            let options = fetched::Options {
                address: &address,
                shown: &shown,
                at: at.as_deref(),
                place: &place,
                timeout,
                children: &children,
            };
            fetched::fetch(&options, &turn).map(|checkout| (checkout, turn))
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Error::internal)?
    }

    /// The service in the tree, as the org in use has it.
    fn locate(&self, tree: &Path, checkout: &Checkout) -> Result<Located> {
        let short = checkout.commit.get(..7).unwrap_or(&checkout.commit);
        let commit = format!("commit {short}");
        let of_files = |error: Error| match error.id {
            "config-invalid" => error.cause(format!("it is that of {}, {commit}", self.shown)),
            "other-org" => self.of_other_org(error, &commit),
            _ => error,
        };
        let there = self.context.config_elsewhere(self.config, tree);
        let there = there.map_err(of_files)?;
        if there.org() != self.config.org() {
            let of = |config: &Config| config.org().map_or("none".to_owned(), ToString::to_string);
            let message = format!(
                "it belongs to the org `{}`, and `{}` is in use",
                of(&there),
                of(self.config)
            );
            let error = Error::new(Kind::Refused, "other-org", message);
            return Err(self.of_other_org(error, &commit));
        }
        let is_its = |directory: &PathBuf| directory.starts_with(tree);
        let services = there.services();
        let its = services.iter().filter(|(_, directory)| is_its(directory));
        let known: Vec<_> = its.map(|(name, _)| name.clone()).collect();
        if !known.contains(self.wanted) {
            // It may be one that has mistakes.
            there.complete().map_err(|error| of_files(error.into()))?;
            let near = nearest(self.wanted.as_str(), known.iter().map(ServiceName::as_str));
            let near = near.map(str::to_owned);
            let place = (self.shown.as_str(), commit.as_str());
            return Err(not_in_repository(self.wanted, place, &known, near));
        }
        let located = there.service(Some(self.wanted), &self.environment.name)?;
        fetched::check_large_files(&self.shown, tree, &located.directory)?;
        Ok(located)
    }

    /// The org was chosen here, and not by who reads the tree.
    fn of_other_org(&self, error: Error, commit: &str) -> Error {
        let mut error = error;
        error.causes.clear();
        error.hints.clear();
        if let (Some(org), Some(by)) = (self.config.org(), self.config.org_chosen_by()) {
            error = error.cause(format!("`{org}` was chosen by {by}"));
        }
        error
            .cause(format!("squad.toml is that of {}, {commit}", self.shown))
            .hint("deploy it with its own org: `squad deploy SERVICE --org ORG`")
    }

    /// An error with what is live, where that can be seen soon.
    async fn with_live(&self, error: Error) -> Error {
        let error = error.context(&format!("cannot deploy `{}`", self.wanted));
        let Ok(platform) = self.context.platform(self.environment) else {
            return error;
        };
        let look = platform.observe_serving(self.wanted);
        match tokio::time::timeout(LOOK, look).await {
            Ok(Ok(serving)) => error.live(live_state(self.wanted, Some(&serving.live))),
            _ => error.live(live_state(self.wanted, None)),
        }
    }
}

/// How long it is looked what is live after a failure.
const LOOK: Duration = Duration::from_secs(5);
