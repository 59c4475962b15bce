//! The person's own files: `config.toml`, which people write, and `orgs.toml`, which `squad org` writes.

use std::path::Path;
use std::sync::Arc;

use super::check;
use super::manifest;
use super::place::{self, Mistake, Place, Role, SourceFile};
use super::reader::{Findings, Reader};
use super::tree;
use crate::domain::name::{EnvironmentName, OrgName};
use crate::domain::org::Registry;
use crate::env::Directories;
use crate::fs;

/// Name of the person's own configuration.
pub(crate) const CONFIG_FILE: &str = "config.toml";
/// Name of the list of orgs.
pub(crate) const ORGS_FILE: &str = "orgs.toml";

/// What `config.toml` says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Person {
    /// The file, as it is shown; none when it is not there.
    pub(crate) file: Option<String>,
    /// The org to use.
    pub(crate) org: Option<OrgName>,
    /// Where that is said.
    pub(crate) org_place: Option<Place>,
    /// The environment to use.
    pub(crate) env: Option<EnvironmentName>,
    /// Where that is said.
    pub(crate) env_place: Option<Place>,
    /// `text` or `json`.
    pub(crate) output: Option<&'static str>,
    /// `auto`, `always` or `never`.
    pub(crate) color: Option<&'static str>,
}

/// Reads `config.toml`; everything is none when it is not there.
pub(crate) fn read(
    directories: &Directories,
    from: &Path,
    mistakes: &mut Vec<Mistake>,
) -> Result<Person, fs::Error> {
    let path = directories.config.join(CONFIG_FILE);
    let file = place::read(&path, from, Role::Person, mistakes)?;
    Ok(file.map_or_else(Person::default, |file| parse(&file, mistakes)))
}

fn parse(file: &Arc<SourceFile>, mistakes: &mut Vec<Mistake>) -> Person {
    let (tree, broken) = tree::parse(file);
    mistakes.extend(broken);
    let findings = Findings::default();
    let mut root = Reader::root(&tree, &findings);
    manifest::schema_if_there(&mut root);
    let place_of = |key: &str| tree.at(&[key]).and_then(|node| node.place.clone());
    let person = Person {
        file: Some(file.shown.clone()),
        org: root.value("org", check::name),
        org_place: place_of("org"),
        env: root.value("env", check::name),
        env_place: place_of("env"),
        output: root.value("output", check::one_of(&["text", "json"])),
        color: root.value("color", check::one_of(&["auto", "always", "never"])),
    };
    root.finish();
    mistakes.extend(findings.take_mistakes());
    person
}

/// Reads `orgs.toml`.
pub(crate) fn registry(
    directories: &Directories,
    from: &Path,
    mistakes: &mut Vec<Mistake>,
) -> Result<Registry, fs::Error> {
    let path = directories.config.join(ORGS_FILE);
    let Some(file) = place::read(&path, from, Role::Person, mistakes)? else {
        return Ok(Registry::default());
    };
    match toml::from_str(&file.text) {
        Ok(registry) => Ok(registry),
        Err(error) => {
            let mut place = file.start();
            if let Some(span) = error.span() {
                place.start = span.start;
                place.end = span.end;
            }
            mistakes.push(Mistake {
                place,
                message: format!(
                    "{}; `squad org` writes this file: to begin anew, move it away and add each org again, `squad org add DIRECTORY_OR_URL`",
                    error.message().trim().replace('\n', ", ")
                ),
                missing: false,
            });
            Ok(Registry::default())
        }
    }
}
