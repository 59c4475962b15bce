//! Checks of a whole template that a single render would not show.

use crate::domain::meant::nearest;
use std::collections::{BTreeMap, BTreeSet};

use super::answers::{Answer, Answers, Problem, settle};
use super::engine::{Engine, Fault};
use super::manifest::BUILT_IN_VARIABLES;
use super::render::{in_file, in_manifest, matching, render, render_next};
use super::tree::{Mode, hex};
use super::{Mistake, SUFFIX, Template, given, path};

/// The key of an answer set that names the tree which has to come out.
const TREE: &str = "tree";

/// What was found, and how much was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// Empty = good.
    pub(crate) mistakes: Vec<Mistake>,
    /// Answer sets that were rendered.
    pub(crate) renders: usize,
}

/// Checks a template: variables, questions, rules, paths, and a render of each answer set in `tests`.
pub(crate) fn lint(template: &Template) -> Report {
    let mut lint = Lint {
        template,
        mistakes: Vec::new(),
        used: BTreeSet::new(),
    };
    match Engine::new() {
        Ok(engine) => {
            lint.files(&engine);
            lint.rules(&engine);
            lint.next(&engine);
            lint.unused();
        }
        Err(fault) => lint.mistakes.push(in_manifest(None, fault.text)),
    }
    let renders = lint.cases();
    lint.mistakes.sort();
    lint.mistakes.dedup();
    Report {
        mistakes: lint.mistakes,
        renders,
    }
}

struct Lint<'a> {
    template: &'a Template,
    mistakes: Vec<Mistake>,
    used: BTreeSet<String>,
}

impl Lint<'_> {
    /// Notes the variables of one text; `at` makes a mistake of the place.
    fn variables(
        &mut self,
        found: Result<BTreeSet<String>, Fault>,
        at: impl Fn(Option<usize>, String) -> Mistake,
    ) {
        let names = match found {
            Ok(names) => names,
            Err(fault) => {
                self.mistakes.push(at(fault.line, fault.text));
                return;
            }
        };
        let questions = &self.template.manifest.questions;
        let known: Vec<&str> = questions
            .iter()
            .map(|question| question.id.as_str())
            .chain(BUILT_IN_VARIABLES)
            .collect();
        for name in names {
            if !known.contains(&name.as_str()) {
                let meant = nearest(&name, known.iter().copied());
                let meant =
                    meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
                self.mistakes
                    .push(at(None, format!("no question asks for `{name}`{meant}")));
            }
            self.used.insert(name);
        }
    }

    fn files(&mut self, engine: &Engine) {
        for file in &self.template.files {
            let at = |line, text| in_file(&file.path, line, text);
            let stem = file.stem();
            for part in stem.split('/') {
                if part.contains("<%") {
                    self.variables(engine.variables(part), at);
                } else if let Some(reason) = path::refusal_of_part(part) {
                    self.mistakes
                        .push(at(None, format!("its path is refused: {reason}")));
                }
            }
            if file.path.ends_with(SUFFIX) {
                match std::str::from_utf8(&file.bytes) {
                    Ok(text) => self.variables(engine.variables(text), at),
                    Err(_) => self.mistakes.push(at(None, "it is not UTF-8".to_owned())),
                }
            }
            let mode = matching(&self.template.manifest.rules, stem)
                .filter_map(|rule| rule.mode)
                .last();
            if file.executable && mode != Some(Mode::Executable) {
                let text = "it is executable, and no [[file]] says `mode = \"755\"`";
                self.mistakes.push(at(None, text.to_owned()));
            }
        }
    }

    fn rules(&mut self, engine: &Engine) {
        for rule in &self.template.manifest.rules {
            let at = |_, text| in_manifest(Some(rule.line), text);
            if let Some(when) = &rule.when {
                self.variables(engine.variables_of_condition(when), at);
            }
            let files = &self.template.files;
            if !files.iter().any(|file| rule.matcher.is_match(file.stem())) {
                self.mistakes
                    .push(at(None, format!("`{}` matches no file", rule.glob)));
            }
        }
    }

    fn next(&mut self, engine: &Engine) {
        for step in &self.template.manifest.next {
            self.variables(engine.variables(step), |_, text| {
                in_manifest(None, format!("[[next]]: {text}"))
            });
        }
    }

    fn unused(&mut self) {
        for question in &self.template.manifest.questions {
            if !self.used.contains(&question.id) {
                self.mistakes.push(in_manifest(
                    None,
                    format!("nothing uses the answer to `{}`", question.id),
                ));
            }
        }
    }

    /// Renders each answer set, or the examples where there is none. How many were rendered.
    fn cases(&mut self) -> usize {
        for (name, text) in &self.template.cases {
            let file = format!("tests/{name}");
            match given::parse(&file, text) {
                Ok(given) => self.case(&file, given),
                Err(mistakes) => self.mistakes.extend(mistakes),
            }
        }
        if self.template.cases.is_empty() {
            let examples = self.template.manifest.questions.iter().map(|question| {
                let example = question.example();
                (question.id.clone(), example)
            });
            let examples: BTreeMap<String, String> = examples.collect();
            // A pattern may refuse the example; then only an answer set can tell.
            if let Ok(answers) = settle(&self.template.manifest.questions, &[], &examples)
                && let Err(mistakes) =
                    render(self.template, &answers, self.template.manifest.engine)
            {
                self.mistakes.extend(mistakes);
            }
        }
        self.template.cases.len()
    }

    fn case(&mut self, file: &str, mut given: BTreeMap<String, String>) {
        let at = |text| Mistake {
            file: file.to_owned(),
            line: None,
            text,
        };
        let wanted = given.remove(TREE);
        let org = given.remove("org").unwrap_or_default();
        let mut answers: Answers = match settle(&self.template.manifest.questions, &[], &given) {
            Ok(answers) => answers,
            Err(problems) => {
                let texts = problems.iter().map(in_words).map(at);
                self.mistakes.extend(texts);
                return;
            }
        };
        answers.insert("org".to_owned(), Answer::Text(org));
        let rendered = render(self.template, &answers, self.template.manifest.engine)
            .and_then(|tree| render_next(self.template, &answers).map(|_| tree));
        match (rendered, wanted) {
            (Ok(tree), Some(wanted)) if hex(tree.oid()) != wanted => {
                let came = hex(tree.oid());
                self.mistakes.push(at(format!(
                    "the render is the tree {came}, and `tree` says {wanted}"
                )));
            }
            (Ok(_), _) => {}
            (Err(mistakes), _) => self.mistakes.extend(mistakes),
        }
    }
}

/// A problem with an answer, for a report about a template.
fn in_words(problem: &Problem) -> String {
    match problem {
        Problem::Missing { id, .. } => format!("`{id}` is missing"),
        Problem::Wrong { id, given, rule } => format!("`{id}` is `{given}`; it is {rule}"),
        Problem::Unknown { id, .. } => format!("there is no question `{id}`"),
        Problem::Twice { id, .. } => format!("`{id}` is there twice"),
    }
}
