//! The two keys of a repository: the recovery key, which people have, and the master key, which is sealed.

use super::failure::{Ours, reading};
use super::repository::Session;
use super::{Location, Repository};

use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::base::watch::Watch;
use rustic_core::Credentials;
use rustic_core::repofile::MasterKey;

impl Repository {
    /// Opens a repository with its recovery key; its master key comes with it, as from [`Repository::create`].
    ///
    /// # Errors
    /// `Permanent` when there is none, or the key is another one.
    pub fn open_with_password(at: &Location, password: &Secret) -> Result<(Self, Secret)> {
        reading(|| {
            let session = Session::new(at, MasterKey::new(), &Watch::new());
            session.refuse_none(at)?;
            let opened = session.unopened(session.adapter.clone())?.open(&Credentials::password(password.expose())).ours();
            let opened = opened.map_err(|e| {
                tracing::debug!("opening {} by its recovery key: {e}", at.shown());
                Error::permanent(format!("the repository in {} does not open with this recovery key", at.shown()))
            })?;
            let json =
                serde_json::to_string(&opened.key()).map_err(|e| Error::internal(format!("a key cannot be written as JSON: {e}")))?;
            let key = Secret::new(json);
            Ok((Self { location: at.clone(), key: key.clone() }, key))
        })
    }
}

/// The master key from its JSON. The library panics over one of another length.
pub(super) fn parse_key(key: &Secret) -> Result<MasterKey> {
    let wrong = || Error::permanent("the key of the repository is not one").hint("a repository's key is sealed when it is created");
    let parsed: MasterKey = serde_json::from_str(key.expose()).map_err(|_| wrong())?;
    let lengths = (parsed.encrypt.len(), parsed.mac.k.len(), parsed.mac.r.len());
    if lengths == (32, 16, 16) { Ok(parsed) } else { Err(wrong()) }
}
