//! YAML 1.2 that YAML 1.1 reads alike: block style, and quotes around every text that could be read as something else.

use super::plain;
use super::sheet::Sheet;
use serde_json::Value;

pub fn write(sheet: &Sheet) -> String {
    if sheet.rows.is_empty() {
        return "[]\n".into();
    }
    let mut out = String::new();
    for row in &sheet.rows {
        for (n, (column, cell)) in sheet.columns.iter().zip(row).enumerate() {
            let before = match (sheet.one, n) {
                (true, _) => "",
                (false, 0) => "- ",
                (false, _) => "  ",
            };
            out.push_str(before);
            entry(&mut out, column.key, &cell.value, if sheet.one { 0 } else { 2 });
        }
    }
    out
}

/// `key: value`, the key written where the line stands; what is nested goes two further in.
fn entry(out: &mut String, key: &str, value: &Value, indent: usize) {
    out.push_str(&scalar_text(key));
    out.push(':');
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            block(out, value, indent + 2);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(out, value, indent + 2);
        }
        other => {
            out.push(' ');
            out.push_str(&scalar(other));
            out.push('\n');
        }
    }
}

fn block(out: &mut String, value: &Value, indent: usize) {
    let space = " ".repeat(indent);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                out.push_str(&space);
                entry(out, key, value, indent);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| element(out, item, &space, indent)),
        other => out.push_str(&format!("{space}{}\n", scalar(other))),
    }
}

/// `- ` and the item: what the item writes two further in begins on the dash's own line.
fn element(out: &mut String, item: &Value, space: &str, indent: usize) {
    let mut inner = String::new();
    match item {
        Value::Object(map) if map.is_empty() => inner.push_str("{}\n"),
        Value::Array(items) if items.is_empty() => inner.push_str("[]\n"),
        nested => block(&mut inner, nested, indent + 2),
    }
    out.push_str(space);
    out.push_str("- ");
    out.push_str(inner.trim_start_matches(' '));
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => scalar_text(text),
        Value::Array(_) => "[]".into(),
        Value::Object(_) => "{}".into(),
        plain => plain.to_string(),
    }
}

/// A text as it is where nothing in it has a meaning in YAML, otherwise in double quotes.
fn scalar_text(text: &str) -> String {
    const WORDS: [&str; 10] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan"];
    let first = text.chars().next();
    let plain = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./ ()".contains(c))
        && !text.ends_with(' ')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { in_quotes(text) }
}

fn in_quotes(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if plain::is_hostile(c) && u32::from(c) > 0xffff => out.push_str(&format!("\\U{:08x}", u32::from(c))),
            c if plain::is_hostile(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::sheet::column;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_that_could_be_read_as_something_else_is_quoted() {
        let table = [
            ("shop_live.tar.gz", "shop_live.tar.gz"),
            ("Generated on request", "Generated on request"),
            ("no", "\"no\""),
            ("Yes", "\"Yes\""),
            ("null", "\"null\""),
            ("", "\"\""),
            ("12", "\"12\""),
            ("1e3", "\"1e3\""),
            ("0x1F", "\"0x1F\""),
            ("2026-11-21 03:00:00 UTC", "\"2026-11-21 03:00:00 UTC\""),
            ("a: b", "\"a: b\""),
            ("# no comment", "\"# no comment\""),
            ("- item", "\"- item\""),
            ("end ", "\"end \""),
            ("{}", "\"{}\""),
            ("*alias", "\"*alias\""),
            ("say \"hi\" \\", "\"say \\\"hi\\\" \\\\\""),
            ("\u{1b}[2J\n\u{e0041}\u{85}", "\"\\u001b[2J\\n\\U000e0041\\u0085\""),
            ("Füße", "\"Füße\""),
        ];
        for (text, written) in table {
            assert_eq!(scalar_text(text), written);
        }
    }

    #[test]
    fn what_is_nested_keeps_its_shape() {
        let columns = [column("id", "ID"), column("steps", "Steps"), column("none", "None"), column("map", "Map")];
        let row = || {
            vec!["b".into(), json!([{"a": 1, "b": ["x", []]}, {}, [2, 3]]).into(), json!([]).into(), json!({"k": {"deep": null}}).into()]
        };
        let expected = "- id: b\n  steps:\n    - a: 1\n      b:\n        - x\n        - []\n    - {}\n    - - 2\n      - 3\n  none: []\n  map:\n    k:\n      deep: null\n";
        let mut sheet = Sheet::new(&columns, "id");
        assert_eq!(write(&sheet), "[]\n");
        sheet.add(row());
        assert_eq!(write(&sheet), expected);
        let one = Sheet::one(&columns, "id", row());
        assert_eq!(write(&one), expected.lines().map(|l| format!("{}\n", &l[2..])).collect::<String>());
    }
}
