//! What a settings.php of Drupal or Backdrop says, and how its credentials are written anew.

use super::address::{self, DatabaseUrl};
use super::edit::{Edits, line_of};
use super::php::{Token, tokens};
use super::phpstring::quoted;
use super::phpvalue::{Assignment, Node, Value, assignments, at, includes, one};
use super::wordpress::put;
use super::{drupal, look};
use crate::base::error::{Error, Result};
use crate::base::identity::Identity;
use crate::domain::site::{Access, Account, DatabaseAddress, Endpoint};
use std::path::{Path, PathBuf};

pub(super) struct Config<'a> {
    text: &'a [u8],
    tokens: Vec<Token>,
    all: Vec<Assignment>,
}

/// The key in `$databases['default']['default']` and the option that gives it instead.
const KEYS: [(&str, &str); 8] = [
    ("driver", "--database-engine"),
    ("database", "--database-name"),
    ("username", "--database-user"),
    ("password", "--database-password"),
    ("host", "--database-host"),
    ("port", "--database-port"),
    ("unix_socket", "--database-socket"),
    ("prefix", "--database-prefix"),
];

const VARIABLES: [&str; 7] = ["databases", "database", "database_prefix", "settings", "conf", "base_url", "config_directories"];

impl<'a> Config<'a> {
    pub fn parse(text: &'a [u8]) -> Result<Self> {
        let tokens = tokens(text)?;
        let all = assignments(&tokens, &VARIABLES)?;
        Ok(Self { text, tokens, all })
    }

    fn nodes(&self, key: &str) -> Vec<&Node> {
        at(&self.all, "databases", &["default", "default", key])
    }

    fn get(&self, key: &str) -> Result<Option<String>> {
        let option = KEYS.iter().find(|(k, _)| *k == key).map_or("options", |(_, option)| option);
        one(self.text, &format!("'{key}' of $databases"), option, &self.nodes(key))
    }

    /// The prefix is a text, or an array with one for each table; then the default's is taken.
    fn prefix_nodes(&self) -> Vec<&Node> {
        let nodes = self.nodes("prefix");
        if nodes.iter().any(|n| matches!(n.value, Value::Array(_))) {
            return at(&self.all, "databases", &["default", "default", "prefix", "default"]);
        }
        nodes
    }

    fn prefix(&self) -> Result<String> {
        Ok(one(self.text, "'prefix' of $databases", "--database-prefix", &self.prefix_nodes())?.unwrap_or_default())
    }

    fn url(&self) -> Result<Option<String>> {
        one(self.text, "$database", "--database-name", &at(&self.all, "database", &[]))
    }

    fn has_databases(&self) -> bool {
        ["driver", "database", "username"].iter().any(|k| !self.nodes(k).is_empty())
    }

    pub fn access(&self) -> Result<Option<Access>> {
        if !self.has_databases() {
            let prefix = one(self.text, "$database_prefix", "--database-prefix", &at(&self.all, "database_prefix", &[]))?;
            return match self.url()?.filter(|u| u.contains("://")) {
                Some(url) => drupal::backdrop(&url, prefix.unwrap_or_default()),
                None => Ok(None),
            };
        }
        let need = |key: &str| {
            self.get(key)?.filter(|v| !v.is_empty()).ok_or_else(|| {
                Error::invalid(format!("$databases has no '{key}'")).hint("give the database by options: --database-name and so on")
            })
        };
        let get = |key: &str| self.get(key).map(Option::unwrap_or_default);
        let driver = need("driver")?;
        if driver == "sqlite" {
            return Ok(Some(address::sqlite(need("database")?)));
        }
        let (name, user, password, prefix) = (need("database")?, need("username")?, get("password")?, self.prefix()?);
        let (host, port) = (get("host")?, address::port(&get("port")?)?);
        match driver.as_str() {
            "mysql" | "mysqli" | "mariadb" => {
                let at = address::mysql_endpoint(&host, port, Some(&get("unix_socket")?));
                Ok(Some(address::mysql(at, name, user, prefix, password)))
            }
            "pgsql" => Ok(Some(address::postgres(address::postgres_endpoint(&host, port), name, user, prefix, password))),
            other => Err(Error::invalid(format!("the database driver {other} is not one that is known here"))
                .hint("mysql, pgsql and sqlite are; give the database by options if it is one of them")),
        }
    }

    pub fn rewrite(&self, new: &Access) -> Result<Vec<u8>> {
        let old = self.access()?.ok_or_else(|| Error::invalid("the settings file names no database"))?;
        let (account, same_engine) = match (&new.address, &old.address) {
            // A restore exchanges the file; its place stays.
            (DatabaseAddress::Sqlite { .. }, DatabaseAddress::Sqlite { .. }) => return Ok(self.text.to_vec()),
            (DatabaseAddress::Mysql(a), DatabaseAddress::Mysql(_)) | (DatabaseAddress::Postgres(a), DatabaseAddress::Postgres(_)) => {
                (a, true)
            }
            (DatabaseAddress::Mysql(a) | DatabaseAddress::Postgres(a), _) => (a, false),
            (DatabaseAddress::Sqlite { .. }, _) => return Err(Error::invalid("the settings name a database server, not a file")),
        };
        if !same_engine {
            return Err(Error::invalid("the settings name a database of another kind: a site stays on the kind that it has"));
        }
        let moved = old.address.account().is_none_or(|a| a.at != account.at);
        let mut edits = Edits::default();
        if self.has_databases() {
            for (key, value) in [("database", account.database.as_str()), ("username", &account.user), ("password", new.password.expose())]
            {
                self.set(&mut edits, key, value)?;
            }
            if moved {
                self.move_to(&mut edits, account, matches!(new.address, DatabaseAddress::Mysql(_)))?;
            }
            if old.address.account().is_none_or(|a| a.prefix != account.prefix) {
                put(&mut edits, &self.prefix_nodes(), "'prefix' of $databases", &account.prefix)?;
            }
        } else {
            let mut url = DatabaseUrl::parse(&self.url()?.unwrap_or_default())?;
            if moved {
                url = url.moved_to(&account.at)?;
            }
            put(&mut edits, &at(&self.all, "database", &[]), "$database", &url.with(account, &new.password))?;
            if old.address.account().is_none_or(|a| a.prefix != account.prefix) {
                put(&mut edits, &at(&self.all, "database_prefix", &[]), "$database_prefix", &account.prefix)?;
            }
        }
        edits.apply(self.text)
    }

