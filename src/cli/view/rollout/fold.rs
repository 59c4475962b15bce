//! Text that has to fit a screen: no line is ever wider, so that a terminal wraps nothing by itself.

use console::measure_text_width;

/// Breaks between words, and inside of a word that is wider than the screen. Lines after the first one are indented two
/// columns more. `None` = no screen: one line.
pub(super) fn fold(text: &str, indent: usize, width: Option<usize>) -> Vec<String> {
    let margin = " ".repeat(indent);
    let Some(width) = width else {
        return vec![format!("{margin}{text}")];
    };
    // A number and its sign stay together.
    let text = &glued(text);
    let mut lines = Vec::new();
    let mut line = margin.clone();
    let mut is_empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let space = usize::from(!is_empty);
        if !is_empty && measure_text_width(&line) + space + measure_text_width(word) > width {
            lines.push(std::mem::replace(&mut line, format!("{margin}  ")));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        is_empty = false;
        if measure_text_width(&line) + measure_text_width(word) <= width {
            line.push_str(word);
            continue;
        }
        for c in word.chars() {
            if measure_text_width(&line) + measure_text_width(c.encode_utf8(&mut [0; 4])) > width
                && measure_text_width(&line) > indent + 2
            {
                lines.push(std::mem::replace(&mut line, format!("{margin}  ")));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines.iter().map(|line| unglued(line)).collect()
}

/// The same with a space between a number and `%` that no line is broken at.
pub(super) fn glued(text: &str) -> String {
    text.replace(" %", "\u{a0}%")
}

/// The same with plain spaces again, so that a line can be searched and copied.
pub(super) fn unglued(text: &str) -> String {
    text.replace("\u{a0}%", " %")
}
