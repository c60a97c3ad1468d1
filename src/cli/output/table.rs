//! Columns for people, aligned by the width that a terminal gives each character.

use super::plain;
use super::sheet::{Column, Sheet};
use std::ops::Range;
use unicode_width::UnicodeWidthStr;

const GAP: &str = "  ";
const INDENT: &str = "    ";

/// The table. Nothing at all when there are no rows.
pub fn write(sheet: &Sheet, colour: bool, terminal: Option<usize>) -> String {
    match (sheet.rows.is_empty(), sheet.one) {
        (true, _) => String::new(),
        (false, true) => properties(sheet, colour),
        (false, false) => rows(sheet, colour, terminal),
    }
}

fn rows(sheet: &Sheet, colour: bool, terminal: Option<usize>) -> String {
    let body: Vec<Vec<String>> = sheet.rows.iter().map(|row| row.iter().map(|c| plain::line(&c.text)).collect()).collect();
    let width = |i: usize| body.iter().map(|row| row[i].width()).chain([sheet.columns[i].label.width()]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..sheet.columns.len()).map(width).collect();
    let folds = folds(&widths, terminal.unwrap_or(usize::MAX));
    let labels: Vec<String> = sheet.columns.iter().map(|c| c.label.to_owned()).collect();
    let head: String = folded(&labels, &widths, &sheet.columns, &folds).iter().map(|line| bold(line, colour) + "\n").collect();
    body.iter().fold(head, |out, row| out + &folded(row, &widths, &sheet.columns, &folds).join("\n") + "\n")
}

/// Which columns stand together on one line, so that none is wider than the terminal: nothing is cut, and lines below the
/// first are indented. A column that is too wide for any line has one to itself.
fn folds(widths: &[usize], terminal: usize) -> Vec<Range<usize>> {
    let (mut all, mut start, mut used) = (Vec::new(), 0, 0);
    for (i, width) in widths.iter().enumerate() {
        let before = if i > start {
            GAP.len()
        } else if start > 0 {
            INDENT.len()
        } else {
            0
        };
        if i > start && used + before + width > terminal {
            all.push(start..i);
            (start, used) = (i, INDENT.len() + width);
        } else {
            used += before + width;
        }
    }
    all.push(start..widths.len());
    all
}

fn folded(cells: &[String], widths: &[usize], columns: &[Column], folds: &[Range<usize>]) -> Vec<String> {
    let line = |(n, fold): (usize, &Range<usize>)| {
        let text = one_row(&cells[fold.clone()], &widths[fold.clone()], &columns[fold.clone()]);
        if n == 0 { text } else { format!("{INDENT}{text}").trim_end().to_owned() }
    };
    // A lower line of empty cells would look like the end of the table.
    folds.iter().enumerate().map(line).enumerate().filter(|(n, text)| *n == 0 || !text.is_empty()).map(|(_, text)| text).collect()
}

fn one_row(cells: &[String], widths: &[usize], columns: &[Column]) -> String {
    let padded = cells.iter().zip(widths).zip(columns).map(|((text, width), column)| {
        let gap = " ".repeat(width.saturating_sub(text.width()));
        if column.right { gap + text } else { text.clone() + &gap }
    });
    padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

/// Properties stand below each other; a property of several lines keeps them, indented to its column.
fn properties(sheet: &Sheet, colour: bool) -> String {
    let wide = sheet.columns.iter().map(|c| c.label.width()).max().unwrap_or(0);
    let mut out = String::new();
    for (column, cell) in sheet.columns.iter().zip(&sheet.rows[0]) {
        let label = bold(column.label, colour) + &" ".repeat(wide - column.label.width());
        for (n, text) in lines(&cell.value, &cell.text).iter().enumerate() {
            let before = if n == 0 { label.clone() } else { " ".repeat(wide) };
            out.push_str(format!("{before}{GAP}{}", plain::line(text)).trim_end());
            out.push('\n');
        }
    }
    out
}

/// A list stands one item a line; a line end inside a text is not ours and stays escaped.
fn lines(value: &serde_json::Value, text: &str) -> Vec<String> {
    match value.as_array() {
        Some(items) if items.len() > 1 && items.iter().all(serde_json::Value::is_string) => {
            items.iter().filter_map(|i| i.as_str().map(str::to_owned)).collect()
        }
        _ => vec![text.to_owned()],
    }
}

fn bold(text: &str, colour: bool) -> String {
    if colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::sheet::column;
    use super::*;

    #[test]
    fn wide_characters_do_not_break_the_columns() {
        let mut sheet = Sheet::new(&[column("name", "Name"), column("size", "Size").right(), column("x", "X")], "name");
        sheet.add(vec!["图片".into(), "1 B".into(), "e\u{301}".into()]);
        sheet.add(vec!["abcdef".into(), "100.0 MB".into(), "".into()]);
        assert_eq!(write(&sheet, false, None), "Name        Size  X\n图片         1 B  e\u{301}\nabcdef  100.0 MB\n");
        assert!(write(&sheet, true, None).starts_with("\u{1b}[1mName        Size  X\u{1b}[0m\n"));
    }

    #[test]
    fn properties_stand_below_each_other_and_lists_keep_their_lines() {
        let items = vec!["one".to_owned(), "two\nfake".to_owned()];
        let sheet = Sheet::one(
            &[column("id", "ID"), column("steps", "Steps"), column("n", "Note")],
            "id",
            vec!["bak_1".into(), items.into(), "".into()],
        );
        assert_eq!(write(&sheet, false, None), "ID     bak_1\nSteps  one\n       two\\nfake\nNote\n");
    }

    #[test]
    fn a_table_that_is_wider_than_the_terminal_is_folded_and_nothing_is_cut() {
        let mut sheet = Sheet::new(&[column("file", "File"), column("size", "Size").right(), column("by", "By")], "file");
        sheet.add(vec!["a_long_name.tar.gz".into(), "1 B".into(), "me".into()]);
        sheet.add(vec!["b".into(), "20 B".into(), "you".into()]);
        sheet.add(vec!["c".into(), "".into(), "".into()]);
        assert_eq!(write(&sheet, false, Some(20)), "File\n    Size  By\na_long_name.tar.gz\n     1 B  me\nb\n    20 B  you\nc\n");
        assert_eq!(write(&sheet, false, Some(10)).lines().nth(2), Some("    By"));
        assert_eq!(write(&sheet, false, Some(80)).lines().count(), 4);
    }
}
