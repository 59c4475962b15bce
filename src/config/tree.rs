//! A TOML file as a tree of values that remember where they are written.
//!
//! Broken TOML is read as far as it goes, so that all mistakes of a file can be shown at once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::place::{Mistake, NOT_TOML, Place, SourceFile};
use super::unclosed;

/// A value and where it is written.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The value.
    pub(crate) value: Value,
    /// Where; for a table with a header, the header. None for a built-in value.
    pub(crate) place: Option<Place>,
}

/// What TOML knows, without dates: no key of ours holds one.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or a time.
    Date,
    /// An array.
    List(Vec<Node>),
    /// A table.
    Table(Table),
    /// Something that could not be read; it is reported already.
    Broken,
}

/// The keys of a table, in order of their names.
pub(crate) type Table = BTreeMap<String, Entry>;

/// One key of a table.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Where the key is written.
    pub(crate) key: Option<Place>,
    /// Its value.
    pub(crate) node: Node,
}

impl Value {
    /// What it is, with its article, for messages.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Broken => "unreadable",
        }
    }

    /// A text, for built-in values.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// As TOML on one line.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => toml::Value::String(text.clone()).to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => toml::Value::Float(*number).to_string(),
            Self::Boolean(yes) => yes.to_string(),
            Self::Date => "(a date)".to_owned(),
            Self::Broken => "?".to_owned(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.value.shown()).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Table(table) => {
                let mut text = String::from("{ ");
                for (index, (key, entry)) in table.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    for part in [comma, key, " = ", &entry.node.value.shown()] {
                        text.push_str(part);
                    }
                }
                text.push_str(" }");
                text
            }
        }
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Integer(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::Boolean(yes) => (*yes).into(),
            Self::Date | Self::Broken => serde_json::Value::Null,
            Self::List(items) => items.iter().map(|item| item.value.json()).collect(),
            Self::Table(table) => table
                .iter()
                .map(|(key, entry)| (key.clone(), entry.node.value.json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

impl Node {
    /// Its keys, if it is a table.
    pub(crate) fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The value below a path of keys.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| {
            node.table()?.get(*key).map(|entry| &entry.node)
        })
    }

    /// Its text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The same tree without one key at its top, and what was there.
    pub(crate) fn without(mut self, key: &str) -> (Self, Option<Self>) {
        let taken = match &mut self.value {
            Value::Table(table) => table.remove(key).map(|entry| entry.node),
            _ => None,
        };
        (self, taken)
    }
}

/// Lays the overrides of an environment over a tree: tables merge, everything else replaces. A table that is
/// in both counts as written where it is in `base`.
pub(crate) fn merge(base: &Node, over: &Node) -> Node {
    lay_over(base, over, |base, _| base)
}

/// Lays defaults below a tree. A table that is in both counts as written where it is in `tree`.
pub(crate) fn with_defaults(tree: &Node, defaults: &Node) -> Node {
    lay_over(defaults, tree, |_, tree| tree)
}

/// Takes out of each table of a table (the environments of `env`) what `said` says already.
pub(crate) fn without_keys_of_each(tables: &mut Node, said: &Node) {
    if let Value::Table(tables) = &mut tables.value {
        for entry in tables.values_mut() {
            without_keys_of(&mut entry.node, said);
        }
    }
}

/// Takes out what `said` says already; within tables that both have, key by key.
fn without_keys_of(node: &mut Node, said: &Node) {
    let (Value::Table(table), Value::Table(said)) = (&mut node.value, &said.value) else {
        return;
    };
    table.retain(|key, entry| match said.get(key) {
        None => true,
        Some(other) => {
            let both = matches!(entry.node.value, Value::Table(_))
                && matches!(other.node.value, Value::Table(_));
            if both {
                without_keys_of(&mut entry.node, &other.node);
            }
            both
        }
    });
}

/// Chooses where a merged table counts as written.
type Choose = for<'a> fn(Option<&'a Place>, Option<&'a Place>) -> Option<&'a Place>;

fn lay_over(base: &Node, over: &Node, choose: Choose) -> Node {
    let (Value::Table(below), Value::Table(above)) = (&base.value, &over.value) else {
        return over.clone();
    };
    let mut merged = below.clone();
    for (key, entry) in above {
        let entry = match merged.get(key) {
            Some(old) => Entry {
                key: choose(old.key.as_ref(), entry.key.as_ref()).cloned(),
                node: lay_over(&old.node, &entry.node, choose),
            },
            None => entry.clone(),
        };
        merged.insert(key.clone(), entry);
    }
    let (base, over) = (base.place.as_ref(), over.place.as_ref());
    Node {
        value: Value::Table(merged),
        place: choose(base, over).or(base).or(over).cloned(),
    }
}

/// Reads a file. What cannot be read is among the mistakes, and missing or [`Value::Broken`] in the tree.
pub(crate) fn parse(file: &Arc<SourceFile>) -> (Node, Vec<Mistake>) {
    /// A file with more lines than this that are no key at all is no TOML file.
    const MOST: usize = 20;
    let mut mistakes: Vec<Mistake> = Vec::new();
    let mut text = without_unclosed(file, &mut mistakes);
    for _ in 0..MOST {
        let (_, mut errors) = DeTable::parse_recoverable(&text);
        // Nobody can say which table the keys below a broken header belong to: nothing is said about them.
        if let Some(below) = below_broken_header(&text, &errors) {
            errors.retain(|error| error.span().is_none_or(|span| !below.contains(&span.start)));
            note(file, &errors, &mut mistakes);
            let header = line_at(&text, below.start.saturating_sub(1));
            text = Cow::Owned(spaces_in(&text, header.start..below.end));
            continue;
        }
        let stopped = errors
            .iter()
            .filter(|error| error.message().starts_with("key with no value"))
            .find_map(toml::de::Error::span);
        note(file, &errors, &mut mistakes);
        // The parser gives up at such a line. It is blanked, byte for byte, to see what comes after it.
        match stopped.and_then(|span| blanked(&text, span.start)) {
            Some(rest) => text = Cow::Owned(rest),
            None => break,
        }
    }
    let (table, _) = DeTable::parse_recoverable(&text);
    let root = Node {
        value: Value::Table(owned_table(file, table.get_ref(), &mut mistakes)),
        place: Some(file.start()),
    };
    (root, mistakes)
}

/// The text without the values that are opened and never closed, each of which is a mistake.
fn without_unclosed<'a>(file: &'a Arc<SourceFile>, mistakes: &mut Vec<Mistake>) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(file.text.as_str());
    if DeTable::parse_recoverable(&text).1.is_empty() {
        return text;
    }
    for unclosed in unclosed::find(&file.text) {
        mistakes.push(Mistake {
            place: place(file, unclosed.at..unclosed.at + 1),
            message: format!("{NOT_TOML}: {}", unclosed.why()),
            missing: false,
        });
        text = Cow::Owned(spaces_in(&text, unclosed.lines));
    }
    text
}

