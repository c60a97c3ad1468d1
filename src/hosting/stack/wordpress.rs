//! WordPress: wp-config.php, `wp-content/uploads`, `.maintenance`.

use super::edit::{Edits, line_of};
use super::php::{Token, tokens};
use super::phpstring::quoted;
use super::phpvalue::{Node, Value, assignments, at, constants, includes, one};
use super::{Found, Maintenance, Stack, address, because, look, ours};
use crate::base::error::{Error, Result};
use crate::base::identity::Identity;
use crate::domain::element::Element;
use crate::domain::site::{Access, DatabaseAddress, Definition, StackKind, inside};
use std::path::{Path, PathBuf};

pub(super) struct Wordpress;

/// Which constant is what, and the option that gives it instead.
const NAME: (&str, &str) = ("DB_NAME", "--database-name");
const USER: (&str, &str) = ("DB_USER", "--database-user");
const PASSWORD: (&str, &str) = ("DB_PASSWORD", "--database-password");
const HOST: (&str, &str) = ("DB_HOST", "--database-host");

/// All that is looked for in wp-config.php.
struct Config<'a> {
    text: &'a [u8],
    tokens: Vec<Token>,
    constants: Vec<(String, Node)>,
    variables: Vec<super::phpvalue::Assignment>,
}

impl<'a> Config<'a> {
    fn parse(text: &'a [u8]) -> Result<Self> {
        let tokens = tokens(text)?;
        let wanted =
            [NAME.0, USER.0, PASSWORD.0, HOST.0, "WP_HOME", "WP_SITEURL", "UPLOADS", "WP_CONTENT_DIR", "DB_DIR", "DB_FILE", "DB_ENGINE"];
        let constants = constants(&tokens, &wanted)?;
        let variables = assignments(&tokens, &["table_prefix"])?;
        Ok(Self { text, tokens, constants, variables })
    }
    fn nodes(&self, name: &str) -> Vec<&Node> {
        self.constants.iter().filter(|(n, _)| n == name).map(|(_, node)| node).collect()
    }
    fn constant(&self, (name, option): (&str, &str)) -> Result<Option<String>> {
        one(self.text, name, option, &self.nodes(name))
    }
    fn required(&self, what: (&str, &str)) -> Result<String> {
        self.constant(what)?
            .ok_or_else(|| Error::invalid(format!("wp-config.php does not define {}", what.0)).hint(format!("give it with {}", what.1)))
    }
    fn prefix(&self) -> Result<String> {
        let nodes = at(&self.variables, "table_prefix", &[]);
        Ok(one(self.text, "$table_prefix", "--database-prefix", &nodes)?.unwrap_or_default())
    }
    fn access(&self) -> Result<Option<Access>> {
        if [NAME, USER, PASSWORD].iter().all(|(name, _)| self.nodes(name).is_empty()) {
            return Ok(None);
        }
        let at = address::db_host(&self.constant(HOST)?.unwrap_or_default())?;
        let (name, user, password) = (self.required(NAME)?, self.required(USER)?, self.required(PASSWORD)?);
        Ok(Some(address::mysql(at, name, user, self.prefix()?, password)))
    }
    /// A constant that is a path, literal or joined to a directory that is known.
    fn path(&self, name: &str, root: &Path, settings: &Path) -> Option<PathBuf> {
        match &self.nodes(name).last()?.value {
            Value::Text { value, .. } => Some(root.join(std::str::from_utf8(value).ok()?)),
            Value::Joined { base, rest } if base == "ABSPATH" => Some(look::lexical(&root.join(rest.trim_start_matches('/')))),
            Value::Joined { base, rest } if base == "__DIR__" => {
                Some(look::lexical(&settings.parent()?.join(rest.trim_start_matches('/'))))
            }
            _ => None,
        }
    }
}

impl Stack for Wordpress {
    fn detect(&self, root: &Path, who: &Identity) -> Result<Option<Found>> {
        if !look::is_file(&root.join("wp-load.php"), who) || !look::is_dir(&root.join("wp-includes"), who) {
            return Ok(None);
        }
        let mut found = look::found(StackKind::Wordpress, root);
        let version = look::read(&root.join("wp-includes/version.php"), who)?.and_then(|(_, text)| version(&text));
        found.lines.push(format!("WordPress {} in {}", version.as_deref().unwrap_or("of an unknown version"), root.display()));
        // WordPress itself looks one directory up, unless another WordPress is there.
        let above = root.parent().map(|p| p.join("wp-config.php"));
        let settings = match look::read(&root.join("wp-config.php"), who)? {
            None => match above.filter(|p| !look::is_file(&p.with_file_name("wp-settings.php"), who)) {
                Some(path) => look::read(&path, who)?,
                None => None,
            },
            some => some,
        };
        let (path, text) = settings.ok_or_else(|| {
            Error::invalid(format!("{} is WordPress, but has no wp-config.php that its owner can read", root.display()))
                .hint("finish its installation, or give --settings and the database by options")
        })?;
        let config = Config::parse(&text).map_err(|e| e.context(path.display().to_string()))?;
        fill(&mut found, &config, &path, who).map_err(|e| e.context(path.display().to_string()))?;
        found.definition.settings = Some(path);
        Ok(Some(found))
    }

