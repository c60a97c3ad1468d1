//! A tree of files, by what can be told of each without reading it.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What can be told of a file without reading it. A file whose size and time are the same is taken for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub kind: MarkKind,
    /// Bytes; 0 for what is no file.
    pub size: u64,
    /// Nanoseconds since 1970; 0 for what is no file.
    pub modified: i128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    File,
    Link,
    Other,
}

/// Everything but directories, by path. One that would be too large is not made.
pub type Marks = BTreeMap<PathBuf, Mark>;
