//! Schedules: the form with what it would mean, and what became of every slot.

use super::kit::{crumbs, post, problem, state, table, time, trail};
use super::shell::{Shell, page as whole};
use crate::base::clock::Millis;
use crate::base::units;
use crate::base::zone::Zone;
use crate::domain::page::{Overview, SchedulePage, SlotRow, TenantSchedule};
use crate::domain::paths;
use crate::domain::rights::Right;
use crate::domain::schedule::{Cadence, Schedule, SlotState};
use crate::domain::weekday::Weekday;
use leptos::prelude::*;

/// What was wrong with what was typed.
pub type Problem = Option<(String, Option<String>)>;

/// The page of an environment's schedule.
pub fn page(shell: Shell, o: Overview, p: SchedulePage, wrong: Problem) -> String {
    whole(shell.slim(), move || {
        let title = o.card.title();
        let run = o
            .rights
            .may(Right::Create)
            .then(|| post(paths::schedule_act(&o.card.id, "run"), "button", "Run now", format!("a backup of {title}")));
        let whose = match p.own {
            true => format!("{title} has a schedule of its own."),
            false => format!("{title} follows the schedule of {}.", o.card.tenant),
        };
        let body = if p.may_change { form(&paths::schedule(&o.card.id), &p.shown, &title, upcoming(&p)) } else { upcoming(&p) };
        html! {
            {crumbs(trail(&o.card.tenant, &title, &o.card.id), "Schedule")}
            <div class="row spread"><h1>{format!("Schedule of {title}")}</h1><div class="actions">{run}</div></div>
            {problem(wrong.clone())}
            {notes(&p)}
            <p>{whose}" Backups are made "<strong>{p.saved.words(&o.card.id)}</strong>"."</p>
            {body}
            {follow(&o, &p)}
            {slots(&p.slots)}
        }
    })
}

fn notes(p: &SchedulePage) -> AnyView {
    let frozen = p.frozen.clone().map(|reason| rest(&reason));
    let allowed = (!p.allowed).then(|| {
        html! { <div class="note" data-kind="warn"><strong>"The plan of this tenant has no schedules"</strong><span>"Backups can be made by hand at any time. Ask the administrator for a plan with schedules."</span></div> }
    });
    html! { {frozen}{allowed} }
}

/// On every page that tells when backups are made.
pub fn rest(reason: &str) -> AnyView {
    html! { <div class="note" data-kind="warn" id="rest"><strong>"All schedules rest"</strong><span class="wrap">{reason.to_owned()}" Backups by hand are made as ever."</span></div> }
}

fn upcoming(p: &SchedulePage) -> AnyView {
    let zone = p.shown.zone;
    let tried = p.shown != p.saved;
    let heading = if tried { "The next runs, if you save this" } else { "The next runs" };
    let rows: Vec<_> = p.upcoming.iter().map(|at| html! { <li>{in_zones(*at, zone)}</li> }).collect();
    let body = if p.shown.enabled {
        html! { <ol class="stack tight">{rows}</ol> }.into_any()
    } else {
        html! { <p>"None: it is switched off."</p> }.into_any()
    };
    html! {
        <div class="card stack tight" id="upcoming" data-part="">
            <h2>{heading}</h2>
            <p class="soft">{super::errors::capital(&p.words)}"."</p>
            {body}
        </div>
    }
}

/// A time in the zone of the schedule, and in the reader's where that is another.
pub fn in_zones(at: Millis, zone: Zone) -> AnyView {
    let own = use_context::<Zone>().unwrap_or_default();
    let here = (own.minutes(at) != zone.minutes(at)).then(|| html! { " "<span class="soft">"("{time(at)}")"</span> });
    html! { <time datetime=at.iso()>{format!("{} {}", zone.of_week(at), zone.minutes(at))}</time>{here} }
}

