//! What a build leaves among the sources that it was made of: git does not ignore it, so the next deploy is of other sources.
//!
//! It is advice: what cannot be read or kept is left out.

use std::path::PathBuf;

use super::{Options, Plan, sources};
use crate::clients::source::{self, Files};
use crate::fs;

/// Looks after a build which of the sources it wrote, keeps that for the next plan, and hands back what this plan did not
/// name, as the service's directory names it.
pub(super) async fn note(options: &Options, plan: &Plan) -> Vec<String> {
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
        shown(&options, &written)
    });
    let written = looked.await.unwrap_or_default();
    written
        .into_iter()
        .filter(|file| !named.contains(file))
        .collect()
}

/// What the last build wrote and is among the sources now, as the service's directory names it.
pub(super) fn noted(options: &Options, files: &Files) -> Vec<String> {
    let text = fs::read_if_there(&kept(options)).ok().flatten();
    let written: Vec<PathBuf> = text
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let there = written
        .into_iter()
        .filter(|path| files.paths.binary_search(path).is_ok());
    shown(options, &there.collect::<Vec<_>>())
}

/// Files as the service's directory names them.
fn shown(options: &Options, files: &[PathBuf]) -> Vec<String> {
    files
        .iter()
        .map(|path| source::relative(&options.directory, path))
        .map(|path| path.display().to_string())
        .collect()
}

fn kept(options: &Options) -> PathBuf {
    let builds = options.state.join("builds");
    builds.join(format!("{}.written.json", options.service.name))
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
