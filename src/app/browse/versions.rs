//! One file through time: in every backup of its environment that has it.

use super::{Asked, Inner};
use crate::app::{App, access, access::Actor, environments, servers};
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::db;
use crate::db::backups::{Backup, Narrow};
use crate::domain::browse::FileVersion;
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, SiteId, TenantId};
use crate::domain::rights::Right;
use crate::engine::Repository;

/// Backups that are looked into, the newest.
const MOST: i64 = 200;

/// The versions of a file, the newest first, from the newest 200 backups of an environment.
///
/// # Errors
/// `NotFound` where the environment is not the actor's to see; `Invalid` without a path.
pub async fn versions(app: &App, actor: &Actor, environment: &EnvironmentId, asked: &Asked) -> Result<Vec<FileVersion>> {
    let mut conn = app.pool.get().await?;
    let env = access::environment(&mut conn, actor, environment, Right::View).await?;
    let element = asked.element()?;
    if asked.path.is_root() || element == Element::Database {
        return Err(Error::invalid("versions are of one file of the code or the files").hint("name it in `path`"));
    }
    let tenant = TenantId(env.tenant_id.clone());
    let mut held = Vec::new();
    for row in db::backups::log(&mut conn, &tenant, environment, &Narrow::default(), None, MOST).await? {
        if let Ok(part) = super::usable(&mut conn, &row, element).await {
            held.extend(part.snapshot.map(|snapshot| (row, snapshot)));
        }
    }
    drop(conn);
    let (_, repository) = environments::repository(app, &tenant, &SiteId(env.site_id)).await?;
    let path = asked.path.clone();
    servers::blocking(move || compare(&repository, &held, &path)).await
}

fn compare(repository: &Repository, held: &[(Backup, String)], path: &Inner) -> Result<Vec<FileVersion>> {
    let mut all: Vec<FileVersion> = Vec::new();
    let mut before = None;
    for (row, snapshot) in held.iter().rev() {
        let found = repository.look(snapshot).and_then(|look| look.version(path.path()));
        let version = match found {
            Ok(version) => version,
            // Not in this one, or no file there: it has no version of it.
            Err(e) if matches!(e.class(), Class::NotFound | Class::Invalid) => {
                before = None;
                continue;
            }
            Err(e) => return Err(e.context(format!("looking into the backup {}", BackupId(row.id.clone())))),
        };
        let changed = before.as_ref() != Some(&version.content);
        before = Some(version.content.clone());
        all.push(FileVersion {
            backup: row.id.clone(),
            created: Millis(row.created_at).iso(),
            reason: row.note.clone().unwrap_or_else(|| row.reason.clone()),
            name: crate::base::words::shown(&version.entry.name),
            size: version.entry.size,
            modified: version.entry.mtime.map(Millis::iso),
            content: version.content,
            changed,
        });
    }
    all.reverse();
    Ok(all)
}