fn form(action: &str, rule: &Schedule, whose: &str, upcoming: AnyView) -> AnyView {
    let ways = [
        (Cadence::Nightly, "Every night", "one backup of the week counts as the weekly one and is kept for longer"),
        (Cadence::Weekly, "Once a week", "fewer backups: up to a week of changes can be lost"),
    ];
    let ways: Vec<_> = ways
        .into_iter()
        .map(|(cadence, label, what)| {
            html! {
                <label class="choice"><input type="radio" name="cadence" value=cadence.word() checked={cadence == rule.cadence}/>
                    {label}<small>{what}</small></label>
            }
        })
        .collect();
    let days: Vec<_> =
        Weekday::ALL.iter().map(|day| html! { <option value=day.word() selected={*day == rule.weekday}>{day.name()}</option> }).collect();
    let hours: Vec<_> = (0..24)
        .map(|hour| html! { <option value=hour.to_string() selected={rule.hour == Some(hour)}>{format!("{hour:02}:00 to {hour:02}:30")}</option> })
        .collect();
    let zones: Vec<_> = Zone::all().map(|zone| html! { <option value=zone selected={zone == rule.zone.name()}>{zone}</option> }).collect();
    html! {
        <form class="form card" method="post" action=action.to_owned() data-previews="upcoming">
            <div class="choices">
                <label class="choice"><input type="checkbox" name="enabled" value="1" checked=rule.enabled/>"Make backups automatically"
                    <small>"Switched off, nothing of what is chosen below is lost."</small></label>
            </div>
            <fieldset><legend>"How often"</legend><div class="choices">{ways}</div></fieldset>
            <div class="field"><label for="weekday">"Day of the weekly backup"</label>
                <select class="input short" id="weekday" name="weekday">{days}</select></div>
            <div class="field"><label for="hour">"Hour"</label>
                <select class="input short" id="hour" name="hour" aria-describedby="hour-hint">
                    <option value="spread" selected={rule.hour.is_none()}>"Any of the night"</option>{hours}
                </select>
                <span class="hint" id="hour-hint">"Sites are spread over half an hour, so that not all of them begin at once. Any of the night: between 00:00 and 05:30, always the same."</span></div>
            <div class="field"><label for="zone">"Time zone of the hour"</label>
                <select class="input" id="zone" name="zone">{zones}</select></div>
            {upcoming}
            <div class="actions"><button class="button primary">{format!("Save the schedule of {whose}")}</button>
                <button class="button" name="preview" value="1" formmethod="get">"Preview"</button></div>
        </form>
    }
}

fn follow(o: &Overview, p: &SchedulePage) -> Option<AnyView> {
    (p.may_change && p.own).then(|| {
        html! {
            <div class="row spread">
                <p>{format!("The schedule of {} is {}.", o.card.tenant, p.tenant_rule.words(&o.card.id))}</p>
                {post(paths::schedule_act(&o.card.id, "follow"), "button", format!("Follow {}", o.card.tenant), format!("with {}", o.card.title()))}
            </div>
        }
    })
}

fn slots(all: &[SlotRow]) -> AnyView {
    let rows: Vec<_> = all.iter().map(slot).collect();
    let body = if rows.is_empty() {
        html! { <p class="soft">"No run was due yet."</p> }.into_any()
    } else {
        table("Runs that were due, newest first", &["Due", "State", "What became of it"], rows)
    };
    html! { <section class="stack"><h2>"Runs that were due"</h2>{body}</section> }
}

fn slot(s: &SlotRow) -> AnyView {
    let word = s.backup_state.clone().unwrap_or_else(|| s.state.word().to_owned());
    // A run that was missed is as bad as one that failed; one that was skipped on purpose is not.
    let sign = match s.state {
        SlotState::Missed | SlotState::Refused => "failed",
        _ => "skipped",
    };
    let shown = match &s.backup_state {
        Some(word) => state(word),
        None => html! { <span class="state" data-state=sign>{word}</span> }.into_any(),
    };
    let what = match (&s.backup, s.ran) {
        (Some(id), Some(ran)) => html! { <a href=paths::backup(id)>"Backup"</a>", ran at "{time(ran)} }.into_any(),
        (Some(id), None) => html! { <a href=paths::backup(id)>"Backup"</a>", which has not begun yet" }.into_any(),
        (None, _) => html! { <span class="wrap">{s.why.as_deref().map(super::errors::capital)}</span> }.into_any(),
    };
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead regular">{time(s.at)}</th>
            <td role="cell" class="lead">{shown}</td>
            <td role="cell"><span>{what}</span></td>
        </tr>
    }
}

/// The page of a tenant's rule; `shown` is what the form is filled with.
pub fn tenant(shell: Shell, t: TenantSchedule, shown: Schedule, wrong: Problem) -> String {
    whole(shell.slim(), move || {
        let page = paths::tenant(&t.id);
        let action = paths::tenant_schedule(&t.id);
        let plan = (!t.allowed).then(|| {
            html! { <div class="note" data-kind="warn"><strong>{format!("The plan of {} has no schedules", t.name)}</strong><span>"Ask the administrator for a plan with schedules."</span></div> }
        });
        let example = html! {
            <div class="card stack tight" id="upcoming" data-part=""><h2>{if shown == t.rule { "What it means" } else { "What it means, if you save this" }}</h2>
                <p>{super::errors::capital(&shown.words_for_many())}"."</p></div>
        };
        let body = if t.may_change { form(&action, &shown, &t.name, example.into_any()) } else { example.into_any() };
        html! {
            {crumbs(vec![("Members".into(), "/tenants".into()), (t.name.clone(), page)], "Schedule")}
            <h1>{format!("Schedule of {}", t.name)}</h1>
            {problem(wrong.clone())}
            {plan}
            <p>{format!("Environments of {} without a schedule of their own follow this one: {}, while {} of their own.", t.name,
                units::count(t.follow, "environment"), if t.own_rules == 1 { "1 has one".to_owned() } else { format!("{} have one", t.own_rules) })}</p>
            {body}
        }
    })
}
