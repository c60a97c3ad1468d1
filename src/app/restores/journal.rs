//! What a step writes down before it acts: enough to know afterwards what was done, and to take it back.

use super::steps::Step;
use crate::app::{App, from_json, to_json};
use crate::base::error::Result;
use crate::base::secret::{Place, Secret};
use crate::db::restores::Step as Row;
use crate::domain::site::DatabaseAddress;
use crate::domain::state::StepState;
use crate::hosting::database::Staged;
use crate::hosting::host::Inode;
use std::path::PathBuf;

/// One line of the journal, read.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub row: Row,
    pub step: Step,
    pub state: StepState,
    pub journal: Journal,
    pub secrets: Secrets,
}

#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Journal {
    /// Directories, or the settings file, that change places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub swaps: Vec<Swap>,
    /// A database is being made aside: where it is follows from this, so that what was made is found again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub making: Option<Making>,
    /// The database that was imported aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staged: Option<Staged>,
    /// The database that was live before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<DatabaseAddress>,
    /// An undo: from `staged` back to `before`.
    pub reversed: bool,
    /// The settings file as it was before the maintenance block: its SHA-256 and its time of change, for getting both
    /// back exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings_were: Option<SettingsWere>,
    /// Why the site did not answer as it should before it was touched; `None` where it did. Noted by the preflight; an
    /// undo's last question carries what the restore that it takes back had noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_wrong: Option<String>,
}

/// What a database that is made aside is named by.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Making {
    pub ticket: String,
    /// With the server account: a new database; otherwise beside the live data.
    pub by_server: bool,
}

/// The settings file before it was touched.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct SettingsWere {
    pub sha256: String,
    /// Nanoseconds since 1970.
    pub mtime: i128,
}

/// The passwords that belong to a line; sealed in a column of their own.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets {
    pub staged: Option<Secret>,
    pub before: Option<Secret>,
}

/// Two entries of one file system that change places: what is live, and what lies aside.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Swap {
    #[serde(with = "any_path")]
    pub live: PathBuf,
    pub aside: PathBuf,
    /// The staging directory that holds `aside`: made beside this path, with this ticket.
    pub beside: PathBuf,
    pub ticket: String,
    /// Who was live, and who lay aside, before the switch. An inode says so whatever happened since.
    pub live_inode: Option<Inode>,
    pub aside_inode: Option<Inode>,
    /// What does not belong to the backup and stays live: carried over from the old directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<CarriedOver>,
    /// It holds only a part of what could be there, and so must not take the place of anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new: bool,
    /// An undo of a restore that brought what was not there: nothing lies aside, and nothing will be live.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vanishes: bool,
}

impl Swap {
    /// Were the two looked at before the switch?
    pub(super) fn is_noted(&self) -> bool {
        self.live_inode.is_some() || self.aside_inode.is_some()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct CarriedOver {
    /// Relative to the directory that is switched.
    #[serde(with = "any_path")]
    pub path: PathBuf,
    pub inode: Option<Inode>,
}

/// Names of files need not be text. Those that are not are written as hexadecimal digits behind a zero, which no name holds.
mod any_path {
    use crate::base::secret::hex;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    pub fn serialize<S: Serializer>(path: &Path, s: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => s.serialize_str(text),
            None => s.serialize_str(&format!("\0{}", hex(path.as_os_str().as_bytes()))),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<PathBuf, D::Error> {
        let text = String::deserialize(d)?;
        let Some(digits) = text.strip_prefix('\0') else { return Ok(PathBuf::from(text)) };
        let bytes = digits_of(digits).ok_or_else(|| D::Error::custom("the bytes of a path are not hexadecimal digits"))?;
        Ok(OsString::from_vec(bytes).into())
    }

    fn digits_of(digits: &str) -> Option<Vec<u8>> {
        let pairs = (0..digits.len()).step_by(2);
        pairs.map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
    }
}

impl Line {
    pub(super) fn read(app: &App, row: Row) -> Result<Self> {
        let secrets = match &row.secret_sealed {
            Some(sealed) => Secrets::read(&app.sealer.open(place(&row), sealed)?)?,
            None => Secrets::default(),
        };
        Ok(Self {
            step: Step::parse(&row.name)?,
            state: StepState::parse(&row.state)?,
            journal: from_json("journal", &row.journal)?,
            secrets,
            row,
        })
    }

    /// The row as it is to be written: journal as JSON, secrets sealed.
    pub(super) fn written(&self, app: &App) -> Result<Row> {
        let mut row = self.row.clone();
        row.journal = to_json(&self.journal)?;
        row.secret_sealed = self.secrets.text().map(|s| app.sealer.seal(place(&row), &s));
        Ok(row)
    }

    /// Was it begun, and not yet taken back?
    pub(super) fn is_begun(&self) -> bool {
        matches!(self.state, StepState::Started | StepState::Done | StepState::Undoing | StepState::Failed)
    }
}

impl Secrets {
    fn text(&self) -> Option<Secret> {
        if self.staged.is_none() && self.before.is_none() {
            return None;
        }
        let of = |s: &Option<Secret>| s.as_ref().map(|s| s.expose().to_owned());
        Some(Secret::new(serde_json::json!({ "staged": of(&self.staged), "before": of(&self.before) }).to_string()))
    }

    fn read(text: &Secret) -> Result<Self> {
        #[derive(serde::Deserialize)]
        struct Stored {
            staged: Option<Secret>,
            before: Option<Secret>,
        }
        let stored: Stored = from_json("secrets of a step", text.expose())?;
        Ok(Self { staged: stored.staged, before: stored.before })
    }
}

fn place(row: &Row) -> Place<'_> {
    Place { table: "restore_steps", column: "secret", tenant: &row.tenant_id, row: &row.restore_id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_path_that_is_no_text_comes_back_from_the_journal_as_it_was() {
        for (live, below) in [(&b"/srv/a b"[..], &b"x/y"[..]), (b"/srv/\xff\n\"", b"\xfe/\x01")] {
            let path = |bytes| PathBuf::from(OsStr::from_bytes(bytes));
            let carried = vec![CarriedOver { path: path(below), inode: None }];
            let (beside, ticket) = ("/srv".into(), "t".into());
            let (live_inode, aside_inode) = (None, None);
            let swap =
                Swap { live: path(live), aside: "/a".into(), beside, ticket, live_inode, aside_inode, carried, new: true, vanishes: false };
            let written = serde_json::to_string(&swap).unwrap();
            assert_eq!(serde_json::from_str::<Swap>(&written).unwrap(), swap, "{written}");
        }
        let old = r#"{"live":"/srv/site","aside":"/a","beside":"/srv","ticket":"t","live_inode":null,"aside_inode":null}"#;
        assert_eq!(serde_json::from_str::<Swap>(old).unwrap().live, PathBuf::from("/srv/site"), "as earlier versions wrote it");
    }
}
