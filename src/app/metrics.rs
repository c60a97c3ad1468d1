//! How the installation stands, for Prometheus: its text format, version 0.0.4.

use super::{App, access, access::Actor};
use crate::base::error::Result;
use crate::db;
use crate::queue;
use std::fmt::Write;

/// Everything that is measured. For administrators: it names every tenant and site.
///
/// # Errors
/// `NotFound` for everybody else.
pub async fn text(app: &App, actor: &Actor) -> Result<String> {
    access::administer(actor)?;
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let mut page = Page::default();
    page.head("sitekeep_jobs", "gauge", "Jobs that have not ended, by state.");
    for (state, n) in queue::counts(&mut conn).await? {
        page.line("sitekeep_jobs", &[("state", state.word())], n as f64);
    }
    page.head("sitekeep_alarms_open", "gauge", "Open alarms, by cause.");
    for (cause, n) in db::alarms::counts(&mut conn).await? {
        page.line("sitekeep_alarms_open", &[("cause", &cause)], n as f64);
    }
    if let Some(copy) = db::copies::good(&mut conn).await? {
        page.head(
            "sitekeep_catalogue_copy_timestamp_seconds",
            "gauge",
            "When the newest copy of the catalogue was begun; absent where there is none.",
        );
        page.line("sitekeep_catalogue_copy_timestamp_seconds", &[], copy.began_at as f64 / 1e3);
    }
    let all = db::environments::gauges(&mut conn, now.plus(-app.settings.stale_after)).await?;
    let states = [
        ("sitekeep_environment_state", "How an environment stands; 1 for the state that it is in."),
        ("sitekeep_last_good_backup_timestamp_seconds", "When the last good backup was begun; absent where there is none."),
        ("sitekeep_last_good_backup_bytes", "What the last good backup holds."),
    ];
    for (nth, (name, help)) in states.into_iter().enumerate() {
        page.head(name, "gauge", help);
        for e in &all {
            let of = [("tenant", e.tenant.as_str()), ("site", &e.site), ("environment", &e.name), ("state", &e.health)];
            match (nth, e.last_good_at, e.last_good_size) {
                (0, ..) => page.line(name, &of, 1.0),
                (1, Some(at), _) => page.line(name, &of[..3], at as f64 / 1e3),
                (2, _, Some(size)) => page.line(name, &of[..3], size as f64),
                _ => {}
            }
        }
    }
    Ok(page.0)
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }
    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let _ = writeln!(self.0, "{name}{{{}}} {value}", labels.join(","));
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_line() {
        let mut page = Page::default();
        page.line("x", &[("site", "a\"} 1\nx{b=\"\\")], 2.5);
        assert_eq!(page.0, "x{site=\"a\\\"} 1\\nx{b=\\\"\\\\\"} 2.5\n");
    }
}
