//! A writer of HTML and SVG that cannot forget to escape or to close.

use std::fmt::Write;

use super::super::fold::glued;
use crate::output::sanitize;

/// A document in the making. Text and attribute values are always escaped; names are constants of this program.
#[derive(Debug, Default)]
pub(super) struct Markup {
    text: String,
}

/// Attributes: names and values.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a str)];

impl Markup {
    /// What was written.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// That what follows is HTML.
    pub(super) fn doctype(&mut self) {
        self.text.push_str("<!doctype html>\n");
    }

    /// An element with what is inside it.
    pub(super) fn element(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        inside: impl FnOnce(&mut Self),
    ) {
        self.start(name, attributes);
        self.text.push('>');
        inside(self);
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
        if matches!(
            name,
            "p" | "tr"
                | "li"
                | "section"
                | "svg"
                | "h1"
                | "h2"
                | "h3"
                | "head"
                | "style"
                | "title"
                | "div"
                | "g"
                | "dd"
        ) {
            self.text.push('\n');
        }
    }

    /// An element with text alone.
    pub(super) fn leaf(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        self.element(name, attributes, |inside| inside.text(text));
    }

    /// An element of HTML that has no end, such as `meta`.
    pub(super) fn void(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.text.push_str(">\n");
    }

    /// An element of SVG with nothing inside.
    pub(super) fn shape(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.text.push_str("/>\n");
    }

    /// Text from anywhere. No line breaks between a number and its `%`.
    pub(super) fn text(&mut self, text: &str) {
        escape(&mut self.text, &glued(text));
    }

    /// The style sheet of this program: the one text that is taken as it is.
    pub(super) fn style(&mut self, sheet: &'static str) {
        self.element("style", &[], |inside| inside.text.push_str(sheet));
    }

    fn start(&mut self, name: &'static str, attributes: Attributes<'_>) {
        // Writing to a String cannot fail.
        _ = write!(self.text, "<{name}");
        for (name, value) in attributes {
            _ = write!(self.text, " {name}=\"");
            escape(&mut self.text, value);
            self.text.push('"');
        }
    }
}

/// Control characters and overrides of the direction become visible, and nothing can end the text or the attribute.
fn escape(to: &mut String, text: &str) {
    for c in sanitize(text).chars() {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&#39;"),
            c => to.push(c),
        }
    }
}
