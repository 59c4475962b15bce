//! What a build leaves among the sources that it was made of: git does not ignore it, so the next deploy is of other sources.
//!
//! It is advice: what cannot be read or kept is left out.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};

use super::{Options, Plan, sources};
use crate::clients::git::Repository;
use crate::clients::source::{self, Files};
use crate::fs;

/// A file that a build wrote among its sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// As the service's directory names it.
    pub(crate) name: String,
    /// Git has it in its index: to ignore it is not enough.
    pub(crate) is_tracked: bool,
}

/// Looks after a build which of the sources it wrote, keeps that for the next plan, and hands back what this plan did not
/// name, as the service's directory names it.
pub(super) async fn note(options: &Options, plan: &Plan) -> Vec<Written> {
    let named = plan.build_wrote.clone();
    let (options, plan) = (options.clone(), plan.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let path = kept(&options);
        let written = written(&options, &plan);
        if written.is_empty() {
            drop(std::fs::remove_file(path));
        } else if let Ok(text) = serde_json::to_vec(&written) {
            drop(fs::write_durably(&path, &text, 0o600));
        }
        shown(&options, plan.repository.as_ref(), &written)
    });
    let written = looked.await.unwrap_or_default();
    written
        .into_iter()
        .filter(|file| !named.iter().any(|one| one.name == file.name))
        .collect()
}

/// What the last build wrote and is among the sources now, as the service's directory names it.
pub(super) fn noted(
    options: &Options,
    repository: Option<&Repository>,
    files: &Files,
) -> Vec<Written> {
    let text = fs::read_if_there(&kept(options)).ok().flatten();
    let written: Vec<PathBuf> = text
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let there = written
        .into_iter()
        .filter(|path| files.paths.binary_search(path).is_ok());
    shown(options, repository, &there.collect::<Vec<_>>())
}

/// Files as the service's directory names them.
fn shown(options: &Options, repository: Option<&Repository>, files: &[PathBuf]) -> Vec<Written> {
    if files.is_empty() {
        return Vec::new();
    }
    let tracked = repository
        .and_then(|repository| repository.tracked(files).ok())
        .unwrap_or_default();
    let of = |path: &PathBuf| Written {
        name: source::relative(&options.directory, path)
            .display()
            .to_string(),
        is_tracked: tracked.contains(path),
    };
    files.iter().map(of).collect()
}

/// Of this service in this environment, built in this directory: another org may have one of the same name.
fn kept(options: &Options) -> PathBuf {
    let log_name = options.environment.log_name();
    let of = [
        log_name.as_bytes(),
        options.directory.as_os_str().as_bytes(),
    ];
    let digest = digest(&SHA256, &of.join(&0));
    let key = source::hex(digest.as_ref().get(..8).unwrap_or_default());
    let builds = options.state.join("builds");
    builds.join(format!("{}.{key}.written.json", options.service.name))
}

fn written(options: &Options, plan: &Plan) -> Vec<PathBuf> {
    let roots = sources::roots(options);
    let inputs = roots.get(1..).unwrap_or_default();
    let own = [options.state.as_path(), options.cache.as_path()];
    let repository = plan.repository.as_ref();
    source::list(repository, &options.directory, inputs, &own)
        .and_then(|now| {
            let before = (&plan.files, &plan.contents);
            source::written(before, &now, &sources::stamps(options))
        })
        .unwrap_or_default()
}
