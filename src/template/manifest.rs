//! `template.toml`: what a template is called, what it asks, and what is special about some of its files.

use globset::{GlobBuilder, GlobMatcher};
use regex_lite::Regex;
use toml::Spanned;
use toml::de::DeValue;

use super::answers::{Answer, Question, QuestionKind};
use super::reader::{Mistake, Reader, Table, integer_of};
use super::tree::{Class, Mode};
use crate::domain::service::Kind;

/// The name of the file.
pub(crate) const FILE: &str = "template.toml";
/// The newest engine: what a template can rely on when it is rendered.
pub(crate) const ENGINE: u32 = 1;
/// The only version of the file's format.
const SCHEMA: i64 = 1;
/// Variables that are there without a question.
pub(crate) const BUILT_IN_VARIABLES: [&str; 1] = ["org"];

/// A template's description of itself.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    /// Its name: lower-case letters, digits and dashes.
    pub(crate) name: String,
    /// Three numbers with dots between.
    pub(crate) version: String,
    /// One line about what it makes.
    pub(crate) summary: String,
    /// What kind of service it makes.
    pub(crate) kind: Kind,
    /// Programming languages, for `squad template list`.
    pub(crate) languages: Vec<String>,
    /// The engine it was written for.
    pub(crate) engine: u32,
    /// In the order in which they are asked.
    pub(crate) questions: Vec<Question>,
    /// Later ones win.
    pub(crate) rules: Vec<FileRule>,
    /// What to do next, shown at the end. Rendered like a file.
    pub(crate) next: Vec<String>,
}

/// What is special about the files that a glob matches.
#[derive(Debug, Clone)]
pub(crate) struct FileRule {
    /// As it is written.
    pub(crate) glob: String,
    /// Matches the path below `files`, without `.tmpl`.
    pub(crate) matcher: GlobMatcher,
    /// The mode; none = not said.
    pub(crate) mode: Option<Mode>,
    /// An expression; the files are left out where it is false.
    pub(crate) when: Option<String>,
    /// What a later update does; none = not said.
    pub(crate) class: Option<Class>,
    /// Where it is written.
    pub(crate) line: usize,
}

/// Reads a manifest; the error holds every mistake.
pub(crate) fn parse(text: &str) -> Result<Manifest, Vec<Mistake>> {
    let mut reader = Reader::new(FILE, text);
    let document = reader.parse();
    let mut top = Reader::top(&document);
    schema(&mut reader, &mut top);
    let name = named(&mut reader, &mut top, text);
    let version = versioned(&mut reader, &mut top, text);
    let summary = reader.required(&mut top, "summary").filter(|summary| {
        let fits = one_line(summary);
        if !fits {
            reader.mistake(top.line_of("summary", text), "`summary` has to be one line");
        }
        fits
    });
    let kinds = [Kind::Http, Kind::Function, Kind::Worker].map(|kind| (kind.as_str(), kind));
    let kind = reader.word(&mut top, "kind", &kinds, None);
    let languages = reader.texts(&mut top, "languages");
    let engine = engine(&mut reader, &mut top, text);
    let questions = questions(&mut reader, &mut top, text);
    let rules = rules(&mut reader, &mut top, text);
    let next = next(&mut reader, &mut top);
    reader.unknown_keys(&top);
    let mut mistakes = reader.mistakes;
    if let (true, Some(name), Some(version), Some(summary), Some(kind), Some(engine)) =
        (mistakes.is_empty(), name, version, summary, kind, engine)
    {
        return Ok(Manifest {
            name,
            version,
            summary,
            kind,
            languages,
            engine,
            questions,
            rules,
            next,
        });
    }
    mistakes.sort();
    mistakes.dedup();
    Err(mistakes)
}

fn one_line(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= 200 && !text.chars().any(char::is_control)
}

fn schema<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>) {
    let Some(value) = top.value("schema") else {
        reader.mistake(Some(1), "`schema` is missing; write `schema = 1`");
        return;
    };
    if integer_of(value.get_ref()) != Some(SCHEMA) {
        reader.mistake_at(
            &value.span(),
            "`schema` has to be 1, the only one that this squad knows",
        );
    }
}

fn named<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>, text: &str) -> Option<String> {
    let name = reader.required(top, "name")?;
    let fits = crate::domain::name::ServiceName::new(name.as_str()).is_ok();
    if !fits {
        reader.mistake(
            top.line_of("name", text),
            format!(
                "`name` is `{name}`; use lower-case letters, digits and dashes, a letter first"
            ),
        );
    }
    fits.then_some(name)
}

