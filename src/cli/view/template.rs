//! What `squad template` prints.

use serde::Serialize;

use super::super::context::Context;
use super::number::counted;
use crate::output::table::{Align, render};
use crate::output::{Style, sanitize};
use crate::template::lint::Report;
use crate::template::{Answer, Question, QuestionKind, SourceFile, Template};

/// One template, as far as a list says it.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    name: &'a str,
    version: &'a str,
    summary: &'a str,
    kind: &'static str,
    languages: &'a [String],
}

/// `squad.template_list/v1`.
#[derive(Debug, Serialize)]
struct List<'a> {
    schema: &'static str,
    templates: Vec<Listed<'a>>,
}

/// `squad.template/v1`.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    schema: &'static str,
    /// With its catalog.
    id: String,
    #[serde(flatten)]
    listed: Listed<'a>,
    engine: u32,
    questions: Vec<Asked<'a>>,
    /// Paths before rendering.
    files: Vec<&'a str>,
}

/// One question.
#[derive(Debug, Serialize)]
struct Asked<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    label: &'a str,
    /// What a right answer is.
    rule: String,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    choices: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<serde_json::Value>,
}

/// `squad.template_lint/v1`.
#[derive(Debug, Serialize)]
struct Good<'a> {
    schema: &'static str,
    name: &'a str,
    version: &'a str,
    files: usize,
    questions: usize,
    renders: usize,
}

/// An answer for programs.
pub(crate) fn json(answer: &Answer) -> serde_json::Value {
    match answer {
        Answer::Text(text) => text.as_str().into(),
        Answer::Boolean(yes) => (*yes).into(),
        Answer::Integer(number) => (*number).into(),
    }
}

fn listed(template: &Template) -> Listed<'_> {
    let manifest = &template.manifest;
    Listed {
        name: &manifest.name,
        version: &manifest.version,
        summary: &manifest.summary,
        kind: manifest.kind.as_str(),
        languages: &manifest.languages,
    }
}

/// Prints the templates.
pub(crate) fn list(context: &Context, templates: &[Template]) {
    let output = &context.output;
    if output.is_json() {
        output.json(&List {
            schema: "squad.template_list/v1",
            templates: templates.iter().map(listed).collect(),
        });
        return;
    }
    let rows: Vec<Vec<String>> = templates
        .iter()
        .map(|template| {
            let manifest = &template.manifest;
            vec![
                manifest.name.clone(),
                manifest.version.clone(),
                manifest.summary.clone(),
            ]
        })
        .collect();
    let header = [
        ("TEMPLATE", Align::Left),
        ("VERSION", Align::Left),
        ("WHAT IT MAKES", Align::Left),
    ];
    let width = output.is_terminal().then(|| output.width());
    output.out(&render(&header, &rows, width));
}

/// Prints one template.
pub(crate) fn show(context: &Context, template: &Template) {
    let output = &context.output;
    let manifest = &template.manifest;
    if output.is_json() {
        output.json(&Shown {
            schema: "squad.template/v1",
            id: template.id(),
            listed: listed(template),
            engine: manifest.engine,
            questions: manifest.questions.iter().map(asked).collect(),
            files: template.files.iter().map(SourceFile::stem).collect(),
        });
        return;
    }
    output.out(&format!("{} {}", template.id(), manifest.version));
    output.out(&sanitize(&manifest.summary));
    output.out("");
    output.out(&output.paint_out(Style::Bold, "Questions"));
    let width = manifest
        .questions
        .iter()
        .map(|question| question.id.len())
        .max()
        .unwrap_or(0);
    for question in &manifest.questions {
        let default = question
            .default
            .as_ref()
            .map_or_else(String::new, |default| {
                format!(" [default: {}]", default.shown())
            });
        let line = format!(
            "  {:width$}  {}{default}",
            question.id,
            question.described()
        );
        output.out(&sanitize(&line));
    }
    output.out("");
    output.out(&output.paint_out(Style::Bold, "Files"));
    for file in &template.files {
        output.out(&format!("  {}", sanitize(file.stem())));
    }
}

fn asked(question: &Question) -> Asked<'_> {
    Asked {
        id: &question.id,
        kind: question.kind.as_str(),
        label: &question.label,
        rule: question.rule(),
        choices: match question.kind {
            QuestionKind::Choice => &question.choices,
            _ => &[],
        },
        default: question.default.as_ref().map(json),
    }
}

/// Says that a template has no mistakes.
pub(crate) fn good(context: &Context, template: &Template, report: &Report) {
    let output = &context.output;
    let manifest = &template.manifest;
    let (files, questions) = (template.files.len(), manifest.questions.len());
    if output.is_json() {
        output.json(&Good {
            schema: "squad.template_lint/v1",
            name: &manifest.name,
            version: &manifest.version,
            files,
            questions,
            renders: report.renders,
        });
        return;
    }
    output.out(&format!(
        "{} {}: no mistakes in {}, {} and {}",
        manifest.name,
        manifest.version,
        counted(files as u64, "file"),
        counted(questions as u64, "question"),
        counted(report.renders as u64, "test render")
    ));
    if report.renders == 0 {
        output.hint("add answers as tests/<name>.toml, so that each of them is rendered");
    }
}
