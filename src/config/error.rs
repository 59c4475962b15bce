//! Why the configuration cannot be used; the words for people are in `error::config`.

use std::path::PathBuf;

use super::origin::Origin;
use super::place::Mistake;
use crate::domain::meant::nearest;
use crate::domain::name::{EnvironmentName, OrgName, ServiceName};
use crate::fs;

/// A service that the files do not have.
#[derive(Debug)]
pub(crate) struct UnknownService {
    /// What was asked for.
    pub(crate) name: ServiceName,
    /// What the files have.
    pub(crate) known: Vec<ServiceName>,
    /// The name that was probably meant.
    pub(crate) nearest: Option<String>,
    /// Where the org says that its repository is.
    pub(crate) repository: Option<String>,
    /// The environments that were asked as well, in words; none where only the files were.
    pub(crate) place: Option<String>,
}

impl Error {
    /// With who asked for an environment that there is not.
    pub(crate) fn asked_by(mut self, who: &Origin) -> Self {
        if let Self::UnknownEnvironment { by, .. } = &mut self {
            *by = Some(who.to_string());
        }
        self
    }
}

impl UnknownService {
    /// With the name that was probably meant among these too, where the files have none that is near.
    pub(crate) fn or_nearest<'a>(
        mut self,
        names: impl IntoIterator<Item = &'a ServiceName>,
    ) -> Self {
        if self.nearest.is_none() {
            let others = names.into_iter().filter(|name| **name != self.name);
            let near = nearest(self.name.as_str(), others.map(ServiceName::as_str));
            self.nearest = near.map(str::to_owned);
        }
        self
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The files have mistakes: all of them.
    #[error("{} mistakes", .0.len())]
    Mistakes(Vec<Mistake>),
    /// There is no `squad.toml` here or above.
    #[error("no squad.toml in {}", .0.display())]
    NoService(PathBuf),
    /// The directory holds several services, and none was named.
    #[error("several services")]
    SeveralServices(Vec<ServiceName>),
    /// These files have no service of this name.
    #[error("no service {}", .0.name)]
    UnknownService(Box<UnknownService>),
    /// There is no environment of this name.
    #[error("no environment {name}")]
    UnknownEnvironment {
        /// What was asked for.
        name: EnvironmentName,
        /// What there is, nearest first.
        known: Vec<EnvironmentName>,
        /// The name that was probably meant.
        nearest: Option<String>,
        /// The selected org.
        org: Option<OrgName>,
        /// The org that the service names, when this machine does not know it.
        missing_org: Option<OrgName>,
        /// Who asked for it, where that was no flag.
        by: Option<String>,
    },
    /// A protected environment that no commit of the org's repository holds.
    #[error("{name} is not committed")]
    Uncommitted {
        /// The environment.
        name: EnvironmentName,
        /// The org's file.
        file: PathBuf,
    },
    /// There is no org of this name.
    #[error("no org {name}")]
    UnknownOrg {
        /// What was asked for.
        name: String,
        /// Who asked for it.
        by: String,
        /// What there is.
        known: Vec<String>,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// The service belongs to another org than the selected one.
    #[error("{service} belongs to {wanted}")]
    OtherOrg {
        /// The service.
        service: String,
        /// Its org.
        wanted: OrgName,
        /// Where that is said.
        place: String,
        /// The selected org.
        selected: OrgName,
        /// Who selected it.
        by: String,
    },
    /// The org's directory has no `org.toml` any more.
    #[error("no {}", path.display())]
    NoOrgFile {
        /// Where it should be.
        path: PathBuf,
        /// The name the org was added under.
        alias: Option<OrgName>,
    },
    /// The org's repository was never fetched to this machine.
    #[error("{url} was not fetched")]
    NotFetched {
        /// Its address, without credentials.
        url: String,
    },
    /// A variable holds something that is not a name.
    #[error("{variable} is not a name")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// The rule it breaks, with its value.
        reason: String,
    },
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] fs::Error),
}