    fn left_out(&self, definition: &Definition, element: Element) -> Vec<(String, &'static str)> {
        let mut out = ours();
        match element {
            Element::Database => out.clear(),
            Element::Files => {
                out.extend(because("cached pages and images, made anew", &["/cache/", "/et-cache/"]));
                out.extend(because(
                    "backups made by a plugin",
                    &["/backup-db/", "/backwpup-*/", "/backupbuddy_backups/", "/backupbuddy_temp/", "/wp-clone/", "/snapshots/*.zip"],
                ));
            }
            Element::Code => {
                let content = content_dir(definition);
                let below = |names: &[&str]| names.iter().map(|n| format!("/{content}/{n}")).collect::<Vec<_>>();
                let mut add = |why, names: &[&str]| out.extend(below(names).into_iter().map(|p| (p, why)));
                add("left over from updates", &["upgrade/", "upgrade-temp-backup/"]);
                add("cached pages, made anew", &["cache/", "et-cache/", "wflogs/", "litespeed/"]);
                add(
                    "backups made by a plugin",
                    &[
                        "backup-db/",
                        "backups/",
                        "backups-dup-lite/",
                        "backups-dup-pro/",
                        "updraft/",
                        "ai1wm-backups/",
                        "backupwordpress-*/",
                    ],
                );
                out.push(("/.maintenance".to_owned(), "says that a restore or an update is at work"));
            }
        }
        out
    }

    /// None: WordPress keeps what it caches among its options, which are needed.
    fn structure_only(&self, _prefix: &str) -> Vec<String> {
        Vec::new()
    }

    fn rewrite(&self, settings: &[u8], new: &Access) -> Result<Vec<u8>> {
        let DatabaseAddress::Mysql(account) = &new.address else {
            // The plugin that puts WordPress on SQLite keeps the file's place; a restore exchanges the file.
            return match &new.address {
                DatabaseAddress::Sqlite { .. } => Ok(settings.to_vec()),
                _ => Err(Error::invalid("WordPress cannot be put on PostgreSQL")),
            };
        };
        let config = Config::parse(settings)?;
        let old = config.access()?.ok_or_else(|| Error::invalid("wp-config.php does not define a database"))?;
        let mut edits = Edits::default();
        let mut set = |nodes: Vec<&Node>, what: &str, value: &str| put(&mut edits, &nodes, what, value);
        set(config.nodes(NAME.0), NAME.0, &account.database)?;
        set(config.nodes(USER.0), USER.0, &account.user)?;
        set(config.nodes(PASSWORD.0), PASSWORD.0, new.password.expose())?;
        if old.address.account().is_none_or(|a| a.at != account.at) {
            set(config.nodes(HOST.0), HOST.0, &address::write_db_host(&account.at))?;
        }
        if old.address.account().is_none_or(|a| a.prefix != account.prefix) {
            set(at(&config.variables, "table_prefix", &[]), "$table_prefix", &account.prefix)?;
        }
        edits.apply(settings)
    }

    fn read(&self, settings: &[u8]) -> Result<Option<Access>> {
        Config::parse(settings)?.access()
    }

    /// WordPress ignores the file ten minutes after the time in it, because an update that died must not close a site
    /// for ever. A restore takes the file away itself, however long it needs, so the time lies in the year 2100.
    fn maintenance(&self, _definition: &Definition) -> Maintenance {
        Maintenance::Flag { file: ".maintenance".into(), bytes: b"<?php $upgrading = 4102444800;\n".to_vec() }
    }

    fn caches(&self, definition: &Definition) -> Vec<PathBuf> {
        let content = definition.root.join(content_dir(definition));
        let mut caches: Vec<PathBuf> = ["cache", "et-cache"].iter().map(|n| content.join(n)).collect();
        caches.extend(definition.files.iter().map(|f| f.path.join("cache")));
        caches
    }
}

