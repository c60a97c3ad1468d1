//! How a stack keeps its settings, its uploads and its caches: WordPress, Drupal (7, 8 and later, Backdrop), Django,
//! and `generic` for all others.
//!
//! Settings are programs, and they are the owner's: they are cut into tokens and read where a value is written down
//! literally, never run. A value that the site computes is an error that names the line and the option to give instead.
//! A rewrite changes the spans of those values and nothing else, and reading the result gives back what was written.
//!
//! It must never guess a credential, change a settings file itself (that is `host::replace_file`), or put a password
//! into a message. To add a stack: a file with a `Stack`, an arm in [`stack`], its place in [`detect`], and a table of
//! settings samples in its tests.

mod address;
mod django;
mod djangosettings;
mod drupal;
mod drupalsettings;
mod edit;
mod env;
mod generic;
mod look;
mod php;
#[cfg(test)]
mod php_agrees;
mod phpstring;
mod phpvalue;
mod python;
mod pythonpath;
mod pythontoken;
mod wordpress;

pub use drupal::{with_maintenance, without_maintenance};

use crate::base::error::Result;
use crate::base::identity::Identity;
use crate::base::secret::Secret;
use crate::domain::element::Element;
use crate::domain::site::{Access, Definition, StackKind};
use std::path::{Path, PathBuf};

/// What a look at a directory found.
#[derive(Debug)]
pub struct Found {
    pub definition: Definition,
    pub password: Option<Secret>,
    /// What was found and where, for people.
    pub lines: Vec<String>,
    /// What may be wrong with it, or is not covered.
    pub warnings: Vec<String>,
}

/// How a stack is told to answer 503 while its parts do not fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// A file that the stack looks for; relative to the root.
    Flag { file: PathBuf, bytes: Vec<u8> },
    /// A block in the settings file: [`with_maintenance`] and its inverse [`without_maintenance`].
    SettingsBlock,
    /// The stack has no way of its own; a hook may have.
    None { why: String },
}

/// One stack's ways.
pub trait Stack: Sync {
    /// Looks at a directory with the rights of `who`; `None` when it is not this stack.
    ///
    /// # Errors
    /// `Invalid` when it is, but its settings cannot be read with certainty; the hint names the option to give instead.
    fn detect(&self, root: &Path, who: &Identity) -> Result<Option<Found>>;

    /// Patterns as in .gitignore, with the reason for each, of what a backup of `element` leaves out: relative to each
    /// directory of files, or to the root for the code.
    fn left_out(&self, definition: &Definition, element: Element) -> Vec<(String, &'static str)>;

    /// Tables that only cache: kept without rows. Globs on whole table names.
    fn structure_only(&self, prefix: &str) -> Vec<String>;

    /// The settings file's text with the credentials of `new`; all else is byte-identical.
    ///
    /// # Errors
    /// `Invalid` when the place of a value cannot be found or what is new cannot be written there.
    fn rewrite(&self, settings: &[u8], new: &Access) -> Result<Vec<u8>>;

    /// The credentials in a settings text; `None` when it holds none.
    ///
    /// # Errors
    /// `Invalid` when a value is computed or ambiguous.
    fn read(&self, settings: &[u8]) -> Result<Option<Access>>;

    fn maintenance(&self, definition: &Definition) -> Maintenance;

    /// Directories (absolute) whose contents the site makes anew and must not keep across a restore.
    fn caches(&self, definition: &Definition) -> Vec<PathBuf>;
}

/// The stack of a kind.
pub fn stack(kind: StackKind) -> &'static dyn Stack {
    match kind {
        StackKind::Wordpress => &wordpress::Wordpress,
        StackKind::Drupal => &drupal::Drupal,
        StackKind::Django => &django::Django,
        StackKind::Generic => &generic::Generic,
    }
}

/// Looks at a directory as each stack in turn, with the rights of `who`; what no stack knows is `generic`.
///
/// # Errors
/// `NotFound` when there is no such directory; as [`Stack::detect`] of the stack that it is.
pub fn detect(root: &Path, who: &Identity) -> Result<Found> {
    let root = look::directory(root, who)?;
    for kind in [StackKind::Wordpress, StackKind::Drupal, StackKind::Django] {
        if let Some(mut found) = stack(kind).detect(&root, who)? {
            look::finish(&mut found, who)?;
            return Ok(found);
        }
    }
    let mut found = generic::look(&root, who);
    look::finish(&mut found, who)?;
    Ok(found)
}

/// What every stack leaves out: our own staging directories, which stand beside live directories.
fn ours() -> Vec<(String, &'static str)> {
    vec![(format!("{}*", super::host::PREFIX), "staging directories of restores")]
}

/// Patterns with one reason.
fn because(why: &'static str, patterns: &[&str]) -> Vec<(String, &'static str)> {
    patterns.iter().map(|p| ((*p).to_owned(), why)).collect()
}
