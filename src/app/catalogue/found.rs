//! Backups that lie in the repositories and that the catalogue does not know: made after its newest copy, or all of them
//! where there is no copy. Their snapshots say whose they are, and what people should see of them.
//!
//! Whether every file could be read then is not in a snapshot. So what is found is *incomplete*, never green, and pinned: no
//! rule lets it go before somebody has looked.

use super::rebuild::Rebuilt;
use super::{NAME, place};
use crate::app::backups::card::Card;
use crate::app::backups::{self, Manifest};
use crate::app::{App, environments, servers, to_json};
use crate::base::clock::Millis;
use crate::base::error::{Context, Error, Result};
use crate::base::secret::Secret;
use crate::base::sql::Conn;
use crate::base::units;
use crate::base::watch::Watch;
use crate::db;
use crate::db::backups::{Backup, BackupElement};
use crate::db::environments::Environment;
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, SiteId, TenantId};
use crate::domain::names::Address;
use crate::domain::site::{Definition, StackKind};
use crate::domain::state::{BackupState, Reason};
use crate::domain::view::FileProblem;
use crate::engine::{Location, Repository, SnapshotInfo};
use std::collections::BTreeMap;

const WHY: &str = "found in the repository after the catalogue was lost: whether every file could be read when it was made is not known";
const HINT: &str = "it is pinned until somebody has looked: restore it elsewhere, or look inside, and unpin what need not stay";

/// The snapshots of one backup.
struct Group {
    id: String,
    tenant: Option<String>,
    site: Option<String>,
    environment: Option<String>,
    /// `tenant/site.env`
    address: String,
    /// By element; where one was read twice, the newest.
    elements: BTreeMap<String, SnapshotInfo>,
}

/// By backup, oldest first.
fn groups(snapshots: Vec<SnapshotInfo>) -> Vec<Group> {
    let mut all: Vec<Group> = Vec::new();
    for s in snapshots {
        let tag = |name: &str| s.tags.iter().find_map(|t| t.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned);
        let (Some(id), Some(element)) = (tag("backup"), tag("element")) else { continue };
        let n = all.iter().position(|g| g.id == id).unwrap_or_else(|| {
            let (tenant, site, environment) = (tag("tenant"), tag("site"), tag("environment"));
            all.push(Group { id, tenant, site, environment, address: s.host.clone(), elements: BTreeMap::new() });
            all.len() - 1
        });
        all[n].elements.insert(element, s);
    }
    all
}

/// What was added after the copy: to repositories that the catalogue knows.
pub(super) async fn beside_the_copy(app: &App, rebuilt: &mut Rebuilt, tell: &mut (dyn FnMut(String) + Send)) -> Result<()> {
    let mut sites = Vec::new();
    let mut conn = app.pool.get().await?;
    for tenant in db::tenants::list(&mut conn).await? {
        sites.extend(db::sites::of_tenant(&mut conn, &TenantId(tenant.id)).await?);
    }
    drop(conn);
    for site in sites {
        let name = format!("{}/{}", site.tenant, site.name);
        let (tenant, id) = (TenantId(site.tenant_id), SiteId(site.id));
        let added = match environments::repository(app, &tenant, &id).await {
            Ok((_, repository)) => add(app, &tenant, &id, &repository).await,
            Err(e) => Err(e),
        };
        match added {
            Ok(0) => rebuilt.sites += 1,
            Ok(n) => {
                tell(format!("{name}: {} that the copy did not know", units::count(n as u64, "backup")));
                (rebuilt.sites, rebuilt.backups) = (rebuilt.sites + 1, rebuilt.backups + n);
            }
            Err(e) => {
                tell(format!("{name}: {}", e.sentence()));
                rebuilt.unreadable.push(name);
            }
        }
        unfinished_ended(app, &tenant, &id).await?;
    }
    Ok(())
}

