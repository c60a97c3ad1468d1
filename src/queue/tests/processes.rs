//! Several processes on one database: claims, workers that are killed or frozen, and the attempts of all these tests.

use crate::base::clock::Clock;
use crate::base::error::Error;
use crate::base::sql::{Conn, Pool};
use crate::queue::testing::{Bench, on_both_for_real, postgres, sqlite};
use crate::queue::*;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Short times, and yet long enough for a machine that is busy.
pub(super) fn quick() -> Settings {
    Settings {
        lease: Duration::from_secs(4),
        heartbeat: Duration::from_millis(200),
        trust: Duration::from_secs(3),
        poll: Duration::from_millis(50),
        reap: Duration::from_millis(200),
        stuck_after: Duration::from_secs(60),
        term_grace: Duration::from_millis(500),
        tenant_running: 100,
        ..Settings::default()
    }
}

/// The subject of a job is the script of its attempt: of a shell, or `attempt:…` of this binary.
pub(super) struct ScriptRunner {
    pub url: String,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Orders {
    url: String,
    script: String,
    lease: Lease,
    /// More than a pipe holds: a child that never reads its orders must not hold up its worker.
    padding: String,
}

impl Runner for ScriptRunner {
    fn command(&self, claimed: &Claimed) -> (Command, Vec<u8>) {
        let script = claimed.job.subject.clone();
        let mut command = if script == "missing" {
            Command::new("/nowhere/attempt")
        } else if script.starts_with("attempt:") {
            this_binary("attempt", &self.url)
        } else {
            let mut shell = Command::new("sh");
            shell.args(["-c", &script]);
            shell
        };
        command.env("ATTEMPT", claimed.lease.attempt.to_string());
        let orders = Orders { url: self.url.clone(), script, lease: claimed.lease.clone(), padding: " ".repeat(200_000) };
        (command, serde_json::to_vec(&orders).unwrap())
    }

