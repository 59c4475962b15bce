//! Questions on a terminal that cannot move its cursor: plain lines, each answer a line of its own. Nothing here writes
//! an escape sequence.

use std::io::BufRead;

use dialoguer::console::Term;

use crate::cli::interrupt::Question;
use crate::error::{Error, Kind, Result};
use crate::output::Output;

/// What is typed behind `prompt`, without its line end.
pub(super) fn typed(prompt: &str) -> Result<String> {
    // The terminal makes a signal of Ctrl-C here, as no key is read.
    let _question = Question::by_line();
    let failed = |why: &str| Error::new(Kind::Usage, "no-terminal", format!("cannot ask: {why}"));
    Term::stderr()
        .write_str(&format!("{prompt} "))
        .map_err(|error| failed(&error.to_string()))?;
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) => Err(failed("the input ended")),
        Ok(_) => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
        Err(error) => Err(failed(&error.to_string())),
    }
}

/// Which of these, by its number; an empty line takes `start`.
pub(super) fn chosen(
    output: &Output,
    prompt: &str,
    items: &[String],
    start: usize,
) -> Result<usize> {
    let say = |line: &str| output.error_line(line);
    say(&format!("{prompt}:"));
    for (index, item) in items.iter().enumerate() {
        say(&format!("  {} {item}", index + 1));
    }
    loop {
        let text = typed(&format!("1 to {} [{}]:", items.len(), start + 1))?;
        if text.trim().is_empty() {
            return Ok(start);
        }
        match text.trim().parse::<usize>() {
            Ok(number) if (1..=items.len()).contains(&number) => return Ok(number - 1),
            _ => say("the number of one of the lines above, then Enter"),
        }
    }
}
