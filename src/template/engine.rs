//! The text engine: minijinja, strict, with its own delimiters and nothing that can reach outside.
//!
//! It must stay a function of its input: no loader, no clock, no random numbers, bounded work (fuel) and
//! memory. Changing what any template renders to needs a new number in [`super::manifest::ENGINE`].

use std::collections::{BTreeMap, BTreeSet};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::answers::{Answer, Answers};
use super::toml_text;

/// Work that one file may cost: a few million steps, about 64 bytes of output each.
const FUEL: u64 = 2_000_000;
/// Nested macros and loops.
const DEPTH: usize = 60;

/// Renders texts and evaluates conditions.
pub(crate) struct Engine {
    environment: Environment<'static>,
}

/// Why a text could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Counted from 1.
    pub(crate) line: Option<usize>,
    /// What is wrong.
    pub(crate) text: String,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let text = match (error.kind(), error.detail()) {
            (ErrorKind::UndefinedError, Some(detail)) => detail.to_owned(),
            (ErrorKind::UndefinedError, None) => {
                "a variable is used that no question asks for".to_owned()
            }
            (ErrorKind::OutOfFuel, _) => "rendering it takes too much work".to_owned(),
            (kind, Some(detail)) => format!("{kind}: {detail}"),
            (kind, None) => kind.to_string(),
        };
        Self {
            line: error.line(),
            text: text.replace('\n', ", "),
        }
    }
}

impl Engine {
    /// Engine 1.
    pub(crate) fn new() -> Result<Self, Fault> {
        let mut environment = Environment::empty();
        environment.set_syntax(
            SyntaxConfig::builder()
                .block_delimiters("<%", "%>")
                .variable_delimiters("<%=", "%>")
                .comment_delimiters("<%#", "%>")
                .trim_blocks(true)
                .lstrip_blocks(true)
                .keep_trailing_newline(true)
                .build()?,
        );
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(DEPTH);
        environment.set_formatter(|out, _, value| match value.kind() {
            ValueKind::String | ValueKind::Number | ValueKind::Bool => {
                write!(out, "{}", plain(value)).map_err(Error::from)
            }
            kind => Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("only texts, numbers and truth values can be written, this is {kind}"),
            )),
        });
        environment.add_filter("snake", |text: String| words(&text).join("_"));
        environment.add_filter("kebab", |text: String| words(&text).join("-"));
        environment.add_filter("title", |text: String| {
            let words = words(&text);
            let words: Vec<String> = words.iter().map(|word| capitalized(word)).collect();
            words.join(" ")
        });
        environment.add_filter("upper", |text: String| text.to_uppercase());
        environment.add_filter("lower", |text: String| text.to_lowercase());
        environment.add_filter("replace", |text: String, from: String, to: String| {
            text.replace(&from, &to)
        });
        environment.add_filter("toml", |value: Value| quoted(&value, toml_text));
        // A JSON text is also a double-quoted scalar of YAML 1.2.
        environment.add_filter("json", |value: Value| quoted(&value, json_text));
        environment.add_filter("yaml", |value: Value| quoted(&value, json_text));
        Ok(Self { environment })
    }

    /// Renders one text.
    pub(crate) fn render(&self, text: &str, values: &Value) -> Result<String, Fault> {
        let template = self.environment.template_from_str(text)?;
        Ok(template.render(values.clone())?)
    }

    /// Evaluates a condition; anything but a truth value is a fault.
    pub(crate) fn condition(&self, text: &str, values: &Value) -> Result<bool, Fault> {
        let value = self
            .environment
            .compile_expression(text)?
            .eval(values.clone())?;
        if value.kind() == ValueKind::Bool {
            return Ok(value.is_true());
        }
        Err(Fault {
            line: None,
            text: format!("`when` has to be true or false, this is {}", value.kind()),
        })
    }

    /// The variables that a text uses and does not set itself.
    pub(crate) fn variables(&self, text: &str) -> Result<BTreeSet<String>, Fault> {
        let template = self.environment.template_from_str(text)?;
        Ok(template.undeclared_variables(false).into_iter().collect())
    }

    /// The variables of a condition.
    pub(crate) fn variables_of_condition(&self, text: &str) -> Result<BTreeSet<String>, Fault> {
        let expression = self.environment.compile_expression(text)?;
        Ok(expression.undeclared_variables(false).into_iter().collect())
    }
}

