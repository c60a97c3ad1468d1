//! The SQL pool: SQLite (embedded) or PostgreSQL behind one text of SQL.
//!
//! Only `db` and `queue` write statements. The rules that make one text serve both: `$n` binds, `bigint` milliseconds
//! and flags, text ids, JSON as text, `cast(… as bigint)` around sums, no booleans, no `last_insert_id`. Where
//! PostgreSQL needs a lock clause, write the comment `/* for update skip locked */`: [`Pool::text`] opens it.

use super::clock::{Clock, Millis};
use super::error::{Class, Error, Result};
use sqlx::any::AnyPoolOptions;
use sqlx::{Any, AnyPool, Executor};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

/// One connection; a transaction derefs to it, so that every statement runs in either.
pub type Conn = sqlx::AnyConnection;
/// A transaction. Dropped without `commit`, it is as if it had never been.
pub type Tx = sqlx::Transaction<'static, Any>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub fn of(conn: &Conn) -> Self {
        if conn.backend_name() == "SQLite" { Self::Sqlite } else { Self::Postgres }
    }
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// Migrations that are not in both the catalogue and this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// In this program, not yet in the catalogue.
    pub missing: usize,
    /// In the catalogue, unknown to this program.
    pub unknown: usize,
}

/// A pool of connections to the catalogue.
#[derive(Clone, Debug)]
pub struct Pool {
    inner: AnyPool,
    kind: Kind,
    clock: Clock,
    opened: Arc<Mutex<HashMap<&'static str, &'static str>>>,
    /// What the database's clock said last, and when.
    told: Arc<Mutex<Option<(Millis, Instant)>>>,
}

const CLOCK: &str = "select cast(extract(epoch from clock_timestamp()) * 1000 as bigint)";

/// A connection to a server that was used so short a time ago is still there, and what its clock said then is still right.
const TRUSTED: Duration = Duration::from_secs(1);

/// Nobody thinks for so long inside a transaction. A machine that stands still in the middle of one keeps its locks until
/// PostgreSQL takes them away after this time; whoever would end its job waits for them, and could end no other.
const FORSAKEN: &str = "set idle_in_transaction_session_timeout = '30s'";

/// Where one connection breaks, its server has gone, and has taken the others along: what lay idle in a pool then is asked
/// before it is used, however short a time ago that was. In milliseconds since [`STARTED`].
static BROKE: AtomicU64 = AtomicU64::new(0);
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

