//! The sessions of the dashboard: tower-sessions over the catalogue, by `app::sessions`.
//!
//! The cookie holds a random id and nothing else; the catalogue keeps its hash. A page that is only read by somebody
//! unknown sets no cookie.

use crate::app::App;
use crate::app::sessions::{self, Session as Row};
use crate::base::clock::Millis;
use crate::base::error::Error;
use crate::base::secret::Secret;
use crate::domain::ids::AccountId;
use std::collections::HashMap;
use tower_sessions::cookie::SameSite;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error as StoreError, Result as StoreResult};
use tower_sessions::{Expiry, SessionManagerLayer, SessionStore};

/// The account that is signed in.
pub const ACCOUNT: &str = "account";
/// Where the session was begun, for the list of one's sessions.
pub const ADDRESS: &str = "address";
pub const AGENT: &str = "agent";

/// The store behind the cookie.
#[derive(Clone, Debug)]
pub struct Store(pub App);

/// The layer that reads and writes the cookie. `Secure` and the prefix `__Host-` need TLS in front of us.
pub fn layer(app: &App) -> SessionManagerLayer<Store> {
    let secure = app.public_url.starts_with("https://");
    SessionManagerLayer::new(Store(app.clone()))
        .with_name(if secure { "__Host-sitekeep" } else { "sitekeep" })
        .with_secure(secure)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnInactivity(time::Duration::hours(12)))
}

/// The cookie's value as `app` wants it.
pub fn key(id: &Id) -> Secret {
    Secret::new(id.to_string())
}

fn row(record: &Record) -> StoreResult<Row> {
    let text = |name: &str| record.data.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    Ok(Row {
        account: Some(text(ACCOUNT)).filter(|a| !a.is_empty()).map(AccountId),
        data: serde_json::to_string(&record.data).map_err(|e| StoreError::Encode(e.to_string()))?,
        address: text(ADDRESS),
        agent: text(AGENT),
    })
}

fn backend(e: Error) -> StoreError {
    StoreError::Backend(e.to_string())
}

#[async_trait::async_trait]
impl SessionStore for Store {
    async fn create(&self, record: &mut Record) -> StoreResult<()> {
        while !sessions::create(&self.0, &key(&record.id), &row(record)?).await.map_err(backend)? {
            record.id = Id::default();
        }
        Ok(())
    }

    /// A session that was revoked meanwhile is not made again.
    async fn save(&self, record: &Record) -> StoreResult<()> {
        sessions::save(&self.0, &key(&record.id), &row(record)?).await.map(drop).map_err(backend)
    }

    async fn load(&self, id: &Id) -> StoreResult<Option<Record>> {
        let Some(loaded) = sessions::load(&self.0, &key(id)).await.map_err(backend)? else { return Ok(None) };
        let data: HashMap<String, serde_json::Value> =
            serde_json::from_str(&loaded.session.data).map_err(|e| StoreError::Decode(e.to_string()))?;
        let expiry = time::OffsetDateTime::from_unix_timestamp(loaded.expires_at.0 / Millis::SECOND)
            .map_err(|e| StoreError::Decode(e.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date: expiry }))
    }

    async fn delete(&self, id: &Id) -> StoreResult<()> {
        sessions::delete(&self.0, &key(id)).await.map_err(backend)
    }
}
