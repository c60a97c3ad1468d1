//! What a Django settings module assigns, with the modules that it takes everything from.

use super::edit::{Edits, line_of};
use super::env::{Kind, kind};
use super::python::{Line, Node, Statement, Value, lines, quoted, statement, value};
use super::pythonpath::Known;
use super::{address, look};
use crate::base::error::{Error, Result};
use crate::base::identity::Identity;
use crate::domain::site::{Access, DatabaseAddress, Endpoint};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// One assignment to a name that is of interest.
struct Assigned {
    file: usize,
    name: String,
    path: Vec<String>,
    node: Node,
    indented: bool,
}

/// A module and all that it takes in by `from … import *`, in the order in which Python would read it.
pub(super) struct Settings {
    files: Vec<(PathBuf, Vec<u8>)>,
    all: Vec<Assigned>,
    /// Names that hold a path, as they stand at the end.
    paths: HashMap<String, PathBuf>,
    computed: Vec<String>,
}

const NAMES: [&str; 3] = ["DATABASES", "MEDIA_ROOT", "STATIC_ROOT"];
const MOST_FILES: usize = 24;

/// Other modules in the package of `module`, when it is one of several (`shop.settings.dev`).
pub(super) fn modules(root: &Path, module: &str, who: &Identity) -> Vec<String> {
    let Some((package, this)) = module.rsplit_once('.') else { return Vec::new() };
    let dir = root.join(package.replace('.', "/"));
    let names = look::names(&dir, who).into_iter().filter_map(|n| n.strip_suffix(".py").map(str::to_owned));
    let good = |n: &String| n != this && n != "__init__" && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let settings = package.ends_with("settings");
    names.filter(good).filter(|n| settings || n.contains("settings")).take(20).map(|n| format!("{package}.{n}")).collect()
}

impl Settings {
    /// Loads `module` below `root`; `None` when it is not there.
    pub fn load(root: &Path, module: &str, who: &Identity) -> Result<Option<Self>> {
        let mut loading = Loading { root, who, settings: Self::empty() };
        let found = loading.module(&root.join(module.replace('.', "/")), 0)?;
        Ok(found.then_some(loading.settings))
    }

    /// One text alone; its own place is not known, so paths that it works out from there begin at `/`.
    pub fn of_text(text: &[u8]) -> Result<Self> {
        let mut settings = Self::empty();
        settings.files.push((PathBuf::from("/settings.py"), text.to_vec()));
        for line in lines(text)? {
            settings.take(&line, 0);
        }
        Ok(settings)
    }

    fn empty() -> Self {
        Self { files: Vec::new(), all: Vec::new(), paths: HashMap::new(), computed: Vec::new() }
    }

    fn take(&mut self, line: &Line, file: usize) {
        match statement(&line.tokens) {
            Statement::Assign { name, path, value: expression } => {
                let place = self.files[file].0.clone();
                let worked_out = Known { names: &self.paths, file: &place }.path(expression).filter(|_| path.is_empty());
                if let Some(worked_out) = worked_out {
                    self.paths.insert(name.to_owned(), worked_out);
                    self.computed.retain(|n| n != name);
                } else if path.is_empty() {
                    self.paths.remove(name);
                    if !self.computed.iter().any(|n| n == name) && NAMES.contains(&name) {
                        self.computed.push(name.to_owned());
                    }
                }
                if name == "DATABASES" && self.all.len() < 300 {
                    self.all.push(Assigned { file, name: name.to_owned(), path, node: value(expression, 0), indented: line.indented });
                }
            }
            Statement::Change { name: "DATABASES" } => {
                let span = line.tokens.first().map_or(0..0, |t| t.span.clone());
                let node = Node { value: Value::Computed, span, tokens: line.tokens.clone() };
                self.all.push(Assigned { file, name: "DATABASES".into(), path: Vec::new(), node, indented: true });
            }
            _ => {}
        }
    }

    /// The directory of the module itself (it is read to its end last, but opened first).
    pub fn dir(&self) -> Option<&Path> {
        self.files.first().and_then(|(path, _)| path.parent())
    }

    /// A path setting: `None` when it is not given or empty, `Err` when it is computed.
    pub fn path(&self, name: &str) -> Option<Result<PathBuf, ()>> {
        match self.paths.get(name) {
            Some(path) if path.as_os_str().is_empty() => None,
            Some(path) => Some(Ok(path.clone())),
            None => self.computed.iter().any(|n| n == name).then_some(Err(())),
        }
    }

