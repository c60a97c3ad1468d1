//! A connection that dies after its COMMIT was sent and before the answer came: whoever sent it does not know whether it
//! happened. The server that stands between us and PostgreSQL lets the COMMIT through, waits for the answer, and hangs up.

use super::trials::{self, Dice};
use crate::crashes::bench::{Bench, ENV};
use crate::support::{free_port, wait_for};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(120);
/// A simple query, as the protocol has it.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// Hands everything through, but for the answer to one COMMIT.
pub struct Between {
    pub port: u16,
    /// So many COMMITs more, and the next one is not answered; less than nothing: all are.
    left: Arc<AtomicI64>,
}

impl Between {
    fn start(server: u16) -> Self {
        let (port, left) = (free_port(), Arc::new(AtomicI64::new(-1)));
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let counted = left.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server)) {
                    join(client, server, &counted);
                }
            }
        });
        Self { port, left }
    }
    fn swallow_after(&self, commits: i64) {
        self.left.store(commits, SeqCst);
    }
    fn has_swallowed(&self) -> bool {
        self.left.load(SeqCst) < 0
    }
}

fn join(client: TcpStream, server: TcpStream, left: &Arc<AtomicI64>) {
    let swallow = Arc::new(AtomicI64::new(0));
    let (mut from, mut to) = (client.try_clone().expect("a socket has two ends"), server.try_clone().expect("a socket has two ends"));
    let (flag, left) = (swallow.clone(), left.clone());
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let commits = buffer[..n].windows(COMMIT.len()).any(|w| w == COMMIT);
            if commits && left.fetch_update(SeqCst, SeqCst, |l| (l >= 0).then_some(l - 1)) == Ok(0) {
                flag.store(1, SeqCst);
            }
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let (mut from, mut to) = (server, client);
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            // The database has answered, so it has happened.
            if swallow.load(SeqCst) == 1 || to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
        let _ = from.shutdown(std::net::Shutdown::Both);
    });
}

fn bench() -> (Bench, Between) {
    let mut between = None;
    let bench = Bench::notes_through(|port| between.insert(Between::start(port)).port);
    (bench, between.expect("it was asked for a port"))
}

/// A backup in the course of which the answer to one COMMIT is lost, whoever sent that.
fn unanswered(bench: &Bench, between: &Between, n: u64, dice: &mut Dice) -> String {
    bench.site.change(n as u32 + 10);
    let before: u64 = bench.ask("select count(*) from backups").parse().unwrap();
    let commits = dice.below(22);
    between.swallow_after(commits as i64);
    let out = bench.server.cli(&["backup:create", ENV, "--yes", "--no-wait", "--field", "id"]);
    let acknowledged = out.status.success();
    let open = "select count(*) from jobs where state in ('queued', 'running', 'retry_wait')";
    wait_for(&format!("every job's end; {}", bench.server.log()), LONG, || {
        bench.ask("with done as (update jobs set run_at = 0 where state = 'retry_wait' returning id) select count(*) from done");
        bench.ask(open) == "0"
    });
    let swallowed = between.has_swallowed();
    between.swallow_after(-1);
    let stage = format!(
        "COMMIT {commits} {}, {}",
        if swallowed { "lost" } else { "never came" },
        if acknowledged { "acknowledged" } else { "refused" }
    );
    let after: u64 = bench.ask("select count(*) from backups").parse().unwrap();
    assert!(after == before + 1 || (!acknowledged && after == before), "{stage}: {before} backups, then {after}");
    if after > before {
        let newest = bench.ask("select id from backups order by created_at desc, id desc limit 1");
        let state = bench.ask(&format!("select state from backups where id = '{newest}'"));
        assert_eq!(state, "succeeded", "{stage}: {}", bench.server.log());
        bench.server.must(&["backup:verify", &newest]);
    }
    bench.assert_no_nameless_snapshot();
    stage
}

#[test]
fn a_commit_whose_answer_was_lost_is_neither_forgotten_nor_done_twice() {
    let (bench, between) = bench();
    for n in 0..5 {
        unanswered(&bench, &between, n, &mut Dice::new(n));
    }
}

#[test]
#[ignore = "minutes, by `make faults`; `make test` does it five times, in the test above"]
fn faults_lost_answers_to_commits() {
    let (bench, between) = bench();
    let what = "the connection to PostgreSQL lost after a COMMIT and before its answer, in the course of a backup";
    trials::run("lost-commits", what, (200, 1), |n, dice| unanswered(&bench, &between, n, dice));
}
