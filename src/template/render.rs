//! The rendering itself: a pure function of the template and the answers.

use std::collections::BTreeMap;

use minijinja::value::Value;

use super::answers::{Answer, Answers};
use super::engine::{Engine, Fault, values};
use super::manifest::{ENGINE, FILE, FileRule};
use super::reader::Mistake;
use super::tree::{Class, Entry, Mode, Tree};
use super::{SUFFIX, SourceFile, Template, path};

/// The directory of a template that holds what it writes.
const FILES: &str = "files";

/// Renders a template. The same arguments give the same tree on every machine and at any time; the error holds
/// every mistake that was found.
pub(crate) fn render(
    template: &Template,
    answers: &Answers,
    engine: u32,
) -> Result<Tree, Vec<Mistake>> {
    if engine == 0 || engine > ENGINE {
        return Err(vec![in_manifest(
            None,
            format!("this squad cannot render engine {engine}; its newest is {ENGINE}"),
        )]);
    }
    let engine = Engine::new().map_err(|fault| vec![in_manifest(None, fault.text)])?;
    let mut answers = answers.clone();
    for name in super::manifest::BUILT_IN_VARIABLES {
        answers
            .entry(name.to_owned())
            .or_insert_with(|| Answer::Text(String::new()));
    }
    let values = values(&answers);
    let mut mistakes = Vec::new();
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for file in &template.files {
        match one(template, file, &engine, &values) {
            Ok(Some(entry)) => {
                if let Some(other) = entries.get(&entry.path) {
                    mistakes.push(in_file(
                        &file.path,
                        None,
                        format!("it becomes `{}`, like `{}`", entry.path, other.from),
                    ));
                }
                entries.insert(entry.path.clone(), entry);
            }
            Ok(None) => {}
            Err(mistake) => mistakes.push(mistake),
        }
    }
    for (one, other) in path::collisions(entries.keys().map(String::as_str)) {
        mistakes.push(in_manifest(
            None,
            format!("`{one}` and `{other}` cannot be beside each other on every file system"),
        ));
    }
    if !mistakes.is_empty() {
        mistakes.sort();
        return Err(mistakes);
    }
    Ok(Tree {
        entries: entries.into_values().collect(),
    })
}

/// Renders the steps that are shown at the end.
pub(crate) fn render_next(
    template: &Template,
    answers: &Answers,
) -> Result<Vec<String>, Vec<Mistake>> {
    let rendered = Engine::new().and_then(|engine| {
        let values = values(answers);
        let steps = template.manifest.next.iter();
        steps.map(|step| engine.render(step, &values)).collect()
    });
    rendered.map_err(|fault| vec![in_manifest(None, format!("[[next]]: {}", fault.text))])
}

/// One file; none when it is left out.
fn one(
    template: &Template,
    file: &SourceFile,
    engine: &Engine,
    values: &Value,
) -> Result<Option<Entry>, Mistake> {
    let stem = file.stem();
    let (mut mode, mut class) = (Mode::Plain, Class::Merged);
    for rule in matching(&template.manifest.rules, stem) {
        if let Some(when) = &rule.when {
            let holds = engine
                .condition(when, values)
                .map_err(|fault| in_manifest(Some(rule.line), fault.text))?;
            if !holds {
                return Ok(None);
            }
        }
        mode = rule.mode.unwrap_or(mode);
        class = rule.class.unwrap_or(class);
    }
    let path = output_path(stem, engine, values)
        .map_err(|fault| in_file(&file.path, None, format!("its path: {}", fault.text)))?;
    if let Some(reason) = path::refusal(&path) {
        return Err(in_file(
            &file.path,
            None,
            format!("it would be written to {path:?}, which is refused: {reason}"),
        ));
    }
    let bytes = if file.path.ends_with(SUFFIX) {
        let text = std::str::from_utf8(&file.bytes)
            .map_err(|_| in_file(&file.path, None, "it is not UTF-8".to_owned()))?;
        engine
            .render(text, values)
            .map_err(|fault| in_file(&file.path, fault.line, fault.text))?
            .into_bytes()
    } else {
        file.bytes.to_vec()
    };
    Ok(Some(Entry {
        path,
        mode,
        bytes,
        class,
        from: file.path.clone(),
    }))
}

/// The rules that speak about a file, in order.
pub(crate) fn matching<'a>(
    rules: &'a [FileRule],
    stem: &str,
) -> impl Iterator<Item = &'a FileRule> {
    rules.iter().filter(move |rule| rule.matcher.is_match(stem))
}

/// Each part of a path is rendered on its own, so that no answer can add a part.
fn output_path(stem: &str, engine: &Engine, values: &Value) -> Result<String, Fault> {
    if !stem.contains("<%") {
        return Ok(stem.to_owned());
    }
    let mut parts = Vec::new();
    for part in stem.split('/') {
        let part = engine.render(part, values)?;
        if part.contains('/') {
            return Err(Fault {
                line: None,
                text: "an answer in it holds a `/`".to_owned(),
            });
        }
        parts.push(part);
    }
    Ok(parts.join("/"))
}