/// Adds what the parser says. One slip often upsets it several times on the same line: the first one says it.
fn note(file: &Arc<SourceFile>, errors: &[toml::de::Error], mistakes: &mut Vec<Mistake>) {
    for error in errors {
        let mistake = Mistake {
            place: place(file, error.span().unwrap_or(0..0)),
            message: words(error.message()),
            missing: false,
        };
        let is_known = mistakes
            .iter()
            .any(|other| other.place.is_beside(&mistake.place));
        if !is_known {
            mistakes.push(mistake);
        }
    }
}

/// The text with the line around a byte made of spaces; none when there is nothing on it.
fn blanked(text: &str, at: usize) -> Option<String> {
    let line = line_at(text, at);
    if text.get(line.clone())?.trim().is_empty() {
        return None;
    }
    Some(spaces_in(text, line))
}

/// The line around a byte, without its newline.
fn line_at(text: &str, at: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let is_newline = |byte: &u8| *byte == b'\n';
    let before = bytes.get(..at).unwrap_or(bytes);
    let start = before.iter().rposition(is_newline).map_or(0, |at| at + 1);
    let rest = bytes.get(start..).unwrap_or_default();
    let length = rest.iter().position(is_newline).unwrap_or(rest.len());
    start..start + length
}

/// The text with a part of it made of spaces, byte for byte; lines stay lines.
fn spaces_in(text: &str, part: Range<usize>) -> String {
    let (Some(before), Some(blank), Some(after)) = (
        text.get(..part.start),
        text.get(part.clone()),
        text.get(part.end..),
    ) else {
        return text.to_owned();
    };
    let blank: String = blank
        .bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect();
    [before, &blank, after].concat()
}

