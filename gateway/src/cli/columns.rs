//! Text in columns, for a terminal.

/// Lays rows out: every column but the last is as wide as its widest cell. Empty rows stay empty.
pub(crate) fn aligned(indent: usize, rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |column: usize| {
        let shared = rows.iter().filter(|row| row.len() > column + 1);
        shared.filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width_of).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (cell, wide) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(wide.saturating_sub(width(cell)) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Characters that take two cells of a terminal: Chinese and full-width forms (Unicode, East Asian Width W and F).
const WIDE: [(char, char); 9] = [
    ('\u{1100}', '\u{115f}'),
    ('\u{2e80}', '\u{a4cf}'),
    ('\u{ac00}', '\u{d7a3}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{fe30}', '\u{fe6f}'),
    ('\u{ff00}', '\u{ff60}'),
    ('\u{ffe0}', '\u{ffe6}'),
    ('\u{1f300}', '\u{1faff}'),
    ('\u{20000}', '\u{3fffd}'),
];

/// Cells a text takes.
fn width(text: &str) -> usize {
    let wide = |c: char| WIDE.iter().any(|(first, last)| (*first..=*last).contains(&c));
    text.chars().map(|c| 1 + usize::from(wide(c))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_even_with_chinese() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text = aligned(2, &[row(["泵房", "a", "x"]), row(["pump-room", "", "y"])]);
        assert_eq!(text, "  泵房       a  x\n  pump-room     y\n");
    }
}
