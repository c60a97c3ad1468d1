//! What administrators see of the copies of the catalogue.

use crate::base::clock::Millis;

#[derive(Clone, Debug)]
pub struct CatalogueCopies {
    pub location: String,
    pub newest: Option<CatalogueCopy>,
    /// There should have been another one.
    pub late: bool,
    /// Why the last try came to nothing.
    pub failed: Option<String>,
}

/// A whole one.
#[derive(Clone, Debug)]
pub struct CatalogueCopy {
    pub at: Millis,
    pub rows: u64,
    pub bytes: u64,
}
