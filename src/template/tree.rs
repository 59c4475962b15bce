//! A rendered tree, and the names that git gives to it: so that a render can be compared with what any
//! repository holds.

use std::collections::BTreeMap;

use sha1::{Digest, Sha1};

/// What happens to a file when the template is updated later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The template's version wins.
    Managed,
    /// Both sides' changes are merged.
    Merged,
    /// Only the first render writes it.
    Once,
    /// Only the text between marks belongs to the template.
    Block,
}

impl Class {
    /// Every class, by its word.
    pub(crate) const ALL: [Self; 4] = [Self::Managed, Self::Merged, Self::Once, Self::Block];

    /// The word used in files.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Managed => "managed",
            Self::Merged => "merged",
            Self::Once => "once",
            Self::Block => "block",
        }
    }
}

/// The mode of a file, as git knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// An ordinary file.
    Plain,
    /// A program.
    Executable,
}

impl Mode {
    /// As it is written in a manifest.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "644",
            Self::Executable => "755",
        }
    }

    /// The bits to create the file with; the person's umask takes some away.
    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::Plain => 0o644,
            Self::Executable => 0o755,
        }
    }

    fn git(self) -> &'static str {
        match self {
            Self::Plain => "100644",
            Self::Executable => "100755",
        }
    }
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Relative, with `/`, checked by [`super::path::refusal`].
    pub(crate) path: String,
    /// Its mode.
    pub(crate) mode: Mode,
    /// What it holds.
    pub(crate) bytes: Vec<u8>,
    /// What a later update does with it.
    pub(crate) class: Class,
    /// The path of its source below the template's `files`.
    pub(crate) from: String,
}

/// The files of one render, in order of their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Sorted by path, no two with the same path.
    pub(crate) entries: Vec<Entry>,
}

/// A git object id, SHA-1.
pub(crate) type Oid = [u8; 20];

impl Entry {
    /// The id of its blob.
    pub(crate) fn oid(&self) -> Oid {
        object("blob", &self.bytes)
    }
}

impl Tree {
    /// The id of the tree object that git would write for these files.
    pub(crate) fn oid(&self) -> Oid {
        let mut root = Directory::default();
        for entry in &self.entries {
            root.insert(&entry.path, entry.mode, entry.oid());
        }
        root.oid()
    }
}

/// One directory on the way to a tree object. Keys are names as git sorts them: a directory's ends with `/`.
#[derive(Default)]
struct Directory {
    files: BTreeMap<String, (Mode, Oid)>,
    directories: BTreeMap<String, Self>,
}

impl Directory {
    fn insert(&mut self, path: &str, mode: Mode, oid: Oid) {
        match path.split_once('/') {
            Some((first, rest)) => self
                .directories
                .entry(first.to_owned())
                .or_default()
                .insert(rest, mode, oid),
            None => drop(self.files.insert(path.to_owned(), (mode, oid))),
        }
    }

    fn oid(&self) -> Oid {
        let mut lines: Vec<(String, &str, &str, Oid)> = Vec::new();
        for (name, (mode, oid)) in &self.files {
            lines.push((name.clone(), mode.git(), name, *oid));
        }
        for (name, directory) in &self.directories {
            lines.push((format!("{name}/"), "40000", name, directory.oid()));
        }
        lines.sort();
        let mut bytes = Vec::new();
        for (_, mode, name, oid) in lines {
            bytes.extend_from_slice(mode.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(&oid);
        }
        object("tree", &bytes)
    }
}

/// The id of a git object: SHA-1 over `<type> <length>\0<bytes>`.
pub(crate) fn object(kind: &str, bytes: &[u8]) -> Oid {
    let mut hash = Sha1::new();
    hash.update(format!("{kind} {}\0", bytes.len()));
    hash.update(bytes);
    hash.finalize().into()
}

/// An id as git shows it.
pub(crate) fn hex(oid: Oid) -> String {
    oid.iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git() {
        assert_eq!(
            hex(object("blob", b"")),
            "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
        );
        assert_eq!(
            hex(object("blob", b"hello\n")),
            "ce013625030ba8dba906f756967f9e9ca394464a"
        );
        assert_eq!(
            hex(Tree::default().oid()),
            "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        );
    }
}
