//! Reads a part of a repository's packs back. Lost: the next attempt reads that part again.

use crate::app::attempt::{Attempt, Ended};
use crate::app::retention;
use crate::base::error::Result;
use crate::domain::ids::SiteId;

pub(super) const KIND: &str = retention::CHECK_JOB;

pub(super) async fn run(attempt: &Attempt, subject: &str) -> Result<Ended> {
    retention::check(attempt, &SiteId(subject.to_owned())).await
}
