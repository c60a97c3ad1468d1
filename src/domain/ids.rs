//! Ids: a prefix that says what it names, then 100 random bits. A type for each, so that they cannot be confused.

use crate::base::chance;
use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// A new id, never used before.
            pub fn fresh() -> Self {
                Self(format!(concat!($prefix, "_{}"), chance::word(20)))
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }
    )*};
}

ids! {
    TenantId = "ten";
    AccountId = "acc";
    TokenId = "tok";
    ServerId = "srv";
    SiteId = "sit";
    EnvironmentId = "env";
    RepositoryId = "rep";
    BackupId = "bak";
    RestoreId = "rst";
    DrillId = "drl";
    /// A download link.
    LinkId = "lnk";
    /// A download that is prepared, and an archive of it.
    DownloadId = "dwn";
    ArchiveId = "arc";
    /// A job of the queue.
    JobId = "job";
    ActivityId = "act";
    OneTimeLinkId = "otl";
    LetterId = "let";
    AlarmId = "alm";
    WebhookId = "whk";
    /// A copy of the catalogue itself.
    CopyId = "cpy";
}
