//! One environment: how it stands, what runs on it, and its log.

use super::kit::{ago, crumbs, iso, progress, state, time, trail};
use super::shell::{Shell, page as whole};
use super::{create, log};
use crate::base::units;
use crate::domain::alarm::{Alarm, Cause};
use crate::domain::page::{Day, EnvironmentPage, JobRow, Overview};
use crate::domain::paths;
use crate::domain::rights::Right;
use leptos::prelude::*;

pub fn page(shell: Shell, p: EnvironmentPage) -> String {
    let shell = shell.live(format!("environment:{}", p.overview.card.id), !p.jobs.is_empty());
    whole(shell, move || {
        let o = &p.overview;
        let trash = p.log.asked.trash == "1";
        let mut path = trail(&o.card.tenant, &o.card.title(), &o.card.id);
        path.truncate(2);
        html! {
            {crumbs(path, o.card.title())}
            <div class="row spread">
                <h1>{o.card.title()}" "<span id="state" data-part="">{state(if o.card.running.is_some() { "running" } else { o.card.health.word() })}</span></h1>
                {actions(o)}
            </div>
            {beside(o)}
            {locked(o)}
            <p id="proof" data-part="">"Restore drill: "{super::drills::badge(&o.badge)}</p>
            <div class="stack" id="standing" data-part="">{figures(o)}{strip(&o.days)}</div>
            {grown(o, &p.growth)}
            <section id="running" data-part="" aria-label="Jobs of this environment">{running(&p.jobs)}</section>
            {log::section(o, &p.log, trash)}
            {o.rights.may(Right::Create).then(|| create::dialog(o))}
        }
    })
}

/// Where the site is, and its recovery key: once that is confirmed it is seldom wanted.
fn beside(o: &Overview) -> Option<AnyView> {
    let url = o.url.clone().map(|url| html! { <a href=url.clone() rel="noreferrer noopener">{url.clone()}</a> });
    let key = (o.rights.may(Right::Manage) && o.removed.is_none() && o.card.key_confirmed)
        .then(|| html! { <a href=paths::recovery_key(&o.site_id)>"Recovery key"</a> });
    let between = (url.is_some() && key.is_some()).then_some(" · ");
    (url.is_some() || key.is_some()).then(|| html! { <p class="soft">{url}{between}{key}</p> })
}

/// How its space grew; nothing before there are two days of it.
fn grown(o: &Overview, points: &[(i64, i64)]) -> Option<AnyView> {
    let picture = super::space::growth(points)?;
    Some(html! {
        <section class="card stack" aria-labelledby="grown"><div class="row spread">
            <h2 id="grown">"Growth"</h2><a href=paths::retention(&o.card.id)>"What is kept, and the space it takes"</a>
        </div>{picture}</section>
    })
}

fn actions(o: &Overview) -> AnyView {
    let title = o.card.title();
    let restore = o.rights.may(Right::Restore).then(|| {
        let undo = o.undo.as_ref().map(|(id, _)| html! { <a class="button" href=paths::restore(id)>"Undo the last restore…"</a> });
        html! { {undo}<a class="button" href=paths::choose_restore(&o.card.id)>{format!("Restore {title}…")}</a> }
    });
    let create = o.rights.may(Right::Create).then(|| {
        html! { <a class="button primary" data-opens="create" href=paths::create_backup(&o.card.id)>{format!("Create a backup of {title}")}</a> }
    });
    let administer = (o.rights.may(Right::Administer) && o.removed.is_none())
        .then(|| html! { <a class="button" href=paths::administer(&o.card.id)>"Settings"</a> });
    let schedule = o.removed.is_none().then(|| html! { <a class="button" href=paths::schedule(&o.card.id)>"Schedule"</a> });
    let drill = (o.rights.may(Right::Create) && o.last_good_id.is_some()).then(|| super::drills::run(&o.card.id, None, "Run a drill now"));
    html! { <div class="actions">{administer}{schedule}{drill}{restore}{create}</div> }
}

