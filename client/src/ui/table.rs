//! Columns of untrusted text.

use unicode_width::UnicodeWidthStr as _;

use super::escape;

/// Rows under headings, columns two spaces apart, no spaces at line ends.
pub(super) fn format(headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let cells = |row: &Vec<String>| row.iter().map(|cell| escape(cell).into_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(&headings).chain(rows).map(cells).collect();
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        })
        .collect();

    let mut text = String::new();
    for line in &lines {
        let start = text.len();
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(cell);
            let padding = width.saturating_sub(cell.width()) + 2;
            text.extend(std::iter::repeat_n(' ', padding));
        }
        let end = start + text[start..].trim_end_matches(' ').len();
        text.truncate(end);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_by_width_on_the_terminal() {
        let rows = vec![
            vec!["work".to_owned(), "1".to_owned()],
            vec!["密钥".to_owned(), "20".to_owned()],
            vec!["a\nb".to_owned(), String::new()],
        ];
        assert_eq!(
            format(&["NAME", "N"], &rows),
            "NAME     N\nwork     1\n密钥     20\na\\u{a}b\n"
        );
    }
}