/// What is below the first table header that the parser could not read, up to the next header.
fn below_broken_header(text: &str, errors: &[toml::de::Error]) -> Option<Range<usize>> {
    let headers = errors
        .iter()
        .filter_map(toml::de::Error::span)
        .map(|span| line_at(text, span.start))
        .filter(|line| {
            text.get(line.clone())
                .is_some_and(|line| line.starts_with('['))
        });
    let header = headers.min_by_key(|line| line.start)?;
    let start = (header.end + 1).min(text.len());
    let below = text.get(start..)?;
    let length = if below.starts_with('[') {
        0
    } else {
        below.find("\n[").map_or(below.len(), |at| at + 1)
    };
    Some(start..start + length)
}

/// The parser's words as one line that starts with a small letter and names TOML where it would be unclear.
fn words(message: &str) -> String {
    let message = message.trim().replace('\n', ", ");
    if let Some(rest) = message.strip_prefix("duplicate key") {
        return format!("this key or table is there twice{rest}");
    }
    match message.as_str() {
        "invalid basic string, expected `\"`" | "invalid literal string, expected `'`" => {
            let quote = if message.contains('"') { '"' } else { '\'' };
            format!("{NOT_TOML}: the text before this is not closed: `{quote}` is missing")
        }
        _ => format!("{NOT_TOML}: {message}"),
    }
}

fn place(file: &Arc<SourceFile>, span: Range<usize>) -> Place {
    Place {
        file: Arc::clone(file),
        start: span.start,
        end: span.end,
    }
}

fn owned_table(file: &Arc<SourceFile>, table: &DeTable<'_>, mistakes: &mut Vec<Mistake>) -> Table {
    table
        .iter()
        .map(|(key, value)| {
            let node = owned(file, value, mistakes);
            let entry = Entry {
                key: Some(place(file, key.span())),
                node,
            };
            (key.get_ref().clone().into_owned(), entry)
        })
        .collect()
}

