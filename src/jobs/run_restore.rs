//! Runs a restore or an undo. Lost: the next attempt reads the journal and goes on or goes back; never retried after a failure.

use crate::app::App;
use crate::app::attempt::{Attempt, Ended};
use crate::app::restores;
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::RestoreId;

pub(super) const KIND: &str = restores::JOB;

pub(super) async fn run(attempt: &Attempt, subject: &str) -> Result<Ended> {
    restores::run(attempt, &RestoreId(subject.to_owned())).await
}

pub(super) async fn settle(conn: &mut Conn, app: &App, now: Millis, subject: &str, cancelled: bool, why: &str) -> Result<()> {
    restores::settle(conn, app, now, &RestoreId(subject.to_owned()), cancelled, why).await
}
