//! What goes into a snapshot: trees, dumps, streams and small files, each at its place.
//!
//! [`walk`] lists a tree with the rights of the site's user, [`content`] opens and reads what the library asks for,
//! [`dump`] turns a dump into folders of segments, [`entries`] strings all of it together in the one order that the
//! format wants: depth first, names by their bytes, a folder before its content.
//!
//! To add a kind of source: a variant of [`Source`], a [`Part`](entries::Part) that gives its entries, its place in
//! [`arrange`].

pub(super) mod content;
mod dump;
pub(super) mod entries;
pub(super) mod meta;
mod walk;

use super::exclude::Exclude;
use super::segments::Syntax;
use crate::base::error::{Error, Result};
use crate::base::identity::Identity;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// Called when a reader is at its end: was all of it well? An error, and there is no snapshot.
pub type Finish = Box<dyn FnOnce() -> Result<()> + Send>;

/// One part of a snapshot.
pub enum Source {
    Tree(Tree),
    Dump(Dump),
    Stream(Stream),
    /// A small file from memory: the manifest, a patch.
    File {
        path: PathBuf,
        bytes: Vec<u8>,
    },
}

/// A directory of the site, read with the rights of `identity`, within one file system, no symbolic link followed.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Where it stands in the snapshot: `files/public`, `code`.
    pub name: PathBuf,
    pub root: PathBuf,
    pub identity: Identity,
    pub exclude: Exclude,
    /// A root that does not exist is an empty directory; otherwise it is an error.
    pub absent_is_empty: bool,
}

/// A dump in SQL, kept as folders of segments.
pub struct Dump {
    pub name: PathBuf,
    pub syntax: Syntax,
    pub reader: Box<dyn Read + Send>,
    pub finish: Finish,
}

/// One file whose size is known before it is read.
pub struct Stream {
    pub path: PathBuf,
    /// Bytes; a reader that gives more or fewer makes the backup fail.
    pub size: u64,
    pub reader: Box<dyn Read + Send>,
    pub finish: Finish,
}

impl Source {
    /// Its place in the snapshot.
    pub(super) fn place(&self) -> &Path {
        match self {
            Self::Tree(tree) => &tree.name,
            Self::Dump(dump) => &dump.name,
            Self::Stream(stream) => &stream.path,
            Self::File { path, .. } => path,
        }
    }
}

/// Puts the sources into the order of the format.
///
/// # Errors
/// `Internal` when a place is not a plain relative path, or one source stands inside another.
pub(super) fn arrange(mut sources: Vec<Source>) -> Result<Vec<Source>> {
    if sources.is_empty() {
        return Err(Error::internal("a backup of nothing was asked for"));
    }
    for source in &sources {
        let place = source.place();
        let plain = place.components().all(|c| matches!(c, Component::Normal(_)));
        if !plain || place.as_os_str().is_empty() {
            return Err(Error::internal(format!("{} is not a place in a snapshot", place.display())));
        }
    }
    // `Path` compares component by component, each by its bytes: exactly the order in which trees are written.
    sources.sort_by(|a, b| a.place().cmp(b.place()));
    for pair in sources.windows(2) {
        if pair[1].place().starts_with(pair[0].place()) {
            let (a, b) = (pair[0].place().display(), pair[1].place().display());
            return Err(Error::internal(format!("two sources share one place: {a} and {b}")));
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Source {
        Source::File { path: path.into(), bytes: Vec::new() }
    }

    #[test]
    fn sources_are_put_in_the_order_of_their_components() {
        let sorted = arrange(vec![file("files/public"), file("files-b"), file("code"), file("files/a")]).unwrap();
        let places: Vec<&str> = sorted.iter().map(|s| s.place().to_str().unwrap()).collect();
        assert_eq!(places, ["code", "files/a", "files/public", "files-b"]);
    }

    #[test]
    fn places_that_leave_the_snapshot_or_lie_in_each_other_are_refused() {
        for bad in ["/abs", "../x", "", "a/../b", "."] {
            assert!(arrange(vec![file(bad)]).is_err(), "{bad:?} was accepted");
        }
        assert!(arrange(vec![file("a"), file("a/b")]).is_err());
        assert!(arrange(vec![file("a"), file("a")]).is_err());
        assert!(arrange(vec![]).is_err());
    }
}
