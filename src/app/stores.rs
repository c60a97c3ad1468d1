//! The store: where repositories lie, how much is in it, and whether it works.

use super::{App, access, access::Actor, catalogue, retention, servers, space};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::db;
use crate::domain::page::{Repository, Store};
use crate::domain::space::RepositoryHealth;
use crate::engine::Location;
use crate::hosting::host;
use std::collections::HashMap;

/// The store with its repositories, by what the catalogue knows of them.
pub async fn overview(app: &App, actor: &Actor) -> Result<Store> {
    access::administer(actor)?;
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let rows = db::sites::stored(&mut conn).await?;
    let known = db::space::repositories(&mut conn).await?;
    let mut healths: HashMap<String, RepositoryHealth> = known.into_iter().map(|r| (r.id.clone(), space::health(r))).collect();
    let growth = space::growth_of_all(&mut conn, now).await?;
    drop(conn);
    let copies = catalogue::overview(app, actor).await?;
    let clock = retention::clock_status(app).await?;
    let repository = |r: db::sites::Stored| Repository {
        health: healths.remove(&r.repository_id).unwrap_or_default(),
        tenant: r.tenant,
        site: r.site,
        location: r.location,
        backups: r.backups.unsigned_abs(),
        bytes: r.bytes.unsigned_abs(),
    };
    let repositories: Vec<Repository> = rows.into_iter().map(repository).collect();
    let at = app.store.clone();
    let (kind, free) = servers::blocking(move || Ok(kind_and_free(&at))).await?;
    Ok(Store {
        location: app.store.url(),
        kind,
        free,
        bytes: repositories.iter().map(|r| r.bytes).sum(),
        repositories,
        growth,
        doubt: clock.doubt.map(|why| (why, clock.doubted_at)),
        copies,
    })
}

fn kind_and_free(at: &Location) -> (&'static str, Result<u64, String>) {
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
    activity::record(&mut *app.pool.get().await?, now, actor, None, "store.test", "store", detail).await
}
