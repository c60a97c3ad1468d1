//! What backups take on the storage, as pages show it.

use crate::base::clock::Millis;

/// What backups take on the storage.
#[derive(Clone, Debug, Default)]
pub struct Space {
    pub rows: Vec<SpaceRow>,
    /// Days since 1970-01-01, and bytes.
    pub growth: Vec<(i64, i64)>,
    /// What the repository, or all of a tenant's, have on the storage.
    pub bytes: Option<u64>,
    pub health: Option<RepositoryHealth>,
}

/// What one environment uses.
#[derive(Clone, Debug)]
pub struct SpaceRow {
    pub environment_id: String,
    pub environment: String,
    pub backups: u64,
    /// As they would be restored.
    pub size: u64,
    /// New bytes that they took.
    pub stored: u64,
    /// Of those, in the trash.
    pub trash: u64,
}

/// How a repository is.
#[derive(Clone, Debug, Default)]
pub struct RepositoryHealth {
    pub bytes: Option<u64>,
    pub marked: u64,
    pub cleaned: Option<Millis>,
    /// When the last round of reading everything back ended, and since when the one that runs has been running.
    pub checked: Option<Millis>,
    pub checking_since: Option<Millis>,
    pub damaged: Option<String>,
}
