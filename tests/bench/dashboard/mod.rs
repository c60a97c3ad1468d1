//! How fast the dashboard is with 1,000 sites of 50 tenants and a million backups, by `wrk`, beside a page of nothing.
//!
//! `BENCH_BACKUPS` is how many; `BENCH_SECONDS` how long each page is asked for; `BENCH_PROGRAM` another build to measure.
//! The catalogue is made once and kept in `target/test-tools`. The bare page is answered by axum in this process: text of
//! the same size, without a question to anybody; it says what the machine could do in the same minute.

mod events;
mod kept;
mod seed;
mod sink;
pub mod wrk;

use super::measure::times;
use super::size;
use crate::support::browser::Browser;
use axum::routing::get;
use kept::Dashboard;
use seed::Seed;
use sitekeep::base::clock::Clock;
use sitekeep::base::sql::Kind;
use wrk::{Figures, wrk};

/// Milliseconds within which 95 of 100 pages of a log must be there.
const LIMIT: f64 = 15.0;
const CONNECTIONS: [usize; 4] = [1, 2, 4, 16];
/// The limit is for up to so many readers at once: where more of them share two cores with `wrk` and the database, what is
/// measured is a queue.
const JUDGED: usize = 2;

/// What is asked for: any of these paths by one reader.
struct Case {
    name: &'static str,
    administrator: bool,
    paths: Vec<String>,
    limit: Option<f64>,
}

#[test]
#[ignore = "figures, not checks: they want a release build and a quiet machine, so `make bench` takes them, and a million backups take minutes to write; tests/plans.rs checks the indexes"]
fn bench_pages_of_the_dashboard_with_a_million_backups_on_sqlite() {
    measure(Kind::Sqlite);
}

#[test]
#[ignore = "figures, not checks: they want a release build and a quiet machine, so `make bench` takes them, and a million backups take minutes to write; tests/plans.rs checks the indexes"]
fn bench_pages_of_the_dashboard_with_a_million_backups_on_postgresql() {
    measure(Kind::Postgres);
}

fn measure(kind: Kind) {
    let seed = Seed { backups: size("BENCH_BACKUPS", 1_000_000), now: Clock::system().now().0 };
    let dashboard = Dashboard::start(kind, seed);
    let [owner, administrator] = [false, true].map(|administrator| dashboard.sign_in(administrator));
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let mut late = Vec::new();
    println!("\n| {} | connections | p50 ms | p95 ms | p99 ms | pages/s | CPU ms of a page | bare page: times as many/s |", kind.name());
    println!("|---|---|---|---|---|---|---|---|");
    for case in cases(&seed).into_iter().filter(|c| c.name.contains(&only)) {
        let cookie = if case.administrator { &administrator } else { &owner };
        let page = first_page(&dashboard, cookie, &case);
        let bare = Bare::start(page);
        wrk(&dashboard.server.url, Some(cookie), &case.paths, 4, 2);
        for connections in CONNECTIONS {
            let (found, cpu) = asked(&dashboard, cookie, &case, connections);
            let nothing = wrk(&bare.url, None, &["/".to_owned()], connections, 3);
            println!("{}", row(case.name, connections, &found, cpu, &nothing));
            if case.limit.is_some_and(|limit| found.p95 > limit) && connections <= JUDGED {
                late.push(format!("{} with {connections}: {:.1} ms", case.name, found.p95));
            }
        }
    }
    events::measure(&dashboard, &administrator, &seed);
    assert!(late.is_empty(), "95 of 100 pages should be there within {LIMIT} ms: {late:?}");
}

/// What was found, and the milliseconds of CPU that the server took for each answer.
fn asked(dashboard: &Dashboard, cookie: &str, case: &Case, connections: usize) -> (Figures, f64) {
    let cpu = || times(dashboard.server.pid()).map_or(0.0, |t| t[0] + t[1]);
    let before = cpu();
    let found = wrk(&dashboard.server.url, Some(cookie), &case.paths, connections, size("BENCH_SECONDS", 10));
    (found, (cpu() - before) * 1e3 / found.requests)
}

fn row(name: &str, connections: usize, f: &Figures, cpu: f64, bare: &Figures) -> String {
    let Figures { p50, p95, p99, rate, .. } = f;
    format!("| {name} | {connections} | {p50:.1} | {p95:.1} | {p99:.1} | {rate:.0} | {cpu:.2} | {:.0} |", bare.rate / rate)
}

/// Every path must be a page, or nothing that follows means anything.
fn first_page(dashboard: &Dashboard, cookie: &str, case: &Case) -> String {
    let browser = Browser::new(&dashboard.server.url);
    browser.set_cookie(cookie);
    let pages = case.paths.iter().step_by(case.paths.len().div_ceil(20)).map(|path| browser.get(path).is(200).body);
    pages.last().expect("there is a path")
}

fn cases(seed: &Seed) -> Vec<Case> {
    let (own, all) = (seed.environments(true), seed.environments(false));
    let (own_backups, backups) = (seed.some_backups(true), seed.some_backups(false));
    let newest = |ids: &[String]| ids.iter().map(|id| format!("/environments/{id}")).collect::<Vec<_>>();
    let many: Vec<String> = all.into_iter().step_by(3).collect();
    let to_backup = |all: &[(String, String)]| all.iter().map(|(_, backup)| format!("/backups/{backup}")).collect();
    let log = |name, administrator, paths| Case { name, administrator, paths, limit: Some(LIMIT) };
    let page = |name, administrator, paths| Case { name, administrator, paths, limit: None };
    let one = |path: &str| vec![path.to_owned()];
    vec![
        log("log, newest page, owner", false, newest(&own)),
        log("log, filters and older pages, owner", false, narrowed(&own_backups)),
        log("log, newest page, administrator", true, newest(&many)),
        log("log, filters and older pages, administrator", true, narrowed(&backups)),
        page("sites, owner", false, one("/")),
        page("sites, administrator", true, one("/")),
        page("sites that failed, administrator", true, one("/?state=failed")),
        page("sites by text, administrator", true, (0..100).map(|n| format!("/?q=site-{:03}", n * 7)).collect()),
        page("backup, owner", false, to_backup(&own_backups)),
        page("jobs, owner", false, one("/jobs")),
        page("jobs, administrator", true, one("/jobs")),
    ]
}

/// The log in all ways in which it is looked at.
fn narrowed(backups: &[(String, String)]) -> Vec<String> {
    const WAYS: [&str; 9] = [
        "state=failed",
        "state=incomplete",
        "element=files",
        "how=demand",
        "q=release",
        "q=nothing+is+called+so",
        "from=2026-01-01&until=2026-03-31",
        "trash=1",
        "element=code&how=scheduled",
    ];
    let way = |(n, (environment, backup)): (usize, &(String, String))| match n % 2 {
        0 => format!("/environments/{environment}?after={backup}"),
        _ => format!("/environments/{environment}?{}", WAYS[n / 2 % WAYS.len()]),
    };
    backups.iter().take(1_000).enumerate().map(way).collect()
}

/// A page of nothing.
struct Bare {
    url: String,
    _runtime: tokio::runtime::Runtime,
}

impl Bare {
    fn start(page: String) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime starts");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it has an address"));
        let page = bytes::Bytes::from(page);
        let router = axum::Router::new().route("/", get(move || async move { axum::response::Html(page) }));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, _runtime: runtime }
    }
}
