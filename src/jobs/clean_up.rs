//! Removes from a repository what lay long enough in the trash, and frees the space. Lost: the next attempt goes on;
//! after a failure the next job waits.

use crate::app::attempt::{Attempt, Ended};
use crate::app::retention;
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{SiteId, TenantId};

pub(super) const KIND: &str = retention::JOB;

pub(super) async fn settle(conn: &mut Conn, now: Millis, tenant: &TenantId, subject: &str) -> Result<()> {
    retention::clean_up_failed(conn, now, tenant, &SiteId(subject.to_owned())).await
}

pub(super) async fn run(attempt: &Attempt, subject: &str) -> Result<Ended> {
    retention::clean_up(attempt, &SiteId(subject.to_owned())).await
}