/// Backups of a site that the copy has as running, and of which nothing was found.
async fn unfinished_ended(app: &App, tenant: &TenantId, site: &SiteId) -> Result<()> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    for id in db::copy::unfinished_backups(&mut tx, tenant, site).await? {
        let message = Some(("the catalogue was lost while it was made".to_owned(), Some("make a new one".to_owned())));
        db::backups::ended(&mut tx, now, tenant, &BackupId(id), BackupState::Failed, message).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Every site whose repository one of the keys opens.
pub(super) async fn alone(app: &App, keys: &[Secret], rebuilt: &mut Rebuilt, tell: &mut (dyn FnMut(String) + Send)) -> Result<()> {
    for (name, at) in repositories(app)? {
        match of_unknown(app, &name, &at, keys).await {
            Ok(Some((site, n))) => {
                tell(format!("{site}: {}", units::count(n as u64, "backup")));
                (rebuilt.sites, rebuilt.backups) = (rebuilt.sites + 1, rebuilt.backups + n);
            }
            Ok(None) => tell(format!("{name}: no backup says whose it is")),
            Err(e) => {
                tell(format!("{name}: {}", e.sentence()));
                rebuilt.unreadable.push(name);
            }
        }
    }
    Ok(())
}

/// Everything in the store that looks like a repository, but for that of the copies.
fn repositories(app: &App) -> Result<Vec<(String, Location)>> {
    let Location::Local(store) = &app.store;
    let what = || format!("looking into the store {}", store.display());
    let mut all = Vec::new();
    for entry in std::fs::read_dir(store).context(what)? {
        let entry = entry.context(what)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != NAME && entry.path().join("config").exists() {
            all.push((name.clone(), app.store.join(&name)));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    debug_assert!(!all.iter().any(|(_, at)| *at == place(app)));
    Ok(all)
}

/// A repository that the catalogue does not know: its site, and how many backups were found.
async fn of_unknown(app: &App, name: &str, at: &Location, keys: &[Secret]) -> Result<Option<(String, usize)>> {
    let (repository, password, master) = opened(at, keys).await?;
    let reader = repository.clone();
    let groups = groups(servers::blocking(move || reader.snapshots()).await?);
    let Some(of) = groups.iter().rev().find(|g| g.tenant.is_some() && g.site.is_some()) else { return Ok(None) };
    let address = Address::parse(&of.address)?;
    let tenant = TenantId(of.tenant.clone().unwrap_or_default());
    let site = SiteId(of.site.clone().unwrap_or_default());
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    if db::tenants::find(&mut tx, &tenant).await?.is_none() {
        db::tenants::insert(&mut tx, now, &tenant, &address.tenant.clone().unwrap_or_else(|| tenant.0.clone())).await?;
    }
    db::sites::insert(&mut tx, now, &site, &tenant, &address.site).await?;
    let place = |column| environments::repository_place(column, tenant.as_str(), name);
    let row = db::sites::Repository {
        id: name.to_owned(),
        tenant_id: tenant.0.clone(),
        site_id: site.0.clone(),
        location: at.url(),
        password_sealed: app.sealer.seal(place("password"), &password),
        master_key_sealed: app.sealer.seal(place("master_key"), &master),
    };
    db::sites::insert_repository(&mut tx, now, &row).await?;
    // Whoever gave the key has it.
    db::sites::confirm_key(&mut tx, now, &tenant, &site, "catalogue:rebuild").await?;
    tx.commit().await?;
    let n = add(app, &tenant, &site, &repository).await?;
    Ok(Some((format!("{}/{}", address.tenant.unwrap_or_default(), address.site), n)))
}

/// The first key that opens it, with its master key.
async fn opened(at: &Location, keys: &[Secret]) -> Result<(Repository, Secret, Secret)> {
    for key in keys {
        let (at, with) = (at.clone(), key.clone());
        if let Ok((repository, master)) = servers::blocking(move || Repository::open_with_password(&at, &with)).await {
            return Ok((repository, key.clone(), master));
        }
    }
    Err(Error::permanent("none of the recovery keys opens this repository").hint("put the key of its site into the folder of --keys"))
}

/// Adds what the catalogue does not know of a repository; how many backups those were.
async fn add(app: &App, tenant: &TenantId, site: &SiteId, repository: &Repository) -> Result<usize> {
    let reader = repository.clone();
    let snapshots = servers::blocking(move || reader.snapshots()).await?;
    let there: Vec<String> = snapshots.iter().map(|s| s.id.clone()).collect();
    let mut added = 0;
    // Newest first: of two environments that had one name, one after the other, the newer has it.
    for group in groups(snapshots).into_iter().rev() {
        added += usize::from(add_one(app, tenant, site, repository, group).await?);
    }
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::copy::expire_missing(&mut tx, now, tenant, site, &there).await?;
    tx.commit().await?;
    Ok(added)
}

/// A backup of which snapshots were found; `false` when the catalogue knows its end.
async fn add_one(app: &App, tenant: &TenantId, site: &SiteId, repository: &Repository, group: Group) -> Result<bool> {
    let id = BackupId(group.id.clone());
    let mut conn = app.pool.get().await?;
    let known = db::backups::find(&mut conn, &id).await?;
    drop(conn);
    let ended = |b: &Backup| BackupState::parse(&b.state).is_ok_and(BackupState::is_final);
    if known.as_ref().is_some_and(|b| b.tenant_id != tenant.0 || b.site_id != site.0 || ended(b)) {
        return Ok(false);
    }
    let card = card_of(&group);
    let sound = proven(repository, &group).await;
    let mut tx = app.pool.begin().await?;
    let row = match known {
        Some(row) => row,
        None => insert(&mut tx, tenant, site, &group, &card).await?,
    };
    let finished = note_elements(&mut tx, &row, &group, &card, &sound).await?;
    let state = if sound.is_empty() { BackupState::Failed } else { BackupState::Incomplete };
    db::backups::set_pinned(&mut tx, tenant, &id, true).await?;
    db::backups::ended(&mut tx, finished, tenant, &id, state, Some((WHY.into(), Some(HINT.into())))).await?;
    tx.commit().await?;
    Ok(true)
}

fn card_of(group: &Group) -> Card {
    let newest = group.elements.values().max_by_key(|s| s.time.0);
    newest.and_then(|s| serde_json::from_str(&s.description).ok()).unwrap_or_default()
}

/// The elements of which everything can be read back now.
async fn proven(repository: &Repository, group: &Group) -> Vec<String> {
    let mut sound = Vec::new();
    for (element, snapshot) in &group.elements {
        let (repository, id) = (repository.clone(), snapshot.id.clone());
        match servers::blocking(move || repository.prove(&id, &Watch::new())).await {
            Ok(_) => sound.push(element.clone()),
            Err(e) => tracing::warn!("{} of {} cannot be read back: {e}", element, group.id),
        }
    }
    sound
}

/// The row of a backup that the catalogue does not know at all.
async fn insert(conn: &mut Conn, tenant: &TenantId, site: &SiteId, group: &Group, card: &Card) -> Result<Backup> {
    let env = environment(conn, tenant, site, group, card).await?;
    let oldest = group.elements.values().map(|s| s.time).min().unwrap_or(Millis(0));
    let created = if card.created > 0 { Millis(card.created) } else { oldest };
    let reason = Reason::parse(&card.reason).unwrap_or(Reason::OnRequest);
    let by = if card.initiator.is_empty() { "not known any more" } else { &card.initiator };
    let mut row = backups::fresh(&env, created, reason, by, None);
    row.id.clone_from(&group.id);
    row.note.clone_from(&card.note);
    row.keep_for_days = card.keep_for_days;
    row.protected = i64::from(card.protected);
    let named = group.elements.keys().chain(&card.elements);
    let mut elements: Vec<Element> = named.filter_map(|name| Element::parse(name).ok()).collect();
    elements.sort();
    elements.dedup();
    db::backups::insert(conn, &row, &elements).await?;
    Ok(row)
}

/// Its environment; made again from what the snapshot says of it, without its password and hooks.
async fn environment(conn: &mut Conn, tenant: &TenantId, site: &SiteId, group: &Group, card: &Card) -> Result<Environment> {
    let address = Address::parse(&group.address)?;
    let of_site = db::environments::of_site(conn, tenant, site).await?;
    let taken: Vec<String> = of_site.iter().map(|e| e.name.clone()).collect();
    let known = of_site.into_iter().find(|e| group.environment.as_ref().map_or(e.name == address.environment, |id| e.id == *id));
    if let Some(env) = known {
        return Ok(env);
    }
    let mut id = group.environment.clone().map_or_else(EnvironmentId::fresh, EnvironmentId);
    match db::environments::find(conn, &id).await? {
        Some(removed) if removed.tenant_id == tenant.0 && removed.site_id == site.0 => return Ok(removed),
        // A snapshot says whose it is; the repository that it lies in knows better.
        Some(_) => id = EnvironmentId::fresh(),
        None => {}
    }
    let definition = card.definition.clone().unwrap_or_else(|| Definition::bare(StackKind::Generic, std::path::Path::new("/nonexistent")));
    let found = db::sites::find(conn, site).await?.ok_or_else(|| Error::internal("the site just found is gone"))?;
    let env = Environment {
        id: id.0,
        tenant_id: tenant.0.clone(),
        tenant: found.tenant,
        site_id: site.0.clone(),
        site: found.name,
        name: free_name(&address.environment, &taken),
        definition: to_json(&definition)?,
        password_sealed: None,
        server_id: None,
        state: "active".into(),
        created_at: card.created,
    };
    db::environments::insert(conn, Millis(card.created), &env).await?;
    Ok(env)
}

/// One that was removed had a name that another one has by now: the newest keeps it.
fn free_name(name: &str, taken: &[String]) -> String {
    let is_free = |n: &String| !taken.contains(n);
    let stem: String = name.chars().take(35).collect();
    std::iter::once(name.to_owned()).chain((2..).map(|n| format!("{}-{n}", stem.trim_end_matches('-')))).find(is_free).unwrap_or_default()
}

/// What is known of each element; when the last of them was read.
async fn note_elements(conn: &mut Conn, row: &Backup, group: &Group, card: &Card, sound: &[String]) -> Result<Millis> {
    let mut last = Millis(row.created_at);
    for (element, snapshot) in group.elements.iter().filter(|(element, _)| sound.contains(element)) {
        let problems = vec![FileProblem { path: element.clone(), reason: WHY.into() }];
        let e = BackupElement {
            tenant_id: row.tenant_id.clone(),
            backup_id: row.id.clone(),
            element: element.clone(),
            state: BackupState::Incomplete.word().into(),
            snapshot: Some(snapshot.id.clone()),
            size: snapshot.bytes.cast_signed(),
            files: snapshot.files.cast_signed(),
            stored: snapshot.stored.cast_signed(),
            manifest: to_json(&manifest(element, card))?,
            problems: to_json(&problems)?,
            started_at: Some(snapshot.time.0),
            finished_at: Some(snapshot.time.0),
        };
        db::backups::set_element(conn, &e).await?;
        last = Millis(last.0.max(snapshot.time.0));
    }
    Ok(last)
}

/// As much of it as the environment's definition says.
fn manifest(element: &str, card: &Card) -> Manifest {
    let Some(d) = &card.definition else { return Manifest::default() };
    let database = element == Element::Database.name();
    Manifest {
        engine: d.database.as_ref().filter(|_| database).map(|a| a.engine().to_owned()).unwrap_or_default(),
        stack: d.stack.name().into(),
        directories: if element == Element::Files.name() { d.files.clone() } else { Vec::new() },
        complete: card.protected,
        ..Manifest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: &str, tags: &[&str], time: i64) -> SnapshotInfo {
        let tags = tags.iter().map(|t| (*t).to_owned()).collect();
        let (host, description) = ("acme/shop.live".to_owned(), String::new());
        SnapshotInfo { id: id.into(), tags, time: Millis(time), host, description, files: 1, bytes: 2, stored: 3 }
    }

    #[test]
    fn snapshots_are_one_backup_by_their_tags_and_of_an_element_that_was_read_twice_the_newest_counts() {
        let all = vec![
            snapshot("a", &["backup=bak_1", "element=files", "environment=env_1"], 1),
            snapshot("b", &["backup=bak_2", "element=files"], 2),
            snapshot("c", &["backup=bak_1", "element=code"], 3),
            snapshot("d", &["backup=bak_1", "element=files", "attempt=2"], 4),
            snapshot("e", &["made by hand"], 5),
        ];
        let found = groups(all);
        assert_eq!(found.iter().map(|g| g.id.as_str()).collect::<Vec<_>>(), ["bak_1", "bak_2"]);
        let of = |g: &Group| g.elements.values().map(|s| s.id.clone()).collect::<Vec<_>>();
        assert_eq!((of(&found[0]), of(&found[1])), (vec!["c".to_owned(), "d".to_owned()], vec!["b".to_owned()]));
        assert_eq!((found[0].environment.as_deref(), found[1].environment.as_deref()), (Some("env_1"), None));
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number_and_stays_a_name() {
        let taken = ["dev".to_owned(), "dev-2".to_owned(), "x".repeat(40)];
        assert_eq!(free_name("live", &taken), "live");
        assert_eq!(free_name("dev", &taken), "dev-3");
        assert_eq!(free_name(&"x".repeat(40), &taken), format!("{}-2", "x".repeat(35)));
    }
}
