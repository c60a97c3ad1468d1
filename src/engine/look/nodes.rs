//! A tree as it is stored: of each node what its reader wants; the rest is passed over.

use crate::base::error::{Error, Result};
use crate::engine::trees::{check_name, name_of};
use rustic_core::repofile::{Metadata, Node, NodeType};
use serde::Deserialize;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStringExt;

#[derive(Deserialize)]
struct Tree<T> {
    nodes: Vec<T>,
}

/// # Errors
/// `Damaged` for what is no tree.
pub(super) fn nodes<'a, T: Deserialize<'a>>(tree: &'a [u8]) -> Result<Vec<T>> {
    let tree: Tree<T> = serde_json::from_slice(tree).map_err(|e| Error::damaged(format!("a directory cannot be read: {e}")))?;
    Ok(tree.nodes)
}

/// A name by how it is stored: what is not plain text is in an escaped form, which the library alone knows.
///
/// # Errors
/// `Damaged` for what cannot be a name.
pub(super) fn name(stored: &str) -> Result<Vec<u8>> {
    if !stored.contains('\\') {
        check_name(OsStr::new(stored))?;
        return Ok(stored.as_bytes().to_vec());
    }
    let mut node = Node::new_node(OsStr::new("x"), NodeType::File, Metadata::default());
    node.name = stored.to_owned();
    let name = name_of(&node);
    check_name(&name)?;
    Ok(name.into_vec())
}
