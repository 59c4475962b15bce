//! Lists that are opened and never closed.
//!
//! The parser takes every line behind such a list for one of its items and complains about each. Here the lines decide: one
//! that can only be a header or `key = value` is no item. Asked only about a text that the parser does not take.

use std::ops::Range;

/// A list, or what stands in one, that is never closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unclosed {
    /// What opens it: `[`, `{`, or the quote of a text.
    pub(super) opens: char,
    /// Its byte.
    pub(super) at: usize,
    /// All lines of the value that it is in.
    pub(super) lines: Range<usize>,
}

impl Unclosed {
    /// What is wrong, as one line.
    pub(super) fn why(&self) -> String {
        let (what, missing) = match self.opens {
            '[' => ("list", ']'),
            '{' => ("table", '}'),
            quote => ("text", quote),
        };
        format!("the {what} that opens here is not closed: `{missing}` is missing")
    }
}

/// Everything in a text that is opened in a list and never closed, one for each value.
pub(super) fn find(text: &str) -> Vec<Unclosed> {
    let mut scan = Scan::default();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        scan.line(start, line);
        start += line.len();
    }
    if scan.block.is_none() {
        scan.give_up(text.len());
    }
    scan.found
}

/// What is open at the end of a line.
#[derive(Debug, Default)]
struct Scan {
    found: Vec<Unclosed>,
    /// Lists and inline tables: the sign, and its byte.
    open: Vec<(char, usize)>,
    /// The first line of the value that they are in.
    begun: usize,
    /// The first thing within the value that is not closed where it has to be: a text that does not end on its line, or
    /// what is closed by the wrong sign.
    inner: Option<(char, usize)>,
    /// The quotes of the text of several lines that is under way.
    block: Option<&'static str>,
}

impl Scan {
    fn line(&mut self, start: usize, line: &str) {
        if self.block.is_none() {
            let trimmed = line.trim();
            let is_in_list = self.open.last().is_some_and(|(sign, _)| *sign == '[');
            if is_header(trimmed) || (is_in_list && is_assignment(trimmed)) {
                self.give_up(start);
            }
            if self.open.is_empty() {
                if trimmed.starts_with(']') {
                    // It was closed after all, with something else wrong in it.
                    self.found.pop();
                }
                self.begun = start;
                if !trimmed.contains('=') || trimmed.starts_with(['[', '#']) {
                    return;
                }
            }
        }
        self.signs(start, line);
        if self.open.is_empty()
            && let Some((opens, at)) = self.inner.take()
        {
            let lines = self.begun..start + line.len();
            self.found.push(Unclosed { opens, at, lines });
        }
    }

    /// What was opened is not closed before this byte.
    fn give_up(&mut self, end: usize) {
        if let Some(outermost) = self.open.first().copied() {
            let (opens, at) = self.inner.unwrap_or(outermost);
            let lines = self.begun..end;
            self.found.push(Unclosed { opens, at, lines });
        }
        self.open.clear();
        self.inner = None;
    }

    fn signs(&mut self, start: usize, line: &str) {
        let mut rest = line;
        while let Some(sign) = rest.chars().next() {
            let at = start + line.len() - rest.len();
            rest = if let Some(quotes) = self.block.take() {
                let Some((_, behind)) = rest.split_once(quotes) else {
                    self.block = Some(quotes);
                    return;
                };
                behind
            } else if let Some(quotes) = ["\"\"\"", "'''"].iter().find(|it| rest.starts_with(**it))
            {
                self.block = Some(quotes);
                rest.get(3..).unwrap_or_default()
            } else {
                let behind = rest.get(sign.len_utf8()..).unwrap_or_default();
                match sign {
                    '#' => return,
                    '"' | '\'' => match behind_text(sign, behind) {
                        Some(behind) => behind,
                        None => {
                            // Outside of lists the parser says it.
                            if !self.open.is_empty() {
                                self.inner = self.inner.or(Some((sign, at)));
                            }
                            return;
                        }
                    },
                    _ => {
                        self.sign(sign, at);
                        behind
                    }
                }
            };
        }
    }

