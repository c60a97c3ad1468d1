//! The tenants of the installation, and what each may use.

use super::{Problem, field, trail};
use crate::base::units;
use crate::domain::page::TenantRow;
use crate::domain::paths;
use crate::ui::kit::{post, problem, state, table};
use crate::ui::shell::{Shell, page as whole};
use leptos::prelude::*;

/// The list; `typed` is the name of one that could not be made.
pub fn list(shell: Shell, tenants: Vec<TenantRow>, typed: String, wrong: Problem) -> String {
    whole(shell, move || {
        let rows: Vec<_> = tenants.iter().map(row).collect();
        let body = if rows.is_empty() {
            html! { <div class="empty"><h2>"No tenant yet"</h2><p>"A tenant is somebody whose sites are kept here. Create the first one below."</p></div> }
                .into_any()
        } else {
            table("Tenants", &["Tenant", "State", "Plan", "Stored", "Backups", "Sites", "Members", ""], rows)
        };
        html! {
            <h1>"Tenants"</h1>
            {problem(wrong.clone())}
            {body}
            <form class="form card" method="post" action="/admin/tenants" aria-labelledby="new">
                <h2 id="new">"Create a tenant"</h2>
                {field("Name", "name", &typed, "1 to 40 characters: a-z, 0-9 and -. It cannot be changed later.")}
                <div class="actions"><button class="button primary">"Create the tenant"</button></div>
            </form>
        }
    })
}

fn row(t: &TenantRow) -> AnyView {
    let name = t.name.clone();
    let (act, label) = if t.active { ("suspend", "Suspend") } else { ("activate", "Activate") };
    let stored = t.quota_bytes.map_or(units::size(t.bytes), |most| format!("{} of {}", units::size(t.bytes), units::size(most)));
    let backups = t.quota_backups.map_or(t.backups.to_string(), |most| format!("{} of {most}", t.backups));
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead"><a class="wrap" href=paths::tenant(&t.id)>{name.clone()}</a></th>
            <td role="cell" class="lead">{state(if t.active { "active" } else { "suspended" })}</td>
            <td role="cell" data-label="Plan"><span>{t.plan.clone()}</span>
                {t.jobs_at_once.map(|n| html! { <small>{format!("{} at once", units::count(n, "job"))}</small> })}{(!t.schedules).then(|| html! { <small>"without schedules"</small> })}</td>
            <td role="cell" data-label="Stored"><span>{stored}</span></td>
            <td role="cell" data-label="Backups"><span>{backups}</span></td>
            <td role="cell" data-label="Sites"><span>{t.sites}</span></td>
            <td role="cell" data-label="Members"><span>{t.members}</span></td>
            <td role="cell"><div class="actions">
                <a class="button small" href=paths::admin_tenant(&t.id, "plan")>"Plan"<span class="sr">" of "{name.clone()}</span></a>
                {post(paths::admin_tenant(&t.id, act), "button small", label, name.clone())}
            </div></td>
        </tr>
    }
}

/// A plan as it is typed.
#[derive(Clone, Debug, Default)]
pub struct TypedPlan {
    pub plan: String,
    pub gigabytes: String,
    pub backups: String,
    pub jobs: String,
    pub schedules: bool,
}

impl TypedPlan {
    pub fn of(t: &TenantRow) -> Self {
        // Whole gigabytes without a point: what is typed is what is seen again.
        let gigabytes = |bytes: u64| {
            let text = format!("{:.3}", bytes as f64 / 1e9);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        Self {
            plan: t.plan.clone(),
            gigabytes: t.quota_bytes.map(gigabytes).unwrap_or_default(),
            backups: t.quota_backups.map(|n| n.to_string()).unwrap_or_default(),
            jobs: t.jobs_at_once.map(|n| n.to_string()).unwrap_or_default(),
            schedules: t.schedules,
        }
    }
}

pub fn plan(shell: Shell, t: TenantRow, typed: TypedPlan, wrong: Problem) -> String {
    whole(shell.slim(), move || {
        html! {
            {trail("Tenants", "/admin/tenants", format!("Plan of {}", t.name))}
            <h1>{format!("Plan of {}", t.name)}</h1>
            {problem(wrong.clone())}
            <p>{format!("{} has {} and has stored {}.", t.name, units::count(t.backups, "backup"), units::size(t.bytes))}</p>
            <form class="form card" method="post">
                {field("Plan", "plan", &typed.plan, "One word, such as free or paid. It is for people: the limits below count.")}
                {field("Space in GB", "gigabytes", &typed.gigabytes, "1 GB is 1 000 000 000 bytes. Empty: no limit.")}
                {field("Backups", "backups", &typed.backups, "The greatest number of backups that are kept at once. Empty: no limit.")}
                {field("Jobs at once", "jobs", &typed.jobs, "How many of its backups, downloads and clean-ups run at the same time. Restores run beside them. Empty: as many as of everybody.")}
                <fieldset><legend>"Schedules"</legend><div class="choices">
                    <label class="choice"><input type="checkbox" name="schedules" value="1" checked=typed.schedules/>"Backups may be made by a schedule"
                        <small>"Without, a slot that is due is refused and the reason shown; backups by hand are made as ever."</small></label>
                </div></fieldset>
                <p class="hint">"When a limit is reached no new backup is begun. Nothing is deleted, and safety backups before a restore are always made."</p>
                <div class="actions"><button class="button primary">{format!("Save the plan of {}", t.name)}</button>
                    <a class="button" href="/admin/tenants">"Cancel"</a></div>
            </form>
        }
    })
}
