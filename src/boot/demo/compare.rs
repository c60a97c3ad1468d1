//! Is it the same site? Every file to the byte, with mode, owner, time and link target; every row of the database.

use crate::base::error::{Context, Error, Result};
use crate::base::secret::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a site is, one line for each thing.
pub(super) type State = BTreeMap<String, String>;

/// Files of the site and rows of its database. The database's file is compared by its rows.
pub(super) fn state(root: &Path) -> Result<State> {
    let mut state = State::new();
    let top = std::fs::symlink_metadata(root).context(|| format!("looking at {}", root.display()))?;
    state.insert("the directory itself".into(), format!("mode {:04o} owner {}:{}", top.mode() & 0o7777, top.uid(), top.gid()));
    files(root, root, &mut state)?;
    rows(&root.join("garden.sqlite3"), &mut state)?;
    Ok(state)
}

fn files(root: &Path, dir: &Path, state: &mut State) -> Result<()> {
    for entry in std::fs::read_dir(dir).context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        let meta = std::fs::symlink_metadata(&path).context(|| format!("looking at {}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        if name.starts_with("garden.sqlite3") || name.starts_with(".sitekeep-") {
            continue;
        }
        let what = if meta.is_dir() {
            files(root, &path, state)?;
            "directory".to_owned()
        } else if meta.is_symlink() {
            format!("link to {}", std::fs::read_link(&path)?.display())
        } else {
            let sum = hex(&Sha256::digest(std::fs::read(&path).context(|| format!("reading {}", path.display()))?));
            format!("{} bytes {sum} changed {}.{:09}", meta.len(), meta.mtime(), meta.mtime_nsec())
        };
        state.insert(format!("file {name}"), format!("{what} mode {:04o} owner {}:{}", meta.mode() & 0o7777, meta.uid(), meta.gid()));
    }
    Ok(())
}

fn rows(path: &Path, state: &mut State) -> Result<()> {
    let what = |e: rusqlite::Error| Error::permanent(e.to_string()).context(format!("reading {}", path.display()));
    let db = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(what)?;
    let mut names = db.prepare("select name from sqlite_schema where type = 'table' order by name").map_err(what)?;
    let names = names.query_map((), |row| row.get::<_, String>(0)).map_err(what)?.collect::<Result<Vec<_>, _>>().map_err(what)?;
    for name in names {
        let mut select = db.prepare(&format!("select * from \"{name}\" order by 1")).map_err(what)?;
        let columns = select.column_count();
        let mut found = select.query(()).map_err(what)?;
        while let Some(row) = found.next().map_err(what)? {
            let values = (0..columns).map(|i| row.get::<_, rusqlite::types::Value>(i)).collect::<Result<Vec<_>, _>>().map_err(what)?;
            state.insert(format!("row {name} {:?}", values[0]), format!("{values:?}"));
        }
    }
    Ok(())
}

/// Nothing when they are the same; otherwise the first differences, in words.
pub(super) fn differences(expected: &State, found: &State) -> Vec<String> {
    let missing = expected.iter().filter(|(k, _)| !found.contains_key(*k)).map(|(k, _)| format!("{k} is missing"));
    let added = found.iter().filter(|(k, _)| !expected.contains_key(*k)).map(|(k, _)| format!("{k} should not be there"));
    let other = expected.iter().filter_map(|(k, v)| found.get(k).filter(|f| *f != v).map(|f| format!("{k} is {f}, not {v}")));
    missing.chain(added).chain(other).take(10).collect()
}
