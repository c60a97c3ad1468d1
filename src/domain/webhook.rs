//! Other programs that are told, as people see them.

use serde::{Deserialize, Serialize};

/// What `POST /tenants/{id}/webhooks` takes.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddWebhook {
    pub url: String,
    /// An environment's id: called after each of its good backups, and for nothing else.
    #[serde(default)]
    pub environment: Option<String>,
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AddedWebhook {
    pub id: String,
    /// What signs its messages, shown this once; a heartbeat is not signed.
    pub secret: Option<String>,
}

/// A webhook or a heartbeat; what its address holds beside the host never comes back.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Webhook {
    pub id: String,
    pub host: String,
    /// `site.environment`, of a heartbeat.
    pub environment: Option<String>,
    pub created: String,
}

/// Who gets the letters about a site: nobody named means the tenant's owners.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Recipients {
    /// The site's id.
    pub site: String,
    pub name: String,
    pub emails: Vec<String>,
}

/// What `PUT /tenants/{id}/recipients` takes.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRecipients {
    /// The site's id.
    pub site: String,
    pub emails: Vec<String>,
}