fn uptime() -> u64 {
    u64::try_from(STARTED.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn idle_since_a_break(idle: Duration) -> bool {
    let idle = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
    uptime().saturating_sub(idle) <= BROKE.load(Ordering::Relaxed)
}

/// Every migration, in order; one set for both databases.
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

impl Pool {
    /// Connects to `sqlite:///path?mode=rwc` or `postgres://…`; the pool holds at most `connections`.
    pub async fn connect(url: &str, connections: u32, clock: Clock) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let kind = if url.starts_with("sqlite:") {
            Kind::Sqlite
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Kind::Postgres
        } else {
            return Err(Error::invalid("the database URL begins neither with sqlite: nor with postgres:")
                .hint("SITEKEEP_DATABASE_URL is like sqlite:///var/lib/sitekeep/catalogue.db?mode=rwc or postgres://user@host/name"));
        };
        let inner = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(30))
            // The pool would ask each time whether the connection is still there: a question more for every question.
            .test_before_acquire(false)
            .before_acquire(move |conn, seen| {
                Box::pin(async move {
                    if kind == Kind::Postgres && (seen.idle_for > TRUSTED || idle_since_a_break(seen.idle_for)) {
                        sqlx::Connection::ping(conn).await?;
                    }
                    if kind == Kind::Sqlite && sqlx::Connection::is_in_transaction(conn) {
                        return is_taken_back(conn).await;
                    }
                    Ok(true)
                })
            })
            .after_connect(move |conn, _| {
                Box::pin(async move {
                    if kind == Kind::Postgres {
                        conn.execute(FORSAKEN).await?;
                    } else {
                        for pragma in [
                            "pragma journal_mode = wal",
                            "pragma synchronous = full",
                            "pragma foreign_keys = on",
                            "pragma busy_timeout = 10000",
                            // 16 MB of pages; by default it is 2, and a page of the dashboard reads the same ones anew.
                            "pragma cache_size = -16000",
                        ] {
                            conn.execute(pragma).await?;
                        }
                    }
                    Ok(())
                })
            })
            .connect(url)
            .await
            .map_err(cannot_connect)?;
        Ok(Self { inner, kind, clock, opened: Arc::default(), told: Arc::default() })
    }

    /// Brings the schema up to date; running it again changes nothing.
    pub async fn migrate(&self) -> Result<()> {
        MIGRATIONS.run(&self.inner).await.map_err(|e| Error::permanent(e.to_string()).context("migrating the catalogue database"))
    }

    /// How far the catalogue's schema and this program are apart.
    pub async fn schema(&self) -> Result<Schema> {
        let applied: Vec<i64> = match sqlx::query_scalar("select version from _sqlx_migrations").fetch_all(&self.inner).await {
            Ok(applied) => applied,
            // Nothing was ever migrated: the table that says so is not there.
            Err(sqlx::Error::Database(d)) if d.code().as_deref() == Some("42P01") || d.message().contains("no such table") => Vec::new(),
            Err(e) => return Err(e.into()),
        };
        let ours: Vec<i64> = MIGRATIONS.iter().map(|m| m.version).collect();
        let missing = ours.iter().filter(|v| !applied.contains(v)).count();
        let unknown = applied.iter().filter(|v| !ours.contains(v)).count();
        Ok(Schema { missing, unknown })
    }

    /// One connection, at once: a pool would ask again for half a minute, which is right for a server that starts with
    /// its database, and wrong for somebody who wants to know.
    pub async fn knock(url: &str) -> Result<()> {
        use sqlx::Connection;
        sqlx::any::install_default_drivers();
        let connection = sqlx::AnyConnection::connect(url).await.map_err(cannot_connect)?;
        connection.close().await.map_err(cannot_connect)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The database's clock. Leases are judged by it alone, so that workers with wrong clocks agree. SQLite runs in
    /// this process, so its clock is ours.
    pub async fn now(&self) -> Result<Millis> {
        if self.kind == Kind::Sqlite || self.clock.is_fixed() {
            return Ok(self.clock.now());
        }
        let now: i64 = sqlx::query_scalar(CLOCK).fetch_one(&self.inner).await?;
        let now = Millis(now);
        *self.told.lock().expect("no one panics while holding it") = Some((now, Instant::now()));
        Ok(now)
    }

    /// The number with which a statement answers that ends in `returning`, and what time it was then: for who had to wait for
    /// the answer, and must not say when it began to wait.
    pub async fn number_and_now(&self, conn: &mut Conn, returning: &'static str) -> Result<(i64, Millis)> {
        if self.kind == Kind::Sqlite || self.clock.is_fixed() {
            return Ok((sqlx::query_scalar(returning).fetch_one(conn).await?, self.clock.now()));
        }
        let timed = self.opened(returning, |sql| format!("{sql}, ({CLOCK})"));
        let (number, now): (i64, i64) = sqlx::query_as(timed).fetch_one(conn).await?;
        Ok((number, Millis(now)))
    }

    /// The same for who only reads: as the database said it within the last second, and carried on from there by our own
    /// steady clock. A page that asked for it each time would spend a fifth of its questions on what time it is.
    pub async fn moment(&self) -> Result<Millis> {
        let told = *self.told.lock().expect("no one panics while holding it");
        match told.map(|(now, at)| (now, at.elapsed())) {
            Some((now, since)) if since < TRUSTED => Ok(now.plus(i64::try_from(since.as_millis()).unwrap_or(0))),
            _ => self.now().await,
        }
    }

    /// Does a test move the clock?
    pub fn is_fixed(&self) -> bool {
        self.clock.is_fixed()
    }

    /// A transaction that will write: on SQLite it takes the write lock at once, because a read that turns into a
    /// write fails there with "database is locked" whatever the time-out.
    pub async fn begin(&self) -> Result<Tx> {
        match self.kind {
            Kind::Sqlite => Ok(self.inner.begin_with("begin immediate").await?),
            Kind::Postgres => Ok(self.inner.begin().await?),
        }
    }

    /// The same with settings for PostgreSQL that hold until it ends, in one question together with it.
    pub async fn begin_with(&self, settings: &'static str) -> Result<Tx> {
        match self.kind {
            Kind::Sqlite => self.begin().await,
            Kind::Postgres => Ok(self.inner.begin_with(settings).await?),
        }
    }

    /// A transaction that only reads, and sees the catalogue as it was when it began, whatever others write meanwhile.
    pub async fn snapshot(&self) -> Result<Tx> {
        let begin = match self.kind {
            Kind::Sqlite => "begin",
            // It locks nothing, and whoever reads may be slow.
            Kind::Postgres => {
                "begin transaction isolation level repeatable read read only; set local idle_in_transaction_session_timeout = 0"
            }
        };
        Ok(self.inner.begin_with(begin).await?)
    }

    /// The newest migration that this program knows.
    pub fn newest_migration() -> i64 {
        MIGRATIONS.iter().map(|m| m.version).max().unwrap_or_default()
    }

    /// Brings an empty schema to what it was after this migration.
    ///
    /// # Errors
    /// `Permanent` when this program does not know it.
    pub async fn migrate_to(&self, version: i64) -> Result<()> {
        if !MIGRATIONS.version_exists(version) {
            return Err(Error::permanent(format!("this program does not know the schema {version} of the catalogue"))
                .hint("a newer Sitekeep wrote it: install that one"));
        }
        MIGRATIONS
            .run_to(version, &self.inner)
            .await
            .map_err(|e| Error::permanent(e.to_string()).context("migrating the catalogue database"))
    }

    /// A connection for reading, or for one statement that writes.
    pub async fn get(&self) -> Result<sqlx::pool::PoolConnection<Any>> {
        Ok(self.inner.acquire().await?)
    }

    /// The statement as this database wants it: opens the comment `/* for update skip locked */` for PostgreSQL.
    pub fn text(&self, sql: &'static str) -> &'static str {
        const MARK: &str = "/* for update skip locked */";
        if self.kind == Kind::Sqlite || !sql.contains(MARK) {
            return sql;
        }
        self.opened(sql, |sql| sql.replace(MARK, "for update skip locked"))
    }

    fn opened(&self, sql: &'static str, open: impl FnOnce(&str) -> String) -> &'static str {
        let mut opened = self.opened.lock().expect("no one panics while holding it");
        // Leaked once for each of a handful of statements in the program.
        opened.entry(sql).or_insert_with(|| Box::leak(open(sql).into_boxed_str()))
    }

    /// Lets the database learn how its tables are filled, by samples, in milliseconds: its plans follow from that. PostgreSQL
    /// does so by itself, after a minute or never: of the queue, whose plans are made hundreds of times a second, it is told.
    pub async fn learn(&self) -> Result<()> {
        let mut conn = self.get().await?;
        if self.kind == Kind::Postgres {
            conn.execute("analyze jobs, job_needs, queue_lines, tenants, tenant_turns, unclean_ends").await?;
        } else {
            conn.execute("pragma analysis_limit = 1000").await?;
            // 0x10002: of every table, also of those that this connection has not asked yet.
            conn.execute("pragma optimize = 0x10002").await?;
        }
        Ok(())
    }

    pub async fn close(&self) {
        self.inner.close().await;
    }
}

/// On a full disk SQLite takes a transaction back by itself. The driver, which then has nothing to take back, counts that
/// transaction as open for ever, and would never begin another one: such a connection is given up for a new one.
async fn is_taken_back(conn: &mut Conn) -> sqlx::Result<bool> {
    // A transaction that was only just dropped is taken back on the driver's own thread: the answer comes after that.
    sqlx::Connection::ping(conn).await?;
    Ok(!sqlx::Connection::is_in_transaction(conn))
}

/// The error of a first connection, with what people can do about it.
fn cannot_connect(e: sqlx::Error) -> Error {
    let e = match &e {
        sqlx::Error::Io(io) => Error::transient(format!("the catalogue database cannot be reached: {}", io.kind())),
        sqlx::Error::PoolTimedOut => Error::transient("the catalogue database cannot be reached: no answer within 30 seconds"),
        _ => Error::from(e).context("connecting to the catalogue database"),
    };
    match e.class() {
        Class::Transient => e.hint("is it running, and is SITEKEEP_DATABASE_URL right?"),
        _ => e.hint("SITEKEEP_DATABASE_URL says where the catalogue is and who asks it"),
    }
}

/// Database errors keep their sense: a unique violation is a conflict, a lost connection is worth another try.
impl From<sqlx::Error> for Error {
    fn from(e: sqlx::Error) -> Self {
        let farewell = |code: &str| code.starts_with("57P");
        if matches!(&e, sqlx::Error::Io(_)) || e.as_database_error().and_then(|d| d.code()).is_some_and(|c| farewell(&c)) {
            BROKE.store(uptime(), Ordering::Relaxed);
        }
        let class = match &e {
            sqlx::Error::RowNotFound => Class::NotFound,
            sqlx::Error::Database(d) if d.is_unique_violation() => Class::Conflict,
            sqlx::Error::Database(d) if d.is_foreign_key_violation() || d.is_check_violation() => Class::Internal,
            sqlx::Error::Database(d) => database_class(d.code().as_deref().unwrap_or_default(), d.message()),
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => Class::Transient,
            sqlx::Error::Configuration(_) | sqlx::Error::Tls(_) => Class::Permanent,
            _ => Class::Internal,
        };
        Self::new(class, format!("the catalogue database: {e}"))
    }
}

/// By SQLSTATE or SQLite's extended code: connections, shutdowns and locks pass; a full disk is a matter of space.
fn database_class(code: &str, message: &str) -> Class {
    let passing =
        code.starts_with("08") || code.starts_with("57P") || ["40001", "40P01", "55P03", "53300", "5", "6", "261", "517"].contains(&code);
    if passing {
        Class::Transient
    } else if ["53100", "13"].contains(&code) {
        Class::Resource
    } else if code.starts_with("28") || message.contains("unable to open") {
        Class::Permanent
    } else {
        Class::Internal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::chance;

    #[tokio::test]
    async fn a_transaction_that_found_the_disk_full_spoils_no_connection_for_the_next_one() {
        let path = std::env::temp_dir().join(format!("sitekeep-sql-{}.db", chance::word(10)));
        let pool = Pool::connect(&format!("sqlite://{}?mode=rwc", path.display()), 1, Clock::system()).await.unwrap();
        pool.get().await.unwrap().execute("create table filled (bytes bytea)").await.unwrap();
        // What a full disk does, on one connection.
        pool.get().await.unwrap().execute("pragma max_page_count = 20").await.unwrap();
        let mut tx = pool.begin().await.unwrap();
        let full = tx.execute("insert into filled values (zeroblob(1000000))").await.unwrap_err();
        assert_eq!(Error::from(full).class(), Class::Resource);
        drop(tx);
        let mut tx = pool.begin().await.unwrap();
        tx.execute("insert into filled values (zeroblob(10))").await.unwrap();
        tx.commit().await.unwrap();
        pool.close().await;
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", path.display()));
        }
    }
}
