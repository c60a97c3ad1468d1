//! `wrk` on a list of paths, and what it found.

use crate::support::Scratch;
use std::process::Command;

/// Each thread begins elsewhere in the list and walks through all of it.
const SCRIPT: &str = r#"
local number = 0
function setup(thread)
  thread:set("number", number)
  number = number + 1
end
function init(args)
  paths = {}
  for line in io.lines(args[1]) do paths[#paths + 1] = line end
  at = number * 7919
end
function request()
  at = at % #paths + 1
  return wrk.format("GET", paths[at])
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("FOUND %d %d %d %d %d %d\n", latency:percentile(50), latency:percentile(95), latency:percentile(99),
    summary.requests, summary.duration, e.connect + e.read + e.write + e.timeout + e.status))
end
"#;

/// Milliseconds, and requests answered in a second.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub rate: f64,
    pub requests: f64,
}

/// # Panics
/// When `wrk` is missing, with the line that installs it, or when an answer was an error.
pub fn wrk(url: &str, cookie: Option<&str>, paths: &[String], connections: usize, seconds: u64) -> Figures {
    let scratch = Scratch::new();
    let (script, list) = (scratch.join("walk.lua"), scratch.join("paths"));
    std::fs::write(&script, SCRIPT).expect("a script can be written");
    std::fs::write(&list, paths.join("\n")).expect("a list can be written");
    let mut command = Command::new("wrk");
    command.args([
        &format!("-t{}", connections.min(2)),
        &format!("-c{connections}"),
        &format!("-d{seconds}s"),
        "--timeout",
        "10s",
        "-H",
        "Accept-Encoding: gzip, br",
    ]);
    command.args(cookie.map(|value| ["-H".to_owned(), format!("Cookie: sitekeep={value}; zone=Europe%2FBerlin")]).into_iter().flatten());
    command.arg("-s").arg(script).arg(url).arg("--").arg(list);
    let out = match command.output() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            panic!("`wrk` is missing; install it with:\napt-get install --no-install-recommends wrk")
        }
        out => out.expect("wrk starts"),
    };
    let text = String::from_utf8_lossy(&out.stdout);
    let found = text.lines().find_map(|line| line.strip_prefix("FOUND "));
    let found: Vec<f64> = found.unwrap_or_default().split(' ').filter_map(|n| n.parse().ok()).collect();
    let [p50, p95, p99, requests, micros, errors] = found[..] else {
        panic!("wrk said:\n{text}\n{}", String::from_utf8_lossy(&out.stderr))
    };
    assert_eq!(errors, 0.0, "not every answer was a page:\n{text}");
    Figures { p50: p50 / 1e3, p95: p95 / 1e3, p99: p99 / 1e3, rate: requests / (micros / 1e6), requests }
}
