//! Which platform runs an environment, and what it takes to reach it.

use std::path::PathBuf;
use std::sync::Arc;

use super::lambda::{self, Lambda};
use super::local::{self, Local};
use super::{Error, Platform, Result};
use crate::domain::environment::{Environment, PlatformKind};

/// Where a platform on this machine keeps its things.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// squad's state directory.
    pub(crate) state: PathBuf,
    /// squad's runtime directory (sockets).
    pub(crate) runtime: PathBuf,
    /// The `squad` binary.
    pub(crate) executable: PathBuf,
    /// The way to AWS, for an environment that lies there.
    pub(crate) session: Option<crate::clients::aws::Session>,
}

/// The platform that runs an environment. Reaches nothing yet. `targets` is what files say of the functions behind
/// services.
pub(crate) fn connect(
    environment: &Environment,
    places: &Places,
    targets: lambda::Targets,
) -> Result<Arc<dyn Platform>> {
    if environment.platform == PlatformKind::Lambda {
        let settings = lambda_settings(environment, places, targets)?;
        return Ok(Arc::new(Lambda::new(settings)));
    }
    Ok(Arc::new(Local::new(local_settings(environment, places)?)))
}

/// What it takes to reach the functions of a Lambda environment.
fn lambda_settings(
    environment: &Environment,
    places: &Places,
    targets: lambda::Targets,
) -> Result<lambda::Settings> {
    let session = places
        .session
        .clone()
        .filter(|session| session.account().is_some() && session.region().is_some());
    let Some(session) = session else {
        return Err(Error::Unsupported(format!(
            "the environment `{}` pins no account and region in org.toml",
            environment.name
        )));
    };
    Ok(lambda::Settings {
        objects: lambda::store(environment, &places.state, &session)?,
        session,
        targets,
    })
}

/// What it takes to reach the supervisor of a local environment.
pub(crate) fn local_settings(
    environment: &Environment,
    places: &Places,
) -> Result<local::Settings> {
    match environment.platform {
        PlatformKind::Local => Ok(local::Settings {
            state: places.state.join("local").join(environment.log_name()),
            runtime: places.runtime.clone(),
            executable: places.executable.clone(),
            name: environment.name.to_string(),
        }),
        PlatformKind::Lambda => Err(Error::Unsupported(format!(
            "the environment `{}` is on Lambda, and nothing of it runs on this machine",
            environment.name
        ))),
        PlatformKind::Eks => Err(Error::NotThere {
            platform: environment.platform.as_str(),
            environment: environment.name.to_string(),
        }),
    }
}
