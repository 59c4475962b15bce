//! Reads a TOML file key by key, and collects every mistake with its line instead of ending at the first one.

use crate::domain::meant::nearest;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Something that is wrong in a template or an answers file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mistake {
    /// The file, relative to the template's directory or as it was given.
    pub(crate) file: String,
    /// Counted from 1; none when it is about the whole file.
    pub(crate) line: Option<usize>,
    /// What is wrong and what would be right.
    pub(crate) text: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.text),
            None => write!(f, "{}: {}", self.file, self.text),
        }
    }
}

/// One file while it is read.
pub(crate) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    /// What was found so far.
    pub(crate) mistakes: Vec<Mistake>,
}

/// A table of the file, the line it begins on, and the keys that were asked for.
pub(crate) struct Table<'a> {
    keys: &'a DeTable<'a>,
    /// How it is called in messages, such as `[[question]]`; empty for the top of the file.
    title: &'static str,
    /// The line it begins on.
    pub(crate) line: usize,
    asked: BTreeSet<&'static str>,
}

/// The line of a byte offset, counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.split(|byte| *byte == b'\n').count()
}

impl<'a> Reader<'a> {
    /// Begins to read a file; `file` is its name in messages.
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            text,
            mistakes: Vec::new(),
        }
    }

    /// Parses the file; what is not TOML is among the mistakes, and missing in the table.
    pub(crate) fn parse(&mut self) -> DeTable<'a> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let line = error.span().map(|span| line_of(self.text, span.start));
            // One slip often upsets the parser several times on the same line: the first one says it.
            if self.mistakes.iter().any(|mistake| mistake.line == line) {
                continue;
            }
            let message = error.message().trim().replace('\n', ", ");
            self.mistake(line, format!("this is not TOML: {message}"));
        }
        table.into_inner()
    }

    /// Notes a mistake.
    pub(crate) fn mistake(&mut self, line: Option<usize>, text: impl Into<String>) {
        self.mistakes.push(Mistake {
            file: self.file.to_owned(),
            line,
            text: text.into(),
        });
    }

    /// Notes a mistake at a place.
    pub(crate) fn mistake_at(&mut self, span: &Range<usize>, text: impl Into<String>) {
        self.mistake(Some(line_of(self.text, span.start)), text);
    }

    /// The file's own table.
    pub(crate) fn top(table: &'a DeTable<'a>) -> Table<'a> {
        Table {
            keys: table,
            title: "",
            line: 1,
            asked: BTreeSet::new(),
        }
    }

    /// The tables of `[[key]]`.
    pub(crate) fn tables(
        &mut self,
        from: &mut Table<'a>,
        key: &'static str,
        title: &'static str,
    ) -> Vec<Table<'a>> {
        let Some(value) = from.value(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            self.mistake_at(&value.span(), format!("`{key}` is written as {title}"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            if let DeValue::Table(table) = item.get_ref() {
                tables.push(Table {
                    keys: table,
                    title,
                    line: line_of(self.text, item.span().start),
                    asked: BTreeSet::new(),
                });
            } else {
                self.mistake_at(&item.span(), format!("`{key}` is written as {title}"));
            }
        }
        tables
    }

    /// A text that may be missing.
    pub(crate) fn text(&mut self, from: &mut Table<'a>, key: &'static str) -> Option<String> {
        let value = from.value(key)?;
        if let DeValue::String(text) = value.get_ref() {
            return Some(text.clone().into_owned());
        }
        self.mistake_at(&value.span(), format!("`{key}` has to be a text"));
        None
    }

    /// A text that has to be there.
    pub(crate) fn required(&mut self, from: &mut Table<'a>, key: &'static str) -> Option<String> {
        if !from.keys.contains_key(key) {
            from.asked.insert(key);
            let place = match from.title {
                "" => String::new(),
                title => format!(" in this {title}"),
            };
            self.mistake(Some(from.line), format!("`{key}` is missing{place}"));
            return None;
        }
        self.text(from, key)
    }

    /// A whole number that may be missing.
    pub(crate) fn integer(&mut self, from: &mut Table<'a>, key: &'static str) -> Option<i64> {
        let value = from.value(key)?;
        let number = integer_of(value.get_ref());
        if number.is_none() {
            self.mistake_at(&value.span(), format!("`{key}` has to be a whole number"));
        }
        number
    }

    /// A list of texts that may be missing.
    pub(crate) fn texts(&mut self, from: &mut Table<'a>, key: &'static str) -> Vec<String> {
        let Some(value) = from.value(key) else {
            return Vec::new();
        };
        let texts = match value.get_ref() {
            DeValue::Array(items) => items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) => Some(text.clone().into_owned()),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        texts.unwrap_or_else(|| {
            self.mistake_at(&value.span(), format!("`{key}` has to be a list of texts"));
            Vec::new()
        })
    }

    /// One of a few words; `default` when the key is missing, an error when that is none.
    pub(crate) fn word<T: Copy>(
        &mut self,
        from: &mut Table<'a>,
        key: &'static str,
        words: &[(&'static str, T)],
        default: Option<T>,
    ) -> Option<T> {
        let text = match default {
            Some(default) if !from.keys.contains_key(key) => {
                from.asked.insert(key);
                return Some(default);
            }
            Some(_) => self.text(from, key)?,
            None => self.required(from, key)?,
        };
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let line = from.line_of(key, self.text);
            let known: Vec<String> = words.iter().map(|(word, _)| (*word).to_owned()).collect();
            self.mistake(
                line,
                format!(
                    "`{key}` is `{text}`; it is {}",
                    super::answers::listed(&known)
                ),
            );
        }
        found.map(|(_, value)| *value)
    }

    /// Notes every key that nobody asked for.
    pub(crate) fn unknown_keys(&mut self, table: &Table<'a>) {
        for (key, _) in table.keys {
            if table.asked.contains(key.get_ref().as_ref()) {
                continue;
            }
            let meant = nearest(key.get_ref(), table.asked.iter().copied());
            let meant =
                meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
            let place = match table.title {
                "" => String::new(),
                title => format!(" in {title}"),
            };
            self.mistake_at(
                &key.span(),
                format!("unknown key `{}`{place}{meant}", key.get_ref()),
            );
        }
    }
}

/// A TOML number as ours, if it is whole and not too large.
pub(crate) fn integer_of(value: &DeValue<'_>) -> Option<i64> {
    match value {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}

impl<'a> Table<'a> {
    /// The value of a key, as it is written.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.insert(key);
        self.keys.get(key)
    }

    /// The line of a key's value.
    pub(crate) fn line_of(&self, key: &str, text: &str) -> Option<usize> {
        let line = self
            .keys
            .get(key)
            .map(|value| line_of(text, value.span().start));
        line.or(Some(self.line))
    }
}
