//! Takes typed values out of a tree, notes every mistake on the way, and remembers what each value is and
//! where it comes from.

use crate::domain::meant::nearest;
use std::cell::RefCell;
use std::collections::BTreeSet;

use super::place::{Mistake, Place, Role};
use super::tree::{Entry, Node, Table, Value};

/// Keys that only the org's file may hold (DESIGN §13).
const ORG_ONLY: [&str; 9] = [
    "platform",
    "account",
    "region",
    "cluster",
    "namespace",
    "protected",
    "policy",
    "metrics",
    "audit",
];

/// One effective value.
#[derive(Debug, Clone)]
pub(crate) struct Effective {
    /// Its key, such as `run.grace`.
    pub(crate) key: String,
    /// The value.
    pub(crate) value: Value,
    /// Where it is written; none = built in.
    pub(crate) place: Option<Place>,
}

/// What reading a tree brought to light.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    mistakes: RefCell<Vec<Mistake>>,
    values: RefCell<Vec<Effective>>,
    /// Every key that was asked for, `*` for a name that people choose: what the schema must have too.
    known: RefCell<BTreeSet<String>>,
}

impl Findings {
    /// Notes a mistake, once for each place and text.
    pub(crate) fn mistake(&self, place: &Place, message: impl Into<String>) {
        self.push(place, message.into(), false);
    }

    /// Notes that something is missing.
    pub(crate) fn missing(&self, place: &Place, message: impl Into<String>) {
        self.push(place, message.into(), true);
    }

    fn push(&self, place: &Place, message: String, missing: bool) {
        let mut mistakes = self.mistakes.borrow_mut();
        let again = mistakes.iter().any(|other| {
            other.place.file.path == place.file.path
                && other.place.start == place.start
                && other.message == message
        });
        if !again {
            mistakes.push(Mistake {
                place: place.clone(),
                message,
                missing,
            });
        }
    }

    /// Notes an effective value.
    pub(crate) fn record(&self, key: String, value: Value, place: Option<Place>) {
        self.values
            .borrow_mut()
            .push(Effective { key, value, place });
    }

    /// The mistakes, which are taken out.
    pub(crate) fn take_mistakes(&self) -> Vec<Mistake> {
        self.mistakes.take()
    }

    /// The effective values in the order in which they were asked for.
    pub(crate) fn into_values(self) -> Vec<Effective> {
        self.values.into_inner()
    }

    /// Every key that was asked for.
    #[cfg(test)]
    pub(crate) fn known(&self) -> BTreeSet<String> {
        self.known.borrow().clone()
    }
}

/// What a conversion says: the value, or the rest of the sentence that begins with the key.
pub(crate) type Converted<T> = Result<T, String>;

/// Reads one table.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    table: Option<&'a Table>,
    place: Option<Place>,
    path: String,
    pattern: String,
    asked: Vec<String>,
    findings: &'a Findings,
}

impl<'a> Reader<'a> {
    /// Reads the table at the top of a file.
    pub(crate) fn root(node: &'a Node, findings: &'a Findings) -> Self {
        Self {
            table: node.table(),
            place: node.place.clone(),
            path: String::new(),
            pattern: String::new(),
            asked: Vec::new(),
            findings,
        }
    }

    /// The same table, with another place for what is found.
    pub(crate) fn with_findings(self, findings: &'a Findings) -> Self {
        Self { findings, ..self }
    }

