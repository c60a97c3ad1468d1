//! JSON: a list of objects, or one object; fields in the order of the columns.

use super::plain;
use super::sheet::{Cell, Column, Sheet};
use serde::ser::{Serialize, SerializeMap, Serializer};

struct Row<'a>(&'a [Column], &'a [Cell]);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (column, cell) in self.0.iter().zip(self.1) {
            map.serialize_entry(column.key, &cell.value)?;
        }
        map.end()
    }
}

pub fn write(sheet: &Sheet) -> String {
    let rows: Vec<Row<'_>> = sheet.rows.iter().map(|row| Row(&sheet.columns, row)).collect();
    match rows.first() {
        Some(row) if sheet.one => pretty(row),
        _ => pretty(&rows),
    }
}

/// The values of one field alone: what `--field` with `--format=json` means.
pub fn write_values(sheet: &Sheet) -> String {
    let values: Vec<_> = sheet.rows.iter().filter_map(|row| row.first()).map(|c| &c.value).collect();
    match values.first() {
        Some(value) if sheet.one => pretty(value),
        _ => pretty(&values),
    }
}

/// The text that serde_json writes escapes what JSON must escape; the other characters that a terminal would obey can
/// only stand inside strings, where `\u…` means the same.
fn pretty(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("keys are strings and nothing in a sheet refuses to be written");
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if c != '\n' && plain::is_hostile(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::sheet::column;
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn it_reads_back_as_the_same_text_and_holds_no_control_character() {
        let hostile = "\u{1b}[2J \u{9b} \u{202e}gpj \u{e0041} \u{7f} \"quote\" \\ 图 \u{2028}";
        let sheet = Sheet::one(&[column("b", "B"), column("a", "A")], "a", vec![hostile.into(), json!([1, null]).into()]);
        let text = write(&sheet);
        assert!(text.find("\"b\"").unwrap() < text.find("\"a\"").unwrap(), "fields keep their order");
        assert!(!text.chars().any(|c| c != '\n' && plain::is_hostile(c)), "{text:?}");
        let back: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["b"], hostile);
        assert_eq!(back["a"], json!([1, null]));
    }
}
