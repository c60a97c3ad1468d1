//! Looking at a site's directory with its owner's rights.

use super::{Found, address};
use crate::base::error::{Context, Error, Result};
use crate::base::identity::Identity;
use crate::domain::site::{Access, DatabaseAddress, Definition, Endpoint, FilesDir, StackKind, inside};
use crate::hosting::host::{Content, read_file};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A settings file is a page or two; what is larger is something else.
pub(super) const LIMIT: u64 = 1 << 20;

/// The directory with all links resolved, as the owner sees it.
pub(super) fn directory(path: &Path, who: &Identity) -> Result<PathBuf> {
    let real = who.act(|| std::fs::canonicalize(path)).context(|| format!("looking at {}", path.display()));
    match real {
        Ok(real) if who.act(|| real.is_dir()) => Ok(real),
        Ok(real) => Err(Error::invalid(format!("{} is not a directory", real.display()))),
        Err(_) if who.act(|| std::fs::symlink_metadata(path)).is_err() => {
            Err(Error::not_found(format!("{} does not exist, or the site's owner cannot see it", path.display())))
        }
        Err(e) => Err(e),
    }
}

pub(super) fn is_dir(path: &Path, who: &Identity) -> bool {
    who.act(|| path.is_dir())
}

pub(super) fn is_file(path: &Path, who: &Identity) -> bool {
    who.act(|| path.is_file())
}

/// A file of the site by its real path, links in it resolved by the owner's rights; `None` when there is none.
pub(super) fn read(path: &Path, who: &Identity) -> Result<Option<(PathBuf, Vec<u8>)>> {
    let Ok(real) = who.act(|| std::fs::canonicalize(path)) else { return Ok(None) };
    Ok(read_file(&real, who, LIMIT)?.map(|Content { bytes, .. }| (real, bytes)))
}

/// Names in a directory, sorted; none when it cannot be listed.
pub(super) fn names(dir: &Path, who: &Identity) -> Vec<String> {
    let list = || std::fs::read_dir(dir).map(|d| d.flatten().take(10_000).filter_map(|e| e.file_name().into_string().ok()).collect());
    let mut names: Vec<String> = who.act(list).unwrap_or_default();
    names.sort_unstable();
    names
}

/// What is found of a stack at `root`, before anything is known of it.
pub(super) fn found(stack: StackKind, root: &Path) -> Found {
    let definition = Definition::bare(stack, root);
    Found { definition, password: None, lines: Vec::new(), warnings: Vec::new() }
}

impl Found {
    /// Notes the database, and says it without its password.
    pub(super) fn database(&mut self, access: Access, from: &Path) {
        let place = match access.address.account().map(|a| &a.at) {
            Some(Endpoint::Tcp { host, port }) => format!(" at {host}:{port}"),
            Some(Endpoint::Socket { path, .. }) => format!(" at {}", path.display()),
            None => String::new(),
        };
        let account = access.address.account();
        let user = account.map(|a| format!(" as user {}", a.user)).unwrap_or_default();
        let prefix = account.filter(|a| !a.prefix.is_empty()).map(|a| format!(", tables {}*", a.prefix)).unwrap_or_default();
        let (engine, label) = (access.address.engine(), access.address.label());
        self.lines.push(format!("database: {engine} {label}{place}{user}{prefix} (from {})", from.display()));
        self.password = (!matches!(access.address, DatabaseAddress::Sqlite { .. })).then_some(access.password);
        self.definition.database = Some(access.address);
    }

    /// Notes a directory of files by its real path. One that lies outside of the root and is not the owner's is not
    /// taken: a link may lead anywhere, and what is taken here will be exchanged by a restore.
    pub(super) fn files(&mut self, name: &str, path: &Path, who: &Identity) {
        let Ok(real) = who.act(|| std::fs::canonicalize(path)) else {
            self.warnings.push(format!("{} does not exist yet: uploads are looked for there", path.display()));
            self.definition.files.push(FilesDir { name: name.to_owned(), path: lexical(path) });
            return;
        };
        let owner = who.act(|| std::fs::symlink_metadata(&real)).map(|m| m.uid()).ok();
        if inside(&self.definition.root, &real).is_none() && owner != Some(who.uid) {
            self.warnings.push(format!(
                "{} leads to {}, which is outside of the site and does not belong to its owner: it was left out. Give it with --files {name}=PATH if it is right",
                path.display(),
                real.display()
            ));
            return;
        }
        let by = if real == path { String::new() } else { format!(" (by the link {})", path.display()) };
        self.lines.push(format!("files: {name} = {}{by}", real.display()));
        self.definition.files.push(FilesDir { name: name.to_owned(), path: real });
    }
}

/// A path with `.` and `..` worked out by its text alone.
pub(super) fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir => {
                out.pop();
            }
            std::path::Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

/// What is the same for every stack: overlapping directories, the Git work tree, the sanity of the whole.
pub(super) fn finish(found: &mut Found, who: &Identity) -> Result<()> {
    let d = &mut found.definition;
    let all = std::mem::take(&mut d.files);
    for dir in all {
        if let Some(other) = d.files.iter().find(|f| dir.path.starts_with(&f.path) || f.path.starts_with(&dir.path)) {
            let (a, b) = (dir.path.display(), other.path.display());
            found.warnings.push(format!("the directory of files {a} overlaps with {b}: it is backed up with it"));
        } else if d.root.starts_with(&dir.path) {
            found.warnings.push(format!("the directory of files {} contains the site itself: it was left out", dir.path.display()));
        } else {
            d.files.push(dir);
        }
    }
    if is_dir(&d.root.join(".git"), who) || is_file(&d.root.join(".git"), who) {
        found.lines.push("code: a Git work tree".to_owned());
    }
    if let Some(DatabaseAddress::Mysql(a)) = &d.database
        && matches!(&a.at, Endpoint::Socket { path, .. } if *path == address::mysql_socket() && !path.exists())
    {
        let socket = address::mysql_socket();
        found.warnings.push(format!(
            "the settings say localhost, but there is no socket at {}: give it with --database-socket or --database-host",
            socket.display()
        ));
    }
    d.check()
}