fn versioned<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>, text: &str) -> Option<String> {
    let version = reader.required(top, "version")?;
    let parts: Vec<&str> = version.split('.').collect();
    let fits = parts.len() == 3
        && parts.iter().all(|part| {
            part.parse::<u32>()
                .is_ok_and(|number| number.to_string() == **part)
        });
    if !fits {
        reader.mistake(
            top.line_of("version", text),
            format!("`version` is `{version}`; use three numbers such as 1.0.0"),
        );
    }
    fits.then_some(version)
}

fn engine<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>, text: &str) -> Option<u32> {
    if top.value("engine").is_none() {
        reader.mistake(Some(1), "`engine` is missing; write `engine = 1`");
        return None;
    }
    let number = reader.integer(top, "engine")?;
    let engine = u32::try_from(number)
        .ok()
        .filter(|e| (1..=ENGINE).contains(e));
    if engine.is_none() {
        reader.mistake(
            top.line_of("engine", text),
            format!("`engine` is {number}; this squad renders engines up to {ENGINE}"),
        );
    }
    engine
}

fn questions<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>, text: &str) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    for mut table in reader.tables(top, "question", "[[question]]") {
        let read = question(reader, &mut table, text);
        reader.unknown_keys(&table);
        let Some(question) = read else { continue };
        if questions.iter().any(|other| other.id == question.id) {
            reader.mistake(
                Some(table.line),
                format!("there are two questions with the id `{}`", question.id),
            );
        }
        questions.push(question);
    }
    let has_name = questions
        .iter()
        .any(|question| question.id == "name" && question.kind == QuestionKind::Text);
    if !has_name && reader.mistakes.is_empty() {
        reader.mistake(None, "there is no question `name` of type `string`");
    }
    questions
}

fn question<'a>(reader: &mut Reader<'a>, table: &mut Table<'a>, text: &str) -> Option<Question> {
    let id = reader.required(table, "id");
    if let Some(id) = &id {
        check_id(reader, table, id, text);
    }
    let kinds = QuestionKind::ALL.map(|kind| (kind.as_str(), kind));
    let kind = reader.word(table, "type", &kinds, None);
    let label = reader.required(table, "label");
    if label.as_deref().is_some_and(|label| !one_line(label)) {
        reader.mistake(table.line_of("label", text), "`label` has to be one line");
    }
    let message = reader.text(table, "message");
    let pattern = reader.text(table, "pattern").and_then(|pattern| {
        // The whole answer has to match, whether or not the pattern says so.
        let compiled = Regex::new(&format!("^(?:{pattern})$"));
        if let Err(error) = &compiled {
            reader.mistake(
                table.line_of("pattern", text),
                format!("`pattern` is not a regular expression: {error}"),
            );
        }
        compiled.ok()
    });
    let choices = reader.texts(table, "choices");
    let min = reader.integer(table, "min");
    let max = reader.integer(table, "max");
    let default = table.value("default");
    let mut question = Question {
        id: id?,
        kind: kind?,
        label: label?,
        pattern,
        message,
        choices,
        default: None,
        min,
        max,
    };
    check_kind(reader, table, &question);
    if let Some(value) = default {
        question.default = default_answer(reader, &question, value);
    }
    Some(question)
}

fn check_id<'a>(reader: &mut Reader<'a>, table: &Table<'a>, id: &str, text: &str) {
    let fits = id.len() <= 40
        && id
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_lowercase())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !fits {
        reader.mistake(
            table.line_of("id", text),
            format!("`id` is `{id}`; use lower-case letters, digits and `_`, a letter first"),
        );
    } else if BUILT_IN_VARIABLES.contains(&id) {
        reader.mistake(
            table.line_of("id", text),
            format!("`{id}` is a variable that is always there; choose another `id`"),
        );
    }
}

/// Keys that belong to one type only.
fn check_kind<'a>(reader: &mut Reader<'a>, table: &Table<'a>, question: &Question) {
    let line = Some(table.line);
    let id = &question.id;
    let is_choice = question.kind == QuestionKind::Choice;
    if is_choice && question.choices.is_empty() {
        reader.mistake(line, format!("the question `{id}` has no `choices`"));
    }
    if !is_choice && !question.choices.is_empty() {
        reader.mistake(
            line,
            format!("the question `{id}` has `choices`, which only the type `choice` has"),
        );
    }
    let has_range = question.min.is_some() || question.max.is_some();
    if has_range && question.kind != QuestionKind::Integer {
        reader.mistake(
            line,
            format!("the question `{id}` has `min` or `max`, which only the type `int` has"),
        );
    }
    if let (Some(min), Some(max)) = (question.min, question.max)
        && min > max
    {
        reader.mistake(
            line,
            format!("the question `{id}` has a `min` above its `max`"),
        );
    }
}

