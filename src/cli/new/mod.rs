//! `squad new`: a new service from a golden-path template.

mod ask;
mod refused;
mod set;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::set::Given;
use super::context::Context;
use super::view::new as view;
use crate::error::{Error, Kind, Result};
use crate::ops::scaffold::{self, Options, Target};
use crate::template::answers::settle;
use crate::template::{self, Answer, Answers, Problem, Question, Template};

/// Make a new service from a template
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without a terminal, every question that has no default needs an answer; all missing ones are listed at once.\n\n\
                  Examples:\n  $ squad new\n  $ squad new python-http payments --set squad=ledger --set telemetry=both\n  \
                  $ squad new ./our-template payments --answers answers.toml"
)]
pub(crate) struct Args {
    /// Template: a name of `squad template list`, or a directory such as ./our-template
    template: Option<String>,
    /// New directory [default: the service's name]
    directory: Option<PathBuf>,
    /// Answer a question of the template (can be repeated)
    #[arg(long, value_name = "question=answer")]
    set: Vec<String>,
    /// Take answers from a TOML file; --set comes first
    #[arg(long, value_name = "file")]
    answers: Option<PathBuf>,
    /// Make no git repository
    #[arg(long)]
    no_git: bool,
}

/// The selected org, as far as a template needs to know it.
struct Org {
    /// Its name; empty without an org.
    name: String,
    squads: Vec<String>,
}

/// Runs `squad new`.
pub(crate) fn run(context: &Context, args: &Args) -> Result<u8> {
    let current = context.directory()?;
    // A directory that is taken is said before the first question.
    let target = args
        .directory
        .as_deref()
        .map(|directory| Target::new(directory, &current))
        .transpose()?;
    let org = org(context)?;
    let template = template(context, args)?;
    let questions = template.questions(&org.squads);
    let file = args.answers.as_deref().map(answers_file).transpose()?;
    let file = file.unwrap_or_default();
    let given = given(
        args,
        &questions,
        target.as_ref(),
        &file,
        context.output.can_ask(),
    )?;
    let manifest = &template.manifest;
    view::line(context, "Template", &manifest.name, &manifest.summary);
    let answers = answers(context, &questions, &given, &org)?;
    let target = match target {
        Some(target) => target,
        None => Target::new(Path::new(&shown(&answers, "name")), &current)?,
    };
    let options = Options {
        template: &template,
        answers,
        target,
        git: !args.no_git,
    };
    let outcome = scaffold::create(&options)?;
    view::done(context, &options, &outcome);
    Ok(0)
}

/// The org in use, when there is one. A machine without a home has none.
fn org(context: &Context) -> Result<Org> {
    let config = match context.config() {
        Ok(config) => config,
        Err(error) if error.id == "no-home" => {
            return Ok(Org {
                name: String::new(),
                squads: Vec::new(),
            });
        }
        Err(error) => return Err(error),
    };
    Ok(Org {
        name: config.org().map(ToString::to_string).unwrap_or_default(),
        squads: config.squads().iter().map(ToString::to_string).collect(),
    })
}

/// The template that was named, or chosen by a person.
fn template(context: &Context, args: &Args) -> Result<Template> {
    if let Some(name) = &args.template {
        return Ok(Template::open(name)?);
    }
    let mut templates = Template::builtin()?;
    if !context.output.can_ask() {
        let names: Vec<String> = templates
            .iter()
            .map(|template| format!("`{}`", template.manifest.name))
            .collect();
        return Err(Error::new(
            Kind::Usage,
            "answers-missing",
            format!(
                "cannot create a service: no template was named; there is {}",
                template::answers::listed(&names)
            ),
        )
        .hint("name one: `squad new python-http payments --set squad=SQUAD`"));
    }
    let chosen = ask::template(context, &templates)?;
    Ok(templates.swap_remove(chosen))
}

/// The answers of the file that was named; one that cannot be read is a mistake of the command line.
fn answers_file(path: &Path) -> Result<BTreeMap<String, String>> {
    template::given::read(path).map_err(|error| match error {
        template::Error::File(error) => Error::new(
            Kind::Usage,
            "answers-file",
            format!("cannot read the answers: {}", Error::from(error).message),
        )
        .hint("look at what is there with `ls -l`; an answer can be given as `--set QUESTION=ANSWER` too"),
        error => error.into(),
    })
}

/// What was given, checked; the error lists every problem. What is missing is none where a person can be asked.
fn given(
    args: &Args,
    questions: &[Question],
    target: Option<&Target>,
    file: &BTreeMap<String, String>,
    can_ask: bool,
) -> Result<Answers> {
    let set = Given::read(&args.set);
    let mut pairs = set.pairs.clone();
    // The directory's name is the service's where nothing else says it.
    let asks = questions.iter().any(|question| question.id == "name");
    if asks
        && !set.has("name")
        && !file.contains_key("name")
        && let Some(target) = target
    {
        pairs.push(("name".to_owned(), target.name.clone()));
    }
    let mut problems = Vec::new();
    if let Err(others) = settle(questions, &pairs, file) {
        let serious = |problem: &Problem| !can_ask || !matches!(problem, Problem::Missing { .. });
        problems.extend(others.into_iter().filter(serious));
    }
    if !problems.is_empty() || !set.strays.is_empty() {
        return Err(refused::refused(args, questions, &set, &pairs, problems));
    }
    let mut answers = Answers::new();
    for question in questions {
        let pair = pairs.iter().find(|(id, _)| *id == question.id);
        let text = pair
            .map(|(_, text)| text)
            .or_else(|| file.get(&question.id));
        let answer = match text {
            Some(text) => Some(question.check(text).map_err(Error::internal)?),
            None if can_ask => None,
            None => question.default.clone(),
        };
        answers.extend(answer.map(|answer| (question.id.clone(), answer)));
    }
    Ok(answers)
}

/// Every answer: given, or asked for.
fn answers(
    context: &Context,
    questions: &[Question],
    given: &Answers,
    org: &Org,
) -> Result<Answers> {
    let mut answers = Answers::new();
    for question in questions {
        let answer = match given.get(&question.id) {
            Some(answer) => answer.clone(),
            None => ask::question(context, question)?,
        };
        let note = note(question, org);
        view::line(context, &view::title(&question.id), &answer.shown(), &note);
        answers.insert(question.id.clone(), answer);
    }
    answers.insert("org".to_owned(), Answer::Text(org.name.clone()));
    Ok(answers)
}

/// Where the choices of a question come from.
fn note(question: &Question, org: &Org) -> String {
    if question.id == "squad" && !org.name.is_empty() {
        format!("(from the org {})", org.name)
    } else {
        String::new()
    }
}

fn shown(answers: &Answers, id: &str) -> String {
    answers.get(id).map(Answer::shown).unwrap_or_default()
}
