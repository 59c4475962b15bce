//! Which `squad.toml` files belong together: the one of the directory or above, and a workspace with its
//! members, as Cargo finds them.

use std::path::{Path, PathBuf};

use globset::Glob;

use super::org::check_defaults;
use super::place::{self, Mistake, Role, SourceFile};
use super::reader::{Findings, Reader};
use super::tree::{self, Node};
use super::{MANIFEST, check, manifest};
use crate::fs;

/// One `squad.toml` that was read.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// Its path, absolute.
    pub(crate) path: PathBuf,
    /// Its content.
    pub(crate) tree: Node,
    /// Its syntax is broken somewhere.
    pub(crate) broken: bool,
}

/// The files that were found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The one of the directory or above.
    pub(crate) nearest: Option<PathBuf>,
    /// The directory of the file with `[workspace]`.
    pub(crate) root: Option<PathBuf>,
    /// Every service, in the order of the paths.
    pub(crate) services: Vec<Manifest>,
    /// `[workspace.defaults]`.
    pub(crate) defaults: Option<Node>,
}

impl Found {
    /// The files of the other services: not the nearest one.
    pub(crate) fn others(&self) -> Vec<PathBuf> {
        let paths = self.services.iter().map(|manifest| &manifest.path);
        paths
            .filter(|path| Some(*path) != self.nearest.as_ref())
            .cloned()
            .collect()
    }
}

/// Keys of `[workspace.defaults]`: any of a service.
const DEFAULTS: [&str; 8] = [
    "service", "build", "run", "function", "route", "rollout", "analysis", "env",
];

fn read(path: &Path, from: &Path, mistakes: &mut Vec<Mistake>) -> Result<Manifest, fs::Error> {
    let before = mistakes.len();
    let file = place::read(path, from, Role::Service, mistakes)?
        .unwrap_or_else(|| SourceFile::new(path, from, String::new(), Role::Service));
    let (tree, broken) = tree::parse(&file);
    mistakes.extend(broken);
    Ok(Manifest {
        path: path.to_owned(),
        tree,
        broken: mistakes.len() > before,
    })
}

/// Whether anybody may write into a directory, such as `/tmp`: what lies there is nobody's word, and its
/// commands must not run because somebody works below it.
fn is_everybodys(directory: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(directory).is_ok_and(|data| data.permissions().mode() & 0o002 != 0)
}

/// Finds and reads all files that matter for a directory.
pub(crate) fn find(directory: &Path, mistakes: &mut Vec<Mistake>) -> Result<Found, fs::Error> {
    let mut found = Found::default();
    let mut own = None;
    for above in directory.ancestors() {
        if above != directory && is_everybodys(above) {
            break;
        }
        let path = above.join(MANIFEST);
        if path.symlink_metadata().is_err() {
            continue;
        }
        let mut noted = Vec::new();
        let manifest = read(&path, directory, &mut noted)?;
        let is_root = manifest.tree.at(&["workspace"]).is_some();
        match own {
            None if is_root => {
                found.nearest = Some(path);
                mistakes.extend(noted);
                return workspace(manifest, found, None, directory, mistakes);
            }
            None => {
                found.nearest = Some(path);
                mistakes.extend(noted);
                own = Some(manifest);
            }
            Some(member) if is_root => {
                let members = members(&manifest, &Findings::default());
                if !members.contains(&member.path) {
                    own = Some(member);
                    continue;
                }
                mistakes.extend(noted);
                return workspace(manifest, found, Some(member), directory, mistakes);
            }
            Some(member) => own = Some(member),
        }
    }
    found.services.extend(own);
    Ok(found)
}

fn workspace(
    root: Manifest,
    mut found: Found,
    member: Option<Manifest>,
    from: &Path,
    mistakes: &mut Vec<Mistake>,
) -> Result<Found, fs::Error> {
    let findings = Findings::default();
    let mut reader = Reader::root(&root.tree, &findings);
    let own_service = root.tree.at(&["service"]).is_some();
    if !own_service {
        manifest::schema(&mut reader);
    }
    let mut section = reader.table("workspace");
    section.entry("members");
    if let Some(entry) = section.entry("defaults") {
        let (shown, node) = ("workspace.defaults", &entry.node);
        check_defaults(node, &DEFAULTS, shown, &findings);
        forbid_identity(node, &findings);
        found.defaults = Some(node.clone());
    }
    section.finish();
    if !own_service {
        reader.finish();
    }
    let paths = members(&root, &findings);
    mistakes.extend(suppressed(findings.take_mistakes(), root.broken));
    found.root = root.path.parent().map(Path::to_owned);
    let root_path = root.path.clone();
    if own_service {
        found.services.push(root);
    }
    let mut member = member;
    for path in paths.into_iter().filter(|path| *path != root_path) {
        let manifest = match member.take_if(|member| member.path == path) {
            Some(member) => member,
            None => read(&path, from, mistakes)?,
        };
        found.services.push(manifest);
    }
    Ok(found)
}

