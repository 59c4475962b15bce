//! What a command gets: the environment, the terminal, the clock, and lazily everything else.

mod configuration;
mod record;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::cli::prompt;
use crate::cli::silence;
use crate::clients::aws::{Session, Settings};
use crate::clients::guard::Guard;
use crate::clients::{git, process};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Located, UnknownService};
use crate::domain::environment::{Environment, PlatformKind};
use crate::domain::name::ServiceName;
use crate::domain::release::Actor;
use crate::env::{self, Directories, Env};
use crate::error::{Error, Kind, Result, gone_service};
use crate::fs;
use crate::ops::deploy::{self, Pipeline};
use crate::ops::going_on::{GoingOn, Mark};
use crate::ops::registry::Registry;
use crate::output::Output;
use crate::platform::lambda::{Target, Targets};
use crate::platform::local::own_executable;
use crate::platform::{self, Places, Platform};

/// Built once for each run of the binary.
pub(crate) struct Context {
    /// The environment variables.
    pub(crate) env: Env,
    /// The terminal.
    pub(crate) output: Output,
    /// The clock.
    pub(crate) clock: SystemClock,
    /// `--org`.
    pub(crate) org: Option<String>,
    /// `--env`; `SQUAD_ENV` comes after it.
    pub(crate) environment: Option<String>,
    /// `--yes`.
    pub(crate) yes: bool,
    /// The ways to AWS that were asked for, by the name of the environment's log: credentials and identity are looked
    /// for once.
    pub(crate) sessions: Mutex<BTreeMap<String, Session>>,
    /// The command is a brake: it waits for nothing, so an org that was fetched before is taken as it is here.
    pub(crate) is_brake: bool,
    /// A cache of another user is no reason to refuse the command: it does without one.
    pub(crate) does_without_cache: bool,
    /// What ends builds, pip and git when this process is killed.
    pub(crate) guard: OnceLock<Guard>,
}

impl Context {
    /// The machine's clock.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    /// What ends the children of this command when it is killed; the same one for all of them.
    pub(crate) fn guard(&self) -> Result<Guard> {
        if let Some(guard) = self.guard.get() {
            return Ok(guard.clone());
        }
        let given = std::env::current_exe().map_err(Error::internal)?;
        let guard = Guard::new(own_executable(&given));
        Ok(self.guard.get_or_init(|| guard).clone())
    }

    /// Where files go. What another user owns is refused before anything is read or written there: squad's keys and records
    /// would be theirs, and run as root squad would leave what they cannot use any more. A brake does without a cache, and so does who only looks what is wrong.
    pub(crate) fn directories(&self) -> Result<Directories> {
        let directories = self.directories_of_anybody()?;
        own("XDG_STATE_HOME", &directories.state)?;
        if !self.does_without_cache {
            own("XDG_CACHE_HOME", &directories.cache)?;
        }
        Ok(directories)
    }

    /// The same for what writes the person's configuration too. An administrator may provide one that is only read.
    pub(crate) fn directories_to_configure(&self) -> Result<Directories> {
        let directories = self.directories()?;
        own("XDG_CONFIG_HOME", &directories.config)?;
        Ok(directories)
    }

    /// The same, whoever they belong to: for who looks at just that.
    pub(crate) fn directories_of_anybody(&self) -> Result<Directories> {
        self.env.directories().ok_or_else(|| {
            Error::new(
                Kind::Config,
                "no-home",
                "cannot find where to keep files: neither HOME nor the XDG variables are set",
            )
            .hint("set HOME, or XDG_CONFIG_HOME, XDG_STATE_HOME and XDG_CACHE_HOME")
        })
    }

