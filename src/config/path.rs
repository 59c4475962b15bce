//! The path template of a route, as a person wrote it: what is wrong with it, all of it at once.

use super::check;
use super::reader::Converted;
use super::tree::Value;

/// The rules of a path template (DESIGN §12): segments are literal, `{x}`, or `{x*}` as the last one.
pub(super) fn template(value: &Value) -> Converted<String> {
    let text = check::text(value)?;
    let mistakes = mistakes(&text);
    if mistakes.is_empty() {
        Ok(text)
    } else {
        Err(format!("is `{text}`: {}", mistakes.join("; and ")))
    }
}

fn mistakes(text: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut wrong = |why| {
        if !found.contains(&why) {
            found.push(why);
        }
    };
    if !text.starts_with('/') {
        wrong("it must begin with `/`");
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        wrong("it must be ASCII without spaces, as it is in the request; write others as %XX");
    }
    if text.contains(['?', '#']) {
        wrong("a route is chosen by the path before `?`");
    }
    let mut names = Vec::new();
    let mut segments = text.strip_prefix('/').unwrap_or(text).split('/').peekable();
    while let Some(segment) = segments.next() {
        let Some(inner) = segment
            .strip_prefix('{')
            .and_then(|inner| inner.strip_suffix('}'))
        else {
            if segment.contains(['{', '}']) {
                wrong("`{…}` must be a whole segment between slashes");
            }
            continue;
        };
        let (name, is_rest) = inner
            .strip_suffix('*')
            .map_or((inner, false), |name| (name, true));
        if is_rest && segments.peek().is_some() {
            wrong("`{…*}` must be the last segment");
        }
        let good = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty();
        if !good {
            wrong("a parameter's name has letters, digits and `_`, and no digit first");
        }
        if names.contains(&name) {
            wrong("two parameters have the same name");
        }
        names.push(name);
    }
    found
}

/// A template without the names of its parameters: two routes of the same shape match the same requests.
pub(super) fn shape(path: &str) -> String {
    path.split('/')
        .map(
            |segment| match (segment.starts_with('{'), segment.ends_with("*}")) {
                (true, true) => "{*}",
                (true, false) => "{}",
                _ => segment,
            },
        )
        .collect::<Vec<_>>()
        .join("/")
}
