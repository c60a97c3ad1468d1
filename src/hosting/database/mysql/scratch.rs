//! A scratch database of MySQL or MariaDB, by the account of a server that is set aside.

use super::session::{SHORT, Session, name as quoted_name, unhex};
use super::stage::{drop_users, pattern, quoted, word};
use crate::base::chance;
use crate::base::error::{Error, Result};
use crate::domain::site::{Access, Account, DatabaseAddress};

pub fn make(server: &Access, name: &str, charset: &str) -> Result<Access> {
    let server = Session::new(server)?;
    let password = chance::password();
    let charset = match word(charset) {
        empty if empty.is_empty() => "utf8mb4".to_owned(),
        named => named,
    };
    // The new account comes from where the server's account comes from.
    let me = server.ask_server("select hex(current_user());")?;
    let host = me.first().and_then(|row| unhex(row.first()?).rsplit_once('@').map(|(_, host)| host.to_owned()));
    let host = host.ok_or_else(|| Error::transient("the server did not tell who its account is"))?;
    let account = format!("{}@{}", quoted(name)?, quoted(&host)?);
    let sql = format!(
        "create database {} character set {charset};\ncreate user {account} identified by {};\ngrant all privileges on {}.* to {account};\n",
        quoted_name(name),
        quoted(password.expose())?,
        quoted_name(&pattern(name))
    );
    server.ask_server(&sql).map_err(|e| e.context(format!("making the database {name}")))?;
    let account = Account { database: name.to_owned(), user: name.to_owned(), prefix: String::new(), ..server.account.clone() };
    let made = Access { address: DatabaseAddress::Mysql(account), password };
    Session::new(&made)?.ask("select 1;", SHORT).map_err(|e| e.context("connecting to the new database"))?;
    Ok(made)
}

pub fn drop(server: &Access, name: &str) -> Result<()> {
    let server = Session::new(server)?;
    let mut sql = format!("drop database if exists {};\n", quoted_name(name));
    sql += &drop_users(&server, name)?;
    server.ask_server(&sql).map(|_| ()).map_err(|e| e.context(format!("dropping the database {name}")))
}
