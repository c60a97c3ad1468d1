//! Which snapshots need certain packs: after damage, what can still be restored.

use super::repository::Session;
use super::trees::{STACK, Snapshot, check_depth, name_of};
use crate::base::error::{Class, Error, Result};
use rustic_core::TreeId;
use rustic_core::repofile::NodeType;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Of `snapshots` those of which a piece lies in one of `packs`, or of which a directory cannot be read. Each directory is
/// looked at once, whatever number of snapshots share it; no content of a file is read.
pub(super) fn run(session: &Session, packs: &[String], snapshots: &[String]) -> Result<Vec<String>> {
    let _lock = session.lock_for_reading()?;
    let (snapshot, roots) = Snapshot::open_all(session, snapshots)?;
    let packs = packs.iter().map(String::as_str).collect();
    let mut search = Search { session, snapshot: &snapshot, packs, seen: HashMap::new() };
    let find = move || {
        let mut found = Vec::new();
        for (id, root) in roots {
            let needs = match root {
                Some(root) => search.tree(&root, Path::new(""))?,
                None => true,
            };
            if needs {
                found.push(id);
            }
        }
        Ok(found)
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, find)?;
        thread.join().unwrap_or_else(|_| Err(Error::internal("the search broke off")))
    })
}

struct Search<'a> {
    session: &'a Session,
    snapshot: &'a Snapshot,
    packs: HashSet<&'a str>,
    seen: HashMap<TreeId, bool>,
}

impl Search<'_> {
    fn tree(&mut self, id: &TreeId, path: &Path) -> Result<bool> {
        if let Some(needs) = self.seen.get(id) {
            return Ok(*needs);
        }
        self.session.control.watch.check()?;
        check_depth(path)?;
        let needs = match self.snapshot.tree(id) {
            Ok(nodes) => {
                let mut needs = false;
                for node in nodes {
                    let inner: PathBuf = path.join(name_of(&node));
                    needs |= match (&node.node_type, &node.subtree) {
                        (NodeType::Dir, Some(tree)) => self.tree(tree, &inner)?,
                        (NodeType::Dir, None) => true,
                        (NodeType::File, _) => self.file(&node),
                        _ => false,
                    };
                }
                needs
            }
            Err(e) if e.class() == Class::Cancelled => return Err(e),
            Err(_) => true,
        };
        self.seen.insert(*id, needs);
        Ok(needs)
    }

    /// A file whose pieces the index does not know cannot be restored either.
    fn file(&self, node: &rustic_core::repofile::Node) -> bool {
        match self.snapshot.places(node) {
            Ok(places) => places.iter().any(|(_, place)| self.packs.contains(place.pack.to_hex().as_str())),
            Err(_) => true,
        }
    }
}
