//! What a command prints on standard output: one sheet of named fields, in the form that `--format` asks for.
//!
//! It must never let a value speak to the terminal: a file name may hold escape sequences, line ends and characters that
//! turn the writing around; every form shows them escaped ([`plain`]). It must never cut a value short.
//! To add a form: one file with `fn write(…) -> String`, one variant of [`Format`], one line in [`render`].

pub mod delimited;
pub mod filter;
pub mod json;
pub mod plain;
pub mod sheet;
pub mod table;
pub mod yaml;

pub use sheet::{Cell, Column, Sheet, column};

use crate::base::error::Result;
use filter::Filter;

/// The forms of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for people
    Table,
    /// All fields, for programs
    Json,
    /// RFC 4180 with a line of headings; a text that a spreadsheet would run as a formula gets a ' in front
    Csv,
    /// All fields
    Yaml,
    /// The first field only, one value a line
    List,
    /// Values with tabs between them, no headings
    String,
    /// The same as string
    Tsv,
}

/// What the global options ask for.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    pub format: Option<Format>,
    pub field: Option<String>,
    pub fields: Option<String>,
    pub filter: Option<String>,
    pub colour: bool,
    /// Columns of the terminal, where it is one: a wider table is folded.
    pub width: Option<usize>,
}

/// The text of a sheet. Empty when there is nothing to say in that form.
///
/// # Errors
/// `Invalid` for a field that the sheet does not have, or a filter that cannot be read.
pub fn render(mut sheet: Sheet, wish: &Wish) -> Result<String> {
    if let Some(text) = &wish.filter {
        let filter = Filter::parse(text, &sheet)?;
        sheet.rows.retain(|row| filter.keeps(row));
    }
    let format = wish.format.unwrap_or(if wish.field.is_some() { Format::String } else { Format::Table });
    let everything = matches!(format, Format::Json | Format::Yaml);
    let chosen = match (&wish.field, &wish.fields) {
        (Some(name), _) => vec![sheet.find(name)?],
        (None, Some(names)) => sheet.find_all(names)?,
        (None, None) if everything => (0..sheet.columns.len()).collect(),
        (None, None) => sheet.find_all(sheet.shown)?,
    };
    let sheet = sheet.only(&chosen);
    Ok(match format {
        Format::Table => table::write(&sheet, wish.colour, wish.width),
        Format::Json if wish.field.is_some() => json::write_values(&sheet),
        Format::Json => json::write(&sheet),
        Format::Yaml => yaml::write(&sheet),
        Format::Csv => delimited::csv(&sheet),
        Format::String | Format::Tsv => delimited::tsv(&sheet),
        Format::List => delimited::list(&sheet),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: &[Column] =
        &[column("file", "Filename"), column("size", "Size").right(), column("element", "Element").or("type"), column("pinned", "Pinned")];

    fn sheet() -> Sheet {
        let mut sheet = Sheet::new(COLUMNS, "file,size");
        sheet.add(vec!["a_\u{1b}[31m.gz".into(), Cell::shown("1.0 kB", json!("1.0 kB")), "database".into(), true.into()]);
        sheet.add(vec!["b.gz".into(), "20 B".into(), "files".into(), false.into()]);
        sheet
    }

    fn with(format: Format, change: impl FnOnce(&mut Wish)) -> String {
        let mut wish = Wish { format: Some(format), ..Wish::default() };
        change(&mut wish);
        render(sheet(), &wish).unwrap()
    }

    #[test]
    fn people_see_the_usual_columns_and_programs_see_all() {
        assert_eq!(with(Format::Table, |_| ()), "Filename           Size\na_\\u{1b}[31m.gz  1.0 kB\nb.gz               20 B\n");
        assert!(with(Format::Json, |_| ()).contains("\"pinned\": true"));
        assert!(with(Format::Yaml, |_| ()).contains("pinned: true"));
    }

    #[test]
    fn a_field_alone_is_a_bare_value() {
        let wish = Wish { field: Some("Filename".into()), ..Wish::default() };
        assert_eq!(render(sheet(), &wish).unwrap(), "a_\\u{1b}[31m.gz\nb.gz\n");
        assert_eq!(with(Format::List, |w| w.field = Some("type".into())), "database\nfiles\n");
        assert_eq!(with(Format::Json, |w| w.field = Some("pinned".into())), "[\n  true,\n  false\n]\n");
    }

    #[test]
    fn fields_choose_and_order_and_a_filter_leaves_rows_out() {
        assert_eq!(with(Format::Tsv, |w| w.fields = Some("size,file".into())), "1.0 kB\ta_\\u{1b}[31m.gz\n20 B\tb.gz\n");
        assert_eq!(with(Format::List, |w| w.filter = Some("type=files".into())), "b.gz\n");
        assert_eq!(with(Format::Csv, |w| w.filter = Some("type=code".into())), "Filename,Size\r\n");
        assert_eq!(with(Format::Table, |w| w.filter = Some("type=code".into())), "");
        assert_eq!(with(Format::Json, |w| w.filter = Some("type=code".into())), "[]\n");
    }

    #[test]
    fn an_unknown_field_names_those_that_there_are() {
        for wish in
            [Wish { fields: Some("colour".into()), ..Wish::default() }, Wish { filter: Some("colour=red".into()), ..Wish::default() }]
        {
            let error = render(sheet(), &wish).unwrap_err().to_string();
            assert!(error.contains("colour") && error.contains("file, size, element, pinned"), "{error}");
        }
    }
}
