//! Who may do what: rights, the roles that carry them, and the scope that narrows a token.

use crate::base::error::{Error, Result};

/// One right. Checked where an object is looked up, and again in the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    View,
    Create,
    Download,
    Restore,
    Delete,
    Policy,
    Manage,
    /// Over the installation: tenants, accounts, servers, sites. Administrators only.
    Administer,
}

impl Right {
    pub const ALL: [Self; 8] =
        [Self::View, Self::Create, Self::Download, Self::Restore, Self::Delete, Self::Policy, Self::Manage, Self::Administer];

    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Create => "create",
            Self::Download => "download",
            Self::Restore => "restore",
            Self::Delete => "delete",
            Self::Policy => "policy",
            Self::Manage => "manage",
            Self::Administer => "administer",
        }
    }
}

/// A set of rights, as a token's scope: `view,create`, or `all`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(Vec<Right>);

impl Scope {
    pub fn all() -> Self {
        Self(Right::ALL.to_vec())
    }
    /// Every scope may view: whoever may do a thing may see it.
    pub fn of(rights: &[Right]) -> Self {
        Self(Right::ALL.into_iter().filter(|r| *r == Right::View || rights.contains(r)).collect())
    }
    /// # Errors
    /// `Invalid` for an unknown right.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "all" {
            return Ok(Self::all());
        }
        let rights = text
            .split(',')
            .map(|name| {
                Right::ALL.into_iter().find(|r| r.name() == name.trim()).ok_or_else(|| {
                    Error::invalid(format!("`{name}` is not a right"))
                        .hint("a scope is `all`, or a list of view, create, download, restore, delete, policy, manage, administer")
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self::of(&rights))
    }
    pub fn text(&self) -> String {
        if *self == Self::all() { "all".into() } else { self.0.iter().map(|r| r.name()).collect::<Vec<_>>().join(",") }
    }
    /// Does `other` hold every right of this one?
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|right| other.has(*right))
    }
    pub fn has(&self, right: Right) -> bool {
        self.0.contains(&right)
    }
}

/// What an account is in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Owner,
    Developer,
    Viewer,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Owner, Self::Developer, Self::Viewer];

    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }
    /// # Errors
    /// `Invalid` for an unknown role.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|r| r.name() == text)
            .ok_or_else(|| Error::invalid(format!("`{text}` is not a role")).hint("a role is owner, developer or viewer"))
    }
    /// What the role may do in its tenant.
    pub fn may(self, right: Right) -> bool {
        match self {
            Self::Owner => right != Right::Administer,
            Self::Developer => matches!(right, Right::View | Right::Create | Right::Download | Right::Restore),
            Self::Viewer => right == Right::View,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_administers_and_each_role_holds_the_rights_of_the_one_below() {
        for right in Right::ALL {
            assert!(!Role::Viewer.may(right) || Role::Developer.may(right));
            assert!(!Role::Developer.may(right) || Role::Owner.may(right));
        }
        assert!(Role::ALL.iter().all(|r| !r.may(Right::Administer)));
    }

    #[test]
    fn a_scope_reads_back_as_it_was_written() {
        for text in ["all", "view", "view,create", "view,restore,manage"] {
            assert_eq!(Scope::parse(text).unwrap().text(), text);
        }
        assert!(Scope::parse("view,root").is_err());
    }
}
