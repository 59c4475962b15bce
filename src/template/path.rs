//! Which paths a template may write: what is safe on Linux, macOS and Windows alike, and is no part of a
//! repository's own files.
//!
//! The aliases of `.git` are those that git itself refuses (`verify_path`, `is_hfs_dotgit`, `is_ntfs_dotgit`
//! in its `read-cache.c`, `utf8.c` and `path.c`). Nothing here touches a disk.

use std::collections::BTreeMap;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Bytes that the path of one file may have.
const LONGEST_PATH: usize = 1024;
/// Bytes that one part of a path may have (`NAME_MAX` on Linux and macOS).
const LONGEST_PART: usize = 255;
/// Characters that no Windows file name may hold; `:` also begins the name of a stream.
const NOT_ON_WINDOWS: [char; 9] = ['<', '>', ':', '"', '|', '?', '*', '\\', '\u{7f}'];

/// Says why `path` is not one that a template may write; none when it may.
pub(crate) fn refusal(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.len() > LONGEST_PATH {
        return Some("it is longer than 1024 bytes");
    }
    if path.starts_with('/') {
        return Some("it is not relative");
    }
    if let Some(reason) = path.split('/').find_map(refusal_of_part) {
        return Some(reason);
    }
    let first = path.split('/').next().unwrap_or_default();
    (fold(first) == ".squad").then_some("`.squad` belongs to squad")
}

/// Says why `part` is not a name of one file or directory that a template may write; none when it may.
pub(crate) fn refusal_of_part(part: &str) -> Option<&'static str> {
    if part.is_empty() {
        return Some("one of its parts is empty");
    }
    if part == "." || part == ".." {
        return Some("it holds `.` or `..`");
    }
    if part.len() > LONGEST_PART {
        return Some("one of its parts is longer than 255 bytes");
    }
    if part.chars().any(|c| c.is_control() || c == '/') {
        return Some("it holds a control character");
    }
    if part.chars().any(is_invisible) {
        return Some("it holds an invisible character");
    }
    if part.chars().any(|c| NOT_ON_WINDOWS.contains(&c)) {
        return Some("it holds one of `<>:\"|?*\\`, which Windows refuses");
    }
    if !is_nfc(part) {
        return Some("it is not in Unicode's form NFC");
    }
    if part.ends_with('.') || part.ends_with(' ') {
        return Some("one of its parts ends with a dot or a space");
    }
    if is_device(part) {
        return Some("it holds the name of a Windows device");
    }
    is_git(part).then_some("it holds a spelling of `.git`")
}

/// Characters that nobody sees: HFS+ ignores some of them, the others can make a name read as another one.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Whether Windows takes the name for a device, with any extension.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default();
    let stem = stem.trim_end_matches(' ').to_ascii_uppercase();
    if matches!(
        stem.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$"
    ) {
        return true;
    }
    let Some(number) = stem
        .strip_prefix("COM")
        .or_else(|| stem.strip_prefix("LPT"))
    else {
        return false;
    };
    let mut characters = number.chars();
    matches!(
        (characters.next(), characters.next()),
        (Some('0'..='9' | '¹' | '²' | '³'), None)
    )
}

/// Whether some file system takes the name for `.git`.
fn is_git(part: &str) -> bool {
    let folded = fold(part);
    if folded == ".git" {
        return true;
    }
    folded.strip_prefix("git~").is_some_and(|number| {
        !number.is_empty() && number.chars().all(|character| character.is_ascii_digit())
    })
}

/// The same text for two paths that a file system which ignores case takes for one.
pub(crate) fn fold(path: &str) -> String {
    path.nfkc()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkc()
        .collect()
}

/// Pairs of paths that cannot be beside each other: the same but for case, or a file where a directory is.
pub(crate) fn collisions<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<(String, String)> {
    // Folded path of each file and directory → how it was spelled, and whether it is a file.
    let mut seen: BTreeMap<String, (String, bool)> = BTreeMap::new();
    let mut found = Vec::new();
    for path in paths {
        let directories = path
            .char_indices()
            .filter(|(_, character)| *character == '/')
            .map(|(index, _)| (index, false));
        for (end, is_file) in directories.chain([(path.len(), true)]) {
            let spelled = path.get(..end).unwrap_or(path);
            match seen.get(&fold(spelled)) {
                None => drop(seen.insert(fold(spelled), (spelled.to_owned(), is_file))),
                Some((other, false)) if other == spelled && !is_file => {}
                Some((other, _)) => found.push((other.clone(), spelled.to_owned())),
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_paths_are_allowed() {
        for path in [
            "README.md",
            ".github/workflows/ci.yml",
            ".gitignore",
            ".gitattributes",
            "src/app/main.py",
            "a b/ç.txt",
            ".squadrc",
            "console/comma/lpt10",
            "git~x",
            "x/.squad",
        ] {
            assert_eq!(refusal(path), None, "{path}");
        }
    }

    #[test]
    fn what_could_escape_or_harm_is_refused() {
        for path in [
            "",
            "/etc/passwd",
            "..",
            "../x",
            "a/../x",
            "./a",
            "a//b",
            "a/",
            "a\0b",
            "a\nb",
            "a\u{7f}",
            "C:x",
            "a\\b",
            "a:stream",
            "con",
            "CON.txt",
            "a/nul.tar.gz",
            "aux .c",
            "com1",
            "lpt¹.x",
            "a.",
            "a ",
            "a./b",
            ".git",
            ".GIT/config",
            ".Git/hooks/post-checkout",
            "git~1",
            "GIT~12/x",
            ".git /x",
            ".git./x",
            ".git::$INDEX_ALLOCATION",
            ".g\u{200c}it/config",
            ".gi\u{202e}t",
            "\u{feff}.git",
            "．git",
            "e\u{301}",
            ".squad/template.lock",
            ".SQUAD/x",
            ".squad",
            &"a".repeat(256),
            &"a/".repeat(600),
        ] {
            assert!(refusal(path).is_some(), "{path:?}");
        }
    }

    #[test]
    fn collisions_of_case_and_kind_are_found() {
        let found = |paths: &[&str]| collisions(paths.iter().copied()).len();
        assert_eq!(found(&["a", "b", "c/a", "c/b"]), 0);
        assert_eq!(found(&["a", "A"]), 1);
        assert_eq!(found(&["Straße", "STRASSE"]), 1);
        assert_eq!(found(&["a/x", "A/y"]), 1);
        assert_eq!(found(&["a", "a/b"]), 1);
        assert_eq!(found(&["a/b", "a"]), 1);
        assert_eq!(found(&["a", "a"]), 1);
    }

    proptest! {
        #[test]
        fn an_allowed_path_stays_below_its_root(path in "\\PC{0,4}(/|\\\\|\\.|\\.\\.|~|:|\\PC){0,8}") {
            if refusal(&path).is_none() {
                let root = std::path::Path::new("/base/of/it");
                let joined = root.join(&path);
                prop_assert!(joined.starts_with(root));
                prop_assert!(joined.components().all(|part| matches!(
                    part,
                    std::path::Component::RootDir | std::path::Component::Normal(_)
                )));
                prop_assert!(path.split('/').all(|part| !part.eq_ignore_ascii_case(".git")));
            }
        }
    }
}
