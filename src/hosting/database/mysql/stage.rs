//! A database and a user of their own for staged data, made and dropped by an account that may.

use super::super::{Means, Staged, short};
use super::catalogue::Catalogue;
use super::session::{Row, Session, name, text, unhex};
use crate::base::chance;
use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::domain::site::{Account, DatabaseAddress};

/// The names that a ticket has: the database's, the user's. At most 64 and 32 characters, as MySQL wants.
fn names(live: &Account, ticket: &str) -> (String, String) {
    let short = short(ticket);
    // A database that came out of a restore has such an ending already: names do not grow.
    let base = match live.database.rsplit_once("_sk") {
        Some((base, end)) if end.len() == 8 => base,
        _ => &live.database,
    };
    let base: String = base.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
    (format!("{base}_sk{short}"), format!("sk_{short}"))
}

/// Makes the database, with the live one's character set and collation, and a user who may do everything in it alone.
pub fn make(live: &Session, server: &Session, ticket: &str) -> Result<(Staged, Secret)> {
    let (database, user) = names(&live.account, ticket);
    if database == live.account.database || user == live.account.user {
        return Err(Error::conflict(format!("the restore {ticket} is the live one already")));
    }
    let password = chance::password();
    let charset = live.ask("select hex(@@character_set_database), hex(@@collation_database);", super::session::SHORT)?;
    let (charset, collation) = match charset.first().map(Vec::as_slice) {
        Some([charset, collation]) => (unhex(charset), unhex(collation)),
        _ => return Err(Error::transient("the server did not tell the character set of the database")),
    };
    let identified = identified_by(live, server, &password)?;
    let mut sql = format!("drop database if exists {};\n", name(&database));
    sql += &drop_users(server, &user)?;
    sql += &format!("create database {} character set {} collate {};\n", name(&database), word(&charset), word(&collation));
    for host in hosts(live, server)? {
        let account = format!("{}@{}", quoted(&user)?, quoted(&host)?);
        sql += &format!("create user {account} {identified};\ngrant all privileges on {}.* to {account};\n", name(&pattern(&database)));
    }
    server.ask_server(&sql).map_err(|e| e.context(format!("making the database {database}")))?;
    let address = DatabaseAddress::Mysql(Account { database, user, ..live.account.clone() });
    Ok((Staged { ticket: ticket.to_owned(), means: Means::NewDatabase, address }, password))
}

/// In GRANT the name of a database is a pattern: `_` and `%` would let a user into other databases.
pub fn pattern(database: &str) -> String {
    database.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")
}