    fn sign(&mut self, sign: char, at: usize) {
        let opened = match sign {
            '[' | '{' => return self.open.push((sign, at)),
            ']' => '[',
            '}' => '{',
            _ => return,
        };
        let wrong = self.open.pop().filter(|(sign, _)| *sign != opened);
        if wrong.is_some() {
            self.inner = self.inner.or(wrong);
            self.open.pop();
        }
    }
}

/// What comes behind a text on one line whose first quote was read; none when it does not end.
fn behind_text(quote: char, text: &str) -> Option<&str> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if c == quote {
            return text.get(at + 1..);
        } else {
            is_escaped = c == '\\' && quote == '"';
        }
    }
    None
}

/// Whether a line can only be a header: no list holds a bare word.
fn is_header(line: &str) -> bool {
    let Some((name, behind)) = line
        .strip_prefix('[')
        .and_then(|line| line.trim_start_matches('[').split_once(']'))
    else {
        return false;
    };
    let behind = behind.trim_start_matches(']').trim_start();
    let is_value = ["true", "false", "inf", "nan"].contains(&name.trim());
    is_key(name.trim()) && !is_value && (behind.is_empty() || behind.starts_with('#'))
}

/// Whether a line can only be `key = value`.
fn is_assignment(line: &str) -> bool {
    line.split_once('=')
        .is_some_and(|(key, _)| is_key(key.trim()))
}

/// Whether it is a bare or dotted key that begins with a letter.
fn is_key(text: &str) -> bool {
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || "_-. ".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(is_of_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(char, usize, &str)> {
        find(text)
            .into_iter()
            .map(|one| {
                let line = text.get(..one.at).unwrap().matches('\n').count() + 1;
                (one.opens, line, text.get(one.lines).unwrap())
            })
            .collect()
    }

    #[test]
    fn a_list_ends_before_what_can_be_no_item() {
        for (text, wanted) in [
            ("a = [1\nb = 2\n", vec![('[', 1, "a = [1\n")]),
            ("a = [\n  [1],\n[b]\n", vec![('[', 1, "a = [\n  [1],\n")]),
            ("a = [\n[[b.c]] # d\n", vec![('[', 1, "a = [\n")]),
            (
                "a = [\n { b = 1 },\n",
                vec![('[', 1, "a = [\n { b = 1 },\n")],
            ),
            (
                "a = [1\nb = [2\nc = 3",
                vec![('[', 1, "a = [1\n"), ('[', 2, "b = [2\n")],
            ),
            ("a = [\"x]\nb = 2\n", vec![('"', 1, "a = [\"x]\n")]),
            ("a = { b = 1\n[c]\n", vec![('{', 1, "a = { b = 1\n")]),
            ("a = { b = [1 }\nb = 1", vec![('[', 1, "a = { b = [1 }\n")]),
            (
                "a = [\n{ b = 1,\n]\nb = 1",
                vec![('{', 2, "a = [\n{ b = 1,\n]\n")],
            ),
            ("a = [\"x,\n]\nb = 1", vec![('"', 1, "a = [\"x,\n]\n")]),
        ] {
            assert_eq!(found(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn what_is_closed_is_not_found() {
        for text in [
            "a = [\n  1, # ]\n  \"b = ]\",\n  ']', [true],\n  [1.5]\n]\nb = 2\n",
            "a = [\"\"\"\nb = 1\n[c]\n\"\"\"]\nb = 2\n",
            "a = [\n  { b = 1,\n    c = 2 },\n]\n",
            "[a]\n[[b]]\n# c = [\nd = 1\n",
            "a = [\n  b = 1\n]\nc = 2\n",
            "a = \"[\"\nb = 1\n",
            "a = [1]]\nb = \"x\n",
        ] {
            assert_eq!(found(text), vec![], "{text:?}");
        }
    }
}
