//! A block of lines on a terminal that is drawn again in its place.
//!
//! The cursor is never hidden and no other screen is used: so nothing flickers or scrolls, and whenever this process ends,
//! the terminal is as it should be, with the last block readable in it.

/// What is on the screen.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    /// Lines of the block that was drawn, and the size of the screen at that time: columns, rows.
    drawn: Option<(usize, (usize, usize))>,
}

impl Canvas {
    /// Whether something was drawn.
    pub(crate) fn is_drawn(&self) -> bool {
        self.drawn.is_some()
    }

    /// What draws over what was drawn before, in one write: up to its first line, each line up to its end, then what is
    /// below. A line more than fits is left out.
    pub(crate) fn draw(&mut self, text: &str, size: (usize, usize)) -> String {
        let room = size.1.saturating_sub(1).max(1);
        let count = text.lines().count();
        let shown = if count > room { room - 1 } else { count };
        let mut screen = self.begin(size);
        for line in text.lines().take(shown) {
            screen.push_str(line);
            screen.push_str("\x1b[K\n");
        }
        if shown < count {
            screen.push_str(&format!("({} more lines)\x1b[K\n", count - shown));
        }
        screen.push_str("\x1b[J");
        self.drawn = Some((shown + usize::from(shown < count), size));
        screen
    }

    /// The same for the last time: every line, whether it fits or not.
    pub(crate) fn finish(&mut self, text: &str, size: (usize, usize)) -> String {
        let mut screen = self.begin(size);
        for line in text.lines() {
            screen.push_str(line);
            screen.push_str("\x1b[K\n");
        }
        screen.push_str("\x1b[J");
        self.drawn = None;
        screen
    }

    /// What wipes away the `^C` that the terminal has written below the block, where there is one.
    pub(crate) fn leave(&self) -> &'static str {
        if self.is_drawn() { "\r\x1b[K" } else { "" }
    }

    fn begin(&self, size: (usize, usize)) -> String {
        match self.drawn {
            None => String::new(),
            Some((lines, before)) if before == size => format!("\r\x1b[{lines}A"),
            // A screen of another size has moved the old lines to where nobody knows.
            Some(_) => "\x1b[H\x1b[2J".to_owned(),
        }
    }
}