/// A name of a character set or collation: letters, digits and `_`.
pub fn word(value: &str) -> String {
    value.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

/// A string in quotes where the grammar takes no other form: names of users and hosts, passwords.
pub fn quoted(value: &str) -> Result<String> {
    if value.contains('\\') || value.contains('\0') {
        return Err(Error::permanent(format!("the database user or host {value:?} has a character that cannot be used safely")));
    }
    Ok(format!("'{}'", value.replace('\'', "''")))
}

/// Old PHP cannot log in by MySQL 8's usual way: the new user logs in the way the live one does.
fn identified_by(live: &Session, server: &Session, password: &Secret) -> Result<String> {
    let old = !server.tools.mariadb && {
        let sql = format!("select count(*) from mysql.user where user={} and plugin='mysql_native_password';", text(&live.account.user));
        server.ask_server(&sql)?.first().is_some_and(|r| r[0] != "0")
    };
    let with = if old { " with mysql_native_password" } else { "" };
    Ok(format!("identified{with} by {}", quoted(password.expose())?))
}

/// The hosts from which the live user may come: the new one has to come from the same.
fn hosts(live: &Session, server: &Session) -> Result<Vec<String>> {
    let sql = format!("select hex(host) from mysql.user where user={} order by host;", text(&live.account.user));
    let mut hosts: Vec<String> = server
        .ask_server(&sql)
        .map_err(|e| e.hint("the server account must be allowed to read mysql.user").context("looking up the live database user"))?
        .iter()
        .map(|r| unhex(&r[0]))
        .collect();
    let me = live.ask("select hex(current_user());", super::session::SHORT)?;
    if let Some((_, host)) = me.first().map(|r| unhex(&r[0])).as_deref().and_then(|me| me.rsplit_once('@'))
        && !hosts.iter().any(|h| h == host)
    {
        hosts.push(host.to_owned());
    }
    Ok(hosts)
}

/// Statements that drop every account of this name.
pub fn drop_users(server: &Session, user: &str) -> Result<String> {
    let rows = server.ask_server(&format!("select hex(host) from mysql.user where user={};", text(user)))?;
    let mut sql = String::new();
    for host in rows.iter().map(|r: &Row| unhex(&r[0])) {
        sql += &format!("drop user {}@{};\n", quoted(user)?, quoted(&host)?);
    }
    Ok(sql)
}

/// Drops a database that is not live and, when it was made for this database alone, its user.
pub fn drop(live: &Session, server: &Session, account: &Account) -> Result<()> {
    if account.database == live.account.database {
        return Err(Error::conflict(format!("the database {} is live", account.database)));
    }
    if ["mysql", "sys", "information_schema", "performance_schema", ""].contains(&account.database.as_str()) {
        return Err(Error::conflict(format!("`{}` is not the database of a site", account.database)));
    }
    if !there(server, &account.database)? {
        return drop_user(live, server, account);
    }
    let mut inside = server.on(&account.database);
    account.prefix.clone_into(&mut inside.account.prefix);
    let found = Catalogue::tables(&inside)?;
    if !found.others.is_empty() {
        return drop_tables(&inside, &found);
    }
    server.ask_server(&format!("drop database {};", name(&account.database)))?;
    drop_user(live, server, account)
}

fn there(server: &Session, database: &str) -> Result<bool> {
    let sql = format!("select count(*) from information_schema.schemata where schema_name={};", text(database));
    Ok(server.ask_server(&sql)?.first().is_some_and(|r| r[0] != "0"))
}

/// Where another site lives in the same database, only this one's tables go.
fn drop_tables(inside: &Session, found: &Catalogue) -> Result<()> {
    let drops: String = found
        .tables
        .iter()
        .map(|t| format!("drop {} if exists {};\n", if t.kind == "VIEW" { "view" } else { "table" }, name(&t.name)))
        .collect();
    inside.ask(&format!("set session foreign_key_checks=0;\n{drops}"), None).map(|_| ())
}

fn drop_user(live: &Session, server: &Session, account: &Account) -> Result<()> {
    if account.user == live.account.user || !alone(server, account)? {
        return Ok(());
    }
    let sql = drop_users(server, &account.user)?;
    if !sql.is_empty() {
        server.ask_server(&sql)?;
    }
    Ok(())
}

/// Has this user rights on this one database and on nothing else?
pub fn alone(server: &Session, account: &Account) -> Result<bool> {
    let user = text(&account.user);
    let (exact, escaped) = (text(&account.database), text(&pattern(&account.database)));
    // A global right shows in the user's list of privileges; USAGE is the word for none.
    let sql = format!(
        "select count(*) from information_schema.user_privileges where grantee like concat('''', {user}, '''@%') and privilege_type <> 'USAGE';\n\
         select count(*) from mysql.db where user={user} and db not in ({exact}, {escaped});\n\
         select count(*) from mysql.tables_priv where user={user} and db <> {exact};\n\
         select count(*) from mysql.procs_priv where user={user} and db <> {exact};\n"
    );
    let rows = server.ask_server(&sql)?;
    Ok(rows.len() == 4 && rows.iter().all(|r| r[0] == "0"))
}

/// Base tables of the staged database, counted as the staged user.
pub fn count(staged: &Session) -> Result<std::collections::BTreeMap<String, u64>> {
    let found = Catalogue::tables(staged)?;
    let tables: Vec<(String, String)> = found.tables.iter().filter(|t| t.is_table()).map(|t| (t.name.clone(), t.name.clone())).collect();
    Catalogue::count(staged, &tables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::site::Endpoint;

    #[test]
    fn names_do_not_grow_from_restore_to_restore_and_stay_short() {
        let at = Endpoint::Tcp { host: "db".into(), port: 3306 };
        let account = |database: String| Account { at: at.clone(), database, user: "u".into(), prefix: String::new() };
        let (first, user) = names(&account("shop".into()), "rst_1");
        assert!(first.starts_with("shop_sk") && user.len() <= 32);
        assert_eq!(names(&account(first), "rst_2").0.len(), "shop_sk".len() + 8);
        assert!(names(&account("ü-`".repeat(60)), "rst_1").0.len() <= 64);
    }

    #[test]
    fn an_underscore_in_a_name_is_no_wildcard() {
        assert_eq!(pattern("site_1%"), "site\\_1\\%");
    }
}