    /// Where mistakes go.
    pub(crate) fn findings(&self) -> &'a Findings {
        self.findings
    }

    /// The table's header, or what comes nearest to it.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Whether the file has this table.
    pub(crate) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// The full key of one of the table's.
    pub(crate) fn key(&self, key: &str) -> String {
        join(&self.path, key)
    }

    fn ask(&mut self, key: &str) -> Option<&'a Entry> {
        self.asked.push(key.to_owned());
        self.findings
            .known
            .borrow_mut()
            .insert(join(&self.pattern, key));
        self.table?.get(key)
    }

    /// The value of a key as it is written, without a look at its type.
    pub(crate) fn entry(&mut self, key: &str) -> Option<&'a Entry> {
        self.ask(key)
    }

    /// A table inside this one; when it is not there, everything in it is missing or default.
    pub(crate) fn table(&mut self, key: &str) -> Self {
        let entry = self.ask(key);
        self.child(key, key, entry)
    }

    fn child(&self, key: &str, pattern: &str, entry: Option<&'a Entry>) -> Self {
        let path = self.key(key);
        let table = entry.and_then(|entry| match &entry.node.value {
            Value::Table(table) => Some(table),
            Value::Broken => None,
            other => {
                if let Some(place) = &entry.node.place {
                    let what = other.what();
                    self.findings
                        .mistake(place, format!("`{path}` is {what}; it must be a table"));
                }
                None
            }
        });
        Self {
            table,
            place: entry
                .and_then(|entry| entry.node.place.clone())
                .or_else(|| self.place.clone()),
            path,
            pattern: join(&self.pattern, pattern),
            asked: Vec::new(),
            findings: self.findings,
        }
    }

    /// The tables inside this one whose names people choose, such as `[env.<name>]`, with their names.
    pub(crate) fn named_tables(&mut self) -> Vec<(&'a str, Option<&'a Place>, Self)> {
        let table = self.table;
        self.findings
            .known
            .borrow_mut()
            .insert(join(&self.pattern, "*"));
        table
            .into_iter()
            .flatten()
            .map(|(name, entry)| {
                self.asked.push(name.clone());
                let reader = self.child(name, "*", Some(entry));
                (name.as_str(), entry.key.as_ref(), reader)
            })
            .collect()
    }

    /// The entries of this table whose names people choose, such as those of `[run.env]`.
    pub(crate) fn named_entries(&mut self) -> Vec<(&'a str, &'a Entry)> {
        let table = self.table;
        self.findings
            .known
            .borrow_mut()
            .insert(join(&self.pattern, "*"));
        table
            .into_iter()
            .flatten()
            .map(|(name, entry)| {
                self.asked.push(name.clone());
                (name.as_str(), entry)
            })
            .collect()
    }

    /// The tables of a list, such as `[[route]]`.
    pub(crate) fn tables(&mut self, key: &str) -> Vec<Self> {
        let Some(entry) = self.ask(key) else {
            return Vec::new();
        };
        let items = match &entry.node.value {
            Value::List(items) => items,
            Value::Broken => return Vec::new(),
            other => {
                self.wrong(&entry.node, key, &must_be("a list of tables", other));
                return Vec::new();
            }
        };
        items
            .iter()
            .enumerate()
            .filter_map(|(index, node)| {
                let path = format!("{}[{index}]", self.key(key));
                let Value::Table(table) = &node.value else {
                    if let (Some(place), false) = (&node.place, node.value.is_broken()) {
                        let message = format!("`{path}` {}", must_be("a table", &node.value));
                        self.findings.mistake(place, message);
                    }
                    return None;
                };
                Some(Self {
                    table: Some(table),
                    place: node.place.clone(),
                    path,
                    pattern: join(&self.pattern, key),
                    asked: Vec::new(),
                    findings: self.findings,
                })
            })
            .collect()
    }

    /// A value that may be missing.
    pub(crate) fn value<T>(
        &mut self,
        key: &str,
        convert: impl Fn(&Value) -> Converted<T>,
    ) -> Option<T> {
        let entry = self.ask(key)?;
        let converted = self.convert(key, &entry.node, convert)?;
        self.findings.record(
            self.key(key),
            entry.node.value.clone(),
            entry.node.place.clone(),
        );
        Some(converted)
    }

    /// A value with a built-in one in its place.
    pub(crate) fn value_or<T>(
        &mut self,
        key: &str,
        built_in: Value,
        convert: impl Fn(&Value) -> Converted<T>,
    ) -> Option<T> {
        if self.table.is_some_and(|table| table.contains_key(key)) {
            return self.value(key, convert);
        }
        self.ask(key);
        let converted = convert(&built_in).ok()?;
        self.findings.record(self.key(key), built_in, None);
        Some(converted)
    }

    /// Whether a person named the key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// A value that must be there; `example` is a line that would do.
    pub(crate) fn need<T>(
        &mut self,
        key: &str,
        example: &str,
        convert: impl Fn(&Value) -> Converted<T>,
    ) -> Option<T> {
        if !self.table.is_some_and(|table| table.contains_key(key)) {
            self.ask(key);
            self.lacks(&format!(
                "`{}` is missing; write something like `{example}`",
                self.key(key)
            ));
            return None;
        }
        self.value(key, convert)
    }

    /// Notes that something is missing in this table.
    pub(crate) fn lacks(&self, message: &str) {
        if let Some(place) = &self.place {
            self.findings.missing(place, message);
        }
    }

    fn convert<T>(
        &self,
        key: &str,
        node: &Node,
        convert: impl Fn(&Value) -> Converted<T>,
    ) -> Option<T> {
        if node.value.is_broken() {
            return None;
        }
        match convert(&node.value) {
            Ok(value) => Some(value),
            Err(rest) => {
                self.wrong(node, key, &rest);
                None
            }
        }
    }

    /// Notes a mistake in the value of a key; the message begins with the key.
    pub(crate) fn wrong(&self, node: &Node, key: &str, rest: &str) {
        if let Some(place) = &node.place {
            self.findings
                .mistake(place, format!("`{}` {rest}", self.key(key)));
        }
    }

    /// Notes the keys that nobody asked for.
    pub(crate) fn finish(self) {
        for (key, entry) in self.table.into_iter().flatten() {
            if self.asked.iter().any(|asked| asked == key) {
                continue;
            }
            let Some(place) = &entry.key else { continue };
            let full = self.key(key);
            let message = match nearest(key, self.asked.iter().map(String::as_str)) {
                Some(meant) => format!("unknown key `{full}`; did you mean `{meant}`?"),
                None if place.file.role == Role::Org => {
                    format!("unknown key `{full}`; {}", self.known_here())
                }
                None if ORG_ONLY.contains(&key.as_str()) || key == "trusted" => format!(
                    "`{full}` cannot be set here: {key} comes from the org's file alone (org.toml)"
                ),
                None => format!("unknown key `{full}`; {}", self.known_here()),
            };
            self.findings.mistake(place, message);
        }
    }

    fn known_here(&self) -> String {
        let known: Vec<String> = self.asked.iter().map(|key| format!("`{key}`")).collect();
        let here = if self.path.is_empty() {
            "at the top".to_owned()
        } else {
            format!("in `{}`", self.path)
        };
        if known.is_empty() {
            format!("nothing is known {here}")
        } else {
            format!("{here} there can be {}", known.join(", "))
        }
    }
}

impl Value {
    pub(super) fn is_broken(&self) -> bool {
        matches!(self, Self::Broken)
    }
}

/// `a.b`, or `b` at the top.
fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The end of a sentence about a value of the wrong type.
pub(crate) fn must_be(wanted: &str, found: &Value) -> String {
    format!("is {}; it must be {wanted}", found.what())
}
