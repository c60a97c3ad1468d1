//! PostgreSQL: pg_dump's plain text out, psql in, by the server's own tools.
//!
//! `tools` finds the programs, `session` runs SQL and reads errors, `dump` reads pg_dump, `filter` reads a dump as psql
//! would and lets nothing through that a dump does not hold, `import` feeds it, `fresh` makes a new database with its
//! role, `fence` closes an old one, `beside` puts the data into schemas of the live database, `chosen` only some tables.

mod beside;
mod catalogue;
mod chosen;
mod dump;
mod fence;
mod filter;
mod fresh;
mod import;
mod lexer;
mod only;
mod scram;
pub(super) mod scratch;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod tools;

use super::{Database, Dumping, Facts, Fenced, Means, Scope, Staged, short};
use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::base::watch::Watch;
use crate::domain::site::{Access, DatabaseAddress};
use beside::Beside;
use chosen::Tables;
use session::Session;
use std::collections::BTreeMap;
use std::io::Read;
use tools::Search;

/// A site's PostgreSQL database, seen as the site's user.
pub struct Postgres {
    access: Access,
    search: Search,
}

impl Postgres {
    pub fn new(access: Access) -> Self {
        Self { access, search: Search::usual() }
    }

    #[cfg(test)]
    fn with_tools(access: Access, search: Search) -> Self {
        Self { access, search }
    }

    fn live(&self) -> Result<Session> {
        Session::open(&self.access, &self.search)
    }

    fn server(&self, server: &Access) -> Result<Session> {
        Session::open(server, &self.search).map_err(|e| e.context("connecting with the server account"))
    }

    /// The staged account: the live one where the data lies beside the live data.
    fn staged(&self, staged: &Staged, password: &Secret) -> Result<Session> {
        Session::open(&Access { address: staged.address.clone(), password: password.clone() }, &self.search)
    }

    fn beside(&self, staged: &Staged) -> Result<Option<Beside>> {
        match &staged.means {
            Means::Beside { .. } => Ok(Some(Beside::new(&short(&staged.ticket)))),
            Means::NewDatabase => Ok(None),
            Means::Tables { .. } => Err(Error::internal("chosen tables have a place of their own")),
            Means::File { .. } => Err(Error::internal("a file cannot hold what belongs into PostgreSQL")),
        }
    }
}

/// The place of chosen tables, where it is them that are restored.
fn tables_of(staged: &Staged) -> Option<(Tables, &[String])> {
    match &staged.means {
        Means::Tables { tables } => Some((Tables::new(&short(&staged.ticket)), tables)),
        _ => None,
    }
}

impl Database for Postgres {
    fn check(&self) -> Result<Facts> {
        catalogue::facts(&self.live()?)
    }

    fn dump(&self, scope: &Scope) -> Result<Dumping> {
        dump::start(&self.live()?, scope)
    }

    fn counts(&self) -> Result<BTreeMap<String, u64>> {
        catalogue::counts(&self.live()?, None)
    }

    fn stage(&self, ticket: &str, server: Option<&Access>) -> Result<(Staged, Secret)> {
        let live = self.live()?;
        let short = short(ticket);
        let (means, address, password) = match server {
            Some(server) => {
                let (account, password) = fresh::stage(&live, &self.server(server)?, &short, |access| Session::open(access, &self.search))?;
                (Means::NewDatabase, DatabaseAddress::Postgres(account), password)
            }
            None => {
                let beside = Beside::new(&short);
                beside.stage(&live)?;
                (beside.means(), self.access.address.clone(), self.access.password.clone())
            }
        };
        Ok((Staged { ticket: ticket.to_owned(), means, address }, password))
    }

    fn check_tables(&self, tables: &[String]) -> Result<()> {
        chosen::check(&self.live()?, tables)
    }

    fn stage_tables(&self, ticket: &str, tables: &[String]) -> Result<Staged> {
        Tables::new(&short(ticket)).stage(&self.live()?, tables)?;
        let means = Means::Tables { tables: tables.to_vec() };
        Ok(Staged { ticket: ticket.to_owned(), means, address: self.access.address.clone() })
    }

    fn import(&self, staged: &Staged, password: &Secret, dump: &mut dyn Read, watch: &Watch) -> Result<()> {
        let session = self.staged(staged, password)?;
        if let Some((place, tables)) = tables_of(staged) {
            place.stage(&session, tables)?; // a second try begins with an empty place
            let (around, only) = place.import(&session, tables)?;
            return import::feed_only(&session, &around, Some(only), dump, watch).map_err(chosen::explained);
        }
        match self.beside(staged)? {
            None => import::feed(&session, &import::Around::new_database(), dump, watch),
            Some(beside) => {
                beside.stage(&session)?; // a second try begins with an empty place
                import::feed(&session, &beside.around(&session)?, dump, watch).map_err(|e| {
                    // Best effort: `stage` and `discard` do it again.
                    let _ = beside.discard(&session);
                    e.hint(beside::HINT)
                })
            }
        }
    }

    fn staged_counts(&self, staged: &Staged, password: &Secret) -> Result<BTreeMap<String, u64>> {
        let session = self.staged(staged, password)?;
        if let Some((place, _)) = tables_of(staged) {
            return place.counts(&session);
        }
        catalogue::counts(&session, self.beside(staged)?.as_ref())
    }

    fn switch(&self, staged: &Staged) -> Result<()> {
        if let Some((place, _)) = tables_of(staged) {
            return place.switch(&self.live()?);
        }
        self.beside(staged)?.map_or(Ok(()), |b| b.switch(&self.live()?))
    }

    fn switch_back(&self, staged: &Staged) -> Result<()> {
        if let Some((place, _)) = tables_of(staged) {
            return place.switch_back(&self.live()?);
        }
        self.beside(staged)?.map_or(Ok(()), |b| b.switch_back(&self.live()?))
    }

    fn is_switched(&self, staged: &Staged) -> Result<bool> {
        if let Some((place, _)) = tables_of(staged) {
            return place.is_switched(&self.live()?);
        }
        self.beside(staged)?.map_or(Ok(false), |b| b.is_switched(&self.live()?))
    }

    fn fence(&self, server: Option<&Access>) -> Result<Fenced> {
        match server {
            Some(server) => fence::raise(&self.live()?, &self.server(server)?),
            None => beside::cut(&self.live()?),
        }
    }

    fn unfence(&self, server: Option<&Access>) -> Result<()> {
        match server {
            Some(server) => fence::lower(&self.live()?, &self.server(server)?),
            None => Ok(()), // a fence without a server account only cuts, it keeps nobody out
        }
    }

    fn discard(&self, staged: &Staged, server: Option<&Access>) -> Result<()> {
        if let Some((place, _)) = tables_of(staged) {
            return place.discard(&self.live()?);
        }
        match self.beside(staged)? {
            Some(beside) => beside.discard(&self.live()?),
            None => {
                let server = server.ok_or_else(|| {
                    Error::permanent(format!("the database {} cannot be dropped without a server account", staged.address.label()))
                        .hint("`sitekeep server:add` seals an account that may create and drop databases")
                })?;
                fresh::discard(&self.access.address, &staged.address, &self.server(server)?)
            }
        }
    }
}
