//! How an environment is built: its stack, its directories, its database, its hooks.
//!
//! This is what `site:add` finds or is told, what the catalogue keeps (as JSON; the database password is sealed in a
//! column of its own), and what `hosting` works on.

use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StackKind {
    Wordpress,
    Drupal,
    Django,
    Generic,
}

impl StackKind {
    pub const ALL: [Self; 4] = [Self::Wordpress, Self::Drupal, Self::Django, Self::Generic];

    pub fn name(self) -> &'static str {
        match self {
            Self::Wordpress => "wordpress",
            Self::Drupal => "drupal",
            Self::Django => "django",
            Self::Generic => "generic",
        }
    }
    /// # Errors
    /// `Invalid` for an unknown stack.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|s| s.name() == text)
            .ok_or_else(|| Error::invalid(format!("`{text}` is not a stack")).hint("a stack is wordpress, drupal, django or generic"))
    }
}

/// One environment's make-up. Paths are absolute and without symbolic links; `site:add` resolves them.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub stack: StackKind,
    /// The directory of the code.
    pub root: PathBuf,
    /// Directories of uploads, in a fixed order; inside `root` or elsewhere. The element `files` is all of them.
    #[serde(default)]
    pub files: Vec<FilesDir>,
    /// The file that holds the database's credentials and is rewritten when a restore switches: wp-config.php,
    /// settings.php, the env file.
    #[serde(default)]
    pub settings: Option<PathBuf>,
    #[serde(default)]
    pub database: Option<DatabaseAddress>,
    /// The user whose rights are used; the owner of `root` where it is not given.
    #[serde(default)]
    pub owner: Option<String>,
    /// Where the site answers, and a text its page must contain.
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub expect: Option<String>,
    /// A live environment asks for its name to be typed before a restore.
    #[serde(default)]
    pub live: bool,
    /// Left out of `files` and `code` beyond what the stack leaves out; patterns as in .gitignore, relative to the directory.
    #[serde(default)]
    pub exclude: Vec<String>,
    #[serde(default)]
    pub hooks: Hooks,
}

/// A directory of uploads, by the name it has in backups (`public`, `private`, `media`).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesDir {
    pub name: String,
    pub path: PathBuf,
}

/// Commands that an administrator sets; each is a program with its arguments, run without a shell as the site's owner
/// in `root`. None of them can be set by a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hooks {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_on: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_off: Option<Vec<String>>,
    /// After the switch: makes long-running application servers read the new settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_caches: Option<Vec<String>>,
    /// In a drill: starts the restored copy of the site, in its scratch folder instead of `root`, and ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<Vec<String>>,
}

/// Where a database is and who connects to it; the password is kept apart.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(tag = "engine", rename_all = "lowercase", deny_unknown_fields)]
pub enum DatabaseAddress {
    Mysql(Account),
    Postgres(Account),
    Sqlite { path: PathBuf },
}

/// A database with the account that uses it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub at: Endpoint,
    pub database: String,
    pub user: String,
    /// Tables of this site begin with it (`wp_`); empty when the database is the site's alone.
    #[serde(default)]
    pub prefix: String,
}

/// A SQLite database is a file and what stands beside it under these endings.
pub const SQLITE_SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Where a database server listens.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// MySQL: the socket file. PostgreSQL: the directory that holds `.s.PGSQL.<port>`.
    Socket {
        path: PathBuf,
        #[serde(default)]
        port: Option<u16>,
    },
    Tcp {
        host: String,
        port: u16,
    },
}

/// An address with its password: what a client needs. Never stored in this form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub address: DatabaseAddress,
    pub password: Secret,
}

impl DatabaseAddress {
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Mysql(_) => "mysql",
            Self::Postgres(_) => "postgres",
            Self::Sqlite { .. } => "sqlite",
        }
    }
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::Mysql(a) | Self::Postgres(a) => Some(a),
            Self::Sqlite { .. } => None,
        }
    }
    /// What people call it: the database's name, or the file's.
    pub fn label(&self) -> String {
        match self {
            Self::Mysql(a) | Self::Postgres(a) => a.database.clone(),
            Self::Sqlite { path } => path.display().to_string(),
        }
    }
}

impl Definition {
    /// What is known of a site before anything was found or given: where its code is.
    pub fn bare(stack: StackKind, root: &Path) -> Self {
        Self {
            stack,
            root: root.to_owned(),
            files: Vec::new(),
            settings: None,
            database: None,
            owner: None,
            url: None,
            expect: None,
            live: false,
            exclude: Vec::new(),
            hooks: Hooks::default(),
        }
    }

    /// The elements this environment has.
    pub fn elements(&self) -> Vec<super::element::Element> {
        use super::element::Element as E;
        E::ALL
            .into_iter()
            .filter(|e| match e {
                E::Code => true,
                E::Database => self.database.is_some(),
                E::Files => !self.files.is_empty(),
            })
            .collect()
    }

    /// Paths inside the code's directory that do not belong to the element `code`: directories of uploads and the
    /// SQLite database. Relative to `root`. They stay in their place when the code is switched.
    pub fn nested(&self) -> Vec<PathBuf> {
        let mut nested: Vec<PathBuf> = self.files.iter().filter_map(|f| inside(&self.root, &f.path)).collect();
        if let Some(DatabaseAddress::Sqlite { path }) = &self.database
            && let Some(relative) = inside(&self.root, path)
        {
            for suffix in SQLITE_SUFFIXES {
                let mut name = relative.clone().into_os_string();
                name.push(suffix);
                nested.push(name.into());
            }
        }
        nested
    }

    /// Every path is absolute and without `.` and `..`, no two directories of files overlap, and names are usable.
    ///
    /// # Errors
    /// `Invalid`, naming the path.
    pub fn check(&self) -> Result<()> {
        let clean = |p: &Path| {
            p.is_absolute() && p.components().all(|c| matches!(c, std::path::Component::RootDir | std::path::Component::Normal(_)))
        };
        let mut all = vec![&self.root];
        all.extend(self.files.iter().map(|f| &f.path));
        all.extend(&self.settings);
        if let Some(bad) = all.into_iter().find(|p| !clean(p)) {
            return Err(Error::invalid(format!("{} is not an absolute path", bad.display())).hint("give the whole path, without . and .."));
        }
        for (i, a) in self.files.iter().enumerate() {
            super::names::check("directory of files", &a.name)?;
            if self.root.starts_with(&a.path) {
                return Err(Error::invalid(format!(
                    "the directory of files {} contains the code in {}",
                    a.path.display(),
                    self.root.display()
                ))
                .hint("name the directory of uploads alone"));
            }
            if let Some(b) =
                self.files[i + 1..].iter().find(|b| b.path.starts_with(&a.path) || a.path.starts_with(&b.path) || a.name == b.name)
            {
                return Err(Error::invalid(format!(
                    "the directories of files {} and {} overlap or share a name",
                    a.path.display(),
                    b.path.display()
                ))
                .hint("name each directory once"));
            }
        }
        Ok(())
    }
}

/// `path` relative to `root`, when it lies inside it.
pub fn inside(root: &Path, path: &Path) -> Option<PathBuf> {
    path.strip_prefix(root).ok().filter(|p| !p.as_os_str().is_empty()).map(Path::to_owned)
}
