//! A scratch database of PostgreSQL, by the account of a server that is set aside.
//!
//! What it cannot do: an extension that only a superuser may create is created beforehand where it stands in the server's
//! `template1`; else the import says that it is missing.

use super::session::{Session, ident, literal};
use super::tools::Search;
use super::{dump, fresh, settings};
use crate::base::chance;
use crate::base::error::Result;
use crate::domain::site::{Access, Account, DatabaseAddress};
use crate::hosting::database::Dumping;
use std::collections::BTreeMap;

pub fn make(server: &Access, name: &str, charset: &str) -> Result<Access> {
    let search = Search::usual();
    let server = Session::open(server, &search)?;
    let password = chance::password();
    fresh::make_role(&server, name, &password)?;
    server
        .run(&format!("create database {db} owner {db} {};", likeness(&server, charset)?, db = ident(name)))
        .map_err(|e| e.context(format!("making the database {name}")))?;
    if server.run("select rolsuper from pg_roles where rolname = current_user;")? == "t" {
        let owner = if server.server_version()?.major < 15 { ident(name) } else { "pg_database_owner".into() };
        server.of_database(name).run(&format!("alter schema public owner to {owner};"))?;
    }
    let account = Account { database: name.to_owned(), user: name.to_owned(), prefix: String::new(), ..server.account.clone() };
    let made = Access { address: DatabaseAddress::Postgres(account), password };
    fresh::reach(&Session::open(&made, &search)?)?;
    Ok(made)
}

/// The encoding of the first database; `UTF8, de_DE.UTF-8` is how a manifest writes it. Another encoding than the server's
/// own goes with the locale that fits all of them.
fn likeness(server: &Session, charset: &str) -> Result<String> {
    let encoding: String =
        charset.split(',').next().unwrap_or_default().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let usual = server.run("select pg_encoding_to_char(encoding) from pg_database where datname = 'template1';")?;
    Ok(match encoding {
        same if same.is_empty() || same == usual => "template template1".to_owned(),
        other => format!("template template0 encoding {} lc_collate 'C' lc_ctype 'C'", literal(&other)),
    })
}

/// From the next connection on its values are written as by the settings of another server.
pub fn liken(made: &Access, like: &BTreeMap<String, String>) -> Result<()> {
    let session = Session::open(made, &Search::usual())?;
    let database = format!("database {}", ident(&session.account.database));
    let sql: String = like.iter().filter_map(|(name, value)| settings::statement(&database, &format!("{name}={value}"))).collect();
    if sql.is_empty() { Ok(()) } else { session.run(&sql).map(|_| ()) }
}

/// A dump of it for `pg_restore`.
pub fn archive(made: &Access) -> Result<Dumping> {
    dump::archive(&Session::open(made, &Search::usual())?)
}

pub fn drop(server: &Access, name: &str) -> Result<()> {
    let server = Session::open(server, &Search::usual())?;
    fresh::drop_database(name, &server).map_err(|e| e.context(format!("dropping the database {name}")))
}