    /// Host, port and socket for a server at another place.
    fn move_to(&self, edits: &mut Edits, account: &Account, mysql: bool) -> Result<()> {
        match &account.at {
            Endpoint::Socket { path, .. } if mysql => self.set(edits, "unix_socket", &path.display().to_string()),
            Endpoint::Socket { path, port } => {
                self.set(edits, "host", &path.display().to_string())?;
                self.set(edits, "port", &port.unwrap_or(address::POSTGRES_PORT).to_string())
            }
            Endpoint::Tcp { host, port } => {
                let host = if mysql && host.eq_ignore_ascii_case("localhost") { "127.0.0.1" } else { host };
                self.set(edits, "host", host)?;
                self.set(edits, "port", &port.to_string())?;
                for node in self.nodes("unix_socket") {
                    edits.replace(node.span.clone(), "NULL"); // a socket that is set, even to nothing, is used
                }
                Ok(())
            }
        }
    }

    /// Replaces a value, or adds its key behind the one of the database's name.
    fn set(&self, edits: &mut Edits, key: &str, value: &str) -> Result<()> {
        let nodes = self.nodes(key);
        if !nodes.is_empty() || value.is_empty() {
            return if nodes.is_empty() { Ok(()) } else { put(edits, &nodes, key, value) };
        }
        let arrays = at(&self.all, "databases", &["default", "default"]);
        let mut written = false;
        for node in arrays {
            if let Value::Array(elements) = &node.value
                && let Some((_, name)) = elements.iter().find(|(k, _)| k == "database")
            {
                let value = quoted(value.as_bytes(), false);
                edits.insert(name.span.end, [format!(", '{key}' => ").as_bytes(), &value].concat());
                written = true;
            }
        }
        if written {
            Ok(())
        } else {
            Err(Error::invalid(format!("there is no place for '{key}' in $databases: add it by hand, then try again")))
        }
    }

    /// A path setting: `$settings['file_private_path']` or Drupal 7's `$conf[…]`. `Err` when it is computed.
    pub fn path(&self, name: &str, docroot: &Path, site: &Path) -> Option<Result<PathBuf, ()>> {
        let mut nodes = at(&self.all, "settings", &[name]);
        nodes.extend(at(&self.all, "conf", &[name]));
        if name == "config_sync_directory" {
            nodes.extend(at(&self.all, "config_directories", &["sync"]));
        }
        let join = |base: &Path, rest: &str| Ok(look::lexical(&base.join(rest.trim_start_matches('/'))));
        Some(match &nodes.last()?.value {
            Value::Text { value, .. } if value.is_empty() => return None,
            Value::Name(_) => return None,
            Value::Text { value, .. } => std::str::from_utf8(value).map(|v| look::lexical(&docroot.join(v))).map_err(|_| ()),
            Value::Joined { base, rest } => match base.as_str() {
                "__DIR__" => join(site, rest),
                "DRUPAL_ROOT" | "BACKDROP_ROOT" | "$app_root" => join(docroot, rest),
                _ => Err(()),
            },
            _ => Err(()),
        })
    }

    pub fn base_url(&self) -> Option<String> {
        let url = one(self.text, "$base_url", "--url", &at(&self.all, "base_url", &[])).ok()??;
        url.starts_with("http").then_some(url)
    }

    /// The settings.local.php that this file includes, when it is there and names the database: it is read last, so it
    /// holds, and it is the one to rewrite.
    pub fn local(&self, path: &Path, who: &Identity) -> Result<Option<(PathBuf, Vec<u8>)>> {
        if !includes(&self.tokens).iter().any(|(_, f)| f.ends_with("settings.local.php")) {
            return Ok(None);
        }
        let Some((local, text)) = look::read(&path.with_file_name("settings.local.php"), who)? else { return Ok(None) };
        let context = |e: Error| e.context(local.display().to_string());
        let config = Config::parse(&text).map_err(context)?;
        let names = config.has_databases() || !at(&config.all, "database", &[]).is_empty();
        let whole = !config.nodes("database").is_empty() && !config.nodes("username").is_empty();
        if names && !whole && self.has_databases() {
            return Err(Error::invalid("a part of the database's settings is here and a part in settings.php")
                .hint("write them in one place, or give the database by options")
                .context(local.display().to_string()));
        }
        Ok(names.then_some((local, text)))
    }

    /// Files that are included and were not looked into.
    pub fn other_includes(&self) -> Vec<String> {
        let known = ["settings.local.php", "services.yml"];
        let all = includes(&self.tokens).into_iter().filter(|(_, f)| !known.iter().any(|k| f.ends_with(k)));
        all.map(|(at, file)| {
            let line = line_of(self.text, at);
            format!("line {line} of the settings includes {file}, which is not looked into: it may set another database")
        })
        .collect()
    }
}