    /// The nodes that may hold at a path in DATABASES: what stands outside of blocks replaces what came before it.
    fn nodes(&self, path: &[&str]) -> Vec<(usize, &Node)> {
        let mut found: Vec<(usize, &Node)> = Vec::new();
        for a in self.all.iter().filter(|a| a.name == "DATABASES" && a.path.len() <= path.len()) {
            if !a.path.iter().zip(path).all(|(x, y)| x == y) {
                continue;
            }
            if !a.indented {
                found.clear();
            }
            if let Some(node) = descend(&a.node, &path[a.path.len()..]) {
                found.push((a.file, node));
            }
        }
        found
    }

    /// The one text at a key of the default database.
    fn get(&self, key: &[&str]) -> Result<Option<String>> {
        let path = [&["default"], key].concat();
        let what = key.join(".");
        let mut found: Option<String> = None;
        for (file, node) in self.nodes(&path) {
            let (place, text) = &self.files[file];
            let line = line_of(text, node.span.start);
            let value = match &node.value {
                Value::Text(t) => t.clone(),
                Value::Number(n) => n.clone(),
                Value::Name(n) if n == "None" => String::new(),
                _ if key == ["NAME"] => match (Known { names: &self.paths, file: place }).path(&node.tokens) {
                    Some(path) => path.display().to_string(),
                    None => return Err(computed(&what, line, place)),
                },
                _ => return Err(computed(&what, line, place)),
            };
            if found.as_ref().is_some_and(|f| *f != value) {
                return Err(Error::invalid(format!(
                    "{what} of DATABASES is given more than once (again in line {line} of {})",
                    place.display()
                ))
                .hint("which one holds is decided when the site runs: give the database by options"));
            }
            found = Some(value);
        }
        Ok(found)
    }

    pub fn access(&self) -> Result<Option<Access>> {
        let Some(engine) = self.get(&["ENGINE"])?.filter(|e| !e.is_empty()) else { return Ok(None) };
        let get = |key: &[&str]| self.get(key).map(Option::unwrap_or_default);
        let name = get(&["NAME"])?;
        let known = kind(engine.rsplit_once("backends").map_or(engine.as_str(), |(_, last)| last)).or_else(|| kind(&engine));
        if known == Some(Kind::Sqlite) {
            return Ok(Some(address::sqlite(name)));
        }
        if name.is_empty() {
            return Err(
                Error::invalid("DATABASES has no NAME").hint("if it is in a file of the client library, give the database by options")
            );
        }
        let (user, password, host, port) = (get(&["USER"])?, get(&["PASSWORD"])?, get(&["HOST"])?, address::port(&get(&["PORT"])?)?);
        match known {
            Some(Kind::Mysql) => {
                let at = address::mysql_endpoint(&host, port, Some(&get(&["OPTIONS", "unix_socket"])?));
                Ok(Some(address::mysql(at, name, user, String::new(), password)))
            }
            Some(Kind::Postgres) => {
                Ok(Some(address::postgres(address::postgres_endpoint(&host, port), name, user, String::new(), password)))
            }
            _ => Err(Error::invalid(format!("the database engine {engine} is not one that is known here"))
                .hint("MySQL, PostgreSQL and SQLite are; give the database by options if it is one of them")),
        }
    }

    /// The access, and the one file whose values it is made of.
    pub fn access_in(&self) -> Result<Option<(Access, PathBuf)>> {
        let Some(mut access) = self.access()? else { return Ok(None) };
        if let DatabaseAddress::Sqlite { path } = &mut access.address
            && let Some(dir) = self.dir()
        {
            *path = look::lexical(&dir.join(&*path));
        }
        let mut files: Vec<usize> =
            ["NAME", "USER", "PASSWORD"].iter().flat_map(|k| self.nodes(&["default", k])).map(|(file, _)| file).collect();
        files.sort_unstable();
        files.dedup();
        match files[..] {
            [one] => Ok(Some((access, self.files[one].0.clone()))),
            _ => Err(Error::invalid("the name and the password of the database are written in different files")
                .hint("write them in one place, or give the database by options")),
        }
    }

