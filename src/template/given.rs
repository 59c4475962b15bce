//! Answers from a file: `key = value` in TOML.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeValue;

use super::reader::{Reader, integer_of};
use super::{Error, Mistake};
use crate::fs;

/// Reads an answers file; every mistake in it is reported at once.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, String>, Error> {
    let text = fs::read_to_string(path)?;
    parse(&path.display().to_string(), &text).map_err(|mistakes| Error::AnswersFile {
        path: path.to_owned(),
        mistakes,
    })
}

/// The texts of all keys. What is neither text, whole number nor truth value is a mistake.
pub(crate) fn parse(file: &str, text: &str) -> Result<BTreeMap<String, String>, Vec<Mistake>> {
    let mut reader = Reader::new(file, text);
    let table = reader.parse();
    let mut answers = BTreeMap::new();
    for (key, value) in &table {
        let answer = match value.get_ref() {
            DeValue::String(text) => Some(text.clone().into_owned()),
            DeValue::Boolean(yes) => Some(yes.to_string()),
            value => integer_of(value).map(|number| number.to_string()),
        };
        match answer {
            Some(answer) => drop(answers.insert(key.get_ref().clone().into_owned(), answer)),
            None => reader.mistake_at(
                &value.span(),
                format!(
                    "`{}` has to be a text, a whole number, true or false",
                    key.get_ref()
                ),
            ),
        }
    }
    if reader.mistakes.is_empty() {
        Ok(answers)
    } else {
        Err(reader.mistakes)
    }
}
