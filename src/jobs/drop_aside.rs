//! Drops what a restore left aside, when the time for an undo is over. Lost: tried again; every drop can be repeated.

use crate::app::attempt::{Attempt, Ended};
use crate::app::restores;
use crate::base::error::Result;
use crate::domain::ids::RestoreId;

pub(super) const KIND: &str = restores::DROP_JOB;

pub(super) async fn run(attempt: &Attempt, subject: &str) -> Result<Ended> {
    restores::drop_aside(attempt, &RestoreId(subject.to_owned())).await
}
