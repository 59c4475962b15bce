//! Which org is meant: a flag, a variable, the service's file, the person's configuration, in this order.

use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use super::Error;
use super::person::Person;
use super::place::Place;
use crate::domain::meant::nearest;
use crate::domain::name::OrgName;
use crate::domain::org::{Registry, Source};
use crate::domain::repository::{query, without_secrets};
use crate::env::Directories;

/// Name of an org's file.
pub(crate) const ORG_FILE: &str = "org.toml";
/// Name of the file that holds what was fetched of an org.
pub(crate) const SNAPSHOT_FILE: &str = "snapshot.json";

/// Who chose the org.
#[derive(Debug, Clone)]
pub(crate) enum ChosenBy {
    /// `--org`.
    Flag,
    /// `SQUAD_ORG`.
    Variable,
    /// `service.org` of a `squad.toml`.
    Service(Place),
    /// `org` of the person's `config.toml`.
    Person(Place),
    /// `squad org use`.
    Use,
}

impl ChosenBy {
    /// Who, for people.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Flag => "--org".to_owned(),
            Self::Variable => "SQUAD_ORG".to_owned(),
            Self::Service(place) | Self::Person(place) => place.shown(),
            Self::Use => "`squad org use`".to_owned(),
        }
    }
}

/// The org that was chosen.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    /// Who chose it.
    pub(crate) by: ChosenBy,
    /// The name it was added under; none when it is named by its directory or address.
    pub(crate) alias: Option<OrgName>,
    /// The name in its file when it was added; none as for the alias.
    pub(crate) name: Option<OrgName>,
    /// Where it lies, with the credentials that were given.
    pub(crate) source: Source,
}

/// What the choice came to.
#[derive(Debug, Clone)]
pub(crate) enum Selection {
    /// Nobody chose one.
    None,
    /// One that can be read.
    Known(Selected),
    /// The service names one that this machine does not know: only the built-in environment is left.
    Missing(OrgName, Place),
}

/// Chooses.
pub(crate) fn select(
    flag: Option<&str>,
    variable: Option<&str>,
    service: Option<(&OrgName, &Place)>,
    person: &Person,
    registry: &Registry,
    directory: &Path,
) -> Result<Selection, Error> {
    let given = flag
        .map(|text| (text, ChosenBy::Flag))
        .or_else(|| variable.map(|text| (text, ChosenBy::Variable)));
    if let Some((text, by)) = given {
        return named(text, by, registry, directory).map(Selection::Known);
    }
    if let Some((name, place)) = service {
        let by = ChosenBy::Service(place.clone());
        return Ok(registered(name, by, registry).map_or_else(
            || Selection::Missing(name.clone(), place.clone()),
            Selection::Known,
        ));
    }
    let own = match (&person.org, &person.org_place, &registry.current) {
        (Some(name), Some(place), _) => Some((name, ChosenBy::Person(place.clone()))),
        (_, _, Some(name)) => Some((name, ChosenBy::Use)),
        _ => None,
    };
    let Some((name, by)) = own else {
        return Ok(Selection::None);
    };
    let shown = by.shown();
    registered(name, by, registry)
        .map(Selection::Known)
        .ok_or_else(|| unknown(name.as_str(), &shown, registry))
}

fn registered(name: &OrgName, by: ChosenBy, registry: &Registry) -> Option<Selected> {
    let (alias, org) = registry.find(name)?;
    Some(Selected {
        by,
        alias: Some(alias.clone()),
        name: Some(org.name.clone()),
        source: org.source.clone(),
    })
}

fn unknown(name: &str, by: &str, registry: &Registry) -> Error {
    let known: Vec<String> = registry.org.keys().map(ToString::to_string).collect();
    Error::UnknownOrg {
        name: name.to_owned(),
        by: by.to_owned(),
        nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
        known,
    }
}

/// A name, a directory or an address of a git repository.
fn named(
    text: &str,
    by: ChosenBy,
    registry: &Registry,
    directory: &Path,
) -> Result<Selected, Error> {
    if let Ok(name) = OrgName::new(text)
        && let Some(selected) = registered(&name, by.clone(), registry)
    {
        return Ok(selected);
    }
    match source(text, directory) {
        Some(source) => Ok(Selected {
            by,
            alias: None,
            name: None,
            source,
        }),
        None => Err(unknown(text, &by.shown(), registry)),
    }
}

/// What a text names that is not the name of an org: an address of a git repository, or a directory with an
/// org's file in it. None when it is neither.
pub(crate) fn source(text: &str, directory: &Path) -> Option<Source> {
    if is_address(text) {
        return Some(Source::Git(text.to_owned()));
    }
    let path = normal(&directory.join(text));
    if path.is_file() && path.file_name().is_some_and(|name| name == ORG_FILE) {
        return path.parent().map(|path| Source::Directory(path.to_owned()));
    }
    if path.join(ORG_FILE).is_file() {
        return Some(Source::Directory(path));
    }
    // A bare repository on this machine, or on a disk that several machines share.
    if path.join("HEAD").is_file() && path.join("objects").is_dir() {
        return Some(Source::Git(path.display().to_string()));
    }
    None
}

/// Whether a text is an address that git fetches from, rather than a path: `scheme://…` or `user@host:path`.
fn is_address(text: &str) -> bool {
    if text.contains("://") {
        return true;
    }
    text.split_once(':').is_some_and(|(host, path)| {
        !host.is_empty() && !host.contains('/') && !path.is_empty() && !path.starts_with(':')
    })
}

/// A path without `.` and `..`, as far as the text tells.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}

/// Where what was fetched of a repository is kept: its name and a digest of its address. What is behind the path of an
/// HTTP address can choose the repository, so it is in the digest; a name and a password cannot.
pub(crate) fn cache_of(url: &str, directories: &Directories) -> PathBuf {
    directories.cache.join("orgs").join(kept_as(url))
}

/// The name of the directory for what is kept of a repository; see [`cache_of`].
pub(crate) fn kept_as(url: &str) -> String {
    let behind = query(url);
    let url = without_secrets(url);
    let name: String = url
        .trim_end_matches('/')
        .trim_end_matches(".git")
        .rsplit(['/', ':'])
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(40)
        .collect();
    let digest = Sha1::digest(format!("{url}{behind}"));
    let digest = digest
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    format!("{name}-{digest:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_a_place_of_its_own_whoever_asks() {
        let env = crate::env::Env::of(&[("HOME", "/home/ana")]);
        let directories = env.directories().unwrap();
        let place = |url: &str| cache_of(url, &directories);
        let plain = place("https://host/org.git");
        assert_eq!(place("https://ana:secret@host/org.git"), plain);
        let first = place("https://host/org.git?tenant=acme");
        let second = place("https://ana:secret@host/org.git?tenant=beta");
        assert!(first != plain && second != plain && first != second);
        assert!(!second.display().to_string().contains("beta"));
    }

    #[test]
    fn addresses_and_paths_differ() {
        for (text, wanted) in [
            ("https://github.com/acme/org", true),
            ("git@github.com:acme/org.git", true),
            ("file:///srv/org", true),
            ("./org", false),
            ("../a:b/org", false),
            ("/srv/org", false),
            ("acme", false),
            ("ext::sh -c x", false),
        ] {
            assert_eq!(is_address(text), wanted, "{text}");
        }
    }
}
