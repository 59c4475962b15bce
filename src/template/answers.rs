//! Questions of a template and the answers to them. What a person types is text from outside: it is checked
//! here, once, before any of it reaches a file.

use crate::domain::meant::nearest;
use std::collections::BTreeMap;

use regex_lite::Regex;

use super::toml_text;

/// The longest text that is an answer, in characters.
const LONGEST: usize = 1000;

/// An answer that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Text, on one line.
    Text(String),
    /// Yes or no.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
}

/// Every question's id with its answer, and `org` (empty without an org).
pub(crate) type Answers = BTreeMap<String, Answer>;

impl Answer {
    /// As a person types it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Boolean(yes) => yes.to_string(),
            Self::Integer(number) => number.to_string(),
        }
    }

    /// As TOML writes it.
    pub(crate) fn to_toml(&self) -> String {
        match self {
            Self::Text(text) => toml_text(text),
            other => other.shown(),
        }
    }
}

/// What kind of answer a question wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuestionKind {
    /// `string`
    Text,
    /// `bool`
    Boolean,
    /// `int`
    Integer,
    /// `choice`
    Choice,
}

impl QuestionKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 4] = [Self::Text, Self::Boolean, Self::Integer, Self::Choice];

    /// The word used in manifests.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Boolean => "bool",
            Self::Integer => "int",
            Self::Choice => "choice",
        }
    }
}

/// One question of a template.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The name of the variable.
    pub(crate) id: String,
    /// What kind of answer it wants.
    pub(crate) kind: QuestionKind,
    /// What it asks for, as the end of a sentence: `the squad that owns it`.
    pub(crate) label: String,
    /// The whole answer has to match it.
    pub(crate) pattern: Option<Regex>,
    /// The pattern in words.
    pub(crate) message: Option<String>,
    /// For [`QuestionKind::Choice`].
    pub(crate) choices: Vec<String>,
    /// Used when nobody is asked.
    pub(crate) default: Option<Answer>,
    /// Lowest number.
    pub(crate) min: Option<i64>,
    /// Highest number.
    pub(crate) max: Option<i64>,
}

impl Question {
    /// Checks what a person typed; the error says what would be right.
    pub(crate) fn check(&self, text: &str) -> Result<Answer, String> {
        let answer = match self.kind {
            QuestionKind::Boolean => text.parse().map(Answer::Boolean).ok(),
            QuestionKind::Integer => text.parse().map(Answer::Integer).ok(),
            QuestionKind::Text | QuestionKind::Choice => Some(Answer::Text(text.to_owned())),
        };
        match answer {
            Some(answer) if self.accepts(&answer) => Ok(answer),
            _ => Err(self.rule()),
        }
    }

