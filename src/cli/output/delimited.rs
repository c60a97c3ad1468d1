//! CSV, TSV and lists.

use super::plain;
use super::sheet::Sheet;

/// RFC 4180: a line of headings, `\r\n`, quotes where they are needed. A text that begins with `=`, `+`, `-`, `@`, a tab
/// or a carriage return, and is not a number, gets a `'` in front: a spreadsheet would run it as a formula, and notes and
/// file names are written by strangers. Programs that need the exact text read JSON.
pub fn csv(sheet: &Sheet) -> String {
    let labels = sheet.columns.iter().map(|c| quoted(c.label)).collect::<Vec<_>>().join(",");
    let rows = sheet.rows.iter().map(|row| row.iter().map(|c| quoted(&disarmed(&c.text))).collect::<Vec<_>>().join(","));
    [labels].into_iter().chain(rows).map(|line| line + "\r\n").collect()
}

fn disarmed(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    if formula { format!("'{text}") } else { text.to_owned() }
}

/// Line ends are part of a quoted value; other control characters are escaped as everywhere.
fn quoted(text: &str) -> String {
    let safe = text.split('\n').map(plain::line).collect::<Vec<_>>().join("\n");
    if safe.contains(['"', ',', '\n']) || safe.starts_with(' ') || safe.ends_with(' ') {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

/// Values with tabs between them, without headings; tabs and line ends inside a value are escaped.
pub fn tsv(sheet: &Sheet) -> String {
    sheet.rows.iter().map(|row| row.iter().map(|c| plain::line(&c.text)).collect::<Vec<_>>().join("\t") + "\n").collect()
}

/// The first field of each row; of one thing, every property.
pub fn list(sheet: &Sheet) -> String {
    let count = if sheet.one { sheet.columns.len() } else { 1 };
    sheet.rows.iter().flat_map(|row| row.iter().take(count)).map(|c| plain::line(&c.text) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::super::sheet::column;
    use super::*;

    fn csv_of(value: &str) -> String {
        let mut sheet = Sheet::new(&[column("a", "A"), column("b", "B, and more")], "a");
        sheet.add(vec![value.into(), "x".into()]);
        csv(&sheet)
    }

    #[test]
    fn csv_quotes_as_rfc_4180_says() {
        let table =
            [("plain", "plain"), ("a,b", "\"a,b\""), ("say \"hi\"", "\"say \"\"hi\"\"\""), ("two\nlines", "\"two\nlines\""), ("", "")];
        for (value, written) in table {
            assert_eq!(csv_of(value), format!("A,\"B, and more\"\r\n{written},x\r\n"));
        }
    }

    #[test]
    fn a_spreadsheet_never_runs_a_value_and_numbers_stay_numbers() {
        let table = [
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("@SUM(1)", "'@SUM(1)"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("-1+1", "'-1+1"),
            ("\t=1", "'\\t=1"),
            ("-12.5", "-12.5"),
            ("+49", "+49"),
        ];
        for (value, written) in table {
            assert_eq!(csv_of(value).lines().nth(1).unwrap(), format!("{written},x"));
        }
    }

    #[test]
    fn a_tab_in_a_value_does_not_make_a_column() {
        let sheet = Sheet::one(&[column("a", "A"), column("b", "B")], "a", vec!["x\ty\nz".into(), "2".into()]);
        assert_eq!(tsv(&sheet), "x\\ty\\nz\t2\n");
        assert_eq!(list(&sheet), "x\\ty\\nz\n2\n");
    }
}