    /// Where the command was started.
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        std::env::current_dir().map_err(|source| {
            let why = match source.kind() {
                std::io::ErrorKind::NotFound => "it was removed".to_owned(),
                kind => kind.to_string(),
            };
            Error::new(
                Kind::Failed,
                "file",
                format!("cannot find the current directory: {why}"),
            )
            .hint("go to a directory that is there, then run the same command again")
        })
    }

    /// The wall-clock time.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// Runs a command's asynchronous part.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        let result = runtime.block_on(async {
            tokio::select! {
                result = work => result,
                never = silence::told(self) => match never {},
            }
        });
        // A thread that still waits for a child (pip) must not hold up the end.
        runtime.shutdown_background();
        result
    }

    /// The environment that was asked for: `--env`, `SQUAD_ENV`, the person's default, or the only one. A remote
    /// one is never guessed: a person is asked, a script gets an error.
    pub(crate) fn environment(&self, config: &Config) -> Result<Environment> {
        if let Some(name) = self.environment_flag()? {
            return Ok(config.environment(&name)?);
        }
        if let Some((name, origin)) = config.default_environment_and_origin() {
            let found = config.environment(&name);
            return Ok(found.map_err(|error| error.asked_by(&origin))?);
        }
        let environments = config.environments();
        let names: Vec<_> = environments
            .iter()
            .map(|one| one.name.to_string())
            .collect();
        if !self.output.can_ask() {
            return Err(Error::new(
                Kind::Usage,
                "environment-missing",
                format!("no environment was named; there are {}", names.join(", ")),
            )
            .hint("add `--env NAME`, or set SQUAD_ENV"));
        }
        let chosen = prompt::choice(self, "Environment", &names, 0, true)?;
        environments
            .into_iter()
            .nth(chosen)
            .ok_or_else(|| Error::internal("an environment was chosen that is not there"))
    }

    /// A service by its name or from the current directory; outside its repository, from where it was last
    /// deployed.
    pub(crate) fn service(
        &self,
        config: &Config,
        name: Option<&ServiceName>,
        environment: &Environment,
    ) -> Result<Located> {
        let here = config.services();
        let Some(wanted) = name.filter(|name| !here.iter().any(|(known, _)| known == *name)) else {
            return Ok(config.service(name, &environment.name)?);
        };
        let directories = self.directories()?;
        let registry = Registry::new(&directories.state, config.org());
        let Some(entry) = registry.find(wanted)? else {
            let found = config.service(name, &environment.name);
            return found.map_err(|error| match error {
                config::Error::UnknownService(unknown) => {
                    let unknown = with_nearest(*unknown, &registry, config);
                    config::Error::UnknownService(Box::new(unknown)).into()
                }
                error => error.into(),
            });
        };
        let gone = || gone_service(wanted, &entry.directory);
        if !fs::is_dir(&entry.directory)? {
            return Err(gone());
        }
        let config = self.config_elsewhere(config, &entry.directory)?;
        if !config.services().iter().any(|(known, _)| known == wanted) {
            return Err(gone());
        }
        Ok(config.service(name, &environment.name)?)
    }

    /// Why no sources of a service are found, neither from here nor where it was last deployed from; none where they are
    /// found, or a mistake in a file hides whether they are.
    pub(crate) fn without_sources(
        &self,
        name: &ServiceName,
        environment: &Environment,
    ) -> Option<UnknownService> {
        let config = self
            .config_at(&self.directory().ok()?, self.org.as_deref())
            .ok()?;
        let Err(config::Error::UnknownService(unknown)) =
            config.service(Some(name), &environment.name)
        else {
            return None;
        };
        let registry = Registry::new(&self.directories().ok()?.state, config.org());
        if let Some(entry) = registry.find(name).ok()? {
            let there = self
                .config_elsewhere(&config, &entry.directory)
                .ok()?
                .service(Some(name), &environment.name);
            if !matches!(there, Err(config::Error::UnknownService(_))) {
                return None;
            }
        }
        Some(with_nearest(*unknown, &registry, &config))
    }

    /// The name that was given, or that of the one service of the current directory.
    pub(crate) fn service_name(
        &self,
        config: &Config,
        name: Option<&ServiceName>,
    ) -> Result<ServiceName> {
        if let Some(name) = name {
            return Ok(name.clone());
        }
        Ok(config.current_service()?.clone())
    }

    /// Refuses a service whose name belongs to another repository; writes nothing.
    pub(crate) fn check_name(&self, config: &Config, located: &Located) -> Result<()> {
        let state = self.directories()?.state;
        let name = &located.service.name;
        Registry::new(&state, config.org())
            .check(name, &located.directory)
            .map_err(|error| error.context(&format!("cannot deploy `{name}`")))
    }

    /// Says that the sources of this service are here, and what the environment is.
    pub(crate) fn claim(&self, config: &Config, options: &deploy::Options) -> Result<()> {
        let state = self.directories()?.state;
        // For brakes of later: this deploy needs it no more.
        drop(config::remember(&state, &options.environment));
        let function = match options.environment.platform {
            PlatformKind::Lambda => Target::of(&options.service),
            PlatformKind::Local | PlatformKind::Eks => None,
        };
        Registry::new(&state, config.org()).claim(
            &options.service.name,
            &options.directory,
            function.map(|target| (&options.environment.name, target)),
        )
    }

    /// Notes where a service is now that was moved since it was deployed. It is a help for later: what cannot be noted is
    /// noted by the next deploy that changes something.
    pub(crate) fn follow(&self, config: &Config, options: &deploy::Options) {
        if let Ok(directories) = self.directories() {
            let registry = Registry::new(&directories.state, config.org());
            drop(registry.follow(&options.service.name, &options.directory));
        }
    }

    /// Which functions the services of an environment are: as they were deployed from here, and before that as the files
    /// of the current directory say.
    fn targets(&self, environment: &Environment) -> Result<Targets> {
        if environment.platform != PlatformKind::Lambda {
            return Ok(Targets::new());
        }
        let state = self.directories()?.state;
        let mut targets =
            Registry::new(&state, environment.org.as_ref()).functions(&environment.name)?;
        // A mistake in a file is for the command to tell that needs the file.
        if let Ok(config) = self.config_at(&self.directory()?, self.org.as_deref()) {
            for (name, _) in config.services() {
                if let Ok(located) = config.service(Some(&name), &environment.name)
                    && let Some(target) = Target::of(&located.service)
                {
                    targets.insert(name, target);
                }
            }
        }
        Ok(targets)
    }

    /// The platform that runs an environment.
    pub(crate) fn platform(&self, environment: &Environment) -> Result<Arc<dyn Platform>> {
        let directories = self.directories()?;
        if environment.platform == PlatformKind::Local {
            own("XDG_STATE_HOME", &directories.state)?;
        }
        let executable = std::env::current_exe().map_err(Error::internal)?;
        Ok(platform::connect(
            environment,
            &Places {
                state: directories.state,
                runtime: directories.runtime,
                executable,
                session: self.session(environment)?,
            },
            self.targets(environment)?,
        )?)
    }

    /// The way to AWS of an environment that lies there, or whose record does; none for the others. Reaches nothing.
    pub(crate) fn session(&self, environment: &Environment) -> Result<Option<Session>> {
        let in_bucket = environment
            .audit
            .as_deref()
            .is_some_and(|audit| audit.starts_with("s3://"));
        if environment.account.is_none() && !in_bucket {
            return Ok(None);
        }
        let cache = self.directories()?.cache;
        let pace = (!fs::is_of_another_user(&cache)).then(|| cache.join("aws"));
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions
            .entry(environment.log_name())
            .or_insert_with(|| Session::new(Settings::of(environment, &self.env, pace)));
        Ok(Some(session.clone()))
    }

    /// Who does something: the run in CI, else the person as git knows them, else the login name.
    pub(crate) fn actor(&self) -> Actor {
        let get = |name: &str| self.env.get(name).map(str::to_owned);
        let name = get(env::GITHUB_RUN_ID)
            .map(|id| format!("github-actions run {id}"))
            .or_else(|| get(env::CI_PIPELINE_ID).map(|id| format!("gitlab-ci pipeline {id}")))
            .or_else(|| get(env::BUILD_TAG).map(|tag| format!("jenkins {tag}")))
            .or_else(|| git::user(None))
            .or_else(|| get(env::USER))
            .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
        let host = rustix::system::uname();
        Actor {
            name,
            host: host.nodename().to_string_lossy().into_owned(),
            key: None,
        }
    }

    /// What CI says about the run that this is.
    pub(crate) fn pipeline(&self) -> Pipeline {
        let get = |name: &str| self.env.get(name).map(str::to_owned);
        let pull_request = self
            .env
            .get(env::GITHUB_REF)
            .and_then(|text| text.strip_prefix("refs/pull/"))
            .and_then(|text| text.split('/').next())
            .map(str::to_owned)
            .or_else(|| get(env::CI_MERGE_REQUEST_IID))
            .or_else(|| get(env::CHANGE_ID));
        let run = get(env::GITHUB_RUN_ID)
            .map(|id| match self.env.get(env::GITHUB_REPOSITORY) {
                Some(repository) => format!("{repository} run {id}"),
                None => format!("run {id}"),
            })
            .or_else(|| get(env::CI_PIPELINE_ID).map(|id| format!("pipeline {id}")))
            .or_else(|| get(env::BUILD_TAG));
        // The branch of a pull request, before the one that is built for it.
        let branch = get(env::GITHUB_HEAD_REF)
            .filter(|name| !name.is_empty())
            .or_else(|| {
                let branch = self.env.get(env::GITHUB_REF)?;
                branch.strip_prefix("refs/heads/").map(str::to_owned)
            })
            .or_else(|| get(env::CI_MERGE_REQUEST_SOURCE_BRANCH_NAME))
            .or_else(|| get(env::CI_COMMIT_BRANCH))
            .or_else(|| get(env::CHANGE_BRANCH))
            .or_else(|| get(env::BRANCH_NAME));
        Pipeline {
            pull_request,
            run,
            branch,
        }
    }

    /// Says that a command works on these services, for as long as the value lives.
    pub(crate) fn mark(
        &self,
        environment: &Environment,
        kind: &str,
        services: Vec<ServiceName>,
    ) -> Result<Option<Mark>> {
        let going_on = GoingOn {
            kind: kind.to_owned(),
            since: self.now(),
            services,
        };
        Ok(Mark::set(
            &self.directories()?.state,
            environment,
            &going_on,
        ))
    }

    /// Runs this very command again without `flag` and with `more`, detached from the terminal, and returns the file with its
    /// output. The mark goes over to it, so that there is no moment in which nothing seems to go on.
    pub(crate) fn go_on_alone(
        &self,
        flag: &str,
        more: &[String],
        what: &str,
        mark: Option<Mark>,
    ) -> Result<PathBuf> {
        let arguments: Vec<OsString> = std::env::args_os()
            .skip(1)
            .filter(|argument| argument != flag)
            .chain(more.iter().map(OsString::from))
            .collect();
        let (mut log, path) = self.background_log(what)?;
        // Where nothing can be kept (a full disk) it would end at once, and its output would not say so: this line shows it.
        let first = format!("in the background since {}\n", self.now());
        if let Err(error) = std::io::Write::write_all(&mut log, first.as_bytes()) {
            drop(std::fs::remove_file(&path));
            return Err(fs::at("write", &path)(error).into());
        }
        Self::spawn_alone(&arguments, (log, path), mark)
    }

    /// Runs another command of squad for the same org and environment, in the same way.
    pub(crate) fn run_alone(
        &self,
        arguments: &[&str],
        environment: &Environment,
        what: &str,
        mark: Option<Mark>,
    ) -> Result<PathBuf> {
        let mut all: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        all.extend(["--env".into(), environment.name.as_str().into()]);
        if let Some(org) = &self.org {
            all.extend(["--org".into(), org.into()]);
        }
        Self::spawn_alone(&all, self.background_log(what)?, mark)
    }

    /// A new file for the output of what goes on alone.
    fn background_log(&self, what: &str) -> Result<(File, PathBuf)> {
        let directory = self.directories()?.state.join("background");
        fs::create_private_dir(&directory)?;
        let path = directory.join(format!("{what}-{}.log", ulid::Ulid::generate()));
        let log = File::create(&path).map_err(fs::at("create", &path))?;
        Ok((log, path))
    }

    fn spawn_alone(
        arguments: &[OsString],
        (log, path): (File, PathBuf),
        mark: Option<Mark>,
    ) -> Result<PathBuf> {
        let executable = std::env::current_exe().map_err(Error::internal)?;
        let mut command = process::command(executable);
        command
            .args(arguments)
            .arg("--yes")
            .stdout(log.try_clone().map_err(fs::at("open", &path))?)
            .stderr(log)
            .process_group(0);
        if let Some(file) = mark.and_then(Mark::hand_over) {
            // It reads nothing from it: it holds the lock by having it open.
            command.stdin(file);
        }
        // Not waited for: it goes on when this process has ended.
        drop(command.spawn().map_err(Error::internal)?);
        Ok(path)
    }
}

/// The service that was meant may be one that was deployed from elsewhere on this machine, or one that the org knows.
fn with_nearest(unknown: UnknownService, registry: &Registry, config: &Config) -> UnknownService {
    let deployed = registry.names().unwrap_or_default();
    let of_org = config.org_file().into_iter();
    let of_org = of_org.flat_map(|org| org.services.keys());
    unknown.or_nearest(&deployed).or_nearest(of_org)
}

/// Refuses a directory of another user.
fn own(variable: &str, directory: &Path) -> Result<()> {
    if !fs::is_of_another_user(directory) {
        return Ok(());
    }
    let shown = directory.display();
    Err(Error::new(
        Kind::Refused,
        "foreign-owner",
        format!("`{shown}` belongs to another user"),
    )
    .hint(format!(
        "use squad as the user that it belongs to, or set {variable} to a directory of your own; `ls -ld {shown}` shows whose it is"
    )))
}
