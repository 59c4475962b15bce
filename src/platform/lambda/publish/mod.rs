//! Publishing a release as a version of its function.

use super::Lambda;
use crate::domain::release::Release;
use crate::platform::{Error, OnProgress, Published, Result};

/// Makes a version of this release that takes no traffic yet; the same digest yields the same version.
pub(super) async fn run(
    _platform: &Lambda,
    release: &Release,
    _progress: OnProgress<'_>,
) -> Result<Published> {
    Err(Error::Unsupported(format!(
        "`{}` cannot be published to Lambda by this version of squad",
        release.service.name
    )))
}
