//! Server accounts.

use serde::{Deserialize, Serialize};

/// `GET /servers`: a database account that may create databases and users. Its password never comes back.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Server {
    pub id: String,
    pub name: String,
    pub engine: String,
    pub address: String,
    pub user: String,
    pub version: String,
    /// Set aside for drills.
    #[serde(default)]
    pub for_drills: bool,
    pub created: String,
}

/// `POST /servers`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AddServer {
    pub name: String,
    pub engine: String,
    #[serde(default)]
    pub host: Option<String>,
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub socket: Option<String>,
    pub user: String,
    pub password: String,
    #[serde(default)]
    pub for_drills: bool,
}
