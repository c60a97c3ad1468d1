//! An activity log: who did what, and when.

use super::kit::{iso, table, time};
use crate::domain::people::Act;
use leptos::prelude::*;

/// What an act is called in a sentence that begins with who did it.
const WORDS: &[(&str, &str)] = &[
    ("backup.create", "asked for a backup"),
    ("backup.edit", "changed a backup’s note or pin"),
    ("backup.verify", "had a backup read back"),
    ("backup.delete", "deleted a backup"),
    ("backup.take_back", "took a deleted backup back"),
    ("restore.create", "asked for a restore"),
    ("restore.undo", "took a restore back"),
    ("restore.retry", "went on with a restore"),
    ("job.cancel", "cancelled a job"),
    ("environment.add", "added an environment"),
    ("environment.change", "changed the settings of"),
    ("environment.removing", "asked for the removal of"),
    ("environment.remove", "removed"),
    ("environment.stay", "did not remove"),
    ("tenant.create", "made the tenant"),
    ("tenant.suspend", "suspended the tenant"),
    ("tenant.activate", "activated the tenant"),
    ("tenant.plan", "changed the plan"),
    ("member.invite", "invited"),
    ("member.uninvite", "took back the invitation of"),
    ("member.join", "joined"),
    ("member.role", "changed a role"),
    ("member.remove", "removed"),
    ("digest.change", "changed the daily letter"),
    ("webhook.add", "added the webhook"),
    ("webhook.remove", "removed the webhook"),
    ("recipients.change", "changed who is told"),
];

fn words(action: &str) -> String {
    WORDS.iter().find(|(a, _)| *a == action).map_or_else(|| action.replace(['.', '_'], " "), |(_, words)| (*words).to_owned())
}

/// The newest acts.
pub fn section(acts: &[Act]) -> AnyView {
    let rows: Vec<_> = acts.iter().map(row).collect();
    let none = rows.is_empty().then(|| html! { <p>"Nothing has been done yet."</p> });
    let table = (!rows.is_empty()).then(|| table("What was done, newest first", &["Time", "Who", "What"], rows));
    html! { <section class="stack" id="activity"><h2>"Activity"</h2>{none}{table}</section> }
}

fn row(act: &Act) -> AnyView {
    let mark = act.administrator.then(|| html! { <br/><small class="soft">"administrator"</small> });
    let detail = Some(act.detail.clone()).filter(|d| !d.is_empty()).map(|d| html! { <small class="wrap">{d}</small> });
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="regular">{iso(&act.at).map(time)}</th>
            <td role="cell" data-label="Who"><span class="wrap">{act.actor.clone()}{mark}</span></td>
            <td role="cell"><span>{words(&act.action)}</span>{detail}</td>
        </tr>
    }
}
