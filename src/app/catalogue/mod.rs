//! The catalogue's own backups, and how a lost catalogue is made again from storage.
//!
//! A copy is the catalogue row by row, as JSON ([`lines`]): one form for both databases, read in one transaction, written into
//! a repository of its own beside those of the sites, whose recovery key follows from the master key. So the folder of
//! repositories and `master.key` are all that has to be kept. What was added to the repositories after the newest copy is
//! [`found`] in them; where there is no copy, everything is, with the sites' recovery keys.

mod copy;
mod found;
mod lines;
mod rebuild;

pub use copy::{due, now, overview, standing};
pub use rebuild::{Rebuilt, is_unfinished, rebuild};

use super::{App, servers};
use crate::base::error::{Class, Result};
use crate::base::secret::{Secret, hex};
use crate::engine::{Location, Repository};

/// The name of the repository in the store, and of what its snapshots hold.
const NAME: &str = "catalogue";

/// Where the copies lie.
pub fn place(app: &App) -> Location {
    app.store.join(NAME)
}

/// What opens them with stock restic.
pub fn recovery_key(app: &App) -> Secret {
    Secret::new(hex(&app.sealer.derive("the repository of the catalogue's own copies")))
}

/// The repository of the copies; made where there is none yet.
async fn opened_or_made(app: &App) -> Result<Repository> {
    let (at, key) = (place(app), recovery_key(app));
    servers::blocking(move || match Repository::create(&at, &key) {
        Ok((repository, _)) => Ok(repository),
        Err(e) if e.class() == Class::Conflict => Repository::open_with_password(&at, &key).map(|(repository, _)| repository),
        Err(e) => Err(e),
    })
    .await
}
