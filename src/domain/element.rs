//! Element: a part of an environment.

use crate::base::error::{Error, Result};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    Code,
    Database,
    Files,
}

impl Element {
    /// In the order in which they are read: the database before the files it points to, so that a row never names an
    /// upload that the backup had no chance to see.
    pub const ALL: [Self; 3] = [Self::Database, Self::Files, Self::Code];

    pub fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Database => "database",
            Self::Files => "files",
        }
    }

    /// One element by name; `db` is accepted as input.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "code" => Ok(Self::Code),
            "database" | "db" => Ok(Self::Database),
            "files" => Ok(Self::Files),
            _ => Err(Error::invalid(format!("`{text}` is not an element"))
                .hint("Element should be one of the following items: code, files, database, db, all")),
        }
    }

    /// `all`, or a list with commas; in the order of [`Element::ALL`], each once.
    pub fn parse_list(text: &str) -> Result<Vec<Self>> {
        if text == "all" {
            return Ok(Self::ALL.to_vec());
        }
        let named = text.split(',').map(|part| Self::parse(part.trim())).collect::<Result<Vec<_>>>()?;
        Ok(Self::ALL.into_iter().filter(|e| named.contains(e)).collect())
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn db_is_accepted_and_a_list_has_one_order() {
        assert_eq!(Element::parse_list("files,db,files").unwrap(), [Element::Database, Element::Files]);
        assert_eq!(Element::parse_list("all").unwrap().len(), 3);
        assert!(Element::parse("everything").unwrap_err().to_string().contains("code, files, database, db"));
    }
}
