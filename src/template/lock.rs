//! `.squad/template.lock`: from which template a service was made, with which answers, and what every file was
//! when the template wrote it. It is what a later update merges against.
//!
//! Its text is a function of the render, with nothing of this machine and no secret in it.

use std::path::Path;

use super::answers::Answers;
use super::tree::{Entry, Mode, Tree, hex, object};
use super::{Class, Source, Template, toml_text};

/// Where it is, relative to the service's directory.
pub(crate) const PATH: &str = ".squad/template.lock";
/// Shows whether a person changed the file: the git blob id of everything below this line.
const HASH: &str = "hash = ";

/// The lock as text. `place` is the way from the service to a template directory of the same work tree.
pub(crate) fn text(
    template: &Template,
    answers: &Answers,
    pristine: &Tree,
    place: Option<&Path>,
) -> String {
    let manifest = &template.manifest;
    let source = match (&template.source, place) {
        (Source::Builtin, _) => "{ kind = \"builtin\" }".to_owned(),
        (Source::Directory(_), Some(place)) => format!(
            "{{ kind = \"dir\", path = {} }}",
            toml_text(&place.to_string_lossy())
        ),
        (Source::Directory(_), None) => "{ kind = \"dir\" }".to_owned(),
    };
    let answers: Vec<String> = answers
        .iter()
        .map(|(id, answer)| format!("{id} = {}", answer.to_toml()))
        .collect();
    let mut body = format!(
        "schema = 1\n\n[[layer]]\nid = \"service\"\nroot = \".\"\ntemplate = {}\nsource = {source}\n\
         version = {}\nengine = {}\nbase_tree = \"{}\"\nanswers = {{ {} }}\n\n[layer.files]\n",
        toml_text(&template.id()),
        toml_text(&manifest.version),
        manifest.engine,
        hex(pristine.oid()),
        answers.join(", "),
    );
    let files: Vec<String> = pristine.entries.iter().map(line).collect();
    body.push_str(&files.concat());
    format!(
        "# Written by squad; what a template update is merged against. Do not edit.\n{HASH}\"{}\"\n{body}",
        hash(&body)
    )
}

/// One file's line.
fn line(entry: &Entry) -> String {
    format!(
        "{} = {{ class = \"{}\", mode = \"{}\", base = \"{}\", from = {} }}\n",
        toml_text(&entry.path),
        entry.class.as_str(),
        entry.mode.as_str(),
        hex(entry.oid()),
        toml_text(&entry.from),
    )
}

/// The lock as a file of the tree.
pub(crate) fn entry(
    template: &Template,
    answers: &Answers,
    pristine: &Tree,
    place: Option<&Path>,
) -> Entry {
    Entry {
        path: PATH.to_owned(),
        mode: Mode::Plain,
        bytes: text(template, answers, pristine, place).into_bytes(),
        class: Class::Managed,
        from: String::new(),
    }
}

/// Whether the text is as squad wrote it: its `hash` is that of everything below it.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "template updates refuse a lock that was edited")
)]
pub(crate) fn is_intact(text: &str) -> bool {
    let Some((_, rest)) = text.split_once(HASH) else {
        return false;
    };
    rest.split_once('\n')
        .is_some_and(|(given, body)| given == format!("\"{}\"", hash(body)))
}

fn hash(body: &str) -> String {
    hex(object("blob", body.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, render};
    use super::*;

    #[test]
    fn an_edit_by_hand_is_noticed() {
        let template = Template::open("python-function").unwrap();
        let answer = |id: &str, text: &str| (id.to_owned(), Answer::Text(text.to_owned()));
        let mut answers = Answers::from([
            answer("name", "receipts"),
            answer("squad", "ledger"),
            answer("telemetry", "both"),
            answer("org", "ac\"me"),
        ]);
        answers.insert("tier".to_owned(), Answer::Integer(2));
        let tree = render(&template, &answers, 1).unwrap();
        let text = text(&template, &answers, &tree, None);
        assert!(is_intact(&text));
        assert!(text.parse::<toml::Table>().is_ok());
        for (from, to) in [
            ("ledger", "cards"),
            ("644", "755"),
            ("hash = \"", "hash = \"0"),
        ] {
            assert!(!is_intact(&text.replacen(from, to, 1)), "{from}");
        }
        assert!(!is_intact(""));
    }
}
