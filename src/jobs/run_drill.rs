//! Restores a backup into a scratch place and looks at it. Lost: the next attempt clears away what it left and begins anew.

use crate::app::App;
use crate::app::attempt::{Attempt, Ended};
use crate::app::drills;
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::DrillId;

pub(super) const KIND: &str = drills::JOB;

pub(super) async fn run(attempt: &Attempt, subject: &str) -> Result<Ended> {
    drills::run(attempt, &DrillId(subject.to_owned())).await
}

pub(super) async fn settle(conn: &mut Conn, app: &App, now: Millis, subject: &str, cancelled: bool, why: &str) -> Result<()> {
    drills::settle(conn, app, now, &DrillId(subject.to_owned()), cancelled, why).await
}
