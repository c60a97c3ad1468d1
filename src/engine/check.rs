//! Reads packs back, a part of the repository at a time: each is named by the hash of its content, so one that reads
//! back under its name is what was written. Together with the proof of a snapshot, which resolves all that it needs in
//! those packs, that says that it can be restored.

use super::backend::adapter::cannot_read;
use super::repository::Session;
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
