//! Recovery keys, as the API takes them. None gives them.

use crate::base::secret::Secret;
use serde::{Deserialize, Serialize};

/// `POST /sites/{id}/recovery-key/confirm`
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct ConfirmKey {
    pub key: Secret,
}

/// `POST /sites/{id}/recovery-key/confirm`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyConfirmed {
    /// `tenant/site`
    pub site: String,
    /// The first time.
    pub confirmed: String,
    pub by: String,
}
