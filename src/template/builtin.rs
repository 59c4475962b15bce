//! The templates inside this program. Their files have no modes of their own: the manifest says which are
//! programs.

use std::borrow::Cow;

use include_dir::{Dir, include_dir};

use super::{Error, Mistake, Source, SourceFile, Template, manifest};

static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// Their names, sorted.
pub(crate) fn names() -> Vec<String> {
    let mut names: Vec<String> = TEMPLATES
        .dirs()
        .filter(|directory| {
            directory
                .get_file(directory.path().join(manifest::FILE))
                .is_some()
        })
        .map(|directory| directory.path().display().to_string())
        .collect();
    names.sort();
    names
}

/// A built-in template by its name.
pub(crate) fn open(name: &str) -> Result<Option<Template>, Error> {
    let Some(directory) = TEMPLATES
        .dirs()
        .find(|one| one.path().to_str() == Some(name))
    else {
        return Ok(None);
    };
    let Some(text) = directory
        .get_file(directory.path().join(manifest::FILE))
        .and_then(|file| file.contents_utf8())
    else {
        return Ok(None);
    };
    let manifest = manifest::parse(text).map_err(|mistakes| broken(name, mistakes))?;
    let mut files = Vec::new();
    if let Some(below) = directory.get_dir(directory.path().join("files")) {
        collect(below, below, &mut files);
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let mut cases: Vec<(String, String)> = directory
        .get_dir(directory.path().join("tests"))
        .into_iter()
        .flat_map(Dir::files)
        .filter_map(|file| {
            let name = file.path().file_name()?.to_str()?.to_owned();
            Some((name, file.contents_utf8()?.to_owned()))
        })
        .collect();
    cases.sort();
    Ok(Some(Template {
        source: Source::Builtin,
        manifest,
        files,
        cases,
    }))
}

fn broken(name: &str, mistakes: Vec<Mistake>) -> Error {
    Error::Mistakes {
        template: name.to_owned(),
        mistakes,
    }
}

fn collect(root: &Dir<'static>, directory: &Dir<'static>, files: &mut Vec<SourceFile>) {
    for file in directory.files() {
        if let Ok(path) = file.path().strip_prefix(root.path()) {
            files.push(SourceFile {
                path: path.display().to_string(),
                bytes: contents(file),
                executable: false,
            });
        }
    }
    for below in directory.dirs() {
        collect(root, below, files);
    }
}

fn contents(file: &include_dir::File<'static>) -> Cow<'static, [u8]> {
    Cow::Owned(file.contents().to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::lint;
    use super::*;

    #[test]
    fn every_built_in_template_is_without_mistakes() {
        assert!(!names().is_empty());
        for name in names() {
            let template = open(&name).unwrap().unwrap();
            assert_eq!(template.manifest.name, name);
            assert_eq!(lint::lint(&template).mistakes, [], "{name}");
        }
    }
}
