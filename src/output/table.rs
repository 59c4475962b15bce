//! Tables for people: columns aligned by their width on the screen, no lines, cut to the terminal's width.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};

/// Which side a column's text is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Renders rows below a header. On a narrow screen the text wraps between words inside its column, and where no table
/// fits, each row becomes a block of lines; `width` none = as wide as it needs to be (not a terminal).
pub(crate) fn render(
    header: &[(&str, Align)],
    rows: &[Vec<String>],
    width: Option<usize>,
) -> String {
    let words = longest_words(header, rows);
    let needed: usize = words.iter().map(|columns| columns + 2).sum();
    if let Some(width) = width.filter(|width| needed > *width) {
        return blocks(header, rows, width);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    } else {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table.set_header(header.iter().map(|(name, _)| *name));
    for row in rows {
        table.add_row(row);
    }
    for (index, (_, align)) in header.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if *align == Align::Right {
                column.set_cell_alignment(CellAlignment::Right);
            }
            let longest = words.get(index).copied().unwrap_or(0) + 2;
            let lowest = u16::try_from(longest.max(if index == 0 { 8 } else { 0 }));
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(
                lowest.unwrap_or(u16::MAX),
            )));
        }
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// For each column, the longest word in it: it cannot be narrower without breaking one.
fn longest_words(header: &[(&str, Align)], rows: &[Vec<String>]) -> Vec<usize> {
    let longest = |text: &str| {
        text.split(' ')
            .map(console::measure_text_width)
            .max()
            .unwrap_or(0)
    };
    let mut words: Vec<usize> = header.iter().map(|(name, _)| longest(name)).collect();
    for row in rows {
        for (most, cell) in words.iter_mut().zip(row) {
            *most = (*most).max(longest(cell));
        }
    }
    words
}

/// Breaks between words so that each line has at most so many columns, but for longer words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let room = |line: &String| {
            console::measure_text_width(line) + 1 + console::measure_text_width(word) <= width
        };
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if room(line) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// One block for each row: its first cell, and each other one on a line of its own behind the column's name.
fn blocks(header: &[(&str, Align)], rows: &[Vec<String>], width: usize) -> String {
    let names = header.iter().skip(1).map(|(name, _)| name.len());
    let columns = names.max().unwrap_or(0);
    let mut lines = Vec::new();
    for row in rows {
        lines.extend(row.first().cloned());
        for ((name, _), cell) in header.iter().zip(row).skip(1) {
            let mut name = name.to_lowercase();
            for part in wrapped(cell, width.saturating_sub(columns + 4)) {
                lines.push(format!("  {name:<columns$}  {part}").trim_end().to_owned());
                name.clear();
            }
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [(&str, Align); 3] = [
        ("SERVICE", Align::Left),
        ("HEALTH", Align::Left),
        ("ADDRESS", Align::Left),
    ];

    fn rows() -> Vec<Vec<String>> {
        let row = [
            "payments",
            "degraded  1 of 4 pods restarts",
            "http://127.0.0.1:34011",
        ];
        vec![row.map(str::to_owned).to_vec()]
    }

    #[test]
    fn text_wraps_between_words_only() {
        assert_eq!(
            render(&HEADER, &rows(), Some(56)),
            "SERVICE   HEALTH            ADDRESS\n\
             payments  degraded  1 of 4  http://127.0.0.1:34011\n          pods restarts"
        );
    }

    #[test]
    fn where_no_table_fits_each_row_is_a_block() {
        assert_eq!(
            render(&HEADER, &rows(), Some(36)),
            "payments\n  health   degraded  1 of 4 pods\n           restarts\n  address  http://127.0.0.1:34011"
        );
    }

    #[test]
    fn nothing_is_broken_where_there_is_no_terminal() {
        let text = render(&HEADER, &rows(), None);
        assert_eq!(text.lines().count(), 2, "{text}");
    }
}
