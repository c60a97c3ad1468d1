//! One account at one server, asked through the server's own client.

use super::super::client::{CREDENTIALS_PATH, Tool, find, unknown_complaint};
use crate::base::error::{Class, Error, Result};
use crate::base::secret::Secret;
use crate::domain::site::{Access, Account, DatabaseAddress, Endpoint};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// How long a question about the server itself may take. Counting rows and renaming tables have no limit.
pub const SHORT: Option<Duration> = Some(Duration::from_secs(60));

/// Where the programs are and what they are.
#[derive(Clone, Debug)]
pub struct Tools {
    pub client: PathBuf,
    pub dump: PathBuf,
    /// MariaDB's own, as against MySQL's.
    pub mariadb: bool,
    /// `mariadb-dump 10.11.6`.
    pub name: String,
    pub version: (u32, u32),
    /// The client can be told to run no command that touches files.
    sandbox: bool,
}

impl Tools {
    /// MariaDB's where they are, else MySQL's; looked for once.
    ///
    /// # Errors
    /// `Permanent` when there are none.
    pub fn find() -> Result<Self> {
        static FOUND: OnceLock<Tools> = OnceLock::new();
        if let Some(tools) = FOUND.get() {
            return Ok(tools.clone());
        }
        let tools = Self::look(find(&["mariadb", "mysql"], &[]), find(&["mariadb-dump", "mysqldump"], &[]))?;
        Ok(FOUND.get_or_init(|| tools).clone())
    }

    pub fn look(client: Option<PathBuf>, dump: Option<PathBuf>) -> Result<Self> {
        let missing = |what: &str| {
            Error::permanent(format!("{what} is not installed on this host"))
                .hint("install the package mariadb-client (or mysql-client, for a MySQL server)")
        };
        let client = client.ok_or_else(|| missing("the MySQL client (mariadb or mysql)"))?;
        let dump = dump.ok_or_else(|| missing("mariadb-dump (or mysqldump)"))?;
        let said = Tool::new(&dump).args(["--no-defaults", "--version"]).output(b"", SHORT, explain)?;
        let said = String::from_utf8_lossy(&said).into_owned();
        let mariadb = said.contains("MariaDB");
        // MariaDB: `mariadb-dump from 11.4.2-MariaDB`, `mysqldump  Ver 10.19 Distrib 10.11.6-MariaDB`; MySQL: `Ver 8.0.36 for Linux`.
        let version = said.split("Distrib").nth(1).or_else(|| said.split(" from ").nth(1)).or_else(|| said.split("Ver").nth(1));
        let version = version.unwrap_or_default().trim();
        let number: String = version.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let help = Tool::new(&client).args(["--no-defaults", "--help"]).output(b"", SHORT, explain)?;
        Ok(Self {
            sandbox: memchr::memmem::find(&help, b"--sandbox").is_some(),
            name: format!("{} {number}", if mariadb { "mariadb-dump" } else { "mysqldump" }),
            version: major_minor(&number),
            client,
            dump,
            mariadb,
        })
    }
}

