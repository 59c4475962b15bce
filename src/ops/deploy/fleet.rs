//! Many services in one plan: which ones, and one result for each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clients::git::Repository;
use crate::domain::name::ServiceName;
use crate::domain::service::Service;
use crate::error::{Error, Kind, Result};

/// How many builds may run beside each other.
const BUILDS_AT_ONCE: usize = 4;

/// The turns of what takes this machine's processors: builds, and making packages. Cheap to clone; all clones share.
#[derive(Debug, Clone)]
pub(crate) struct Builds(Arc<Semaphore>);

impl Builds {
    /// None is under way.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BUILDS_AT_ONCE)))
    }

    /// Waits for a turn, which lasts as long as the value.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let semaphore = Arc::clone(&self.0);
        semaphore.acquire_owned().await.map_err(Error::internal)
    }
}

/// A member of a workspace and where its inputs are.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// The service, effective for the environment.
    pub(crate) service: Service,
    /// The directory of its `squad.toml`, absolute.
    pub(crate) directory: PathBuf,
}

/// The members whose inputs (their directory and the paths they declare) differ from `reference`.
pub(crate) fn changed_since(
    workspace: &Path,
    members: &[Member],
    reference: &str,
) -> Result<Vec<ServiceName>> {
    let Some(repository) = Repository::discover(workspace) else {
        return Err(Error::new(
            Kind::Usage,
            "not-in-git",
            format!(
                "cannot tell what changed since `{reference}`: `{}` is not in a git repository",
                workspace.display()
            ),
        )
        .hint("deploy all of them with `squad deploy --all`"));
    };
    let changed: Vec<_> = repository
        .changed_since(reference)
        .map_err(|error| {
            let asked = format!("cannot tell what changed since `{reference}`");
            if repository.resolves(reference) {
                return Error::from(error).context(&asked);
            }
            Error::new(
                Kind::Usage,
                "no-such-commit",
                format!("{asked}: git knows no such commit here"),
            )
            .hint("if it is on the remote only, or the clone is shallow: `git fetch --unshallow`, or `git fetch`")
        })?
        .into_iter()
        .map(|path| repository.root.join(path))
        .collect();
    let is_input = |member: &Member, path: &Path| {
        let inputs = member.service.build.inputs.iter();
        path.starts_with(&member.directory)
            || inputs
                .map(|input| normal(&member.directory.join(input)))
                .any(|input| path.starts_with(input))
    };
    Ok(members
        .iter()
        .filter(|member| changed.iter().any(|path| is_input(member, path)))
        .map(|member| member.service.name.clone())
        .collect())
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir => drop(normal.pop()),
            std::path::Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}
