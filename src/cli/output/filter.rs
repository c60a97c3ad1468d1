//! `--filter`: which rows stay. `type=database`, `reason*=nightly`, `state!=failed`, joined by `&` (and) and `|` (or).
//!
//! `&` binds closer than `|`, and either may be doubled, as the shell's users expect. Values are compared as they are
//! shown; `*=` does not look at capital letters, so that people find what they remember.

use super::sheet::{Cell, Sheet};
use crate::base::error::{Error, Result};

enum Test {
    Is(String),
    IsNot(String),
    Holds(String),
}

/// Groups of which one must hold; in each, every test must.
pub struct Filter(Vec<Vec<(usize, Test)>>);

impl Filter {
    /// # Errors
    /// `Invalid` for a field that is not there, or a test that cannot be read.
    pub fn parse(text: &str, sheet: &Sheet) -> Result<Self> {
        let group = |text: &str| parts(text, '&').into_iter().map(|one| test(one, sheet)).collect::<Result<Vec<_>>>();
        Ok(Self(parts(text, '|').into_iter().map(group).collect::<Result<_>>()?))
    }

    pub fn keeps(&self, row: &[Cell]) -> bool {
        let holds = |(at, test): &(usize, Test)| {
            let text = &row[*at].text;
            match test {
                Test::Is(value) => text == value,
                Test::IsNot(value) => text != value,
                Test::Holds(value) => text.to_lowercase().contains(&value.to_lowercase()),
            }
        };
        self.0.iter().any(|group| group.iter().all(holds))
    }
}

/// The parts between single or doubled separators.
fn parts(text: &str, separator: char) -> Vec<&str> {
    let doubled: String = [separator, separator].iter().collect();
    text.split(&doubled).flat_map(|part| part.split(separator)).collect()
}

fn test(text: &str, sheet: &Sheet) -> Result<(usize, Test)> {
    let (left, value) = text.split_once('=').ok_or_else(|| {
        Error::invalid(format!("the filter `{text}` cannot be read"))
            .hint("write field=value, field*=part or field!=value, joined by & or |")
    })?;
    let value = value.trim().to_owned();
    let (name, test) = match (left.strip_suffix('*'), left.strip_suffix('!')) {
        (Some(name), _) => (name, Test::Holds(value)),
        (_, Some(name)) => (name, Test::IsNot(value)),
        _ => (left, Test::Is(value)),
    };
    Ok((sheet.find(name)?, test))
}

#[cfg(test)]
mod tests {
    use super::super::sheet::column;
    use super::*;

    #[test]
    fn tests_are_joined_as_people_expect() {
        let sheet = Sheet::new(&[column("element", "Element").or("type"), column("reason", "Reason")], "element");
        let row = |a: &str, b: &str| vec![Cell::from(a), Cell::from(b)];
        let table = [
            ("type=database", true),
            ("Element = database", true),
            ("type!=database", false),
            ("reason*=NIGHT", true),
            ("type=files|reason*=night", true),
            ("type=files||type=code", false),
            ("type=database&reason=Nightly backup", true),
            ("type=database&&reason*=weekly", false),
            ("type=files&reason*=x|type=database", true),
            ("reason*=a=b", false),
        ];
        for (text, kept) in table {
            let filter = Filter::parse(text, &sheet).unwrap();
            assert_eq!(filter.keeps(&row("database", "Nightly backup")), kept, "{text}");
        }
        for bad in ["", "database", "colour=red", "type=a&"] {
            assert!(Filter::parse(bad, &sheet).is_err(), "{bad:?} was accepted");
        }
    }
}