fn default_answer<'a>(
    reader: &mut Reader<'a>,
    question: &Question,
    value: &Spanned<DeValue<'a>>,
) -> Option<Answer> {
    let typed = match (question.kind, value.get_ref()) {
        (QuestionKind::Text | QuestionKind::Choice, DeValue::String(text)) => {
            Some(text.clone().into_owned())
        }
        (QuestionKind::Boolean, DeValue::Boolean(yes)) => Some(yes.to_string()),
        (QuestionKind::Integer, value) => integer_of(value).map(|number| number.to_string()),
        _ => None,
    };
    let answer = typed.and_then(|text| question.check(&text).ok());
    if answer.is_none() {
        reader.mistake_at(
            &value.span(),
            format!(
                "the `default` of `{}` is no right answer to it: {}",
                question.id,
                question.rule()
            ),
        );
    }
    answer
}

fn rules<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>, text: &str) -> Vec<FileRule> {
    let mut rules = Vec::new();
    for mut table in reader.tables(top, "file", "[[file]]") {
        let glob = reader.required(&mut table, "glob");
        let modes = [Mode::Plain, Mode::Executable].map(|mode| (mode.as_str(), Some(mode)));
        let mode = reader.word(&mut table, "mode", &modes, Some(None));
        let classes = Class::ALL.map(|class| (class.as_str(), Some(class)));
        let class = reader.word(&mut table, "class", &classes, Some(None));
        let when = reader.text(&mut table, "when");
        reader.unknown_keys(&table);
        let Some(glob) = glob else { continue };
        match GlobBuilder::new(&glob).literal_separator(true).build() {
            Ok(compiled) => rules.push(FileRule {
                matcher: compiled.compile_matcher(),
                glob,
                mode: mode.flatten(),
                when,
                class: class.flatten(),
                line: table.line,
            }),
            Err(error) => reader.mistake(
                table.line_of("glob", text),
                format!("`glob` is not a pattern of paths: {}", error.kind()),
            ),
        }
    }
    rules
}

fn next<'a>(reader: &mut Reader<'a>, top: &mut Table<'a>) -> Vec<String> {
    let mut steps = Vec::new();
    for mut table in reader.tables(top, "next", "[[next]]") {
        if let Some(text) = reader.required(&mut table, "text") {
            if one_line(&text) {
                steps.push(text);
            } else {
                reader.mistake(Some(table.line), "`text` has to be one line");
            }
        }
        reader.unknown_keys(&table);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_reported_with_their_lines() {
        let text = r#"schema = 2
name = "My Template"
version = "1.0"
kind = "htp"
engine = 9
sumary = "x"

[[question]]
id = "Name"
type = "text"

[[question]]
id = "tier"
type = "int"
label = "the tier"
default = 7
max = 3
choice = ["a"]

[[file]]
glob = "a["
mode = "777"

[[next]]
txt = "x"
"#;
        let mistakes: Vec<String> = parse(text)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            mistakes,
            [
                "template.toml:1: `schema` has to be 1, the only one that this squad knows",
                "template.toml:1: `summary` is missing",
                "template.toml:2: `name` is `My Template`; use lower-case letters, digits and dashes, a letter first",
                "template.toml:3: `version` is `1.0`; use three numbers such as 1.0.0",
                "template.toml:4: `kind` is `htp`; it is http, function or worker",
                "template.toml:5: `engine` is 9; this squad renders engines up to 1",
                "template.toml:6: unknown key `sumary`; did you mean `summary`?",
                "template.toml:8: `label` is missing in this [[question]]",
                "template.toml:9: `id` is `Name`; use lower-case letters, digits and `_`, a letter first",
                "template.toml:10: `type` is `text`; it is string, bool, int or choice",
                "template.toml:16: the `default` of `tier` is no right answer to it: a whole number, 3 or less",
                "template.toml:18: unknown key `choice` in [[question]]; did you mean `choices`?",
                "template.toml:21: `glob` is not a pattern of paths: unclosed character class; missing ']'",
                "template.toml:22: `mode` is `777`; it is 644 or 755",
                "template.toml:24: `text` is missing in this [[next]]",
                "template.toml:25: unknown key `txt` in [[next]]; did you mean `text`?",
            ]
        );
    }

    #[test]
    fn broken_toml_does_not_hide_the_rest() {
        let mistakes = parse("schema = = 1\nname = \"a\"\nkindd = \"http\"\n").unwrap_err();
        let lines: Vec<Option<usize>> = mistakes.iter().map(|mistake| mistake.line).collect();
        assert!(lines.contains(&Some(3)), "{mistakes:?}");
        assert!(
            mistakes
                .iter()
                .any(|mistake| mistake.line == Some(1) && mistake.text.contains("not TOML")),
            "{mistakes:?}"
        );
    }
}
