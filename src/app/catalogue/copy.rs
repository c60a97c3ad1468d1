//! A copy of the catalogue: each day, and soon after a site or an environment was added, since nothing else holds the key of a
//! new repository.

use super::lines::{self, Written};
use super::{NAME, opened_or_made, place};
use crate::app::access::{self, Actor};
use crate::app::letters::{self, Letter};
use crate::app::{App, servers};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::base::watch::Watch;
use crate::db;
use crate::domain::ids::CopyId;
use crate::domain::page::{CatalogueCopies, CatalogueCopy};
use crate::engine::{Dump, Label, Pruning, Repository, Source, Stored, Syntax};

/// How old the newest one may become.
const EVERY: i64 = Millis::DAY;
/// When it is too old: people are told.
const LATE: i64 = 2 * Millis::DAY;
/// One that failed is not tried again at once; one that never ended is not waited for longer than that.
const AGAIN: i64 = 600 * Millis::SECOND;
const GIVEN_UP: i64 = 3600 * Millis::SECOND;
/// What was added shortly before a copy began may have been committed after it.
const MARGIN: i64 = 60 * Millis::SECOND;
/// How many are kept.
const KEPT: i64 = 30;
/// How long packs that nobody needs stay, and how much is packed anew at a time.
const PRUNING: Pruning = Pruning { keep_marked: 2 * Millis::DAY, repack: 64 << 20 };

/// Makes one where one is due. Whoever of several processes is first makes it. Where there should have been one long ago,
/// administrators are told, once for each copy that is the newest.
pub async fn due(app: &App) -> Result<bool> {
    let made = match claim(app).await? {
        Some(id) => made(app, &id).await.map(|()| true),
        None => Ok(false),
    };
    tell_if_late(app).await?;
    made
}

async fn tell_if_late(app: &App) -> Result<()> {
    let standing = standing(app).await?;
    if !standing.late {
        return Ok(());
    }
    let newest = standing.newest.as_ref().map(|c| c.at);
    let (now, mut tx) = (app.pool.now().await?, app.pool.begin().await?);
    for to in db::accounts::administrators(&mut tx).await? {
        let unique = format!("catalogue-late:{}:{to}", newest.map_or(0, |at| at.0));
        let url = format!("{}/admin/stores", app.public_url);
        let letter = Letter::CatalogueLate { to, newest, failed: standing.failed.clone(), url };
        letters::send(&mut tx, app, now, None, &letter, Some(unique)).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Makes it, or notes why there is none.
async fn made(app: &App, id: &CopyId) -> Result<()> {
    let Err(e) = make(app, id).await else { return Ok(()) };
    let now = app.pool.now().await?;
    db::copies::failed(&mut *app.pool.get().await?, now, id, &e.sentence()).await?;
    Err(e.context("backing up the catalogue"))
}

/// Makes one now, whether one is due or not.
pub async fn now(app: &App) -> Result<()> {
    let (now, id) = (app.pool.now().await?, CopyId::fresh());
    db::copies::begin(&mut *app.pool.get().await?, now, &id).await?;
    made(app, &id).await
}

async fn claim(app: &App) -> Result<Option<CopyId>> {
    let now = app.pool.now().await?;
    if !is_due(&mut *app.pool.get().await?, now).await? {
        return Ok(None);
    }
    let mut tx = app.pool.begin().await?;
    db::copies::lock(&mut tx).await?;
    if !is_due(&mut tx, now).await? {
        return Ok(None);
    }
    let id = CopyId::fresh();
    db::copies::begin(&mut tx, now, &id).await?;
    tx.commit().await?;
    Ok(Some(id))
}

async fn is_due(conn: &mut Conn, now: Millis) -> Result<bool> {
    if let Some(last) = db::copies::newest(conn, 1).await?.pop() {
        let since = now.0 - last.began_at;
        if last.finished_at.is_none() && since < GIVEN_UP || last.message.is_some() && since < AGAIN {
            return Ok(false);
        }
    }
    let added = db::copies::last_added(conn).await?;
    let good = db::copies::good(conn).await?;
    Ok(added > 0 && good.is_none_or(|c| now.0 - c.began_at >= EVERY || added + MARGIN >= c.began_at))
}

async fn make(app: &App, id: &CopyId) -> Result<()> {
    let repository = opened_or_made(app).await?;
    let time = app.pool.now().await?;
    let (stored, rows) = store(app, &repository, time).await?;
    let now = app.pool.now().await?;
    let sizes = (rows.cast_signed(), stored.bytes.cast_signed(), stored.stored.cast_signed());
    db::copies::ended(&mut *app.pool.get().await?, now, id, &stored.snapshot, sizes).await?;
    forget_old(app, repository).await
}

/// Reads the catalogue into a snapshot, and proves that it can be read back.
async fn store(app: &App, repository: &Repository, time: Millis) -> Result<(Stored, u64)> {
    let (pipe, written) = lines::of(app);
    let whole = written.clone();
    let finish = Box::new(move || whole.whole().map(drop));
    let source = Source::Dump(Dump { name: NAME.into(), syntax: Syntax::Lines, reader: Box::new(pipe), finish });
    let label = Label {
        host: "sitekeep".into(),
        path: NAME.into(),
        tags: vec![NAME.into()],
        time,
        description: "the catalogue itself".into(),
        afresh: false,
    };
    let repository = repository.clone();
    let stored = servers::blocking(move || {
        let stored = repository.backup(vec![source], &label, &Watch::new())?;
        repository.prove_content(&stored.snapshot, &Watch::new())?;
        Ok(stored)
    })
    .await?;
    Ok((stored, Written::whole(&written)?))
}

/// The oldest go; what they alone needed is removed by and by.
async fn forget_old(app: &App, repository: Repository) -> Result<()> {
    let old = db::copies::beyond(&mut *app.pool.get().await?, KEPT).await?;
    if old.is_empty() {
        return Ok(());
    }
    let snapshots: Vec<String> = old.iter().filter_map(|c| c.snapshot.clone()).collect();
    servers::blocking(move || {
        repository.forget(&snapshots)?;
        repository.prune(PRUNING, &Watch::new()).map(drop)
    })
    .await?;
    let mut conn = app.pool.get().await?;
    for copy in old {
        db::copies::drop_row(&mut conn, &CopyId(copy.id)).await?;
    }
    Ok(())
}

/// For administrators: how old the newest is, and whether that is too old.
pub async fn overview(app: &App, actor: &Actor) -> Result<CatalogueCopies> {
    access::administer(actor)?;
    standing(app).await
}

/// The same for the administrator of the machine.
pub async fn standing(app: &App) -> Result<CatalogueCopies> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let good = db::copies::good(&mut conn).await?;
    let last = db::copies::newest(&mut conn, 1).await?.pop();
    let added = db::copies::last_added(&mut conn).await?;
    let since = good.as_ref().map_or(added, |c| c.began_at);
    Ok(CatalogueCopies {
        location: place(app).url(),
        late: added > 0 && now.0 - since > LATE,
        newest: good.map(|c| CatalogueCopy { at: Millis(c.began_at), rows: c.row_count.unsigned_abs(), bytes: c.bytes.unsigned_abs() }),
        failed: last.and_then(|c| c.message),
    })
}
