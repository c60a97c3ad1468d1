//! The local host: directories and entries of a hosted site, changed so that its owner cannot turn a change against us.
//!
//! The worker is often root, and the owner may rename, link and replace whatever stands in the site at any moment.
//! Three rules answer that, and every function here keeps them:
//!
//! 1. A path is opened from `/` without following any symbolic link (`openat2`, RESOLVE_NO_SYMLINKS); what follows acts
//!    on descriptors and single names, so a component that is swapped afterwards changes nothing.
//! 2. What is prepared lies in a staging directory of mode 0700 that only we may enter, on the file system of the live
//!    directory, and comes into place by one rename.
//! 3. Owner and mode are set on descriptors of what we created, before the owner can reach it. Reading is done with the
//!    owner's rights (`Identity::act`).
//!
//! It must never run a shell, never print a secret, and never decide what is restored. To add an act: one file, with a
//! test in `races.rs` that lets another user swap names against it.

mod flag;
mod paths;
mod probe;
#[cfg(test)]
mod races;
mod replace;
mod run;
mod scratch;
mod side;
mod staging;
mod switch;
#[cfg(test)]
pub(crate) mod testing;
mod tree;

pub use flag::{place_file, remove_file, set_mtime};
pub use paths::{Content, Inode, free_space, inode, read_file, same_file_system};
pub use probe::{Probe, probe};
pub use replace::replace_file;
pub use run::run_hook;
pub(super) use run::{Limits, Ran, run};
pub use scratch::{Ended, Scratch};
pub use side::LiveTree;
pub(super) use staging::PREFIX;
pub use staging::Staging;
pub use switch::{Carried, carry, exchange};
pub use tree::{Size, empty_dir, tree_marks, tree_size};

/// Where [`Staging::make`] puts its directory: known before it is made, so that a journal can name it first.
pub fn staging_path(beside: &std::path::Path, ticket: &str) -> std::path::PathBuf {
    beside.with_file_name(format!("{}{ticket}", staging::PREFIX))
}