/// A mistake in a file of the template.
pub(crate) fn in_file(path: &str, line: Option<usize>, text: String) -> Mistake {
    Mistake {
        file: format!("{FILES}/{path}"),
        line,
        text,
    }
}

/// A mistake in the manifest.
pub(crate) fn in_manifest(line: Option<usize>, text: String) -> Mistake {
    Mistake {
        file: FILE.to_owned(),
        line,
        text,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::tree::hex;
    use super::super::{Source, manifest};
    use super::*;

    const MANIFEST: &str = r#"
schema = 1
name = "t"
version = "1.0.0"
summary = "x"
kind = "http"
engine = 1
[[question]]
id = "name"
type = "string"
label = "x"
[[file]]
glob = "bin/**"
mode = "755"
class = "managed"
[[file]]
glob = "*.only"
when = "name == 'a'"
"#;

    fn template(files: &[(&str, &str)]) -> Template {
        Template {
            source: Source::Builtin,
            manifest: manifest::parse(MANIFEST).unwrap(),
            files: files
                .iter()
                .map(|(path, text)| SourceFile {
                    path: (*path).to_owned(),
                    bytes: Cow::Owned(text.as_bytes().to_vec()),
                    executable: false,
                })
                .collect(),
            cases: Vec::new(),
        }
    }

    fn named(name: &str) -> Answers {
        Answers::from([("name".to_owned(), Answer::Text(name.to_owned()))])
    }

    #[test]
    fn files_are_rendered_copied_and_left_out() {
        let template = template(&[
            ("README.md.tmpl", "# <%= name %>\n"),
            ("raw", "<%= name %>"),
            ("bin/<%= name %>.tmpl", "x"),
            ("x.only", ""),
        ]);
        let tree = render(&template, &named("b"), 1).unwrap();
        let shown: Vec<String> = tree
            .entries
            .iter()
            .map(|entry| {
                let text = String::from_utf8_lossy(&entry.bytes);
                let (mode, class) = (entry.mode.as_str(), entry.class.as_str());
                format!("{} {mode} {class} {text}", entry.path)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "README.md 644 merged # b\n",
                "bin/b 755 managed x",
                "raw 644 merged <%= name %>"
            ]
        );
        assert_eq!(render(&template, &named("a"), 1).unwrap().entries.len(), 4);
    }

    #[test]
    fn every_mistake_is_reported() {
        let template = template(&[
            ("a.tmpl", "x\n<%= nmae %>"),
            ("b<%= nmae %>", ""),
            ("<%= name %>/x", ""),
            ("c/<%= name %>", ""),
            ("d.tmpl", "<% if %>"),
        ]);
        let mistakes = render(&template, &named("../x"), 1).unwrap_err();
        assert_eq!(mistakes.len(), 5, "{mistakes:#?}");
        assert_eq!(mistakes[1].line, Some(2), "{mistakes:#?}");
        assert!(render(&template, &named("a"), 2).is_err());
    }

    #[test]
    fn two_files_cannot_become_one() {
        for files in [
            [("a", ""), ("a.tmpl", "")],
            [("A", ""), ("a", "")],
            [("<%= name %>", ""), ("x", "")],
            [("<%= name %>/a", ""), ("x", "")],
        ] {
            assert!(
                render(&template(&files), &named("x"), 1).is_err(),
                "{files:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn no_answer_leads_outside_and_rendering_is_deterministic(
            source in "(<%= name %>|a|\\.\\.|/|\\.git|con|\\PC){1,6}",
            answer in "(\\PC|\\.\\.|/|\\\\|\\.git|~1|\\x00|\u{200d}){0,6}",
        ) {
            let template = template(&[(source.as_str(), "x"), ("README.tmpl", "<%= name|toml %>")]);
            let answers = named(&answer);
            let first = render(&template, &answers, 1);
            prop_assert_eq!(&first, &render(&template, &answers, 1));
            if let Ok(tree) = first {
                prop_assert_eq!(hex(tree.oid()).len(), 40);
                for entry in &tree.entries {
                    prop_assert!(path::refusal(&entry.path).is_none());
                    let joined = Path::new("/r").join(&entry.path);
                    prop_assert!(joined.starts_with("/r") && joined != Path::new("/r"));
                    prop_assert!(!entry.path.split('/').any(|part| part == ".."));
                }
            }
        }

        #[test]
        fn a_toml_text_is_read_back_as_it_was(answer in "\\PC*|[\\x00-\\x7f]*") {
            let template = template(&[("x.tmpl", "v = <%= name|toml %>\n")]);
            let tree = render(&template, &named(&answer), 1).unwrap();
            let text = String::from_utf8(tree.entries[0].bytes.clone()).unwrap();
            let table: toml::Table = text.parse().unwrap();
            prop_assert_eq!(table.len(), 1);
            prop_assert_eq!(table["v"].as_str(), Some(answer.as_str()));
        }
    }
}
