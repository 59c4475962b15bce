//! `--set`: what it answers, and what is no answer to anything.

use crate::template::Question;

/// What was given with `--set`, in order.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Answers: the id of a question, without spaces around it, and the text.
    pub(super) pairs: Vec<(String, String)>,
    /// What answers nothing.
    pub(super) strays: Vec<Stray>,
}

/// A `--set` that answers nothing. Only a command line can hold one: a file of answers has a key and a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stray {
    /// Without a `=`: all of what was given.
    NoValue(String),
    /// With nothing before its `=`: all of what was given.
    NoQuestion(String),
}

impl Given {
    /// Reads each `--set`.
    pub(super) fn read(set: &[String]) -> Self {
        let mut given = Self::default();
        for text in set {
            match pair(text) {
                Some(("", _)) => given.strays.push(Stray::NoQuestion(text.clone())),
                Some((id, answer)) => given.pairs.push((id.to_owned(), answer.to_owned())),
                None => given.strays.push(Stray::NoValue(text.clone())),
            }
        }
        given
    }

    /// Whether this question is answered.
    pub(super) fn has(&self, id: &str) -> bool {
        self.pairs.iter().any(|(of, _)| of == id)
    }
}

impl Stray {
    /// What was given.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::NoValue(text) | Self::NoQuestion(text) => text,
        }
    }

    /// What is wrong with it.
    pub(super) fn why(&self) -> &'static str {
        match self {
            Self::NoValue(_) => "has no value; write `--set QUESTION=ANSWER`",
            Self::NoQuestion(_) => "names no question; write `--set QUESTION=ANSWER`",
        }
    }

    /// The question that somebody began to answer.
    pub(super) fn begun<'a>(&self, questions: &'a [Question]) -> Option<&'a Question> {
        match self {
            Self::NoValue(id) => questions.iter().find(|question| question.id == id.trim()),
            Self::NoQuestion(_) => None,
        }
    }
}

/// The id of a question, without spaces around it, and its answer; none without a `=`.
pub(super) fn pair(text: &str) -> Option<(&str, &str)> {
    let (id, answer) = text.split_once('=')?;
    Some((id.trim(), answer))
}
