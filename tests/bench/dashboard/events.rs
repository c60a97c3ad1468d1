//! How long it takes from a change of a job's row to the event in the browser.

use super::kept::Dashboard;
use super::seed::{Seed, id};
use sitekeep::base::clock::Clock;
use sitekeep::base::sql::Pool;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const CHANGES: u64 = 50;
/// An event is to reach the browser within a second.
const LIMIT: Duration = Duration::from_secs(1);

/// # Panics
/// When one of fifty came later.
pub fn measure(dashboard: &Dashboard, cookie: &str, seed: &Seed) {
    let job = id("job", seed.backups - 35); // one of those that run
    let events = follow(dashboard, cookie, &job);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let pool = runtime.block_on(Pool::connect(&dashboard.url, 1, Clock::system())).expect("the catalogue opens");
    events.recv_timeout(LIMIT * 10).expect("the first event comes at once");
    let mut took = Vec::new();
    for n in 0..CHANGES {
        // In no step with the server's own pace.
        std::thread::sleep(Duration::from_millis(n * 37 % 400));
        let began = Instant::now();
        runtime.block_on(async {
            let mut conn = pool.get().await.expect("a connection is free");
            let change = sqlx::query("update jobs set bytes = bytes + 1 where id = $1").bind(job.clone());
            change.execute(&mut *conn).await.expect("it is changed");
        });
        let came = events.recv_timeout(LIMIT * 10).expect("an event comes");
        took.push(came.duration_since(began));
    }
    took.sort();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_secs_f64() * 1e3;
    println!(
        "\n{CHANGES} changes of a job's progress, until the event is in the browser: p50 {:.0} ms, p95 {:.0} ms, the last {:.0} ms",
        at(50),
        at(95),
        at(100)
    );
    assert!(took.iter().all(|t| *t < LIMIT), "an event came after {:?}", took.last());
}

/// Follows a job as a browser does; when each event came.
fn follow(dashboard: &Dashboard, cookie: &str, job: &str) -> Receiver<Instant> {
    let address = dashboard.server.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).expect("the server listens");
    let request = format!("GET /events?of=job:{job} HTTP/1.1\r\nHost: {address}\r\nCookie: sitekeep={cookie}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the server reads");
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if line.starts_with("event: change") && tell.send(Instant::now()).is_err() {
                break;
            }
        }
    });
    told
}
