//! The fence around a database that a switch left behind: nobody in it, nobody into it.

use super::session::{Session, ident, literal};
use crate::base::error::{Error, Result};
use crate::hosting::database::Fenced;
use std::time::Duration;

/// Keeps everybody out of the live database, then ends the connections that are there. What the server account may not do,
/// the site's own may: it often owns the database.
pub fn raise(live: &Session, server: &Session) -> Result<Fenced> {
    let name = &live.account.database;
    // Data beside the live data lies in the live database, which must stay open.
    let beside = live.run("select count(*) from pg_namespace where nspname ~ '^sk_map_[0-9a-z]{8}$';");
    if beside.is_ok_and(|n| n != "0") {
        return super::beside::cut(live);
    }
    let shut = by_either(live, server, &format!("alter database {} allow_connections false;", ident(name)));
    let mine = "(select rolsuper from pg_roles where rolname = current_user) or pg_has_role(usesysid, 'usage')
  or pg_has_role('pg_signal_backend', 'usage')";
    let others =
        format!("from pg_stat_activity where datname = {} and pid <> pg_backend_pid() and backend_type = 'client backend'", literal(name));
    let cut = format!("select count(*) filter (where pg_terminate_backend(pid)) {others} and ({mine});");
    let mut count = 0u64;
    for session in [server, live] {
        if let Ok(n) = outside(session, name).and_then(|o| o.run(&cut)) {
            count += n.parse().unwrap_or(0);
        }
    }
    let left = wait_until_gone(&outside(server, name)?, &format!("select count(*) {others};"))?;
    Ok(match shut {
        Ok(_) if left == 0 => Fenced { complete: true, note: format!("{name} is closed; {count} connections were cut") },
        Ok(_) => Fenced { complete: false, note: format!("{name} is closed to new connections, but {left} old ones go on") },
        Err(e) => Fenced { complete: false, note: format!("{count} connections were cut, but {name} stays open: {}", e.sentence()) },
    })
}

pub fn lower(live: &Session, server: &Session) -> Result<()> {
    by_either(live, server, &format!("alter database {} allow_connections true;", ident(&live.account.database))).map(drop)
}

fn by_either(live: &Session, server: &Session, statement: &str) -> Result<String> {
    let name = &live.account.database;
    let by = |session: &Session| outside(session, name).and_then(|o| o.run(statement));
    by(server).or_else(|first| by(live).map_err(|_| first))
}

/// A connection that is told to end does so a moment later.
fn wait_until_gone(server: &Session, question: &str) -> Result<u64> {
    for _ in 0..50 {
        if server.run(question)? == "0" {
            return Ok(0);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(server.run(question)?.parse().unwrap_or(1))
}

/// A session in another database of the server than `name`: nobody can close or drop the one that he is in.
pub fn outside(server: &Session, name: &str) -> Result<Session> {
    let mine = &server.account.database;
    let mut last = None;
    for database in [mine.as_str(), "postgres", "template1"].into_iter().filter(|d| !d.is_empty() && *d != name) {
        let session = server.of_database(database);
        match session.run("select 1;") {
            Ok(_) => return Ok(session),
            Err(e) => last = Some(e),
        }
    }
    Err(last.unwrap_or_else(|| Error::permanent("the server account has no database to connect to")))
}
