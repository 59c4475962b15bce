//! The code of a version that is kept, for a release that is published once more with other settings: what it is comes from AWS,
//! and is what was published then, byte by byte, or it is not used.
//!
//! Writes nothing. Whoever gets nothing from here builds as for a new release.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::Lambda;
use super::super::read as reads;
use super::observed::{Observed, Package as Kind};
use super::release::LARGEST_DIRECT;
use super::wanted::Wanted;
use crate::domain::release::{Package, RevisionNumber};
use crate::domain::service::Service;
use crate::domain::version::VersionNote;

/// The package of a version; none where it is an image, larger than a call takes, for another architecture than is asked for, or
/// cannot be had whole.
pub(in crate::platform::lambda) async fn of_version(
    platform: &Lambda,
    service: &Service,
    number: RevisionNumber,
) -> Option<Package> {
    let target = platform.target(&service.name);
    let (function, qualifier) = (target.function.as_str(), number.to_string());
    let client = platform.session().lambda().await;
    let (version, latest) = tokio::try_join!(
        reads::function(&client, function, Some(&qualifier)),
        reads::function(&client, function, None),
    )
    .ok()?;
    let (version, latest) = (version?, latest?);
    let (kept, latest) = (
        Observed::of_function(&version)?,
        Observed::of_function(&latest)?,
    );
    let wanted = Wanted::of(service, kept.package).ok()?;
    let is_for = wanted.architecture_of(&latest.configuration);
    if kept.package != Kind::Zip || kept.configuration.architecture != is_for {
        return None;
    }
    let note = VersionNote::parse(&kept.description)?;
    let size = u64::try_from(version.configuration()?.code_size()).ok()?;
    if size > LARGEST_DIRECT as u64 {
        return None;
    }
    // AWS gives it out for ten minutes, to whoever has the address.
    let address = version.code()?.location()?;
    let asked = ("lambda:GetFunction", function);
    let bytes = platform.session().fetch(address, asked, size).await.ok()?;
    let sha256 = STANDARD.encode(digest(&SHA256, &bytes));
    (sha256 == kept.code_sha256).then(|| Package::Zip {
        bytes: bytes.into(),
        sha256,
        tree: note.tree,
    })
}
