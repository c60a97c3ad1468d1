//! The ways in which settings write where a database is: hosts with ports and sockets, and URLs.

use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::domain::site::{Access, Account, DatabaseAddress, Endpoint};
use std::path::{Path, PathBuf};

/// Where MySQL clients look for the server when they are told `localhost`: the first that exists, or Debian's.
pub(super) fn mysql_socket() -> PathBuf {
    const KNOWN: [&str; 4] = ["/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/run/mysql/mysql.sock", "/tmp/mysql.sock"];
    KNOWN.iter().map(PathBuf::from).find(|p| p.exists()).unwrap_or_else(|| KNOWN[0].into())
}

/// Where PostgreSQL's clients look for the server when they are told no host.
pub(super) const POSTGRES_SOCKETS: &str = "/var/run/postgresql";

pub(super) const MYSQL_PORT: u16 = 3306;
pub(super) const POSTGRES_PORT: u16 = 5432;

pub(super) fn mysql(at: Endpoint, database: String, user: String, prefix: String, password: String) -> Access {
    Access { address: DatabaseAddress::Mysql(Account { at, database, user, prefix }), password: Secret::new(password) }
}

pub(super) fn postgres(at: Endpoint, database: String, user: String, prefix: String, password: String) -> Access {
    Access { address: DatabaseAddress::Postgres(Account { at, database, user, prefix }), password: Secret::new(password) }
}

pub(super) fn sqlite(path: impl Into<PathBuf>) -> Access {
    Access { address: DatabaseAddress::Sqlite { path: path.into() }, password: Secret::new("") }
}

/// MySQL's endpoint from the fields that PHP and Python hand to the client library: `localhost` and an empty host mean
/// the socket, whatever the port says.
pub(super) fn mysql_endpoint(host: &str, port: Option<u16>, socket: Option<&str>) -> Endpoint {
    match socket.filter(|s| !s.is_empty()) {
        Some(socket) => Endpoint::Socket { path: socket.into(), port: None },
        None if host.starts_with('/') => Endpoint::Socket { path: host.into(), port: None },
        None if host.is_empty() || host.eq_ignore_ascii_case("localhost") => Endpoint::Socket { path: mysql_socket(), port: None },
        None => Endpoint::Tcp { host: host.to_owned(), port: port.unwrap_or(MYSQL_PORT) },
    }
}

/// PostgreSQL's endpoint: a host that is a path, or none, means a directory of sockets.
pub(super) fn postgres_endpoint(host: &str, port: Option<u16>) -> Endpoint {
    match host {
        "" => Endpoint::Socket { path: POSTGRES_SOCKETS.into(), port },
        path if path.starts_with('/') => Endpoint::Socket { path: path.into(), port },
        host => Endpoint::Tcp { host: host.to_owned(), port: port.unwrap_or(POSTGRES_PORT) },
    }
}

/// # Errors
/// `Invalid` for what is no port; an empty one is none.
pub(super) fn port(text: &str) -> Result<Option<u16>> {
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Error::invalid(format!("{text:?} is not a port")).hint("give it with --database-port"))
}

/// WordPress' DB_HOST, by the rules of `wpdb::parse_db_host`: `host`, `host:port`, `host:/socket`, `[v6]:port`.
///
/// # Errors
/// `Invalid` when there is something else behind the colon.
pub(super) fn db_host(text: &str) -> Result<Endpoint> {
    if let Some(at) = text.find(":/") {
        return Ok(Endpoint::Socket { path: text[at + 1..].into(), port: None });
    }
    let wrong = || Error::invalid("DB_HOST is neither host, host:port nor host:/socket").hint("give it with --database-host");
    let (host, after) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
        (host, after.strip_prefix(':').unwrap_or(after))
    } else if text.matches(':').count() > 1 {
        (text, "")
    } else {
        text.split_once(':').unwrap_or((text, ""))
    };
    if host.contains('/') || !after.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    Ok(mysql_endpoint(host, port(after)?, None))
}

/// DB_HOST for an endpoint: what [`db_host`] reads back.
pub(super) fn write_db_host(at: &Endpoint) -> String {
    match at {
        Endpoint::Socket { path, .. } => format!("localhost:{}", path.display()),
        Endpoint::Tcp { host, port } => {
            // a client takes `localhost` for the socket
            let host = if host.eq_ignore_ascii_case("localhost") { "127.0.0.1" } else { host };
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            if *port == MYSQL_PORT { host } else { format!("{host}:{port}") }
        }
    }
}

