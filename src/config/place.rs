//! Where something is written, and mistakes that point at it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::secret;
use crate::fs;

/// Columns of a line that an excerpt shows at most.
const EXCERPT_WIDTH: usize = 96;

/// What a file is for; decides how a value's origin is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A `squad.toml`.
    Service,
    /// An org's `org.toml`.
    Org,
    /// The person's `config.toml`.
    Person,
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Where it lies, or would lie.
    pub(crate) path: PathBuf,
    /// How people see it: relative to where the command runs when it is below.
    pub(crate) shown: String,
    /// Its content.
    pub(crate) text: String,
    /// What it is for.
    pub(crate) role: Role,
}

impl SourceFile {
    /// A file as it was read; `from` is the directory that its name is shown relative to.
    pub(crate) fn new(path: &Path, from: &Path, text: String, role: Role) -> Arc<Self> {
        let shown = shown(path, from);
        Arc::new(Self {
            path: path.to_owned(),
            shown,
            text,
            role,
        })
    }

    /// The very beginning of the file.
    pub(crate) fn start(self: &Arc<Self>) -> Place {
        Place {
            file: Arc::clone(self),
            start: 0,
            end: 0,
        }
    }
}

/// Reads a file; none when it is not there. Bytes that are not UTF-8 are a mistake, and then nothing in the file
/// counts; so is anything else than a file in its place.
pub(crate) fn read(
    path: &Path,
    from: &Path,
    role: Role,
    mistakes: &mut Vec<Mistake>,
) -> Result<Option<Arc<SourceFile>>, fs::Error> {
    if let Some(what) = fs::instead_of_file(path) {
        if role == Role::Person {
            let error = std::io::Error::other(format!("is {what}"));
            return Err(fs::at("read", path)(error));
        }
        let file = SourceFile::new(path, from, String::new(), role);
        mistakes.push(Mistake {
            place: file.start(),
            message: format!("{NOT_TOML}: it is {what}"),
            missing: false,
        });
        return Ok(Some(file));
    }
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(SourceFile::new(path, from, text, role))),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let mut place = SourceFile::new(path, from, text, role).start();
            place.start = at;
            place.end = at;
            mistakes.push(Mistake {
                place,
                message: format!("{NOT_TOML}: every TOML file is UTF-8, and this byte is not"),
                missing: false,
            });
            Ok(Some(SourceFile::new(path, from, String::new(), role)))
        }
    }
}

/// How the message of a mistake begins after which the rest of the file may be misunderstood.
pub(super) const NOT_TOML: &str = "this is not TOML";

/// A path as people see it from a directory: relative below it or a few steps above, else absolute.
pub(crate) fn shown(path: &Path, from: &Path) -> String {
    if let Ok(below) = path.strip_prefix(from) {
        return below.display().to_string();
    }
    let mut up = String::new();
    for ancestor in from.ancestors().skip(1).take(3) {
        up.push_str("../");
        // `/` and a home of everybody are no place to count from.
        if ancestor.parent().is_none() {
            break;
        }
        if let Ok(below) = path.strip_prefix(ancestor) {
            return format!("{up}{}", below.display());
        }
    }
    path.display().to_string()
}

/// A range of bytes of a file.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The file.
    pub(crate) file: Arc<SourceFile>,
    /// First byte.
    pub(crate) start: usize,
    /// After the last byte.
    pub(crate) end: usize,
}

impl Place {
    /// Line and column, both from 1; the column counts characters.
    pub(crate) fn line_and_column(&self) -> (usize, usize) {
        let before = self.file.text.get(..self.start).unwrap_or(&self.file.text);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |rest| rest.chars().count())
            + 1;
        (line, column)
    }

    /// The line, from 1.
    pub(crate) fn line(&self) -> usize {
        self.line_and_column().0
    }

    /// `squad.toml:12`.
    pub(crate) fn shown(&self) -> String {
        format!("{}:{}", self.file.shown, self.line())
    }

    /// Whether both are in the same file on the same line.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.file.path == other.file.path && self.line() == other.line()
    }
}

/// Something in a file that cannot be accepted.
#[derive(Debug, Clone)]
pub(crate) struct Mistake {
    /// Where.
    pub(crate) place: Place,
    /// What, in one line without a full stop.
    pub(crate) message: String,
    /// Something is not there: in a file that cannot be parsed as a whole, it may be there after all.
    pub(crate) missing: bool,
}

impl Mistake {
    /// `squad.toml:12:3: unknown key `analisys`; did you mean `analysis`?`
    pub(crate) fn headline(&self) -> String {
        let (line, column) = self.place.line_and_column();
        format!(
            "{}:{line}:{column}: {}",
            self.place.file.shown, self.message
        )
    }

