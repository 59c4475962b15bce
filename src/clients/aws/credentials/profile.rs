//! Two questions about the shared configuration files, for the words of an error and for `whoami`.
//!
//! The SDK reads the same files to get credentials; this reads only names of profiles, roles and logins.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::fs;

/// How many `source_profile` are followed.
const DEPTH: usize = 8;

/// What is read of a profile.
const KEYS: [&str; 4] = [
    "sso_session",
    "sso_start_url",
    "login_session",
    "source_profile",
];

type Section = BTreeMap<String, String>;

/// The profile whose IAM Identity Center login `name` relies on: itself or its source; none when it relies on none.
pub(super) fn sso(files: &[PathBuf], name: &str) -> Option<String> {
    with(files, name, &["sso_session", "sso_start_url"])
}

/// The profile whose login by `aws login` the one called `name` relies on, as [`sso`].
pub(super) fn login(files: &[PathBuf], name: &str) -> Option<String> {
    with(files, name, &["login_session"])
}

/// The profile that has one of these keys: the one called `name`, or the one that it takes its credentials from.
fn with(files: &[PathBuf], name: &str, keys: &[&str]) -> Option<String> {
    let profiles = read(files);
    let mut name = name;
    for _ in 0..DEPTH {
        let profile = profiles.get(name)?;
        if keys.iter().any(|key| profile.contains_key(*key)) {
            return Some(name.to_owned());
        }
        name = profile.get("source_profile")?;
    }
    None
}

/// Whether the files have a profile of this name.
pub(super) fn exists(files: &[PathBuf], name: &str) -> bool {
    read(files).contains_key(name)
}

/// The profiles that the files have, in order of their names.
pub(super) fn names(files: &[PathBuf]) -> Vec<String> {
    read(files).into_keys().collect()
}

/// The profiles of the files, without anything that could be a secret (AWS SDKs and Tools Reference Guide, "Format of
/// the shared config and credentials files").
fn read(files: &[PathBuf]) -> BTreeMap<String, Section> {
    let mut profiles: BTreeMap<String, Section> = BTreeMap::new();
    for file in files {
        let Ok(Some(text)) = fs::read_if_there(file) else {
            continue;
        };
        let mut section: Option<String> = None;
        for line in text.lines() {
            if let Some(header) = line.trim().strip_prefix('[') {
                let header = header.split(']').next().unwrap_or_default().trim();
                section = match header.split_once(char::is_whitespace) {
                    Some(("profile", name)) => Some(name.trim().to_owned()),
                    Some(_) => None,
                    None => Some(header.to_owned()),
                };
                if let Some(name) = &section {
                    profiles.entry(name.clone()).or_default();
                }
                continue;
            }
            let (Some(section), Some((key, value))) = (&section, line.split_once('=')) else {
                continue;
            };
            let key = key.trim();
            if KEYS.contains(&key) {
                let profile = profiles.entry(section.clone()).or_default();
                profile.insert(key.to_owned(), value.trim().to_owned());
            }
        }
    }
    profiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_a_profile_is_its_own_or_that_of_its_source() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config");
        std::fs::write(
            &file,
            "[default]\nregion = eu-west-1\n[sso-session acme]\nsso_start_url = https://x\n\
             [profile dev]\nsso_session = acme\n[profile prod]\nsource_profile=dev\nrole_arn=r\n\
             [profile loop]\nsource_profile = loop\n",
        )
        .unwrap();
        let files = [directory.path().join("missing"), file];
        for (name, login) in [
            ("default", None),
            ("dev", Some("dev")),
            ("prod", Some("dev")),
            ("loop", None),
            ("acme", None),
        ] {
            assert_eq!(sso(&files, name).as_deref(), login, "{name}");
        }
        assert!(exists(&files, "prod") && !exists(&files, "acme"));
        assert_eq!(names(&files), ["default", "dev", "loop", "prod"]);
    }
}
