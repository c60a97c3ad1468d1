//! MySQL and MariaDB, by their own tools: `mariadb-dump` and `mariadb`, or `mysqldump` and `mysql`.
//!
//! Tested with MariaDB 10.11. MySQL is reached by the same statements and options, and is not tested.
//!
//! Without an account that may make databases, staged tables lie in the site's own database under other names
//! (`beside`). What that cannot do is said there.

mod beside;
mod catalogue;
mod dump;
mod fence;
mod import;
mod rewrite;
mod scan;
pub(super) mod scratch;
mod script;
mod session;
mod stage;
#[cfg(test)]
mod tests;
mod tokens;

use super::{Database, Dumping, Facts, Fenced, Means, Scope, Staged};
use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::base::watch::Watch;
use crate::domain::site::Access;
use catalogue::Catalogue;
use session::{SHORT, Session, major_minor, unhex};
use std::collections::BTreeMap;
use std::io::Read;

/// A MySQL or MariaDB database, seen as the site's user.
pub struct Mysql {
    access: Access,
}

impl Mysql {
    pub fn new(access: Access) -> Self {
        Self { access }
    }

    fn live(&self) -> Result<Session> {
        Session::new(&self.access)
    }

    fn staged(staged: &Staged, password: &Secret) -> Result<Session> {
        Session::new(&Access { address: staged.address.clone(), password: password.clone() })
    }
}

fn session_of(server: Option<&Access>) -> Result<Option<Session>> {
    server.map(Session::new).transpose()
}

impl Database for Mysql {
    fn check(&self) -> Result<Facts> {
        let live = self.live()?;
        let rows = live.ask("select hex(version()), hex(@@character_set_database);", SHORT)?;
        let row = rows.first().filter(|r| r.len() == 2).ok_or_else(|| Error::transient("the server did not tell its version"))?;
        let (server_version, charset) = (unhex(&row[0]), unhex(&row[1]));
        // A server account has no database of its own to look into.
        let catalogue = if live.account.database.is_empty() { Catalogue::without_database() } else { Catalogue::read(&live)? };
        let mut warnings = catalogue.warnings();
        warnings.extend(versions(&server_version, &live.tools)?);
        warnings.extend(catalogue.unreadable.iter().map(|r| {
            format!("the site's database user may not read the {r}, which belongs to another user: backups are incomplete without it")
        }));
        Ok(Facts {
            server_version,
            tool: live.tools.name.clone(),
            charset,
            inexact_columns: catalogue.floats.clone(),
            settings: BTreeMap::new(),
            size_hint: catalogue.tables.iter().map(|t| t.bytes).sum(),
            warnings,
        })
    }

    fn dump(&self, scope: &Scope) -> Result<Dumping> {
        let live = self.live()?;
        let catalogue = Catalogue::read(&live)?;
        dump::start(&live, &catalogue, scope)
    }

    fn counts(&self) -> Result<BTreeMap<String, u64>> {
        stage::count(&self.live()?)
    }

    fn stage(&self, ticket: &str, server: Option<&Access>) -> Result<(Staged, Secret)> {
        let live = self.live()?;
        match session_of(server)? {
            Some(server) => stage::make(&live, &server, ticket),
            None => beside::make(&live, ticket, &self.access.address),
        }
    }

    fn check_tables(&self, tables: &[String]) -> Result<()> {
        beside::check_tables(&self.live()?, tables)
    }

    fn stage_tables(&self, ticket: &str, tables: &[String]) -> Result<Staged> {
        let live = self.live()?;
        beside::check_tables(&live, tables)?;
        let (staged, _) = beside::make(&live, ticket, &self.access.address)?;
        Ok(Staged { means: Means::Tables { tables: tables.to_vec() }, ..staged })
    }

    fn import(&self, staged: &Staged, password: &Secret, dump: &mut dyn Read, watch: &Watch) -> Result<()> {
        let session = Self::staged(staged, password)?;
        match &staged.means {
            Means::Beside { .. } | Means::Tables { .. } => beside::import(&session, staged, dump, watch),
            _ => {
                let database = self.live()?.account.database;
                import::feed(&session, &mut script::Script::new(dump, rewrite::Inward::new(&database)), watch)
            }
        }
    }

    fn staged_counts(&self, staged: &Staged, password: &Secret) -> Result<BTreeMap<String, u64>> {
        let session = Self::staged(staged, password)?;
        match &staged.means {
            Means::Beside { .. } | Means::Tables { .. } => beside::count(&session, staged),
            _ => stage::count(&session),
        }
    }

    fn switch(&self, staged: &Staged) -> Result<()> {
        match &staged.means {
            Means::Beside { .. } | Means::Tables { .. } => beside::switch(&self.live()?, staged),
            _ => Ok(()),
        }
    }

    fn switch_back(&self, staged: &Staged) -> Result<()> {
        match &staged.means {
            Means::Beside { .. } | Means::Tables { .. } => beside::switch_back(&self.live()?, staged),
            _ => Ok(()),
        }
    }

    fn is_switched(&self, staged: &Staged) -> Result<bool> {
        match &staged.means {
            Means::Beside { .. } | Means::Tables { .. } => beside::is_switched(&self.live()?, staged),
            _ => Ok(false),
        }
    }

    fn fence(&self, server: Option<&Access>) -> Result<Fenced> {
        fence::close(&self.live()?, session_of(server)?.as_ref())
    }

    fn unfence(&self, server: Option<&Access>) -> Result<()> {
        fence::open(&self.live()?, session_of(server)?.as_ref())
    }

    fn discard(&self, staged: &Staged, server: Option<&Access>) -> Result<()> {
        let live = self.live()?;
        if matches!(staged.means, Means::Beside { .. } | Means::Tables { .. }) {
            return beside::discard(&live, staged);
        }
        let account = staged.address.account().ok_or_else(|| Error::internal("this is not a MySQL database"))?;
        let server = session_of(server)?.ok_or_else(|| {
            Error::permanent(format!("the database {} cannot be dropped without a server account", account.database))
                .hint("seal a server account with `sitekeep server:add`, or drop the database by hand")
        })?;
        stage::drop(&live, &server, account)
    }
}

/// A dump tool older than its server may not know what it reads: that is refused. A tool of the other kind is told of.
fn versions(server: &str, tools: &session::Tools) -> Result<Option<String>> {
    let is_mariadb = server.contains("MariaDB");
    if is_mariadb != tools.mariadb {
        let other = if is_mariadb { "MariaDB" } else { "MySQL" };
        return Ok(Some(format!("the server is {other} {server}, and the dump tool is {}, which is not made for it", tools.name)));
    }
    // Old MariaDB servers put `5.5.5-` before their version, for old replicas.
    let version = server.strip_prefix("5.5.5-").unwrap_or(server);
    if tools.version < major_minor(version) {
        return Err(Error::permanent(format!("{} is older than the server, which is {version}", tools.name))
            .hint("install the client package of the server's version on this host"));
    }
    Ok(None)
}
