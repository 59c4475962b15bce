//! Lines that are longer than a terminal is wide: broken between words, with the rest hanging below.
//!
//! A command in backticks, an address and a path stay whole, so that they can be copied and opened: where one is longer than
//! a line, the terminal wraps it.

use std::borrow::Cow;

use console::measure_text_width;

/// The least room for the text of a second column; where there is less, the rest of a line hangs below the first.
const COLUMN: usize = 20;

/// Each line of a text within so many columns, as far as it has words to break between.
pub(super) fn folded(text: &str, width: usize) -> Cow<'_, str> {
    if text.lines().all(|line| measure_text_width(line) <= width) {
        return Cow::Borrowed(text);
    }
    let lines: Vec<String> = text.split('\n').map(|line| one(line, width)).collect();
    Cow::Owned(lines.join("\n"))
}

fn one(line: &str, width: usize) -> String {
    let is_command = line.trim_start().starts_with("$ ");
    if is_command || measure_text_width(line) <= width {
        return line.to_owned();
    }
    let words = words(line);
    let hanging = hanging(&words, width);
    let mut folded = String::new();
    let mut column = 0;
    for (index, (gap, word)) in words.iter().enumerate() {
        let wide = measure_text_width(word);
        let fits_below = hanging + wide <= width;
        if index > 0 && column + gap + wide > width && fits_below {
            folded.push('\n');
            folded.push_str(&" ".repeat(hanging));
            column = hanging;
        } else {
            folded.push_str(&" ".repeat(*gap));
            column += gap;
        }
        folded.push_str(word);
        column += wide;
    }
    folded
}

/// How far the rest of a line is indented: below its second column where it has one and there is room, else a step deeper than
/// the line itself.
fn hanging(words: &[(usize, &str)], width: usize) -> usize {
    let indent = words.first().map_or(0, |(gap, _)| *gap);
    let mut column = 0;
    for (index, (gap, word)) in words.iter().enumerate() {
        column += gap;
        if index > 0 && *gap > 1 {
            if column + COLUMN <= width {
                return column;
            }
            break;
        }
        column += measure_text_width(word);
    }
    (indent + 2).min(width / 2)
}

/// The words of a line, each with the number of spaces before it. What stands between backticks is one word.
fn words(line: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let word_and_more = rest.trim_start_matches(' ');
        let gap = rest.len() - word_and_more.len();
        if word_and_more.is_empty() {
            return words;
        }
        let end = end_of_word(word_and_more);
        let (word, more) = word_and_more
            .split_at_checked(end)
            .unwrap_or((word_and_more, ""));
        words.push((gap, word));
        rest = more;
    }
}

/// Where the first word ends: at the first space that is not between two backticks.
fn end_of_word(text: &str) -> usize {
    let mut is_quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '`' if is_quoted => is_quoted = false,
            '`' => {
                let rest = text.get(at + 1..).unwrap_or_default();
                is_quoted = rest.contains('`');
            }
            ' ' if !is_quoted => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_hang_below_the_line_that_they_belong_to() {
        for (line, wanted) in [
            ("short", "short"),
            (
                "error: cannot find the environment of the service",
                "error: cannot find the\n  environment of the service",
            ),
            (
                "  caused by: the port is taken by another process",
                "  caused by: the port is taken\n    by another process",
            ),
            (
                "  a  the second column has more room than one line",
                "  a  the second column has\n     more room than one line",
            ),
            (
                "a long first column       the second one has no room",
                "a long first column       the\n  second one has no room",
            ),
        ] {
            assert_eq!(folded(line, 30), wanted);
        }
    }

    #[test]
    fn what_is_copied_stays_whole() {
        for (line, wanted) in [
            (
                "run `squad local status` to see it",
                "run `squad local status` to\n  see it",
            ),
            (
                "what it was: run `squad local stop`",
                "what it was: run\n  `squad local stop`",
            ),
            // Longer than a line: the terminal wraps it, and what follows goes on below.
            (
                "hint: end it with `squad stop payments --env prod` first",
                "hint: end it with `squad stop payments --env prod`\n  first",
            ),
            (
                "docs: https://github.com/squad-cli/squad/blob/main/docs",
                "docs: https://github.com/squad-cli/squad/blob/main/docs",
            ),
            (
                "  $ squad deploy payments --env prod --canary",
                "  $ squad deploy payments --env prod --canary",
            ),
            (
                "it is ` alone, and not the beginning of a command",
                "it is ` alone, and not the\n  beginning of a command",
            ),
        ] {
            assert_eq!(folded(line, 30), wanted);
        }
    }

    #[test]
    fn colour_takes_no_room_and_lines_stay_lines() {
        let line = "\u{1b}[1;31merror:\u{1b}[0m twelve three four";
        assert_eq!(folded(line, 24), line);
        assert_eq!(
            folded("one two three\n\nfour five six\n", 9),
            "one two\n  three\n\nfour five\n  six\n"
        );
    }
}
