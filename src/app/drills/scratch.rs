//! What is made for a drill: written down before it is made, cleared away whatever became of the attempt.

use crate::app::attempt::Attempt;
use crate::app::servers::{self, blocking};
use crate::app::{App, from_json, to_json};
use crate::base::error::{Error, Result};
use crate::db;
use crate::domain::ids::{DrillId, TenantId};
use crate::hosting::database::scratch as databases;
use crate::hosting::host::Scratch;
use std::path::PathBuf;

/// Where everything of a drill is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Places {
    pub folder: PathBuf,
    pub ticket: String,
    /// A server's id, and the name of the scratch database on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<(String, String)>,
}

/// Writes down what is going to be made.
pub(super) async fn note(attempt: &Attempt, tenant: &TenantId, id: &DrillId, places: &Places) -> Result<()> {
    let text = to_json(places)?;
    let mut tx = attempt.begin().await?;
    db::drills::set_scratch(&mut tx, tenant, id, Some(&text)).await?;
    tx.commit().await.map_err(Into::into)
}

/// Clears away what drills have left: this one's, and what attempts that were killed could not. No other runs meanwhile, for
/// each has the scratch place for itself. What cannot be cleared now stays noted for the next one.
pub(super) async fn sweep(attempt: &Attempt) -> Result<()> {
    let left = db::drills::littered(&mut *attempt.app.pool.get().await?, 100).await?;
    for (tenant, id, text) in left {
        let places: Places = from_json("scratch place of a drill", &text)?;
        attempt.fence().await?;
        match clear(&attempt.app, places).await {
            Ok(()) => {
                let mut tx = attempt.begin().await?;
                db::drills::set_scratch(&mut tx, &TenantId(tenant), &DrillId(id), None).await?;
                tx.commit().await.map_err(Error::from)?;
            }
            Err(e) => attempt.warn(format!("what the drill {id} made could not be cleared away: {}", e.sentence())).await,
        }
    }
    Ok(())
}

async fn clear(app: &App, places: Places) -> Result<()> {
    if let Some((server, name)) = places.database.clone() {
        match servers::known(app, &mut *app.pool.get().await?, &server).await? {
            Some(access) => blocking(move || databases::drop(&access, &name)).await?,
            // Nobody can reach it any more by what we know.
            None => tracing::warn!("the scratch database {name} stays: the account of its server was removed"),
        }
    }
    blocking(move || Scratch::clear(&places.folder, &places.ticket)).await
}
