//! Prepares archives of a backup for a download. Lost: the next attempt makes those that do not lie there yet.

use crate::app::attempt::{Attempt, Ended};
use crate::app::downloads;
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::DownloadId;

pub(super) const KIND: &str = downloads::JOB;

pub(super) async fn run(attempt: &Attempt, subject: &str) -> Result<Ended> {
    downloads::run(attempt, &DownloadId(subject.to_owned())).await
}

pub(super) async fn settle(conn: &mut Conn, now: Millis, subject: &str, cancelled: bool, why: &str) -> Result<()> {
    downloads::settle(conn, now, &DownloadId(subject.to_owned()), cancelled, why).await
}