/// Where a file cannot be parsed as a whole, what seems missing may be in the part that was lost.
pub(crate) fn suppressed(mistakes: Vec<Mistake>, broken: bool) -> Vec<Mistake> {
    mistakes
        .into_iter()
        .filter(|mistake| !(broken && mistake.missing))
        .collect()
}

fn forbid_identity(defaults: &Node, findings: &Findings) {
    for key in ["name", "kind"] {
        if let Some(place) = defaults
            .at(&["service", key])
            .and_then(|node| node.place.clone())
        {
            let message = format!("`service.{key}` is each service's own, so it has no default");
            findings.mistake(&place, message);
        }
    }
}

/// The `squad.toml` files that `[workspace] members` names, sorted.
fn members(root: &Manifest, findings: &Findings) -> Vec<PathBuf> {
    let mut reader = Reader::root(&root.tree, findings);
    let mut section = reader.table("workspace");
    let entries = section
        .need("members", "members = [\"functions/*\"]", check::list)
        .unwrap_or_default();
    let Some(directory) = root.path.parent() else {
        return Vec::new();
    };
    let mut paths = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let found = check::filled(&entry.value)
            .map_err(|rest| format!("is not right at [{index}], which {rest}"))
            .and_then(|pattern| named(directory, &pattern));
        match found {
            Ok(found) => paths.extend(found),
            Err(_) if entry.value.is_broken() => {}
            // Each at its own place: a list can be long.
            Err(rest) => section.wrong(entry, "members", &rest),
        }
    }
    paths.sort();
    paths.dedup();
    paths
}

/// The entries of `members` that name the services one or two levels below a directory; empty where there are none.
pub(crate) fn members_below(directory: &Path) -> Vec<String> {
    let has = |pattern: &str| expand(directory, pattern).is_ok_and(|found| !found.is_empty());
    let mut patterns: Vec<String> = has("*").then(|| "*".to_owned()).into_iter().collect();
    let Ok(entries) = std::fs::read_dir(directory) else {
        return patterns;
    };
    let mut names: Vec<_> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            !name.starts_with('.') && !name.contains(['*', '?', '[', '{', '"', '\'', '\\'])
        })
        .collect();
    names.sort();
    let below = names.into_iter().map(|name| format!("{name}/*"));
    patterns.extend(below.filter(|pattern| has(pattern)));
    patterns
}

/// The files that one entry names: a directory without a file is a mistake, a pattern may find nothing.
fn named(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let found = expand(directory, pattern)?;
    if found.is_empty() && !pattern.contains(['*', '?', '[', '{']) {
        return Err(format!("names `{pattern}`, which has no {MANIFEST}"));
    }
    Ok(found)
}

/// The files that one pattern names: `*` and `?` stand for parts of one directory's name.
fn expand(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    if pattern.starts_with('/') || pattern.contains("**") {
        return Err(format!(
            "has `{pattern}`; write directories relative to this file, with `*` for one level"
        ));
    }
    let mut directories = vec![directory.to_owned()];
    for segment in pattern.split('/').filter(|segment| !segment.is_empty()) {
        if !segment.contains(['*', '?', '[', '{']) {
            for directory in &mut directories {
                match segment {
                    "." => {}
                    ".." => drop(directory.pop()),
                    _ => directory.push(segment),
                }
            }
            continue;
        }
        let glob = Glob::new(segment)
            .map_err(|_| format!("has `{pattern}`, which is not a pattern"))?
            .compile_matcher();
        directories = directories
            .iter()
            .filter_map(|directory| std::fs::read_dir(directory).ok())
            .flatten()
            .flatten()
            .filter(|entry| {
                let name = entry.file_name();
                glob.is_match(&name) && !name.to_string_lossy().starts_with('.')
            })
            .map(|entry| entry.path())
            .collect();
    }
    Ok(directories
        .into_iter()
        .map(|directory| directory.join(MANIFEST))
        .filter(|path| path.symlink_metadata().is_ok())
        .collect())
}
