//! From a byte in the text to the line and column a person counts.

/// Mark some editors put before UTF-8 text; it has no column.
const BOM: char = '\u{feff}';

/// Where the lines of a text begin.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let after_newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after_newlines).collect() }
    }

    /// Line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).max(1)
    }

    /// Line and column of a byte, both from 1, the column in characters. A byte beyond the text is its end.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        let line = self.line(at);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let rest = self.text.get(start..).unwrap_or("");
        let before = rest.char_indices().take_while(|(offset, _)| start + offset < at);
        (line, before.filter(|(_, c)| *c != BOM).count() + 1)
    }

    /// The text of a span, empty where it is none.
    pub(super) fn slice(&self, span: std::ops::Range<usize>) -> &'t str {
        self.text.get(span).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters() {
        let lines = Lines::new("\u{feff}ab\r\n名称 = 1\n");
        assert_eq!(lines.position(0), (1, 1));
        assert_eq!(lines.position(3), (1, 1), "the byte order mark is no column");
        assert_eq!(lines.position(4), (1, 2));
        assert_eq!(lines.position(7), (2, 1));
        assert_eq!(lines.position(14), (2, 4), "two Chinese characters and a space before it");
        assert_eq!(lines.position(9999), (3, 1), "beyond the text is its end");
    }
}
