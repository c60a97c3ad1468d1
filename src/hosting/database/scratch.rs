//! A database of its own on a server that is set aside: made for a look at a backup, and dropped again.
//!
//! Nothing of the site's own server is asked or touched. A name says what such a database is, and only databases of such
//! names are ever dropped here.

use super::{Dumping, mysql, postgres};
use crate::base::chance;
use crate::base::error::{Error, Result};
use crate::domain::site::{Access, DatabaseAddress};
use std::collections::BTreeMap;

const PREFIX: &str = "sk_drill_";

/// A name that nobody has: to be written down before the database is made.
pub fn name() -> String {
    format!("{PREFIX}{}", chance::word(16))
}

fn checked(name: &str) -> Result<&str> {
    let good = name.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == 16 && rest.chars().all(|c| c.is_ascii_alphanumeric()));
    if good { Ok(name) } else { Err(Error::internal(format!("{name:?} is not the name of a scratch database"))) }
}

/// Makes the database with an account that reaches it and nothing else. `charset` is what a manifest says of the first one.
///
/// # Errors
/// What the server said; `Invalid` for a server of an engine that has none.
pub fn make(server: &Access, name: &str, charset: &str) -> Result<Access> {
    match server.address {
        DatabaseAddress::Mysql(_) => mysql::scratch::make(server, checked(name)?, charset),
        DatabaseAddress::Postgres(_) => postgres::scratch::make(server, checked(name)?, charset),
        DatabaseAddress::Sqlite { .. } => Err(Error::invalid("SQLite has no server")),
    }
}

/// Drops it with its account; one that is not there is no error.
///
/// # Errors
/// What the server said.
pub fn drop(server: &Access, name: &str) -> Result<()> {
    match server.address {
        DatabaseAddress::Mysql(_) => mysql::scratch::drop(server, checked(name)?),
        DatabaseAddress::Postgres(_) => postgres::scratch::drop(server, checked(name)?),
        DatabaseAddress::Sqlite { .. } => Ok(()),
    }
}

/// Has its values written as by the settings that a manifest names: a dump of it is then like the first one.
///
/// # Errors
/// What the server said.
pub fn liken(made: &Access, settings: &BTreeMap<String, String>) -> Result<()> {
    match made.address {
        DatabaseAddress::Postgres(_) => postgres::scratch::liken(made, settings),
        _ => Ok(()),
    }
}

/// Starts a dump of it in the custom format of PostgreSQL, which `pg_restore` reads.
///
/// # Errors
/// `Invalid` for another engine; what its tool said.
pub fn archive(made: &Access) -> Result<Dumping> {
    match made.address {
        DatabaseAddress::Postgres(_) => postgres::scratch::archive(made),
        _ => Err(Error::invalid("only a database of PostgreSQL has a custom format")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_scratch_databases_are_taken() {
        assert!(checked(&name()).is_ok() && name() != name() && name().len() <= 32);
        for foreign in ["shop", "sk_drill_", "sk_drill_x", "sk_drill_0123456789abcde`", "mysql"] {
            assert!(checked(foreign).is_err(), "{foreign}");
        }
    }
}
