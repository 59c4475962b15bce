//! What a deploy ships: the files, their digest, and where they come from.

use std::path::PathBuf;

use super::Options;
use crate::clients::git::Repository;
use crate::clients::source::{self, Contents, Files};
use crate::domain::live::Revision;
use crate::domain::release::Provenance;
use crate::domain::repository::without_secrets;
use crate::domain::service::Service;
use crate::error::{Error, Kind, Result};

/// All that planning needs to know of the sources.
pub(super) struct Gathered {
    /// The digest of the files; empty where they do not count.
    pub(super) sources: String,
    pub(super) provenance: Provenance,
    pub(super) files: Files,
    pub(super) contents: Contents,
    pub(super) repository: Option<Repository>,
}

/// The directory of the service and the paths it declares, absolute.
pub(super) fn roots(options: &Options) -> Vec<PathBuf> {
    let mut roots = vec![options.directory.clone()];
    roots.extend(
        options
            .service
            .build
            .inputs
            .iter()
            .map(|path| normal(options, path)),
    );
    roots
}

/// A declared path without `.` and `..`, so that git and the digest name it one way.
fn normal(options: &Options, path: &str) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in options.directory.join(path).components() {
        match component {
            std::path::Component::ParentDir => drop(normal.pop()),
            std::path::Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

/// Where the stamps of the sources are kept.
pub(super) fn stamps(options: &Options) -> PathBuf {
    let key = options.directory.to_string_lossy().replace(['/', ' '], "_");
    let kind = if options.artifact.is_some() {
        "artifact"
    } else {
        "source"
    };
    options
        .cache
        .join("stamps")
        .join(format!("{kind}{key}.json"))
}

/// Lists and digests the sources. The two questions to git run beside each other.
pub(super) fn gather(options: &Options) -> Result<Gathered> {
    let repository = Repository::discover(&options.directory);
    let roots = roots(options);
    let (directory, inputs) = (
        options
            .artifact
            .clone()
            .unwrap_or_else(|| options.directory.clone()),
        roots.get(1..).unwrap_or_default().to_vec(),
    );
    if options.artifact.is_some() && !directory.is_dir() {
        return Err(Error::new(
            Kind::Failed,
            "artifact-missing",
            format!("`{}` is not a directory", directory.display()),
        ));
    }
    let own = [options.state.as_path(), options.cache.as_path()];
    let (head, listed) = std::thread::scope(|scope| {
        let head = scope.spawn(|| match &repository {
            Some(repository) => repository.head(&roots).map(Some),
            None => Ok(None),
        });
        let files = if options.artifact.is_some() {
            // An artifact is what it is, ignored files and all.
            source::list(None, &directory, &[], &own)
        } else {
            source::list(repository.as_ref(), &directory, &inputs, &own)
        };
        let listed = files.and_then(|files| {
            source::contents(&files, &stamps(options)).map(|contents| (files, contents))
        });
        (head.join(), listed)
    });
    let head = head.map_err(|_| Error::internal("the thread that asked git died"))??;
    let (files, contents) = listed?;
    let mut sources = contents.digest.clone();
    // An image that is built elsewhere is all of the release, and its digest is in the configuration.
    if super::build::image(options).is_some() && options.service.build.command.is_empty() {
        sources.clear();
    }
    let mut provenance = Provenance {
        pull_request: options.pipeline.pull_request.clone(),
        pipeline_run: options.pipeline.run.clone(),
        repository: options.repository.as_deref().map(without_secrets),
        ..Provenance::default()
    };
    if let Some(head) = head {
        provenance.commit = head.commit;
        provenance.branch = head.branch.or_else(|| options.pipeline.branch.clone());
        provenance.dirty = head.dirty;
    }
    Ok(Gathered {
        sources,
        provenance,
        files,
        contents,
        repository,
    })
}

impl Gathered {
    /// `sha256:<64 hex>`: one digest over all that decides what the revision is, the files, the effective configuration
    /// and the build's argv. Secret values are not in it: only their references are known here. `options` name the image
    /// by its digest, where it is one.
    pub(super) fn digest(&self, options: &Options) -> Result<String> {
        let digest = release(&self.sources, &options.service)?;
        if options.rebuild {
            return Ok(format!("{digest}+{}", ulid::Ulid::generate()));
        }
        Ok(digest)
    }
}

/// The digest of these files with this configuration.
fn release(sources: &str, service: &Service) -> Result<String> {
    let service = serde_json::to_string(service).map_err(Error::internal)?;
    let text = format!("squad-release/v1\n{sources}\n{service}\n");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    Ok(format!("sha256:{}", source::hex(digest.as_ref())))
}

/// Whether anything but the configuration differs from what is live. `squad.toml` is among the files; that it changed
/// is told by its keys. What cannot be told counts as a difference.
pub(super) fn differ(
    live: &Revision,
    sources: &str,
    repository: Option<&Repository>,
    options: &Options,
) -> bool {
    let same = live.service.as_deref().is_some_and(|service| {
        let base = live.digest.split('+').next();
        release(sources, service).ok().as_deref() == base
    });
    if same {
        return false;
    }
    let (Some(repository), Some(commit), false) = (
        repository,
        live.provenance.commit.as_deref(),
        live.provenance.dirty || options.artifact.is_some(),
    ) else {
        return true;
    };
    let (roots, own) = (roots(options), options.directory.join("squad.toml"));
    repository.changed_since(commit).map_or(true, |changed| {
        changed
            .iter()
            .map(|path| repository.root.join(path))
            .any(|path| path != own && roots.iter().any(|root| path.starts_with(root)))
    })
}
