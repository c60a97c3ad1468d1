//! Accounts, members, sessions and invitations as people see them. Times are ISO 8601 in UTC.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One's own account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Profile {
    pub email: String,
    pub name: String,
    /// IANA name; UTC where there is none.
    pub zone: Option<String>,
    pub administrator: bool,
    pub has_password: bool,
    pub second_factor: bool,
    /// How many are left.
    pub recovery_codes: i64,
}

/// An account in the administrators' list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    pub id: String,
    pub email: String,
    pub name: String,
    pub administrator: bool,
    /// `active` or `disabled`
    pub state: String,
    pub has_password: bool,
    pub second_factor: bool,
    /// Tenant name to role.
    pub tenants: BTreeMap<String, String>,
    pub created: String,
}

/// An API token; its secret never comes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    pub id: String,
    pub label: String,
    pub tenant: Option<String>,
    pub scope: String,
    pub created: String,
    pub expires: String,
    pub last_used: Option<String>,
}

/// A browser that is signed in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    pub id: String,
    pub address: String,
    pub agent: String,
    pub created: String,
    pub seen: String,
    pub expires: String,
    /// The one that asks.
    pub current: bool,
}

/// An account in a tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    pub account: String,
    pub email: String,
    pub name: String,
    pub role: String,
    /// Of the account: `active` or `disabled`
    pub state: String,
    pub since: String,
}

/// An invitation that waits for an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Invitation {
    pub id: String,
    pub email: String,
    pub role: String,
    pub inviter: Option<String>,
    pub created: String,
    pub expires: String,
}

/// A tenant in a reader's list.
#[derive(Clone, Debug)]
pub struct TenantCard {
    pub id: String,
    pub name: String,
    /// `active` or `suspended`
    pub state: String,
    /// The reader's; none for an administrator who is no member.
    pub role: Option<String>,
    pub members: usize,
}

/// A tenant, and what its reader may do there.
#[derive(Clone, Debug)]
pub struct TenantOverview {
    pub card: TenantCard,
    /// The reader says who is a member.
    pub manages: bool,
}

/// A line of an activity log.
#[derive(Clone, Debug)]
pub struct Act {
    pub at: String,
    /// The e-mail address, or the part of Sitekeep that acted.
    pub actor: String,
    /// The account is an administrator.
    pub administrator: bool,
    /// `backup.create`, `member.join`, …
    pub action: String,
    pub detail: String,
}
