//! Makes a backup. Lost: tried again at once, without reading again what was stored; failed after three.

use crate::app::App;
use crate::app::attempt::{Attempt, Ended};
use crate::app::backups;
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::BackupId;
use crate::domain::state::BackupState;

pub(super) const KIND: &str = backups::JOB;

pub(super) async fn run(attempt: &Attempt, subject: &str) -> Result<Ended> {
    backups::run(attempt, &BackupId(subject.to_owned())).await
}

pub(super) async fn settle(conn: &mut Conn, app: &App, now: Millis, subject: &str, cancelled: bool, why: &str) -> Result<()> {
    let state = if cancelled { BackupState::Cancelled } else { BackupState::Failed };
    backups::settle(conn, app, now, &BackupId(subject.to_owned()), state, why).await
}