    /// Whether an answer of the right type obeys the rules.
    fn accepts(&self, answer: &Answer) -> bool {
        let text = answer.shown();
        let fits = match (self.kind, answer) {
            (QuestionKind::Boolean, Answer::Boolean(_)) => true,
            (QuestionKind::Integer, Answer::Integer(number)) => {
                self.min.is_none_or(|min| *number >= min)
                    && self.max.is_none_or(|max| *number <= max)
            }
            (QuestionKind::Choice, Answer::Text(text)) => self.choices.contains(text),
            (QuestionKind::Text, Answer::Text(text)) => {
                !text.is_empty()
                    && text.chars().count() <= LONGEST
                    && !text.chars().any(char::is_control)
            }
            _ => false,
        };
        fits && self
            .pattern
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(&text))
    }

    /// What a right answer is, in words.
    pub(crate) fn rule(&self) -> String {
        if let Some(message) = &self.message {
            return message.clone();
        }
        match self.kind {
            QuestionKind::Boolean => "true or false".to_owned(),
            QuestionKind::Choice => listed(&self.choices),
            QuestionKind::Integer => match (self.min, self.max) {
                (Some(min), Some(max)) => format!("a whole number from {min} to {max}"),
                (Some(min), None) => format!("a whole number, {min} or more"),
                (None, Some(max)) => format!("a whole number, {max} or less"),
                (None, None) => "a whole number".to_owned(),
            },
            QuestionKind::Text => match &self.pattern {
                Some(pattern) => format!("text that matches {pattern}"),
                None => "text on one line, 1 to 1000 characters".to_owned(),
            },
        }
    }

    /// The question on one line, with its choices and its type.
    pub(crate) fn described(&self) -> String {
        match self.kind {
            QuestionKind::Choice => format!(
                "{}: {} ({})",
                self.label,
                listed(&self.choices),
                self.kind.as_str()
            ),
            _ => format!("{} ({})", self.label, self.kind.as_str()),
        }
    }

    /// A right answer for a hint, or the place for one.
    pub(crate) fn example(&self) -> String {
        if let Some(default) = &self.default {
            return default.shown();
        }
        match self.kind {
            QuestionKind::Boolean => "true".to_owned(),
            QuestionKind::Integer => self.min.or(self.max).unwrap_or(1).to_string(),
            QuestionKind::Choice => self
                .choices
                .last()
                .cloned()
                .unwrap_or_else(|| self.id.to_uppercase()),
            // No `<…>`: pasted into a shell, that would read from a file.
            QuestionKind::Text => self.id.to_uppercase(),
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(crate) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// What is wrong with one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Nobody answered, and there is no default.
    Missing {
        /// The question's id.
        id: String,
        /// The question with its choices.
        question: String,
        /// A right answer, or the place for one.
        example: String,
    },
    /// The answer breaks the question's rules.
    Wrong {
        /// The question's id.
        id: String,
        /// What was given.
        given: String,
        /// What a right answer is.
        rule: String,
    },
    /// The template has no such question.
    Unknown {
        /// What was given.
        id: String,
        /// The question that was probably meant.
        nearest: Option<String>,
    },
    /// Two answers to one question.
    Twice {
        /// The question's id.
        id: String,
        /// The two.
        given: (String, String),
    },
}

/// Puts together what was given on the command line and in a file (the command line wins), checks all of it and
/// fills in the defaults. Every problem is in the list.
pub(crate) fn settle(
    questions: &[Question],
    command_line: &[(String, String)],
    file: &BTreeMap<String, String>,
) -> Result<Answers, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    for (id, text) in command_line {
        if let Some(first) = given.insert(id, text) {
            problems.push(Problem::Twice {
                id: id.clone(),
                given: (first.to_owned(), text.clone()),
            });
        }
    }
    for (id, text) in file {
        given.entry(id).or_insert(text);
    }
    for id in given.keys() {
        if !questions.iter().any(|question| question.id == *id) {
            problems.push(Problem::Unknown {
                id: (*id).to_owned(),
                nearest: nearest(id, questions.iter().map(|question| question.id.as_str()))
                    .map(str::to_owned),
            });
        }
    }
    let mut answers = Answers::new();
    for question in questions {
        let checked = match given.get(question.id.as_str()) {
            Some(text) => question.check(text).map_err(|rule| Problem::Wrong {
                id: question.id.clone(),
                given: (*text).to_owned(),
                rule,
            }),
            None => question.default.clone().ok_or_else(|| Problem::Missing {
                id: question.id.clone(),
                question: question.described(),
                example: question.example(),
            }),
        };
        match checked {
            Ok(answer) => drop(answers.insert(question.id.clone(), answer)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(answers)
    } else {
        Err(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(id: &str, kind: QuestionKind) -> Question {
        Question {
            id: id.to_owned(),
            kind,
            label: format!("the {id}"),
            pattern: None,
            message: None,
            choices: vec!["a".to_owned(), "b".to_owned()],
            default: None,
            min: None,
            max: None,
        }
    }

    #[test]
    fn answers_are_checked_by_their_kind() {
        let text = question("x", QuestionKind::Text);
        for (given, good) in [
            ("a", true),
            ("ä b", true),
            ("", false),
            ("a\nb", false),
            ("a\u{1b}[2J", false),
            (&"a".repeat(1001), false),
        ] {
            assert_eq!(text.check(given).is_ok(), good, "{given:?}");
        }
        let number = Question {
            min: Some(1),
            max: Some(3),
            ..question("x", QuestionKind::Integer)
        };
        for (given, good) in [
            ("1", true),
            ("3", true),
            ("0", false),
            ("4", false),
            ("x", false),
            ("1.5", false),
            ("99999999999999999999", false),
        ] {
            assert_eq!(number.check(given).is_ok(), good, "{given}");
        }
        assert_eq!(number.rule(), "a whole number from 1 to 3");
        let choice = question("x", QuestionKind::Choice);
        assert!(choice.check("a").is_ok());
        assert_eq!(choice.check("c"), Err("a or b".to_owned()));
        let boolean = question("x", QuestionKind::Boolean);
        assert_eq!(boolean.check("true"), Ok(Answer::Boolean(true)));
        assert!(boolean.check("yes").is_err());
    }

    #[test]
    fn every_problem_is_listed() {
        let questions = [
            question("name", QuestionKind::Text),
            question("squad", QuestionKind::Choice),
            question("tier", QuestionKind::Integer),
        ];
        let pair = |id: &str, text: &str| (id.to_owned(), text.to_owned());
        let problems = settle(
            &questions,
            &[pair("tier", "high"), pair("sqad", "a"), pair("tier", "low")],
            &BTreeMap::new(),
        )
        .unwrap_err();
        assert_eq!(
            problems,
            [
                Problem::Twice {
                    id: "tier".to_owned(),
                    given: ("high".to_owned(), "low".to_owned())
                },
                Problem::Unknown {
                    id: "sqad".to_owned(),
                    nearest: Some("squad".to_owned())
                },
                Problem::Missing {
                    id: "name".to_owned(),
                    question: "the name (string)".to_owned(),
                    example: "NAME".to_owned()
                },
                Problem::Missing {
                    id: "squad".to_owned(),
                    question: "the squad: a or b (choice)".to_owned(),
                    example: "b".to_owned()
                },
                Problem::Wrong {
                    id: "tier".to_owned(),
                    given: "low".to_owned(),
                    rule: "a whole number".to_owned()
                },
            ]
        );
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let answers = settle(
            &[question("squad", QuestionKind::Choice)],
            &[("squad".to_owned(), "a".to_owned())],
            &BTreeMap::from([("squad".to_owned(), "b".to_owned())]),
        )
        .unwrap();
        assert_eq!(answers["squad"], Answer::Text("a".to_owned()));
    }
}