/// `10.11.6-MariaDB` is (10, 11).
pub fn major_minor(version: &str) -> (u32, u32) {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// An account, ready to be asked.
#[derive(Clone, Debug)]
pub struct Session {
    pub account: Account,
    password: Secret,
    pub tools: Tools,
}

/// A row of an answer; every column was asked for as HEX() or is a number.
pub type Row = Vec<String>;

impl Session {
    /// # Errors
    /// `Permanent` when there is no client; `Internal` when the address is of another engine.
    pub fn new(access: &Access) -> Result<Self> {
        match &access.address {
            DatabaseAddress::Mysql(account) => {
                Ok(Self { account: account.clone(), password: access.password.clone(), tools: Tools::find()? })
            }
            _ => Err(Error::internal("this is not the address of a MySQL database")),
        }
    }

    pub fn password(&self) -> &Secret {
        &self.password
    }

    /// The same server and account, with another database in use.
    pub fn on(&self, database: &str) -> Self {
        let mut other = self.clone();
        database.clone_into(&mut other.account.database);
        other
    }

    /// A program with this account's credentials as its only option file: what is set for others in /etc/mysql cannot
    /// change what a dump holds.
    pub fn tool(&self, program: &std::path::Path) -> Result<Tool> {
        Tool::new(program).args([format!("--defaults-file={CREDENTIALS_PATH}")]).credentials(&self.options(), &self.password)
    }

    fn options(&self) -> String {
        let mut text =
            format!("[client]\nuser={}\npassword={}\n", quoted_option(&self.account.user), quoted_option(self.password.expose()));
        match &self.account.at {
            Endpoint::Socket { path, .. } => {
                text += &format!("protocol=socket\nsocket={}\n", quoted_option(&path.to_string_lossy()));
            }
            // For every MySQL client, PHP's too, `localhost` is the usual socket and not an address.
            Endpoint::Tcp { host, port: 3306 } if host == "localhost" => {}
            Endpoint::Tcp { host, port } => text += &format!("protocol=tcp\nhost={}\nport={port}\n", quoted_option(host)),
        }
        text + "default-character-set=utf8mb4\n[mysql]\nconnect-timeout=20\n"
    }

    /// The client, set to read statements from a pipe and to obey none of its own commands.
    pub fn client(&self, database: bool) -> Result<Tool> {
        let mut tool = self.tool(&self.tools.client)?.args([
            "--batch",
            "--raw",
            "--skip-column-names",
            "--no-auto-rehash",
            "--binary-mode",
            "--local-infile=0",
            "--skip-reconnect",
            "--max-allowed-packet=1G",
        ]);
        if self.tools.sandbox {
            tool = tool.args(["--sandbox"]);
        }
        if database && !self.account.database.is_empty() {
            tool = tool.args([format!("--database={}", self.account.database)]);
        }
        Ok(tool)
    }

    /// Runs statements in one session, in the account's database, and gives all rows of all answers.
    pub fn ask(&self, sql: &str, limit: Option<Duration>) -> Result<Vec<Row>> {
        self.run(sql, limit, true)
    }
    /// The same with no database in use: it may not exist yet.
    pub fn ask_server(&self, sql: &str) -> Result<Vec<Row>> {
        self.run(sql, SHORT, false)
    }

    fn run(&self, sql: &str, limit: Option<Duration>, database: bool) -> Result<Vec<Row>> {
        // Whatever the server's default mode is: a string and a zero date mean the same here everywhere.
        let sql = format!("set names utf8mb4;\nset session sql_mode='', lock_wait_timeout=60;\n{sql}\n");
        let answer = self.client(database)?.output(sql.as_bytes(), limit, explain)?;
        Ok(String::from_utf8_lossy(&answer).lines().map(|l| l.split('\t').map(str::to_owned).collect()).collect())
    }
}

/// A value in an option file: in double quotes, with what ends a line or begins a comment escaped.
fn quoted_option(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' | '"' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A name in backticks.
pub fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A string that no mode of the server reads in another way.
pub fn text(value: &str) -> String {
    if value.is_empty() { "''".to_owned() } else { format!("_utf8mb4 x'{}'", crate::base::secret::hex(value.as_bytes())) }
}

/// What was asked for as HEX().
pub fn unhex(column: &str) -> String {
    String::from_utf8_lossy(&unhex_bytes(column)).into_owned()
}

pub fn unhex_bytes(column: &str) -> Vec<u8> {
    let digit = |b: u8| (b as char).to_digit(16).unwrap_or(0) as u8;
    column.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// What the client's complaints mean. The number is the server's (1045) or the client's (2002) own.
pub fn explain(complaints: &str) -> Error {
    let number = complaints.lines().rev().find_map(error_number);
    let (class, hint) = match number {
        Some(1045 | 1698) => (Class::Permanent, "check the database's user and password in the site's settings"),
        Some(1044 | 1142 | 1143 | 1227 | 1370) => (Class::Permanent, "give the site's database user all privileges on its own database"),
        Some(1049) => (Class::Permanent, "check the database's name in the site's settings"),
        Some(2002 | 2003 | 2005) => (Class::Transient, "check that the database server runs and that its address is right"),
        Some(1053 | 1317 | 1927 | 2006 | 2013) => {
            (Class::Transient, "the database server stopped, or ended the connection: its own log says why")
        }
        Some(1040 | 1226) => {
            (Class::Transient, "too many connections to the database server are open: it lets this account have no further one")
        }
        Some(1205 | 1213 | 1412) => (Class::Transient, "something else was changing the same tables at that moment"),
        Some(1021 | 1037 | 1038 | 1041 | 1114 | 3) => (Class::Resource, "make room on the database server"),
        Some(1030) if complaints.contains("28") => (Class::Resource, "make room on the database server"),
        Some(1153) => (Class::Permanent, "raise max_allowed_packet on the database server"),
        _ => (Class::Permanent, ""),
    };
    let error = unknown_complaint(class, complaints);
    if hint.is_empty() { error } else { error.hint(hint) }
}

/// `ERROR 1045 (28000): …` of the client; `Got error: 1045: "…"`, `Error 2013: …`, `Couldn't execute '…': … (1412)` of the dump tool.
fn error_number(line: &str) -> Option<u32> {
    let lower = line.to_ascii_lowercase();
    let after = lower.find("error").and_then(|at| {
        let rest = lower[at + 5..].trim_start_matches([':', ' ', '(']);
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    });
    after.or_else(|| lower.trim_end().strip_suffix(')')?.rsplit('(').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_sorted_by_whether_another_try_may_help() {
        for (complaint, class) in [
            ("ERROR 1045 (28000): Access denied for user 'u'@'localhost' (using password: YES)", Class::Permanent),
            (
                "mariadb-dump: Got error: 2002: \"Can't connect to local server through socket '/x'\" when trying to connect",
                Class::Transient,
            ),
            ("mariadb-dump: Error 2013: Lost connection to server during query when dumping table `t` at row: 5", Class::Transient),
            ("ERROR 1114 (HY000) at line 5: The table 't' is full", Class::Resource),
            ("mysqldump: Couldn't execute 'SELECT': Table definition has changed, please retry transaction (1412)", Class::Transient),
            ("something else", Class::Permanent),
        ] {
            assert_eq!(explain(complaint).class(), class, "{complaint}");
        }
    }

    #[test]
    fn versions_are_read_by_their_first_two_numbers() {
        assert_eq!(major_minor("10.11.6-MariaDB-1"), (10, 11));
        assert_eq!(major_minor("8.0.36"), (8, 0));
        assert_eq!(major_minor(""), (0, 0));
    }
}