/// A database URL cut into its parts, percent-encoding undone: `scheme://user:password@host:port/name?options`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct DatabaseUrl {
    pub scheme: String,
    pub user: String,
    pub password: String,
    pub host: String,
    pub port: Option<u16>,
    pub name: String,
    /// As written, with the question mark.
    pub query: String,
    /// As written: host and port.
    location: String,
}

impl DatabaseUrl {
    /// # Errors
    /// `Invalid` when it is no such URL; the sentence does not repeat it, for it holds a password.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: &str| {
            Error::invalid(format!("the database URL {what}"))
                .hint("it is written scheme://user:password@host:port/name, with special characters percent-encoded")
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("has no scheme"))?;
        let (rest, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (userinfo, location) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let (host, number) = match location.strip_prefix('[').and_then(|l| l.split_once(']')) {
            Some((v6, after)) => (v6, after.strip_prefix(':').unwrap_or(after)),
            None => location.rsplit_once(':').unwrap_or((location, "")),
        };
        let decoded = |part: &str| decode(part).ok_or_else(|| wrong("is not percent-encoded well"));
        if text.contains('#') {
            return Err(wrong("has a # in it"));
        }
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            user: decoded(user)?,
            password: decoded(password)?,
            host: decoded(host)?,
            port: port(number).map_err(|_| wrong("has no number for a port"))?,
            name: decoded(path.strip_prefix('/').unwrap_or(path))?,
            query: query.to_owned(),
            location: location.to_owned(),
        })
    }

    /// The value of an option behind the question mark.
    fn option(&self, names: &[&str]) -> Option<String> {
        let pairs = self.query.strip_prefix('?')?.split('&');
        pairs.filter_map(|p| p.split_once('=')).find(|(k, _)| names.contains(k)).and_then(|(_, v)| decode(v))
    }

    /// What it gives access to; relative SQLite paths begin at `base`. `None` for a scheme that is no database of ours.
    pub fn access(&self, base: &Path) -> Option<Access> {
        let socket = self.option(&["unix_socket", "host", "socket"]).filter(|s| s.starts_with('/'));
        let s = self.scheme.split('+').next().unwrap_or_default();
        match s {
            "mysql" | "mysql2" | "mysqli" | "mariadb" | "mysqlgis" | "mysql-connector" => {
                let at = mysql_endpoint(&self.host, self.port, socket.as_deref());
                Some(mysql(at, self.name.clone(), self.user.clone(), String::new(), self.password.clone()))
            }
            "postgres" | "postgresql" | "psql" | "pgsql" | "postgis" | "postgresql_psycopg2" => {
                let at = postgres_endpoint(socket.as_deref().unwrap_or(&self.host), self.port);
                Some(postgres(at, self.name.clone(), self.user.clone(), String::new(), self.password.clone()))
            }
            "sqlite" | "sqlite3" | "spatialite" if !self.name.is_empty() && self.name != ":memory:" => Some(sqlite(base.join(&self.name))),
            _ => None,
        }
    }

    /// The same URL for another account and database on the same server. Scheme, host, port and options stay as written.
    pub fn with(&self, account: &Account, password: &Secret) -> String {
        let Self { scheme, location, query, .. } = self;
        let password = match password.expose() {
            "" => String::new(),
            p => format!(":{}", encode(p)),
        };
        format!("{scheme}://{}{password}@{location}/{}{query}", encode(&account.user), encode(&account.database))
    }

    /// The same URL for a server at another place.
    ///
    /// # Errors
    /// `Invalid` when the place is written as an option.
    pub fn moved_to(&self, at: &Endpoint) -> Result<Self> {
        let location = match at {
            Endpoint::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Endpoint::Tcp { host, port } => format!("{host}:{port}"),
            Endpoint::Socket { path, port: None } => encode(&path.display().to_string()),
            Endpoint::Socket { path, port: Some(port) } => format!("{}:{port}", encode(&path.display().to_string())),
        };
        if self.option(&["unix_socket", "host", "socket"]).is_some() {
            return Err(Error::invalid("the database URL names its socket as an option, and another server cannot be written there")
                .hint("change the settings by hand to name the server in the URL's host"));
        }
        Ok(Self { location, ..self.clone() })
    }
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let digit = |b: Option<u8>| char::from(b?).to_digit(16);
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            out.push((high * 16 + low) as u8);
        } else {
            out.push(b);
        }
    }
    String::from_utf8(out).ok()
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp { host: host.into(), port }
    }
    fn socket(path: &str) -> Endpoint {
        Endpoint::Socket { path: path.into(), port: None }
    }

    #[test]
    fn db_host_is_read_as_wordpress_reads_it_and_written_so_that_it_reads_the_same() {
        let default = mysql_socket().display().to_string();
        let table = [
            ("db.example.org", tcp("db.example.org", 3306)),
            ("127.0.0.1:3307", tcp("127.0.0.1", 3307)),
            ("localhost", socket(&default)),
            ("localhost:3307", socket(&default)),
            ("", socket(&default)),
            ("localhost:/tmp/m.sock", socket("/tmp/m.sock")),
            (":/tmp/m.sock", socket("/tmp/m.sock")),
            ("::1", tcp("::1", 3306)),
            ("[::1]", tcp("::1", 3306)),
            ("[fe80::1]:3308", tcp("fe80::1", 3308)),
        ];
        for (text, endpoint) in table {
            assert_eq!(db_host(text).unwrap(), endpoint, "{text:?}");
            assert_eq!(db_host(&write_db_host(&endpoint)).unwrap(), endpoint, "written anew: {text:?}");
        }
        assert_eq!(write_db_host(&tcp("localhost", 3306)), "127.0.0.1");
        for bad in ["host:port", "a/b", "[::1", "x:99999"] {
            assert!(db_host(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn urls_are_read_and_rewritten_with_everything_else_as_it_was() {
        let text = "postgres://us%40er:p%2Fw%3A@db.internal:5433/na%20me?sslmode=require&x=1";
        let url = DatabaseUrl::parse(text).unwrap();
        let access = url.access(Path::new("/srv")).unwrap();
        let account = access.address.account().unwrap().clone();
        assert_eq!((account.user.as_str(), access.password.expose(), account.database.as_str()), ("us@er", "p/w:", "na me"));
        assert_eq!(account.at, tcp("db.internal", 5433));
        assert_eq!(url.with(&account, &access.password), text);
        let new = url.with(&Account { user: "a:b@c/d?e#f".into(), database: "ö%".into(), ..account }, &Secret::new("%41@"));
        let again = DatabaseUrl::parse(&new).unwrap();
        assert_eq!((again.user.as_str(), again.password.as_str(), again.name.as_str()), ("a:b@c/d?e#f", "%41@", "ö%"));
        assert_eq!((again.host.as_str(), again.query.as_str()), ("db.internal", "?sslmode=require&x=1"));
    }

    #[test]
    fn urls_name_sockets_and_files_in_several_ways() {
        let at = |text: &str| DatabaseUrl::parse(text).unwrap().access(Path::new("/srv/site")).map(|a| a.address);
        let pg = |e: Endpoint| Some(postgres(e, "n".into(), "u".into(), String::new(), String::new()).address);
        assert_eq!(at("postgres://u@%2Frun%2Fpg:5433/n"), pg(Endpoint::Socket { path: "/run/pg".into(), port: Some(5433) }));
        assert_eq!(at("postgresql://u@/n?host=/run/pg"), pg(Endpoint::Socket { path: "/run/pg".into(), port: None }));
        assert_eq!(at("sqlite:///db.sqlite3"), Some(DatabaseAddress::Sqlite { path: "/srv/site/db.sqlite3".into() }));
        assert_eq!(at("sqlite:////var/db.sqlite3"), Some(DatabaseAddress::Sqlite { path: "/var/db.sqlite3".into() }));
        assert_eq!(at("redis://localhost/1"), None);
        for bad in ["nothing", "mysql://u:p@h:port/x", "mysql://u:%zz@h/x", "mysql://u:p#@h/x"] {
            let e = DatabaseUrl::parse(bad).err().unwrap().to_string();
            assert!(!e.contains(bad), "{e}");
        }
    }
}
