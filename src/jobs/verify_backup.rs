//! Reads a backup back. Lost: the next attempt reads it again.

use crate::app::attempt::{Attempt, Ended};
use crate::app::backups;
use crate::base::error::Result;
use crate::domain::ids::BackupId;

pub(super) const KIND: &str = backups::VERIFY_JOB;

pub(super) async fn run(attempt: &Attempt, subject: &str) -> Result<Ended> {
    backups::run_verify(attempt, &BackupId(subject.to_owned())).await
}
