//! Keeping the site out of a database that is no longer its own.

use super::super::Fenced;
use super::catalogue::Catalogue;
use super::session::{Session, name, text, unhex};
use super::stage::{alone, pattern, quoted};
use crate::base::error::Result;

/// Where the rights that were taken away are written down until they are given back: in the database itself.
const NOTES: &str = "sitekeep_fence";

/// With an account of the server: locks the user, or takes its rights on this database away, and cuts its connections.
pub fn close(live: &Session, server: Option<&Session>) -> Result<Fenced> {
    let Some(server) = server else {
        let cut = kill(live, live)?;
        let note = format!("{cut}; without a server account new connections cannot be kept out");
        return Ok(Fenced { complete: false, note });
    };
    let database = &live.account.database;
    let others = Catalogue::tables(&server.on(database))?.others;
    if !others.is_empty() {
        // Cutting connections would hit the other site, and not only once.
        let note = format!("the database {database} also holds another site ({}): nobody is kept out of it", others.join(", "));
        return Ok(Fenced { complete: false, note });
    }
    let how = if alone(server, &live.account)? {
        lock(live, server, "lock")?;
        format!("the database user {} is locked", live.account.user)
    } else if revoke(live, server)? {
        format!("the rights of the database user {} on {database} are withheld", live.account.user)
    } else {
        let cut = kill(live, server)?;
        let note = format!("{cut}; the database user {} has rights on the whole server, so that it can come back", live.account.user);
        return Ok(Fenced { complete: false, note });
    };
    let cut = kill(live, server)?;
    Ok(Fenced { complete: true, note: format!("{how}, {cut}") })
}

/// Undoes what [`close`] did; where nothing was done, nothing is.
pub fn open(live: &Session, server: Option<&Session>) -> Result<()> {
    let Some(server) = server else { return Ok(()) };
    let inside = server.on(&live.account.database);
    if super::catalogue::exists(&inside, NOTES)? {
        let rows = inside.ask(&format!("select hex(statement) from {};", name(NOTES)), super::session::SHORT)?;
        let grants: String = rows.iter().map(|r| unhex(&r[0]) + ";\n").collect();
        server.ask_server(&grants)?;
        inside.ask(&format!("drop table {};", name(NOTES)), super::session::SHORT)?;
    }
    lock(live, server, "unlock")
}

fn accounts(live: &Session, server: &Session) -> Result<Vec<String>> {
    let user = &live.account.user;
    let rows = server.ask_server(&format!("select hex(host) from mysql.user where user={};", text(user)))?;
    rows.iter().map(|r| Ok(format!("{}@{}", quoted(user)?, quoted(&unhex(&r[0]))?))).collect()
}

fn lock(live: &Session, server: &Session, word: &str) -> Result<()> {
    let all = accounts(live, server)?;
    if all.is_empty() {
        return Ok(());
    }
    let sql: String = all.iter().map(|a| format!("alter user {a} account {word};\n")).collect();
    server.ask_server(&sql).map(|_| ())
}

/// Takes the rights on this database away and notes how to give them back. False: there are none, or they are the server's.
fn revoke(live: &Session, server: &Session) -> Result<bool> {
    let inside = server.on(&live.account.database);
    let names = [pattern(&live.account.database), live.account.database.clone()].map(|n| format!("ON {}.*", name(&n)));
    let (mut notes, mut acts) = (String::new(), String::new());
    for account in accounts(live, server)? {
        for row in server.ask_server(&format!("show grants for {account};"))? {
            let grant = row.join("\t");
            if grant.contains("ON *.*") && !grant.starts_with("GRANT USAGE ON") {
                return Ok(false);
            }
            let Some(on) = names.iter().find(|on| grant.contains(on.as_str())) else { continue };
            notes += &format!("insert into {} values ({});\n", name(NOTES), text(&grant));
            acts += &format!("revoke all privileges {on} from {account};\n");
        }
    }
    if acts.is_empty() {
        return super::catalogue::exists(&inside, NOTES);
    }
    // The notes first: a crash between the two leaves rights that are given twice, never rights that are lost.
    inside
        .ask(&format!("create table if not exists {} (statement longtext) engine=InnoDB;\n{notes}", name(NOTES)), super::session::SHORT)?;
    server.ask_server(&acts)?;
    Ok(true)
}

/// Cuts the user's connections, as far as they use this database or none; our own goes on.
fn kill(live: &Session, by: &Session) -> Result<String> {
    let sql = format!(
        "select id from information_schema.processlist where user={} and id<>connection_id() and (db={} or db is null);",
        text(&live.account.user),
        text(&live.account.database)
    );
    let rows = by.ask_server(&sql)?;
    let mut cut = 0;
    for row in &rows {
        // One that ended by itself meanwhile is as good as cut.
        if row[0].parse::<u64>().is_ok() && by.ask_server(&format!("kill {};", row[0])).is_ok() {
            cut += 1;
        }
    }
    Ok(match cut {
        0 => "no connection was open".to_owned(),
        n => format!("{} cut", crate::base::units::count(n, "connection")),
    })
}
