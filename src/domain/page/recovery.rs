//! What the page of a site's recovery key shows.

use crate::base::clock::Millis;

#[derive(Clone, Debug)]
pub struct RecoveryKey {
    pub site_id: String,
    pub tenant: String,
    pub site: String,
    /// When it was entered for the first time, and by whom.
    pub confirmed: Option<(Millis, String)>,
    /// The reader acts here as an administrator, not as a member.
    pub as_administrator: bool,
}