    /// The line itself, and a caret below what is wrong in it. Values of what looks like a secret are left
    /// out: this text goes to terminals and to the logs of CI.
    pub(crate) fn excerpt(&self) -> Vec<String> {
        let (number, column) = self.place.line_and_column();
        let Some(line) = self.place.file.text.lines().nth(number - 1) else {
            return Vec::new();
        };
        if line.trim().is_empty() {
            return Vec::new();
        }
        let length = self
            .place
            .file
            .text
            .get(self.place.start..self.place.end)
            .and_then(|text| text.lines().next())
            .map_or(1, |text| text.chars().count().max(1));
        let visible: Vec<char> = visible(&secret::masked(line)).collect();
        let column = (column - 1).min(visible.len());
        let from = if column + length.min(20) > EXCERPT_WIDTH {
            column.saturating_sub(EXCERPT_WIDTH / 2)
        } else {
            0
        };
        let mut text: String = visible.iter().skip(from).take(EXCERPT_WIDTH).collect();
        let mut caret = column - from;
        if from > 0 {
            text.insert(0, '…');
            caret += 1;
        }
        if visible.len() > from + EXCERPT_WIDTH {
            text.push('…');
        }
        let width = text.chars().count();
        let length = length.min(width.saturating_sub(caret)).max(1);
        let number = number.to_string();
        let below = format!("{:>5} | {}{}", "", " ".repeat(caret), "^".repeat(length));
        vec![format!("{number:>5} | {}", text.trim_end()), below]
    }
}

/// A line with nothing in it that could move a terminal's cursor; every character stays one character.
fn visible(line: &str) -> impl Iterator<Item = char> {
    line.chars().map(|c| match c {
        '\t' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    })
}

/// In the order of the files and lines, each once, and without those that a broken line led to.
pub(super) fn in_order(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    mistakes.sort_by(|a, b| {
        let key = |mistake: &Mistake| (mistake.place.file.path.clone(), mistake.place.start);
        key(a).cmp(&key(b))
    });
    mistakes.dedup_by(|a, b| {
        // A default with an unknown key is seen where it is written and again in every service.
        let unknown = |mistake: &Mistake| mistake.message.starts_with("unknown key");
        a.place.file.path == b.place.file.path
            && a.place.start == b.place.start
            && (a.message == b.message || (unknown(a) && unknown(b)))
    });
    let broken: Vec<Place> = mistakes
        .iter()
        .filter(|mistake| mistake.message.starts_with(NOT_TOML))
        .map(|mistake| mistake.place.clone())
        .collect();
    mistakes.retain(|mistake| {
        mistake.message.starts_with(NOT_TOML)
            || !broken.iter().any(|place| place.is_beside(&mistake.place))
    });
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str, needle: &str) -> Mistake {
        let file = SourceFile::new(
            Path::new("/a/squad.toml"),
            Path::new("/a"),
            text.to_owned(),
            Role::Service,
        );
        let start = text.find(needle).unwrap();
        let place = Place {
            file,
            start,
            end: start + needle.len(),
        };
        Mistake {
            place,
            message: "no".to_owned(),
            missing: false,
        }
    }

    #[test]
    fn points_at_the_characters() {
        let mistake = mistake("[a]\nnäme = \"x\" # é\nport = 99\n", "99");
        assert_eq!(mistake.headline(), "squad.toml:3:8: no");
        assert_eq!(
            mistake.excerpt(),
            ["    3 | port = 99", "      |        ^^"]
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_mistake() {
        let text = format!("x = [{}, 777, {}]", "1, ".repeat(100), "2, ".repeat(100));
        let excerpt = mistake(&text, "777").excerpt();
        let caret = excerpt[1].chars().position(|c| c == '^').unwrap();
        assert_eq!(
            excerpt[0].chars().skip(caret).take(3).collect::<String>(),
            "777"
        );
        assert!(excerpt.iter().all(|line| line.chars().count() < 120));
    }

    #[test]
    fn control_characters_and_secrets_do_not_get_out() {
        let excerpt = mistake("a = \"\u{1b}[31m\"", "a").excerpt().join("\n");
        assert!(!excerpt.contains('\u{1b}'), "{excerpt}");
        let excerpt = mistake("DB_PASSWORD = \"hunter2\"", "DB")
            .excerpt()
            .join("\n");
        assert!(!excerpt.contains("hunter2"), "{excerpt}");
    }

    #[test]
    fn paths_are_short_where_they_can_be() {
        for (path, from, wanted) in [
            ("/a/b/squad.toml", "/a/b", "squad.toml"),
            ("/a/b/squad.toml", "/a", "b/squad.toml"),
            ("/a/squad.toml", "/a/b/c", "../../squad.toml"),
            ("/etc/x", "/home/p/y", "/etc/x"),
        ] {
            assert_eq!(shown(Path::new(path), Path::new(from)), wanted);
        }
    }
}
