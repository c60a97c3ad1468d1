//! For tests: a bench with a migrated catalogue on each of the two databases.
//!
//! PostgreSQL is a server of this process alone: started on first use in a temporary directory, reachable through its
//! socket there and by no port, and stopped when this process ends, however it ends.

use super::*;
use crate::base::chance;
use crate::base::clock::{Clock, Millis};
use crate::base::sql::Pool;
use crate::domain::ids::{EnvironmentId, JobId, TenantId};
use sqlx::AssertSqlSafe;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// A catalogue with two tenants.
pub struct Bench {
    pub pool: Pool,
    pub url: String,
    pub clock: Clock,
    pub tenant: TenantId,
    pub other: TenantId,
    dir: Option<PathBuf>,
}

/// Runs `test` on SQLite and then on PostgreSQL, with a clock that the test moves.
pub async fn on_both(test: impl AsyncFn(&Bench)) {
    // 2026-11-21 03:00:00 UTC
    for bench in [sqlite(Clock::fixed(Millis(1_795_230_000_000))).await, postgres(Clock::fixed(Millis(1_795_230_000_000))).await] {
        eprintln!("on {:?}", bench.pool.kind());
        test(&bench).await;
        bench.pool.close().await;
    }
}

/// The same with the system's clock.
pub async fn on_both_for_real(test: impl AsyncFn(&Bench)) {
    for bench in [sqlite(Clock::system()).await, postgres(Clock::system()).await] {
        eprintln!("on {:?}", bench.pool.kind());
        test(&bench).await;
        bench.pool.close().await;
    }
}

pub async fn sqlite(clock: Clock) -> Bench {
    let dir = std::env::temp_dir().join(format!("sitekeep-queue-{}", chance::word(10)));
    std::fs::create_dir(&dir).unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.join("catalogue.db").display());
    bench(url, clock, Some(dir)).await
}

pub async fn postgres(clock: Clock) -> Bench {
    let server = SERVER.get_or_init(|| std::thread::spawn(Server::start).join().unwrap());
    let name = format!("t_{}", chance::word(10));
    let admin = Pool::connect(&server.url("postgres"), 1, Clock::system()).await.unwrap();
    let create = format!("create database {name} template keep");
    sqlx::query(AssertSqlSafe(create)).execute(&mut *admin.get().await.unwrap()).await.unwrap();
    admin.close().await;
    bench(server.url(&name), clock, None).await
}

async fn bench(url: String, clock: Clock, dir: Option<PathBuf>) -> Bench {
    let pool = Pool::connect(&url, 8, clock.clone()).await.unwrap();
    pool.migrate().await.unwrap();
    let bench = Bench { pool, url, clock, tenant: TenantId("ten_one".into()), other: TenantId("ten_two".into()), dir };
    for tenant in [&bench.tenant, &bench.other] {
        bench.run(&format!("insert into tenants (id, name, state, created_at) values ('{tenant}', '{tenant}', 'active', 0)")).await;
    }
    // What the runner of the tests was told, written in the transaction that it was told in.
    bench.run("create table told (job_id text not null, ended text not null, state text not null)").await;
    bench
}

