//! Things as the API shows them.

use super::far_end::FarEnd;
use serde_json::{Value, json};

pub fn environment(name: &str, live: bool) -> Value {
    json!({
        "id": format!("env_{name}"), "tenant": "acme", "site": "shop", "name": name, "stack": "wordpress",
        "elements": ["database", "files", "code"], "live": live, "url": "https://shop.example.org", "path": "/srv/shop",
        "last_backup": "2026-11-20T03:00:00Z", "running": null
    })
}

pub fn element(element: &str, state: &str, day: u32) -> Value {
    let end = if element == "database" { "sql.gz" } else { "tar.gz" };
    json!({
        "element": element, "state": state, "filename": format!("shop_live_2026-11-{day:02}T03-00-00_UTC_{element}.{end}"),
        "size": 1_234_567, "files": 12, "stored": 1000, "snapshot": "abc", "started": null, "finished": null,
        "manifest": { "tool": "mariadb-dump 10.11.6" }, "problems": []
    })
}

/// A succeeded backup of `shop.live`, of a day in November.
pub fn backup(id: &str, day: u32, elements: &[&str]) -> Value {
    json!({
        "id": id, "tenant": "acme", "site": "shop", "environment": "live", "state": "succeeded", "reason": "Generated on request",
        "note": null, "initiator": "ann@example.org", "created": format!("2026-11-{day:02}T03:00:00Z"), "started": null, "finished": null,
        "expires": "2026-12-21T03:00:00Z", "pinned": false, "protected": false, "size": 3_700_000,
        "elements": elements.iter().map(|e| element(e, "succeeded", day)).collect::<Vec<_>>(),
        "warnings": [], "message": null, "job": "job_1"
    })
}

pub fn job(state: &str, phase: &str) -> Value {
    json!({
        "id": "job_1", "tenant": "acme", "kind": "create_backup", "subject": "bak_1", "environment": "acme/shop.live", "state": state,
        "attempt": 1, "phase": phase, "bytes": 1000, "bytes_total": null, "files": 1, "blocked_on": null, "message": null, "hint": null,
        "created": "2026-11-21T03:00:00Z", "started": null, "finished": null, "cancel_requested": false
    })
}

pub fn restore(id: &str, kind: &str, state: &str) -> Value {
    json!({
        "id": id, "tenant": "acme", "site": "shop", "environment": "live", "backup": "bak_1", "safety_backup": "bak_safe", "kind": kind,
        "undo_of": null, "state": state, "elements": ["database", "files"], "note": null, "initiator": "ann@example.org",
        "created": "2026-11-21T04:00:00Z", "finished": null, "undo_until": "2026-11-28T04:00:00Z", "message": null, "hint": null,
        "steps": [{ "name": "preflight", "title": "Check", "state": "done", "started": null, "finished": null, "message": null }], "job": "job_1"
    })
}

pub fn plan(missing: &[&str]) -> Value {
    json!({
        "backup": "bak_1", "from": "acme/shop.live", "to": "acme/shop.live", "elements": ["database", "files"], "missing": missing,
        "lines": ["12 files of /srv/shop/uploads are replaced"], "warnings": ["the backup is 20 days old"]
    })
}

/// A far end that knows `shop.live` (live) and `shop.dev`, by whatever name they are asked for, one after the other.
pub fn shop() -> FarEnd {
    let far = FarEnd::start();
    far.says("GET /environments", environment("live", true));
    far.says("GET /environments/env_live/restores", json!([]));
    far
}

/// With these backups, the newest first.
pub fn shop_with(backups: &[Value]) -> FarEnd {
    let far = shop();
    far.says("GET /environments/env_live/backups", json!(backups)).says("GET /environments/env_live/backups", json!([]));
    far
}