fn owned(
    file: &Arc<SourceFile>,
    value: &toml::Spanned<DeValue<'_>>,
    mistakes: &mut Vec<Mistake>,
) -> Node {
    let at = place(file, value.span());
    let too_large = |mistakes: &mut Vec<Mistake>| {
        mistakes.push(Mistake {
            place: at.clone(),
            message: "this number is too large".to_owned(),
            missing: false,
        });
        Value::Broken
    };
    let value = match value.get_ref() {
        // The parser made it up, to go on behind something that it has reported.
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_)
            if at.start == at.end =>
        {
            Value::Broken
        }
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(number) if number.as_str().is_empty() => {
            // Such as `0x`, which the parser takes without a word.
            if !mistakes.iter().any(|other| other.place.is_beside(&at)) {
                mistakes.push(Mistake {
                    place: at.clone(),
                    message: format!("{NOT_TOML}: this number has no digits"),
                    missing: false,
                });
            }
            Value::Broken
        }
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| too_large(mistakes), Value::Integer),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or_else(|_| too_large(mistakes), Value::Float),
        DeValue::Boolean(yes) => Value::Boolean(*yes),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| owned(file, item, mistakes))
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(owned_table(file, table, mistakes)),
    };
    Node {
        value,
        place: Some(at),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::place::Role;
    use super::*;

    fn read(text: &str) -> (Node, Vec<String>) {
        let file = SourceFile::new(
            Path::new("/a/squad.toml"),
            Path::new("/a"),
            text.to_owned(),
            Role::Service,
        );
        let (node, mistakes) = parse(&file);
        (node, mistakes.iter().map(Mistake::headline).collect())
    }

    #[test]
    fn tables_merge_and_lists_replace() {
        let (base, _) = read("a = [1, 2]\n[t]\nx = 1\ny = 2");
        let (over, _) = read("a = [3]\nt.y = 3\nt.z = 4");
        assert_eq!(
            merge(&base, &over).value.shown(),
            "{ a = [3], t = { x = 1, y = 3, z = 4 } }"
        );
    }

    #[test]
    fn a_broken_line_does_not_hide_the_rest() {
        let (node, mistakes) = read("a = 1\nb = = 2\nc = \"x\nd = 4\n");
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        assert!(
            mistakes[0].starts_with("squad.toml:2:5: this is not TOML"),
            "{mistakes:?}"
        );
        assert!(mistakes[1].starts_with("squad.toml:3:"), "{mistakes:?}");
        assert_eq!(node.at(&["d"]).unwrap().value.shown(), "4");
    }

    #[test]
    fn a_broken_header_is_one_mistake_and_its_keys_are_nobodys() {
        for header in ["[run", "[[run]", "[run]]", "[ru n]", "[]"] {
            let text = format!("a = 1\n{header}\na = 2\nb = \n\n[t]\nc = = 3\nd = 4");
            let (node, mistakes) = read(&text);
            let mut lines: Vec<&str> = mistakes
                .iter()
                .map(|line| line.get(..13).unwrap())
                .collect();
            lines.sort_unstable();
            assert_eq!(lines, ["squad.toml:2:", "squad.toml:7:"], "{mistakes:?}");
            assert_eq!(node.at(&["a"]).unwrap().value.shown(), "1");
            assert_eq!(node.at(&["t", "d"]).unwrap().value.shown(), "4");
            assert!(node.at(&["b"]).is_none(), "{header}");
        }
    }

    #[test]
    fn an_unclosed_list_is_one_mistake_where_it_opens() {
        let (node, mistakes) = read("a = [\n  1,\nb = 2\nc = = 3\n[t]\nd = { x = [1, 2 }\ne = 4\n");
        assert_eq!(
            mistakes[0],
            "squad.toml:1:5: this is not TOML: the list that opens here is not closed: `]` is missing"
        );
        let lines: Vec<&str> = mistakes
            .iter()
            .map(|line| line.get(..13).unwrap())
            .collect();
        assert_eq!(
            lines,
            ["squad.toml:1:", "squad.toml:6:", "squad.toml:4:"],
            "{mistakes:?}"
        );
        assert_eq!(node.at(&["b"]).unwrap().value.shown(), "2");
        assert_eq!(node.at(&["t", "e"]).unwrap().value.shown(), "4");
    }

    #[test]
    fn a_line_without_a_value_does_not_hide_the_rest() {
        let (node, mistakes) = read("a: 1\nb = 1\nc d\ne = = 1\nf = 2\n");
        let lines: Vec<&str> = mistakes
            .iter()
            .map(|line| line.get(..13).unwrap())
            .collect();
        assert_eq!(
            lines,
            ["squad.toml:1:", "squad.toml:3:", "squad.toml:4:"],
            "{mistakes:?}"
        );
        assert_eq!(node.at(&["f"]).unwrap().value.shown(), "2");
    }

    #[test]
    fn large_numbers_and_duplicates_are_mistakes() {
        let (_, mistakes) = read("a = 99999999999999999999\nb = 1\nb = 2");
        assert_eq!(
            mistakes,
            [
                "squad.toml:3:1: this key or table is there twice",
                "squad.toml:1:5: this number is too large",
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[\\[\\]{}=.\"'#a-c0-9 \n,]{0,60}") {
            let (node, mistakes) = read(&text);
            drop((node, mistakes));
        }
    }
}
