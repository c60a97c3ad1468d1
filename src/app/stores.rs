//! The store: where repositories lie, how much is in it, and whether it works.

use super::{App, access, access::Actor, servers};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::db;
use crate::domain::page::{Repository, Store};
use crate::engine::Location;
use crate::hosting::host;

/// The store with its repositories, by what the catalogue knows of them.
pub async fn overview(app: &App, actor: &Actor) -> Result<Store> {
    access::administer(actor)?;
    let rows = db::sites::stored(&mut *app.pool.get().await?).await?;
    let repository = |r: db::sites::Stored| Repository {
        tenant: r.tenant,
        site: r.site,
        location: r.location,
        backups: r.backups.unsigned_abs(),
        bytes: r.bytes.unsigned_abs(),
    };
    let repositories: Vec<Repository> = rows.into_iter().map(repository).collect();
    let at = app.store.clone();
    let (kind, free) = servers::blocking(move || Ok(space(&at))).await?;
    Ok(Store { location: app.store.url(), kind, free, bytes: repositories.iter().map(|r| r.bytes).sum(), repositories })
}

fn space(at: &Location) -> (&'static str, Result<u64, String>) {
    match at {
        Location::Local(folder) => ("a folder of this host", host::free_space(folder).map_err(|e| e.sentence())),
    }
}

/// Writes a small object into the store, reads it back and removes it; how long that took, in milliseconds.
///
/// # Errors
/// What stood in the way.
pub async fn test(app: &App, actor: &Actor) -> Result<i64> {
    access::administer(actor)?;
    let began = app.pool.now().await?;
    let at = app.store.clone();
    let tried = servers::blocking(move || at.try_out()).await;
    let took = app.pool.now().await?.0 - began.0;
    let detail = match &tried {
        Ok(()) => format!("written, read back and removed in {took} ms"),
        Err(e) => e.sentence(),
    };
    note(app, actor, &detail).await?;
    tried.map(|()| took)
}

async fn note(app: &App, actor: &Actor, detail: &str) -> Result<()> {
    let now: Millis = app.pool.now().await?;
    super::accounts::record(&mut *app.pool.get().await?, now, actor, "store.test", "store", detail).await
}