/// Replaces the literals at `nodes`; a value that is there already keeps its spelling.
pub(super) fn put(edits: &mut Edits, nodes: &[&Node], what: &str, new: &str) -> Result<()> {
    if nodes.is_empty() {
        return Err(Error::invalid(format!("the settings file does not define {what}: there is no place to write it")));
    }
    for node in nodes {
        match &node.value {
            Value::Text { value, .. } if value == new.as_bytes() => {}
            Value::Number(n) if n == new => {}
            Value::Text { double, .. } => edits.replace(node.span.clone(), quoted(new.as_bytes(), *double)),
            Value::Number(_) | Value::Name(_) => edits.replace(node.span.clone(), quoted(new.as_bytes(), false)),
            _ => return Err(Error::invalid(format!("{what} is computed by the site: it cannot be rewritten"))),
        }
    }
    Ok(())
}

fn fill(found: &mut Found, config: &Config<'_>, settings: &Path, who: &Identity) -> Result<()> {
    let root = found.definition.root.clone();
    let content = config.path("WP_CONTENT_DIR", &root, settings).unwrap_or_else(|| root.join("wp-content"));
    let uploads = config.path("UPLOADS", &root, settings).unwrap_or_else(|| content.join("uploads"));
    for name in ["WP_CONTENT_DIR", "UPLOADS"] {
        if !config.nodes(name).is_empty() && config.path(name, &root, settings).is_none() {
            found.warnings.push(format!("{name} is computed by the site: check the directory of uploads, or give it with --files"));
        }
    }
    match sqlite(config, &content, &root, settings, who)? {
        Some(path) => found.database(address::sqlite(path), settings),
        None => {
            let access = config.access()?.ok_or_else(|| {
                Error::invalid("it defines no database: the site takes it from elsewhere")
                    .hint("give --settings FILE, or --database-engine mysql with --database-name, --database-user and --database-host")
            })?;
            found.database(access, settings);
        }
    }
    found.files("public", &uploads, who);
    if look::is_dir(&content.join("blogs.dir"), who) {
        found.files("blogs", &content.join("blogs.dir"), who);
    }
    for name in ["WP_HOME", "WP_SITEURL"] {
        if let Ok(Some(url)) = config.constant((name, "--url"))
            && found.definition.url.is_none()
        {
            found.definition.url = Some(url);
        }
    }
    let wp_settings = |f: &str| f.ends_with("wp-settings.php");
    for (at, file) in includes(&config.tokens).into_iter().filter(|(_, f)| !wp_settings(f)) {
        let line = line_of(config.text, at);
        found.warnings.push(format!("line {line} of wp-config.php includes {file}, which is not looked into: it may set another database"));
    }
    Ok(())
}

/// The file of the plugin that puts WordPress on SQLite, when that is what the site runs on.
fn sqlite(config: &Config<'_>, content: &Path, root: &Path, settings: &Path, who: &Identity) -> Result<Option<PathBuf>> {
    let drop_in = look::read(&content.join("db.php"), who)?;
    if drop_in.is_none_or(|(_, text)| memchr::memmem::find(&text.to_ascii_lowercase(), b"sqlite").is_none()) {
        return Ok(None);
    }
    if matches!(config.constant(("DB_ENGINE", "--database-engine")), Ok(Some(engine)) if engine != "sqlite") {
        return Ok(None);
    }
    let dir = config.path("DB_DIR", root, settings).unwrap_or_else(|| content.join("database"));
    let name = config.constant(("DB_FILE", "--database-name"))?.unwrap_or_else(|| ".ht.sqlite".to_owned());
    let path = dir.join(name);
    Ok(Some(who.act(|| std::fs::canonicalize(&path)).unwrap_or(path)))
}

fn version(text: &[u8]) -> Option<String> {
    let all = assignments(&tokens(text).ok()?, &["wp_version"]).ok()?;
    one(text, "$wp_version", "", &at(&all, "wp_version", &[])).ok()?
}

/// `wp-content`, or where uploads say that it is; relative to the root.
fn content_dir(definition: &Definition) -> String {
    let public = definition.files.iter().find(|f| f.name == "public").and_then(|f| inside(&definition.root, &f.path));
    let parent = public.as_deref().and_then(Path::parent).filter(|p| !p.as_os_str().is_empty());
    parent.map_or_else(|| "wp-content".to_owned(), |p| p.display().to_string())
}

#[cfg(test)]
#[path = "wordpress_tests.rs"]
mod tests;
