//! Reads packs back, a part of the repository at a time: each is named by the hash of its content, so one that reads
//! back under its name is what was written. Together with the proof of a snapshot, which resolves all that it needs in
//! those packs, that says that it can be restored.
//!
//! A round begins with the small objects, which are all read each time: keys, indexes, snapshots and their roots.

use super::backend::adapter::cannot_read;
use super::mend::unsound;
use super::repository::Session;
use super::trees::Snapshot;
use crate::base::error::{Error, Result};
use crate::base::secret::hex;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// What one look at a part of the packs found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub packs: u64,
    pub bytes: u64,
    /// Packs that are not what was written, or cannot be read.
    pub damaged: Vec<String>,
    /// Of the other objects those that are not what was written, are gone or cannot be read, each with what is wrong.
    pub others: Vec<String>,
    /// The last one that was read: the next look begins after it. None when all were read.
    pub next: Option<String>,
    /// All packs of the repository together, in bytes.
    pub of: u64,
}

/// Reads packs in the order of their names, those after `after`, until so many bytes or so much time are used up; one
/// at the least.
pub(super) fn run(session: &Session, after: Option<&str>, bytes: u64, time: Duration) -> Result<Checked> {
    let _lock = session.lock_for_reading()?;
    let mut packs = session.objects.list("data").map_err(|e| Error::from(e).context("listing the packs of the repository"))?;
    packs.sort();
    let mut checked = Checked { of: packs.iter().map(|(_, size)| size).sum(), ..Checked::default() };
    if after.is_none() {
        checked.others = small(session)?;
    }
    let began = Instant::now();
    let mut left = packs.iter().filter(|(name, _)| after.is_none_or(|after| name.as_str() > after)).peekable();
    while let Some((name, _)) = left.next() {
        session.control.watch.check()?;
        read_one(session, name, &mut checked)?;
        if (checked.bytes >= bytes || began.elapsed() >= time) && left.peek().is_some() {
            checked.next = Some(name.clone());
            break;
        }
    }
    Ok(checked)
}

/// What is wrong with the objects that are no packs.
fn small(session: &Session) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for folder in ["keys", "index", "snapshots"] {
        wrong.extend(unsound(session, folder, |_| Ok(false))?.into_iter().map(|name| format!("{folder}/{name} is damaged")));
    }
    let names =
        |folder: &str| session.objects.list(folder).map_err(|e| Error::from(e).context(format!("listing {folder} of the repository")));
    if names("keys")?.is_empty() {
        wrong.push("the file of the recovery key is gone".into());
    }
    if !wrong.is_empty() {
        return Ok(wrong); // without its index nothing else can be told
    }
    let ids: Vec<String> = names("snapshots")?.into_iter().map(|(name, _)| name).collect();
    let (snapshot, roots) = Snapshot::open_all(session, &ids)?;
    for (id, root) in roots {
        session.control.watch.check()?;
        if root.is_none_or(|root| snapshot.tree(&root).is_err()) {
            wrong.push(format!("the root of snapshots/{id} cannot be read"));
        }
    }
    Ok(wrong)
}

fn read_one(session: &Session, name: &str, checked: &mut Checked) -> Result<()> {
    let key = format!("data/{}/{name}", &name[..2]);
    let content = match session.objects.get(&key) {
        Ok(content) => content,
        // It was there when it was listed: a prune removes nothing while we hold the repository.
        Err(e) => {
            let e = cannot_read(&key, e);
            tracing::warn!("{e}");
            checked.damaged.push(name.to_owned());
            return Ok(());
        }
    };
    if hex(&Sha256::digest(&content)) != name {
        checked.damaged.push(name.to_owned());
    }
    checked.packs += 1;
    checked.bytes += content.len() as u64;
    session.control.watch.add_bytes(content.len() as u64);
    session.control.watch.add_files(1);
    Ok(())
}
