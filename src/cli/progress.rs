//! What a running job is doing, in one line.

use crate::base::units;
use crate::domain::view::Job;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes a second over the last few seconds. A new phase counts from zero.
#[derive(Debug, Default)]
pub struct Rate {
    phase: String,
    seen: VecDeque<(Instant, u64)>,
}

impl Rate {
    const WINDOW: Duration = Duration::from_secs(10);

    pub fn saw(&mut self, phase: &str, bytes: u64, at: Instant) {
        if self.phase != phase || self.seen.back().is_some_and(|(_, before)| *before > bytes) {
            phase.clone_into(&mut self.phase);
            self.seen.clear();
        }
        self.seen.push_back((at, bytes));
        while self.seen.len() > 2 && self.seen.front().is_some_and(|(then, _)| at.duration_since(*then) > Self::WINDOW) {
            self.seen.pop_front();
        }
    }

    /// `None` until there is something to compare with.
    pub fn per_second(&self) -> Option<u64> {
        let ((from, before), (to, now)) = (self.seen.front()?, self.seen.back()?);
        let millis = u64::try_from(to.duration_since(*from).as_millis()).ok()?;
        if millis < 400 || now == before { None } else { Some((now - before).saturating_mul(1000) / millis) }
    }
}

/// `database: 12.3 MB of 40.0 MB, 120 files, 5.1 MB/s`, or what the job waits for.
pub fn describe(job: &Job, rate: Option<u64>) -> String {
    if job.cancel_requested {
        return "stopping".into();
    }
    if job.state != "running" {
        let why = job.blocked_on.clone().unwrap_or_else(|| match job.state.as_str() {
            "retry_wait" => format!("to try again ({})", job.message.as_deref().unwrap_or("the last attempt failed")),
            _ => "for a worker".into(),
        });
        return if why.starts_with("wait") { why } else { format!("waiting {why}") };
    }
    let phase = if job.phase.is_empty() { "starting" } else { &job.phase };
    let mut parts = Vec::new();
    match job.bytes_total {
        Some(total) if total >= job.bytes && total > 0 => parts.push(format!("{} of {}", units::size(job.bytes), units::size(total))),
        _ if job.bytes > 0 => parts.push(units::size(job.bytes)),
        _ => (),
    }
    if job.files > 0 {
        parts.push(units::count(job.files, "file"));
    }
    parts.extend(rate.map(|r| format!("{}/s", units::size(r))));
    if parts.is_empty() { phase.to_owned() } else { format!("{phase}: {}", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(state: &str) -> Job {
        serde_json::from_value(serde_json::json!({
            "id": "job_1", "tenant": "acme", "kind": "create_backup", "subject": "bak_1", "environment": null, "state": state, "attempt": 1,
            "phase": "database", "bytes": 12_300_000, "bytes_total": 40_000_000, "files": 1, "blocked_on": null, "message": null, "hint": null,
            "created": "", "started": null, "finished": null, "cancel_requested": false
        }))
        .unwrap()
    }

    #[test]
    fn a_line_says_what_is_done_of_what_and_how_fast() {
        assert_eq!(describe(&job("running"), Some(5_100_000)), "database: 12.3 MB of 40.0 MB, 1 file, 5.1 MB/s");
        assert_eq!(describe(&Job { bytes: 0, bytes_total: None, files: 0, ..job("running") }, None), "database");
        assert_eq!(describe(&job("queued"), None), "waiting for a worker");
        assert_eq!(
            describe(&Job { blocked_on: Some("waiting: clean-up of repository r".into()), ..job("queued") }, None),
            "waiting: clean-up of repository r"
        );
        assert_eq!(
            describe(&Job { message: Some("connection lost".into()), ..job("retry_wait") }, None),
            "waiting to try again (connection lost)"
        );
        assert_eq!(describe(&Job { cancel_requested: true, ..job("running") }, None), "stopping");
    }

    #[test]
    fn a_new_phase_begins_a_new_rate() {
        let (start, mut rate) = (Instant::now(), Rate::default());
        let after = |s| start + Duration::from_secs(s);
        rate.saw("database", 0, after(0));
        assert_eq!(rate.per_second(), None);
        rate.saw("database", 2_000, after(2));
        assert_eq!(rate.per_second(), Some(1_000));
        rate.saw("files", 0, after(3));
        assert_eq!(rate.per_second(), None);
        rate.saw("files", 500, after(4));
        assert_eq!(rate.per_second(), Some(500));
    }
}