    pub fn rewrite(&self, text: &[u8], new: &Access) -> Result<Vec<u8>> {
        let old = self.access()?.ok_or_else(|| Error::invalid("the settings name no database"))?;
        let account = match (&new.address, &old.address) {
            // A restore exchanges the file; its place stays.
            (DatabaseAddress::Sqlite { .. }, DatabaseAddress::Sqlite { .. }) => return Ok(text.to_vec()),
            (DatabaseAddress::Mysql(a), DatabaseAddress::Mysql(_)) | (DatabaseAddress::Postgres(a), DatabaseAddress::Postgres(_)) => a,
            _ => return Err(Error::invalid("the settings name a database of another kind: a site stays on the kind that it has")),
        };
        let mut edits = Edits::default();
        self.set(&mut edits, text, "NAME", &account.database)?;
        self.set(&mut edits, text, "USER", &account.user)?;
        self.set(&mut edits, text, "PASSWORD", new.password.expose())?;
        if old.address.account().is_none_or(|a| a.at != account.at) {
            if !self.nodes(&["default", "OPTIONS", "unix_socket"]).is_empty() {
                return Err(Error::invalid("the socket in OPTIONS cannot be rewritten").hint("write it as HOST, then try again"));
            }
            let (host, port) = match &account.at {
                Endpoint::Tcp { host, port } => (host.clone(), port.to_string()),
                Endpoint::Socket { path, port } => (path.display().to_string(), port.map(|p| p.to_string()).unwrap_or_default()),
            };
            let mysql = matches!(new.address, DatabaseAddress::Mysql(_));
            let host = if mysql && host.eq_ignore_ascii_case("localhost") { "127.0.0.1".to_owned() } else { host };
            self.set(&mut edits, text, "HOST", &host)?;
            self.set(&mut edits, text, "PORT", &port)?;
        }
        edits.apply(text)
    }

    fn set(&self, edits: &mut Edits, text: &[u8], key: &str, new: &str) -> Result<()> {
        let nodes = self.nodes(&["default", key]);
        for (_, node) in &nodes {
            match &node.value {
                Value::Text(t) if t == new => {}
                Value::Number(n) if n == new => {}
                Value::Text(_) | Value::Number(_) | Value::Name(_) => {
                    let old = &text[node.span.clone()];
                    let quote = old.iter().copied().find(|b| matches!(b, b'\'' | b'"')).map_or('"', char::from);
                    edits.replace(node.span.clone(), quoted(new, quote));
                }
                _ => return Err(Error::invalid(format!("{key} of DATABASES is computed by the site: it cannot be rewritten"))),
            }
        }
        if !nodes.is_empty() || new.is_empty() {
            return Ok(());
        }
        let mut written = false;
        for (_, node) in self.nodes(&["default"]) {
            if let Value::Dict(items) = &node.value
                && let Some((_, name)) = items.iter().find(|(k, _)| k == "NAME")
            {
                edits.insert(name.span.end, format!(", \"{key}\": {}", quoted(new, '"')));
                written = true;
            }
        }
        if written {
            Ok(())
        } else {
            Err(Error::invalid(format!("there is no place for {key} in DATABASES: add it by hand, then try again")))
        }
    }
}

fn computed(what: &str, line: usize, place: &Path) -> Error {
    Error::invalid(format!("{what} of DATABASES in line {line} of {} is computed by the site, not written there", place.display()))
}

fn descend<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    match (&node.value, path) {
        (_, []) | (Value::Computed, _) => Some(node),
        (Value::Dict(items), [first, rest @ ..]) => items.iter().rev().find(|(k, _)| k == first).and_then(|(_, n)| descend(n, rest)),
        (Value::Name(n), _) if n != "None" => Some(node),
        _ => None,
    }
}

struct Loading<'a> {
    root: &'a Path,
    who: &'a Identity,
    settings: Settings,
}

impl Loading<'_> {
    /// A module by its path without `.py`, or a package by its directory.
    fn module(&mut self, base: &Path, depth: usize) -> Result<bool> {
        for path in [base.with_extension("py"), base.join("__init__.py")] {
            if let Some((_, text)) = look::read(&path, self.who)? {
                self.file(path, text, depth)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn file(&mut self, path: PathBuf, text: Vec<u8>, depth: usize) -> Result<()> {
        if depth > 8 || self.settings.files.len() >= MOST_FILES {
            return Err(Error::invalid("the settings take in too many modules").hint("give the database by options"));
        }
        let lines = lines(&text).map_err(|e| e.context(path.display().to_string()))?;
        let file = self.settings.files.len();
        self.settings.files.push((path.clone(), text));
        for line in &lines {
            match statement(&line.tokens) {
                Statement::Star { module } => {
                    let base = self.resolve(&path, &module);
                    if base.starts_with(self.root) && !self.settings.files.iter().any(|(p, _)| *p == base.with_extension("py")) {
                        self.module(&base, depth + 1)?;
                    }
                }
                _ => self.settings.take(line, file),
            }
        }
        Ok(())
    }

    /// `.base` is beside the file, `..x` one up, `shop.settings.base` below the root.
    fn resolve(&self, file: &Path, module: &str) -> PathBuf {
        let dots = module.bytes().take_while(|b| *b == b'.').count();
        let rest = module[dots..].replace('.', "/");
        let mut base = if dots == 0 { self.root.to_owned() } else { file.parent().unwrap_or(self.root).to_owned() };
        for _ in 1..dots {
            base.pop();
        }
        base.join(rest)
    }
}
