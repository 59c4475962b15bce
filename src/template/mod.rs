//! Golden-path templates: the manifest, the questions, and a pure and strict rendering.
//!
//! Nothing here writes a file, asks a person or starts a program; only [`Template::open`] reads files. The words
//! for people are in `error::template`.

pub(crate) mod answers;
mod builtin;
mod directory;
mod engine;
pub(crate) mod given;
pub(crate) mod lint;
pub(crate) mod lock;
pub(crate) mod manifest;
pub(crate) mod path;
mod reader;
pub(crate) mod render;
pub(crate) mod tree;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::domain::meant::nearest;
use crate::fs;

pub(crate) use answers::{Answer, Answers, Problem, Question, QuestionKind};
pub(crate) use manifest::Manifest;
pub(crate) use reader::Mistake;
pub(crate) use render::render;
pub(crate) use tree::Class;

/// The end of the name of a file that is rendered; all others are copied.
const SUFFIX: &str = ".tmpl";

/// Where a template comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// This program.
    Builtin,
    /// A directory, by its absolute path.
    Directory(PathBuf),
}

/// One file of a template.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// Relative to `files`, with `/`.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) bytes: Cow<'static, [u8]>,
    /// Whether it is a program on the disk; a render takes the mode from the manifest alone.
    pub(crate) executable: bool,
}

impl SourceFile {
    /// Its path without `.tmpl`.
    pub(crate) fn stem(&self) -> &str {
        self.path.strip_suffix(SUFFIX).unwrap_or(&self.path)
    }
}

/// A whole template.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// Where it comes from.
    pub(crate) source: Source,
    /// What it says about itself.
    pub(crate) manifest: Manifest,
    /// Sorted by path.
    pub(crate) files: Vec<SourceFile>,
    /// The answer sets of `tests/*.toml`: name and text.
    pub(crate) cases: Vec<(String, String)>,
}

/// Why there is no such template, or why it cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No template of this name is built in.
    #[error("there is no template `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The templates that there are.
        known: Vec<String>,
        /// The one that was probably meant.
        nearest: Option<String>,
        /// A directory of this name holds a template.
        is_directory: bool,
    },
    /// The directory holds no `template.toml`.
    #[error("`{}` holds no template.toml", .0.display())]
    NotATemplate(PathBuf),
    /// The template itself is wrong.
    #[error("the template `{template}` has {} mistakes", mistakes.len())]
    Mistakes {
        /// Its name or directory.
        template: String,
        /// All of them.
        mistakes: Vec<Mistake>,
    },
    /// The answers file is wrong.
    #[error("`{}` has {} mistakes", path.display(), mistakes.len())]
    AnswersFile {
        /// As it was given.
        path: PathBuf,
        /// All of them.
        mistakes: Vec<Mistake>,
    },
    /// Something could not be read.
    #[error(transparent)]
    File(#[from] fs::Error),
}

impl Template {
    /// A template by its name (`python-http`, `builtin/python-http`) or by its directory (`./mine`, anything with
    /// another slash).
    pub(crate) fn open(name: &str) -> Result<Self, Error> {
        let built_in = name.strip_prefix("builtin/").unwrap_or(name);
        let is_path = built_in.contains('/') || built_in == "." || built_in == "..";
        if is_path {
            return directory::open(Path::new(name));
        }
        builtin::open(built_in)?.ok_or_else(|| {
            let known = builtin::names();
            Error::Unknown {
                name: name.to_owned(),
                nearest: nearest(built_in, known.iter().map(String::as_str)).map(str::to_owned),
                known,
                is_directory: Path::new(name).join(manifest::FILE).is_file(),
            }
        })
    }

    /// Every built-in template, by name.
    pub(crate) fn builtin() -> Result<Vec<Self>, Error> {
        let names = builtin::names();
        names.iter().map(|name| Self::open(name)).collect()
    }

    /// Its name with its catalog: `builtin/python-http`, `dir/mine`.
    pub(crate) fn id(&self) -> String {
        let catalog = match self.source {
            Source::Builtin => "builtin",
            Source::Directory(_) => "dir",
        };
        format!("{catalog}/{}", self.manifest.name)
    }

    /// The questions, where the one for the squad is a choice among an org's squads when there are some.
    pub(crate) fn questions(&self, squads: &[String]) -> Vec<Question> {
        let mut questions = self.manifest.questions.clone();
        for question in &mut questions {
            if question.id == "squad" && question.kind == QuestionKind::Text && !squads.is_empty() {
                question.kind = QuestionKind::Choice;
                squads.clone_into(&mut question.choices);
                question.message = None;
            }
        }
        questions
    }
}

/// A text as a TOML basic string on one line.
pub(crate) fn toml_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => {
                let escape = format!("\\u{:04X}", u32::from(c));
                quoted.push_str(&escape);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