fn locked(o: &Overview) -> AnyView {
    let stuck = o.stuck.as_ref().map(|id| {
        html! {
            <div class="note" data-kind="bad" role="alert">
                <strong>"A restore could go neither forward nor back"</strong>
                <span>"This environment is locked until somebody has looked. "<a href=paths::restore(id)>"What happened, and what to do"</a></span>
            </div>
        }
    });
    let suspended = o.tenant_suspended.then(|| {
        html! { <div class="note" data-kind="warn"><strong>{format!("{} is suspended", o.card.tenant)}</strong><span>"Its backups can be seen; ask the administrator to activate it."</span></div> }
    });
    let removed = o.removed.map(|at| {
        html! {
            <div class="note" data-kind="warn">
                <strong>"This environment was removed"</strong>
                <span>{time(at)}". Its backups are kept; they can be restored into other environments of "{o.card.tenant.clone()}"."</span>
            </div>
        }
    });
    let removing = o.removing.then(|| {
        html! { <div class="note" data-kind="warn"><strong>"This environment is being removed"</strong><span>"It goes when its last backup has succeeded."</span></div> }
    });
    let stayed = o.stayed.clone().map(|why| {
        html! { <div class="note" data-kind="bad"><strong>"This environment was to be removed, and stayed"</strong><span class="wrap">{super::errors::capital(&why)}</span></div> }
    });
    let key = (!o.card.key_confirmed && o.removed.is_none()).then(|| unconfirmed(o));
    let alarms: Vec<_> = o.alarms.iter().map(alarm).collect();
    html! { {stuck}{suspended}{removed}{removing}{stayed}{key}{alarms} }
}

/// Nobody has shown that they could open its backups without us.
fn unconfirmed(o: &Overview) -> AnyView {
    let way = match o.rights.may(Right::Manage) {
        true => html! { <a href=paths::recovery_key(&o.site_id)>"Download it and enter it once"</a> },
        false => html! { <span>"An owner of the tenant can do that."</span> },
    };
    html! {
        <div class="note" data-kind="warn">
            <strong>{format!("The recovery key of {} was never confirmed", o.card.site)}</strong>
            <span>"Backups are made, and it is shown as unprotected until somebody has the key that opens them without Sitekeep. "{way}</span>
        </div>
    }
}

fn alarm(a: &Alarm) -> AnyView {
    let since = iso(&a.opened).map(|at| html! { <span class="small">"since "{time(at)}</span> });
    let kind = if a.cause == Cause::Incomplete || a.cause == Cause::Size { "warn" } else { "bad" };
    let hint = a.hint.as_deref().map(super::errors::capital).map(|hint| html! { <span class="wrap">{hint}</span> });
    html! { <div class="note" data-kind=kind><strong>{a.cause.title()}</strong><span class="wrap">{super::errors::capital(&a.message)}</span>{hint}{since}</div> }
}

fn figures(o: &Overview) -> AnyView {
    let last = match (o.card.last_good, &o.last_good_id) {
        (Some(at), Some(id)) => html! { <dd><a href=paths::backup(id)>{ago(at)}</a></dd><dd>{time(at)}</dd> }.into_any(),
        _ => html! { <dd>"never"</dd><dd>"nothing could be restored"</dd> }.into_any(),
    };
    let proven = match o.last_proven {
        Some(at) => html! { <dd>{ago(at)}</dd><dd>"all of it was found in the repository"</dd> }.into_any(),
        None => html! { <dd>"never"</dd><dd>"every backup is proven when it is made"</dd> }.into_any(),
    };
    let takes = match o.restore_takes {
        Some(ms) => html! { <dd>"about "{roughly(ms)}</dd><dd>"by the newest restore or drill that was measured"</dd> }.into_any(),
        None => html! { <dd>"not known"</dd><dd>"there is nothing to restore yet"</dd> }.into_any(),
    };
    html! {
        <dl class="figures">
            <div><dt>"Last good backup"</dt>{last}</div>
            <div><dt>"Last proven"</dt>{proven}</div>
            <div><dt>"Next run"</dt>{next_run(o)}</div>
            <div><dt>"Would take to restore"</dt>{takes}</div>
        </dl>
    }
}

fn next_run(o: &Overview) -> AnyView {
    let said = super::errors::capital(&o.next_run.said);
    match o.next_run.at {
        Some(at) => html! { <dd>{ago(at)}</dd><dd>{super::schedules::in_zones(at, o.next_run.zone)}</dd><dd>{said}</dd> }.into_any(),
        None => html! { <dd>"none"</dd><dd>{said}</dd> }.into_any(),
    }
}