    fn settled<'a>(&'a self, conn: &'a mut Conn, job: &'a Job, ended: &'a Ended) -> Settling<'a> {
        Box::pin(async move {
            sqlx::query("insert into told (job_id, ended, state) values ($1, $2, $3)")
                .bind(job.id.as_str())
                .bind(format!("{ended:?}"))
                .bind(job.state.word())
                .execute(conn)
                .await?;
            Ok(())
        })
    }
}

fn this_binary(role: &str, url: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "queue::tests::processes::another_process", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("SITEKEEP_TEST_ROLE", role).env("SITEKEEP_TEST_URL", url);
    command
}

/// What this binary does when a test starts it once more.
#[test]
#[ignore = "not a test but the other process of those above, which start it and fail without it; by itself it has no role and would pass whatever happens"]
fn another_process() {
    let (Ok(role), Ok(url)) = (std::env::var("SITEKEEP_TEST_ROLE"), std::env::var("SITEKEEP_TEST_URL")) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match role.as_str() {
        "attempt" => {
            set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
            let mut input = String::new();
            std::io::stdin().read_to_string(&mut input).unwrap();
            runtime.block_on(attempt(serde_json::from_str(&input).unwrap()));
        }
        "worker" => runtime.block_on(worker(url)),
        "claimer" => runtime.block_on(claimer(url)),
        other => panic!("no role {other}"),
    }
}

async fn attempt(orders: Orders) {
    let pool = Pool::connect(&orders.url, 1, Clock::system()).await.unwrap();
    let lease = orders.lease;
    let mut outcome = Outcome::succeeded();
    match orders.script.as_str() {
        "attempt:finish" => {
            log(&pool, &lease, Level::Info, "at work").await.unwrap();
            progress(&pool, &lease, &Progress { phase: "nearly done".into(), bytes: 42, ..Progress::default() }).await.unwrap();
        }
        "attempt:slowly" => {
            for bytes in 0..16 {
                progress(&pool, &lease, &Progress { bytes, ..Progress::default() }).await.unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        "attempt:until told" => {
            let mut told = until_signal().unwrap();
            told.wait_for(|stop| *stop).await.unwrap();
            outcome = Outcome { message: Some("in its own words".into()), ..Outcome::failed(&Error::cancelled()) };
        }
        // The first attempt works for ever.
        "attempt:second" if lease.attempt == 1 => {
            log(&pool, &lease, Level::Info, &format!("pid {}", std::process::id())).await.unwrap();
            std::future::pending::<()>().await;
        }
        _ => {}
    }
    let now = pool.now().await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    finish(&mut tx, now, &lease, outcome).await.unwrap();
    tx.commit().await.unwrap();
}

async fn worker(url: String) {
    let clock = Clock::system();
    let (pool, beats) = (Pool::connect(&url, 4, clock.clone()).await.unwrap(), Pool::connect(&url, 1, clock).await.unwrap());
    let runner = Arc::new(ScriptRunner { url });
    work(pool, beats, quick(), format!("p{}", std::process::id()), 4, runner, until_signal().unwrap()).await.unwrap();
}

/// Claims and finishes until nothing is left, and writes down each run.
async fn claimer(url: String) {
    let pool = Pool::connect(&url, 2, Clock::system()).await.unwrap();
    let mut idle = 0;
    while idle < 20 {
        let Some(c) = claim(&pool, "claimer", &quick()).await.unwrap() else {
            idle += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        idle = 0;
        let now = pool.now().await.unwrap();
        let mut tx = pool.begin().await.unwrap();
        sqlx::query("insert into told (job_id, ended, state) values ($1, $2, 'x')")
            .bind(c.job.id.as_str())
            .bind(c.lease.token.as_str())
            .execute(&mut *tx)
            .await
            .unwrap();
        finish(&mut tx, now, &c.lease, Outcome::succeeded()).await.unwrap();
        tx.commit().await.unwrap();
    }
}

fn start(role: &str, url: &str) -> Started {
    Started(this_binary(role, url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// Killed with the test, should that fail.
struct Started(Child);

impl Started {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
    async fn ends_well(self) {
        self.ends_within(Duration::from_secs(30)).await;
    }
    async fn ends_within(mut self, patience: Duration) {
        let began = std::time::Instant::now();
        while began.elapsed() < patience {
            if let Some(status) = self.0.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it does not end");
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the process is no more (or waits only for its parent to notice).
pub(super) async fn gone(pid: &str) {
    for _ in 0..200 {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("process {pid} is still there");
}

/// The process of the first attempt, as it wrote to the task log.
async fn first_pid(b: &Bench, id: &crate::domain::ids::JobId) -> String {
    for _ in 0..400 {
        if let Some(pid) = b.lines(id).await.iter().find_map(|l| l.strip_prefix("pid ").map(str::to_owned)) {
            return pid;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the attempt never began");
}

/// Sixteen processes claim until nothing is left; each job was had once, with one token.
async fn had_once(b: &Bench, jobs: usize, patience: Duration) {
    b.flood(jobs, "x", Some("'env:' || cast(i % 97 as text)")).await;
    let all: Vec<Started> = (0..16).map(|_| start("claimer", &b.url)).collect();
    for one in all {
        one.ends_within(patience).await;
    }
    for sql in [
        "select count(*) from told",
        "select count(distinct job_id) from told",
        "select count(distinct ended) from told",
        "select count(*) from attempts",
        "select count(*) from jobs where state = 'succeeded' and attempt = 1",
    ] {
        assert_eq!(b.number(sql).await, jobs as i64, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_processes_never_claim_a_job_twice() {
    on_both_for_real(async |b| had_once(b, 300, Duration::from_secs(60)).await).await;
}

#[test]
#[ignore = "minutes, by `make faults`; `make test` does it with three hundred, in the test above"]
fn faults_ten_thousand_jobs_for_sixteen_processes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let what = "a job claimed by sixteen processes at once, first on SQLite, then on PostgreSQL: none twice";
    crate::trials::run("claims", what, (2, 10_000), |n, _| {
        runtime.block_on(async {
            let b = if n == 0 { sqlite(Clock::system()).await } else { postgres(Clock::system()).await };
            had_once(&b, 10_000, Duration::from_secs(3600)).await;
            format!("{:?}", b.pool.kind())
        })
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_side_by_side_do_each_job_once_and_stop_when_told() {
    on_both_for_real(async |b| {
        let mut ids = Vec::new();
        for _ in 0..12 {
            ids.push(b.enqueue(b.wanted("attempt:finish")).await);
        }
        let workers = [start("worker", &b.url), start("worker", &b.url)];
        for id in &ids {
            assert_eq!(b.until(id, State::Succeeded).await.attempt, 1);
        }
        for worker in workers {
            worker.signal(Signal::TERM);
            worker.ends_well().await;
        }
        assert_eq!(b.number("select count(*) from attempts").await, 12);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_worker_is_killed_is_taken_over_by_another_one() {
    on_both_for_real(async |b| {
        let id = b.enqueue(NewJob { needs: vec![Need::exclusive("env:one")], ..b.wanted("attempt:second") }).await;
        let first = start("worker", &b.url);
        let pid = first_pid(b, &id).await;
        first.signal(Signal::KILL);
        gone(&pid).await; // an attempt dies with its worker
        let second = start("worker", &b.url);
        let job = b.until(&id, State::Succeeded).await;
        assert_eq!((job.attempt, b.outcomes(&id).await), (2, vec!["lost".to_owned(), "succeeded".to_owned()]));
        assert_eq!(b.told(&id, Ended::Requeued).await, 1);
        second.signal(Signal::TERM);
        second.ends_well().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_frozen_beyond_its_lease_kills_its_attempt_and_writes_nothing() {
    on_both_for_real(async |b| {
        let id = b.enqueue(NewJob { needs: vec![Need::exclusive("env:one")], ..b.wanted("attempt:second") }).await;
        let frozen = start("worker", &b.url);
        let pid = first_pid(b, &id).await;
        frozen.signal(Signal::STOP);
        let second = start("worker", &b.url);
        b.until(&id, State::Succeeded).await;
        second.signal(Signal::TERM);
        second.ends_well().await;
        assert!(Path::new("/proc").join(&pid).exists(), "the zombie's child still runs");
        let before = (b.job(&id).await, b.attempts(&id).await, b.lines(&id).await);
        frozen.signal(Signal::CONT);
        gone(&pid).await;
        let next = b.enqueue(b.wanted("attempt:finish")).await;
        b.until(&next, State::Succeeded).await; // and it works on
        assert_eq!((b.job(&id).await, b.attempts(&id).await, b.lines(&id).await), before);
        assert_eq!(b.number(&format!("select count(*) from told where job_id = '{id}'")).await, 1);
        frozen.signal(Signal::TERM);
        frozen.ends_well().await;
    })
    .await;
}