impl Bench {
    /// A statement of the test itself.
    pub async fn run(&self, sql: &str) -> u64 {
        let mut conn = self.pool.get().await.unwrap();
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut *conn).await.unwrap().rows_affected()
    }
    pub async fn number(&self, sql: &str) -> i64 {
        let mut conn = self.pool.get().await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut *conn).await.unwrap()
    }
    pub fn wanted(&self, subject: &str) -> NewJob {
        NewJob {
            tenant: self.tenant.clone(),
            kind: "create_backup".into(),
            subject: subject.into(),
            environment: Some(EnvironmentId("env_one".into())),
            class: JobClass::OnDemand,
            needs: Vec::new(),
            unique: None,
            idempotency: None,
            run_at: None,
            initiator: None,
        }
    }
    pub async fn enqueue(&self, job: NewJob) -> JobId {
        let done = self.try_enqueue(job).await.unwrap();
        assert!(done.fresh);
        done.id
    }
    /// Thousands of jobs of the first tenant at once; each needs alone what `need` says (SQL, with `i` as its number).
    pub async fn flood(&self, many: usize, subject: &str, need: Option<&str>) {
        let now = self.pool.now().await.unwrap().0;
        let tenant = &self.tenant;
        let numbers = format!("with recursive n (i) as (select 100000 union all select i + 1 from n where i < 100000 + {many} - 1)");
        let jobs = format!(
            "insert into jobs (id, tenant_id, kind, subject, class, place, state, run_at, attempt, cancel_requested, phase, bytes, files,
                               log_lines, log_bytes, created_at, aged_at)
             {numbers}
             select 'job_flood_' || cast(i as text), '{tenant}', 'create_backup', '{subject}', 'on_demand', 2, 'queued', {now}, 0, 0, '', 0, 0,
                    0, 0, {now}, {now}
             from n"
        );
        assert_eq!(self.run(&jobs).await, many as u64);
        self.run(&format!("insert into queue_lines (place, tenant_id) values (2, '{tenant}') on conflict do nothing")).await;
        if let Some(need) = need {
            let needs = format!(
                "insert into job_needs (job_id, resource, tenant_id, mode)
                 {numbers} select 'job_flood_' || cast(i as text), {need}, '{tenant}', 'exclusive' from n"
            );
            assert_eq!(self.run(&needs).await, many as u64);
        }
    }
    /// What the tenant's plan lets run at once.
    pub async fn cap(&self, tenant: &TenantId, jobs: u32) {
        self.run(&format!("update tenants set jobs_at_once = {jobs} where id = '{tenant}'")).await;
    }
    pub async fn try_enqueue(&self, job: NewJob) -> crate::base::error::Result<Enqueued> {
        let now = self.pool.now().await.unwrap();
        let mut tx = self.pool.begin().await.unwrap();
        let done = enqueue(&mut tx, now, job).await?;
        tx.commit().await.unwrap();
        Ok(done)
    }
    pub async fn claim(&self) -> Option<Claimed> {
        claim(&self.pool, "w1", &Settings::default()).await.unwrap()
    }
    /// Claims, and fails the test if there is nothing to be claimed.
    pub async fn lease(&self) -> Lease {
        self.claim().await.expect("a job can be claimed").lease
    }
    pub async fn finish(&self, lease: &Lease, outcome: Outcome) -> crate::base::error::Result<Finished> {
        let now = self.pool.now().await.unwrap();
        let mut tx = self.pool.begin().await.unwrap();
        let done = finish(&mut tx, now, lease, outcome).await?;
        tx.commit().await.unwrap();
        Ok(done)
    }
    pub async fn cancel(&self, job: &JobId) -> Job {
        let now = self.pool.now().await.unwrap();
        let mut tx = self.pool.begin().await.unwrap();
        let job = cancel(&mut tx, now, &self.tenant, job).await.unwrap();
        tx.commit().await.unwrap();
        job
    }
    pub async fn job(&self, id: &JobId) -> Job {
        find(&mut self.pool.get().await.unwrap(), &Tenants::All, id).await.unwrap()
    }
    pub async fn attempts(&self, id: &JobId) -> Vec<Attempt> {
        attempts(&mut self.pool.get().await.unwrap(), id).await.unwrap()
    }
    pub async fn outcomes(&self, id: &JobId) -> Vec<String> {
        self.attempts(id).await.into_iter().map(|a| a.outcome.unwrap_or_else(|| "-".into())).collect()
    }
    pub async fn lines(&self, id: &JobId) -> Vec<String> {
        log_after(&mut self.pool.get().await.unwrap(), id, 0).await.unwrap().into_iter().map(|l| l.text).collect()
    }
    /// The runner was told this often that a job ended this way.
    pub async fn told(&self, id: &JobId, ended: Ended) -> i64 {
        self.number(&format!("select count(*) from told where job_id = '{id}' and ended = '{ended:?}'")).await
    }
    /// Waits until the job has come to `state`.
    pub async fn until(&self, id: &JobId, state: State) -> Job {
        for _ in 0..600 {
            let job = self.job(id).await;
            if job.state == state {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not {state} within 30 s: {:?}\n{:?}", self.job(id).await, self.lines(id).await);
    }
    pub fn advance(&self, seconds: i64) {
        self.clock.advance(seconds * 1000);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(dir) = &self.dir {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

static SERVER: OnceLock<Server> = OnceLock::new();

struct Server {
    dir: PathBuf,
    /// The shell that minds the server reads from this pipe; when this process ends, the pipe does, and the server too.
    _life: ChildStdin,
}

/// Runs as whoever owns the data: PostgreSQL refuses to run as root.
const MIND: &str = r#"
"$@" &
server=$!
cat > /dev/null
kill -QUIT $server
wait $server
rm -rf "$DIR"
"#;

impl Server {
    fn start() -> Self {
        let bin = binaries();
        let dir = std::env::temp_dir().join(format!("skpg-{}", chance::word(10)));
        std::fs::create_dir(&dir).unwrap();
        let root = rustix::process::getuid().is_root();
        if root {
            let who = crate::base::identity::Identity::of_user("postgres").unwrap();
            std::os::unix::fs::chown(&dir, Some(who.uid), Some(who.gid)).unwrap();
        }
        let data = dir.join("data");
        let made = as_owner(root, &bin.join("initdb"))
            .args(["--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&data)
            .current_dir(&dir)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let server = as_owner(root, &bin.join("postgres"));
        let mut mind = Command::new("sh");
        mind.args(["-c", MIND, "mind"]).arg(server.get_program()).args(server.get_args()).arg("-D").arg(&data);
        mind.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200", "-c"]);
        mind.arg(format!("unix_socket_directories={}", dir.display())).env("DIR", &dir).current_dir(&dir);
        std::os::unix::process::CommandExt::process_group(&mut mind, 0);
        #[allow(clippy::zombie_processes)] // it outlives this process, by a moment
        let mut mind = mind.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { dir, _life: mind.stdin.take().unwrap() };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(server.make_template());
        server
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.dir.display())
    }

    async fn make_template(&self) {
        let mut tries = 0;
        let admin = loop {
            match Pool::connect(&self.url("postgres"), 1, Clock::system()).await {
                Ok(pool) => break pool,
                Err(e) if tries > 300 => panic!("PostgreSQL does not start: {e}"),
                Err(_) => tries += 1,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        sqlx::query("create database keep").execute(&mut *admin.get().await.unwrap()).await.unwrap();
        admin.close().await;
        let keep = Pool::connect(&self.url("keep"), 1, Clock::system()).await.unwrap();
        keep.migrate().await.unwrap();
        keep.close().await;
    }
}

fn binaries() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|dirs| dirs.flatten().map(|d| d.path().join("bin")).filter(|b| b.join("initdb").exists()).collect())
        .unwrap_or_default();
    found.sort();
    found.pop().expect("PostgreSQL is missing: apt-get install postgresql")
}

fn as_owner(root: bool, program: &Path) -> Command {
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]).arg(program);
    command
}
