//! Prepared downloads: what somebody asked for, and the archives that lie ready.

use super::element::Element;
use crate::base::error::{Error, Result};
use crate::base::words::words;
use serde::{Deserialize, Serialize};

words! {
    /// What an archive is; the word ends its name.
    Form {
        TarGz = "tar.gz",
        TarZst = "tar.zst",
        Zip = "zip",
        /// A dump for the plain client of its database.
        SqlGz = "sql.gz",
        /// A dump for `pg_restore`, in the custom format of PostgreSQL.
        Dump = "dump",
        /// A database file as it is.
        Sqlite = "sqlite",
    }
    DownloadState {
        Queued = "queued",
        Running = "running",
        /// Its archives lie in the store.
        Ready = "ready",
        Failed = "failed",
        Cancelled = "cancelled",
        /// Its time is over, and its archives are gone.
        Expired = "expired",
        /// Somebody removed it.
        Removed = "removed",
    }
}

impl Form {
    /// In which files and code can be packed.
    pub const TREES: [Self; 3] = [Self::TarGz, Self::TarZst, Self::Zip];
    /// In which a dump can be given.
    pub const DUMPS: [Self; 2] = [Self::SqlGz, Self::Dump];

    /// The form of one element, where trees come in `trees` and a dump is asked for as `dump`.
    ///
    /// # Errors
    /// `Invalid` for a dump that only another engine's tools could read.
    pub fn of(element: Element, engine: &str, trees: Self, dump: Self) -> Result<Self> {
        match (element, engine, dump) {
            (Element::Database, "postgres", Self::Dump) => Ok(Self::Dump),
            (Element::Database, _, Self::Dump) => {
                Err(Error::invalid("only a dump of PostgreSQL has a form for `pg_restore`").hint("leave the form of the database out"))
            }
            (Element::Database, "sqlite", _) => Ok(Self::Sqlite),
            (Element::Database, ..) => Ok(Self::SqlGz),
            _ => Ok(trees),
        }
    }

    /// # Errors
    /// `Invalid` for a form that is none of dumps.
    pub fn of_dumps(self) -> Result<Self> {
        if Self::DUMPS.contains(&self) {
            return Ok(self);
        }
        Err(Error::invalid(format!("a database cannot be given as {self}"))
            .hint(format!("choose {}", Self::DUMPS.map(Self::word).join(" or "))))
    }

    /// # Errors
    /// `Invalid` for a form that is none of trees.
    pub fn of_trees(self) -> Result<Self> {
        if Self::TREES.contains(&self) {
            return Ok(self);
        }
        Err(Error::invalid(format!("files and code cannot be packed as {self}"))
            .hint(format!("choose {}", Self::TREES.map(Self::word).join(" or "))))
    }
}

impl DownloadState {
    /// A job works on it, or will.
    pub fn is_moving(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// Uses that a link can be limited to.
pub const MOST_USES: u32 = 1000;

/// `POST /backups/{id}/downloads`
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PrepareDownload {
    /// None: all that the backup holds.
    pub elements: Vec<Element>,
    /// How files and code are packed: `tar.gz` by default.
    pub form: Option<Form>,
    /// How a dump is given: `sql.gz` by default, or `dump`, which `pg_restore` reads. SQLite comes as the file that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<Form>,
    /// How long the links in the letter live: 1 to 168, 24 by default.
    pub hours: Option<u32>,
    /// How often each of them may be used; as often as one likes where it is not given.
    pub uses: Option<u32>,
}

/// `POST /archives/{id}/links`
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinkArchive {
    pub hours: Option<u32>,
    pub uses: Option<u32>,
}

/// `GET /downloads/{id}`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Download {
    pub id: String,
    pub backup: String,
    /// `tenant/site.env`
    pub environment: String,
    pub state: DownloadState,
    pub created: String,
    pub created_by: String,
    pub finished: Option<String>,
    /// When its archives go.
    pub expires: Option<String>,
    pub message: Option<String>,
    pub hint: Option<String>,
    pub job: Option<String>,
    pub archives: Vec<Archive>,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Archive {
    pub id: String,
    pub element: Element,
    pub form: Form,
    pub filename: String,
    /// Of the archive itself, in bytes; once it is made.
    pub size: Option<u64>,
    pub sha256: Option<String>,
}