/// An estimate is told in minutes, never to the second.
pub fn roughly(ms: i64) -> String {
    match ms {
        ..60_000 => "1 min".into(),
        60_000..5_400_000 => format!("{} min", (ms + 30_000) / 60_000),
        _ => units::duration(ms),
    }
}

/// The last thirty days as a picture, and the same in words.
fn strip(days: &[Day]) -> AnyView {
    let of = |f: fn(&Day) -> bool| days.iter().filter(|d| f(d)).count() as u64;
    let good = of(|d| d.good > 0);
    let part = of(|d| d.good == 0 && d.incomplete > 0);
    let failed: Vec<String> = days.iter().filter(|d| d.good == 0 && d.incomplete == 0 && d.failed > 0).map(|d| d.day.clone()).collect();
    let none = of(|d| d.good + d.incomplete + d.failed == 0);
    let named = if failed.is_empty() { String::new() } else { format!(" ({})", failed.join(", ")) };
    let words = format!(
        "{} with a good backup, {part} with an incomplete one only, {} with failed ones only{named}, {none} without any.",
        units::count(good, "day"),
        failed.len()
    );
    let bars: Vec<_> = days.iter().enumerate().map(|(i, day)| bar(i, day)).collect();
    html! {
        <div class="card"><figure class="strip">
            <figcaption class="small soft">"The last 30 days, today at the right"</figcaption>
            <svg viewBox="0 0 300 24" preserveAspectRatio="none" role="img" aria-labelledby="strip-title strip-words">
                <title id="strip-title">"Backups of the last 30 days"</title>
                <desc id="strip-words">{words}</desc>
                {bars}
            </svg>
            <ul class="legend">
                <li><svg viewBox="0 0 8 16" aria-hidden="true"><rect class="ok" y="0" width="8" height="16"/></svg>"good"</li>
                <li><svg viewBox="0 0 8 16" aria-hidden="true"><rect class="part" y="8" width="8" height="8"/></svg>"incomplete"</li>
                <li><svg viewBox="0 0 8 16" aria-hidden="true"><rect class="no" x="1" y="1" width="6" height="14"/></svg>"failed"</li>
                <li><svg viewBox="0 0 8 16" aria-hidden="true"><rect class="none" y="14" width="8" height="2"/></svg>"none"</li>
            </ul>
        </figure></div>
    }
}

fn bar(i: usize, day: &Day) -> AnyView {
    let x = i * 10 + 1;
    let (class, x, y, width, height) = match day {
        d if d.good > 0 => ("ok", format!("{x}"), "0", "7", "24"),
        d if d.incomplete > 0 => ("part", format!("{x}"), "12", "7", "12"),
        d if d.failed > 0 => ("no", format!("{x}.75"), "0.75", "5.5", "22.5"),
        _ => ("none", format!("{x}"), "22", "7", "2"),
    };
    let words = format!("{}: {} good, {} incomplete, {} failed", day.day, day.good, day.incomplete, day.failed);
    html! { <rect class=class x=x y=y width=width height=height><title>{words}</title></rect> }
}

fn running(jobs: &[JobRow]) -> Option<AnyView> {
    let all: Vec<_> = jobs
        .iter()
        .map(|job| {
            let now = use_context::<super::Now>().unwrap_or_default().0;
            let took = job.started.map(|at| now.0 - at.0);
            let what = super::jobs::kind(&job.kind);
            let waits = job.blocked_on.clone().filter(|_| job.state != "running");
            let inside = match job.state.as_str() {
                "running" => progress(&job.phase, job.bytes, job.bytes_total, job.files, took).into_any(),
                _ => html! { <p class="small soft">{waits.unwrap_or_else(|| "waits for a free worker".into())}</p> }.into_any(),
            };
            html! { <div class="card stack tight"><p><a href=paths::job(&job.id)>{what}</a>" "{state(&job.state)}</p>{inside}</div> }
        })
        .collect();
    (!jobs.is_empty()).then(|| html! { <div class="stack">{all}</div> })
}