/// The answers as the engine takes them.
pub(crate) fn values(answers: &Answers) -> Value {
    let values: BTreeMap<String, Value> = answers
        .iter()
        .map(|(id, answer)| {
            let value = match answer {
                Answer::Text(text) => Value::from(text.as_str()),
                Answer::Boolean(yes) => Value::from(*yes),
                Answer::Integer(number) => Value::from(*number),
            };
            (id.clone(), value)
        })
        .collect();
    Value::from(values)
}

/// As it is written into a file: truth values in lower case.
fn plain(value: &Value) -> String {
    match value.kind() {
        ValueKind::Bool if value.is_true() => "true".to_owned(),
        ValueKind::Bool => "false".to_owned(),
        _ => value.to_string(),
    }
}

fn quoted(value: &Value, quote: fn(&str) -> String) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String => Ok(quote(value.as_str().unwrap_or_default())),
        ValueKind::Number | ValueKind::Bool => Ok(plain(value)),
        kind => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("only texts, numbers and truth values can be quoted, this is {kind}"),
        )),
    }
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The words of a name in lower case: `PaymentsAPI v2` and `payments-api_v2` are `payments`, `api`, `v2`.
fn words(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (index, character) in characters.iter().enumerate() {
        if !character.is_alphanumeric() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            continue;
        }
        let before = index.checked_sub(1).and_then(|index| characters.get(index));
        let after = characters.get(index + 1);
        let begins = character.is_uppercase()
            && (before.is_some_and(|c| c.is_lowercase() || c.is_numeric())
                || (before.is_some_and(|c| c.is_uppercase())
                    && after.is_some_and(|c| c.is_lowercase())));
        if begins && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.extend(character.to_lowercase());
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> Result<String, String> {
        let answers = Answers::from([
            ("name".to_owned(), Answer::Text("Payments-api".to_owned())),
            ("tier".to_owned(), Answer::Integer(2)),
            ("queue".to_owned(), Answer::Boolean(true)),
            (
                "evil".to_owned(),
                Answer::Text("a\"\n[run]\\x <%= tier %>".to_owned()),
            ),
        ]);
        Engine::new()
            .unwrap()
            .render(text, &values(&answers))
            .map_err(|fault| fault.text)
    }

    #[test]
    fn text_is_rendered() {
        for (text, wanted) in [
            ("n = <%= name %>\n", "n = Payments-api\n"),
            (
                "<%= name|snake %> <%= name|kebab %>",
                "payments_api payments-api",
            ),
            (
                "<%= name|upper %> <%= name|lower %>",
                "PAYMENTS-API payments-api",
            ),
            ("<%= name|title %>", "Payments Api"),
            ("<%= name|replace('-', '.') %>", "Payments.api"),
            ("<%= tier %> <%= queue %>", "2 true"),
            ("a\n  <% if queue %>\nb\n  <% endif %>\nc\n", "a\nb\nc\n"),
            ("a\r\n<%= tier %>\r\n", "a\r\n2\r\n"),
            ("<%# why %>x", "x"),
            (
                "{{ .Values.x }} ${{ secrets.X }} {% raw %}",
                "{{ .Values.x }} ${{ secrets.X }} {% raw %}",
            ),
            ("<%= evil|toml %>", "\"a\\\"\\n[run]\\\\x <%= tier %>\""),
            ("<%= evil|yaml %>", "\"a\\\"\\n[run]\\\\x <%= tier %>\""),
            ("<%= tier|toml %> <%= queue|json %>", "2 true"),
            // An answer is never rendered again.
            ("<%= evil %>", "a\"\n[run]\\x <%= tier %>"),
        ] {
            assert_eq!(render(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn anything_unclear_is_an_error() {
        for text in [
            "<%= nmae %>",
            "<% if nmae %>x<% endif %>",
            "<%= name.x %>",
            "<%= none %>",
            "<%= [1] %>",
            "<%= name|nosuch %>",
            "<% include 'x' %>",
            "<% if %>",
            "<%= nmae|toml %>",
            "<%= 'x' * 1000000000 %>",
            "<% for i in range(10) %><% endfor %>",
            "<% macro m() %><%= m() %><% endmacro %><%= m() %>",
        ] {
            assert!(render(text).is_err(), "{text}: {:?}", render(text));
        }
    }

    #[test]
    fn words_are_found() {
        for (text, wanted) in [
            ("PaymentsAPI v2", "payments api v2"),
            ("payments_api--v2", "payments api v2"),
            ("HTTPServer", "http server"),
            ("", ""),
            ("Ärger", "ärger"),
        ] {
            assert_eq!(words(text).join(" "), wanted);
        }
    }
}
