//! A sheet: columns with names, and rows of cells. Every command makes one; every form is written from one.

use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use serde_json::Value;

/// One value: as people read it, and as programs do.
#[derive(Clone, Debug)]
pub struct Cell {
    pub text: String,
    pub value: Value,
}

impl Cell {
    /// A value whose text for people is another than its own.
    pub fn shown(text: impl Into<String>, value: Value) -> Self {
        Self { text: text.into(), value }
    }
    /// An instant as the API says it, with its zone named for people: `2026-11-21 03:00:00 UTC`. The same text for
    /// programs, so that what worked on a date column works on; what is no instant stays as it came.
    pub fn date(iso: Option<&str>) -> Self {
        iso.map_or_else(|| Self::shown("", Value::Null), |iso| people_date(iso).into())
    }
}

/// `2026-11-21T03:00:00Z` as `2026-11-21 03:00:00 UTC`.
pub fn people_date(iso: &str) -> String {
    chrono::DateTime::parse_from_rfc3339(iso).map_or_else(|_| iso.to_owned(), |at| Millis(at.timestamp_millis()).for_people())
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        let text = match &value {
            Value::Null => String::new(),
            Value::String(s) => s.clone(),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        Self { text, value }
    }
}

macro_rules! cell_from {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Cell {
            fn from(value: $kind) -> Self {
                Value::from(value).into()
            }
        }
    )*};
}
cell_from!(&str, String, bool, u64, u32, i64, Vec<String>);

impl From<&String> for Cell {
    fn from(value: &String) -> Self {
        value.as_str().into()
    }
}

impl From<&[String]> for Cell {
    fn from(value: &[String]) -> Self {
        value.to_vec().into()
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(|| Value::Null.into(), Into::into)
    }
}

/// A named field.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// What programs and `--fields` call it.
    pub key: &'static str,
    /// What stands above it.
    pub label: &'static str,
    /// Another key that is accepted as input.
    pub alias: Option<&'static str>,
    pub right: bool,
}

/// A column with its key and its heading.
pub const fn column(key: &'static str, label: &'static str) -> Column {
    Column { key, label, alias: None, right: false }
}

impl Column {
    /// Aligned at its right end, as numbers are.
    #[must_use]
    pub const fn right(mut self) -> Self {
        self.right = true;
        self
    }
    /// Also found under this name.
    #[must_use]
    pub const fn or(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }
    fn is_called(&self, name: &str) -> bool {
        self.key == name || self.alias == Some(name) || self.label.eq_ignore_ascii_case(name)
    }
}

/// Rows of cells under columns, or one thing with its properties.
#[derive(Clone, Debug)]
pub struct Sheet {
    pub columns: Vec<Column>,
    /// Keys with commas between them: what people see where they do not choose.
    pub shown: &'static str,
    pub rows: Vec<Vec<Cell>>,
    /// One thing: its properties stand below each other, and programs get an object instead of a list.
    pub one: bool,
}

impl Sheet {
    pub fn new(columns: &[Column], shown: &'static str) -> Self {
        Self { columns: columns.to_vec(), shown, rows: Vec::new(), one: false }
    }
    /// One thing with its properties.
    pub fn one(columns: &[Column], shown: &'static str, row: Vec<Cell>) -> Self {
        let mut sheet = Self::new(columns, shown);
        sheet.one = true;
        sheet.add(row);
        sheet
    }
    /// Adds a row: a cell for each column, in their order.
    pub fn add(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len(), "a cell for each of {:?}", self.columns);
        self.rows.push(row);
    }

    /// Where the column of that name stands.
    ///
    /// # Errors
    /// `Invalid`, naming the columns that there are.
    pub fn find(&self, name: &str) -> Result<usize> {
        let name = name.trim();
        self.columns.iter().position(|c| c.is_called(name)).ok_or_else(|| {
            let keys: Vec<&str> = self.columns.iter().map(|c| c.key).collect();
            Error::invalid(format!("there is no field `{name}` here")).hint(format!("the fields are: {}", keys.join(", ")))
        })
    }
    /// The same for a list with commas.
    pub fn find_all(&self, names: &str) -> Result<Vec<usize>> {
        names.split(',').map(|name| self.find(name)).collect()
    }
    /// The sheet with these columns only, in this order.
    #[must_use]
    pub fn only(&self, chosen: &[usize]) -> Self {
        Self {
            columns: chosen.iter().map(|i| self.columns[*i]).collect(),
            shown: self.shown,
            rows: self.rows.iter().map(|row| chosen.iter().map(|i| row[*i].clone()).collect()).collect(),
            one: self.one,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_names_its_zone_whatever_zone_it_came_in() {
        assert_eq!(Cell::date(Some("2026-11-21T03:00:00Z")).text, "2026-11-21 03:00:00 UTC");
        assert_eq!(Cell::date(Some("2026-11-21T04:00:00+01:00")).text, "2026-11-21 03:00:00 UTC");
        assert_eq!(Cell::date(Some("soon")).text, "soon");
        assert_eq!(Cell::date(None).value, Value::Null);
    }
}
