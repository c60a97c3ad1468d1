//! What is kept and why: the words beside each backup, the form of the rules, and the simulator.

use super::kit::{crumbs, iso, problem, state, time, trail};
use super::shell::{Shell, page as whole};
use crate::domain::element::Element;
use crate::domain::page::Overview;
use crate::domain::paths;
use crate::domain::people::TenantOverview;
use crate::domain::retention::{Policy, Rules};
use crate::domain::rights::Right;
use crate::domain::space::Space;
use crate::domain::view::{Fate, Retention, Simulated, SimulatedEnvironment, Simulation, TenantSimulation};
use crate::domain::weekday::Weekday;
use leptos::prelude::*;
use std::collections::HashMap;

/// *Kept because …*, and *goes on … by …*.
pub fn fate(fate: &Fate) -> AnyView {
    let because = fate.because.as_ref().map(|why| html! { <span class="wrap">"kept because "{why.clone()}</span> });
    let goes = match (fate.goes.as_deref().and_then(iso), fate.goes_now) {
        (Some(at), _) => Some(html! { <span class="wrap">"goes on "{time(at)}{by(fate)}</span> }),
        (None, true) => Some(html! { <span class="wrap">"goes with the next sweep"{by(fate)}</span> }),
        (None, false) => None,
    };
    let elements =
        (!fate.elements.is_empty()).then(|| html! { <span class="wrap">{format!("without {}", fate.elements.join(", "))}</span> });
    let label = fate.label.clone().map(|label| html! { <span class="mark">{label}</span> });
    html! { <span class="stack tight">{because}{goes}{elements}{label}</span> }
}

fn by(fate: &Fate) -> String {
    fate.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default()
}

/// What the form of the rules is filled with.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// What stands in fields that were not sent.
    pub rules: Rules,
    /// Whether it is to follow what stands above.
    pub follow: bool,
    /// The fields as somebody typed them, also where they cannot be read.
    pub sent: HashMap<String, String>,
    /// What was wrong with it.
    pub problem: Option<(String, Option<String>)>,
}

impl Typed {
    fn field(&self, name: &str, otherwise: impl ToString) -> String {
        self.sent.get(name).cloned().unwrap_or_else(|| otherwise.to_string())
    }
}

/// The page of an environment's rules.
#[derive(Clone, Debug)]
pub struct Page {
    pub overview: Overview,
    pub stored: Retention,
    pub typed: Typed,
    /// The real list by what was typed, or by what is in force.
    pub simulation: Simulation,
    /// Something was typed, and is not saved.
    pub preview: bool,
    pub space: Space,
}

pub fn page(shell: Shell, p: Page) -> String {
    whole(shell, move || {
        let o = &p.overview;
        let title = o.card.title();
        let own = paths::retention(&o.card.id);
        let form = o.rights.may(Right::Policy).then(|| form(&own, &p.typed, "the tenant's rules"));
        html! {
            {crumbs(trail(&o.card.tenant, &title, &o.card.id), "What is kept")}
            <h1 class="wrap">{format!("What is kept of {title}")}</h1>
            {waits(&p.stored)}
            {problem(p.typed.problem.clone())}
            {summary(&p.stored, "It follows the rules of its tenant.")}
            {form}
            {simulator(&p)}
            {super::space::section(&p.space)}
        }
    })
}

/// The page of a tenant's default.
#[derive(Clone, Debug)]
pub struct TenantPage {
    pub tenant: TenantOverview,
    pub stored: Retention,
    pub typed: Typed,
    pub may: bool,
    /// Every environment that follows, by what was typed, or by what is in force.
    pub simulation: TenantSimulation,
    /// Something was typed, and is not saved.
    pub preview: bool,
    pub space: Space,
}

pub fn tenant_page(shell: Shell, p: TenantPage) -> String {
    whole(shell, move || {
        let card = &p.tenant.card;
        let own = paths::tenant_retention(&card.id);
        let form = p.may.then(|| form(&own, &p.typed, "Sitekeep's own rules"));
        let trail = vec![("Members".to_owned(), "/tenants".to_owned()), (card.name.clone(), paths::tenant(&card.id))];
        html! {
            {crumbs(trail, "What is kept")}
            <h1 class="wrap">{format!("What is kept of {}", card.name)}</h1>
            <p class="soft">"Every environment of the tenant follows these rules, unless it has its own."</p>
            {waits(&p.stored)}
            {problem(p.typed.problem.clone())}
            {summary(&p.stored, "They are Sitekeep's own.")}
            {form}
            {followers(&p)}
            {super::space::section(&p.space)}
        }
    })
}

fn waits(stored: &Retention) -> Option<AnyView> {
    let at = iso(stored.effective.as_deref()?)?;
    let before = stored.before.as_ref().map(|b| html! { <span class="wrap">{format!("Until then also in force: {}", b.words())}</span> });
    Some(html! {
        <div class="note" data-kind="warn" role="status">
            <strong>"The rules were changed"</strong>
            <span>"What they keep is kept already. What they let go, and the rules before would keep, stays until "{time(at)}"."</span>
            {before}
        </div>
    })
}

fn summary(stored: &Retention, follows: &'static str) -> AnyView {
    let rules = &stored.rules;
    let days = |n: i64| crate::base::units::count(n.unsigned_abs(), "day");
    let elements: Vec<_> = rules
        .elements
        .iter()
        .map(|(element, n)| html! { <dt>{super::errors::capital(element.name())}</dt><dd>{format!("go after {}, before their backup", days(*n))}</dd> })
        .collect();
    let day = rules.purge_on.map(|day| html! { <dt>"Day"</dt><dd>{format!("Backups go on {}s only", day.name())}</dd> });
    html! {
        <section class="card stack"><h2>"The rules"</h2>
            {stored.follows.then(|| html! { <p class="soft">{follows}</p> })}
            <dl class="facts">
                <dt>"Scheduled"</dt><dd class="wrap">{rules.scheduled.words()}</dd>
                <dt>"On demand"</dt><dd class="wrap">{rules.on_demand.words()}</dd>
                <dt>"Safety"</dt><dd>{format!("{} after they were made, once no undo needs them", days(rules.safety_days))}</dd>
                <dt>"Failed"</dt><dd>{days(rules.failed_days)}</dd>
                {elements}{day}
                <dt>"Trash"</dt><dd>{format!("{} until they are gone for good", days(rules.grace_days))}</dd>
                <dt>"Zone"</dt><dd>{rules.zone.clone()}</dd>
            </dl>
            <p class="soft small">"The newest good backup, the last one that was proven, what is pinned, and what an undo may need never go."</p>
        </section>
    }
}

fn form(own: &str, typed: &Typed, above: &'static str) -> AnyView {
    let rules = &typed.rules;
    let try_it = html! { <button class="button" formmethod="get" formaction=format!("{own}#simulation") name="preview" value="1">"Preview"</button> };
    html! {
        <form class="form card" method="post" action=own.to_owned()>
            <h2>"Change the rules"</h2>
            {follow(above, typed.follow)}
            {policies("Scheduled backups", "scheduled", &rules.scheduled, typed)}
            {policies("On demand", "on_demand", &rules.on_demand, typed)}
            {numbers(typed)}
            {elements(typed)}
            {when(typed)}
            <p class="hint">"What new rules keep is kept at once. What they let go stays for another day, and the owners are told."</p>
            <div class="actions">{try_it}<button class="button primary">"Save the rules"</button></div>
        </form>
    }
}

fn follow(above: &'static str, chosen: bool) -> AnyView {
    html! {
        <div class="choices"><label class="choice">
            <input type="checkbox" name="follow" value="1" checked=chosen/>
            <span>{format!("Follow {above}")}</span><small>"Then what is chosen below is not read."</small>
        </label></div>
    }
}

fn numbers(typed: &Typed) -> AnyView {
    let rules = &typed.rules;
    let fields = vec![
        number("Safety backups, days", "safety_days", typed.field("safety_days", rules.safety_days)),
        number("Failed ones, days", "failed_days", typed.field("failed_days", rules.failed_days)),
        number("Days in the trash", "grace_days", typed.field("grace_days", rules.grace_days)),
    ];
    html! { <div class="numbers">{fields}</div> }
}

fn elements(typed: &Typed) -> AnyView {
    let field = |e: Element| {
        let days = typed.rules.elements.get(&e).map(i64::to_string).unwrap_or_default();
        number(e.name(), element_field(e), typed.field(element_field(e), days))
    };
    let fields: Vec<_> = Element::ALL.into_iter().map(field).collect();
    html! {
        <fieldset><legend>"Elements that go before their backup"</legend>
            <p class="hint">"After so many days; empty: with it."</p><div class="numbers">{fields}</div>
        </fieldset>
    }
}

fn when(typed: &Typed) -> AnyView {
    let days = weekdays(&typed.field("purge_on", typed.rules.purge_on.map(Weekday::word).unwrap_or_default()));
    let day = html! { <div class="field"><label for="purge_on">"Backups go"</label><select class="input" id="purge_on" name="purge_on">{days}</select></div> };
    let zone = html! { <div class="field"><label for="zone">"Zone of days and weeks"</label><input class="input" id="zone" name="zone" value=typed.field("zone", &typed.rules.zone)/></div> };
    html! { <div class="numbers">{day}{zone}</div> }
}

/// The field of an element's own days.
pub fn element_field(element: Element) -> &'static str {
    match element {
        Element::Code => "code_days",
        Element::Database => "database_days",
        Element::Files => "files_days",
    }
}

fn number(label: &'static str, name: &'static str, value: String) -> AnyView {
    html! { <div class="field"><label for=name>{super::errors::capital(label)}</label><input class="input" id=name name=name type="number" min="1" max="36500" value=value/></div> }
}

fn weekdays(chosen: &str) -> Vec<AnyView> {
    let any = html! { <option value="" selected=chosen.is_empty()>"on any day"</option> };
    let day =
        |day: &Weekday| html! { <option value=day.word() selected={chosen == day.word()}>{format!("on {}s only", day.name())}</option> };
    std::iter::once(any).chain(Weekday::ALL.iter().map(day)).collect()
}

/// One choice for each policy, with its numbers; the numbers of those that are not chosen are not read.
fn policies(legend: &'static str, field: &'static str, rule: &Policy, typed: &Typed) -> AnyView {
    let chosen = typed.field(field, rule.name());
    let choice = |(name, numbers): (&'static str, &'static [(&'static str, i64)])| {
        let values = if rule.name() == name { rule.numbers() } else { numbers.iter().map(|n| n.1).collect() };
        let input = |((what, _), value): (&(&'static str, i64), i64)| {
            let field = format!("{field}.{name}.{what}");
            counted(field.clone(), what, typed.field(&field, value))
        };
        let inputs: Vec<_> = numbers.iter().zip(values).map(input).collect();
        let id = format!("{field}.{name}");
        html! {
            <div class="choice">
                <input type="radio" id=id.clone() name=field value=name checked={chosen == name}/>
                <label for=id>{title(name)}</label>
                <small class="row">{inputs}</small>
            </div>
        }
    };
    let choices: Vec<_> = Policy::FORMS.into_iter().map(choice).collect();
    html! { <fieldset><legend>{legend}</legend><div class="choices">{choices}</div></fieldset> }
}

fn counted(name: String, what: &str, value: String) -> AnyView {
    let word = what.replace('_', " ");
    html! { <label class="number">{word}<input class="input tiny" name=name type="number" min="0" max="36500" value=value/></label> }
}

fn title(name: &str) -> &'static str {
    match name {
        "promote_oldest" => "Daily, weekly and monthly ones: the oldest are promoted",
        "keep_newest_of_period" => "The newest of each day, week, month and year",
        "nightly_weekly" => "Nightly ones, and weekly ones for longer",
        "keep_within" => "All of the last days",
        "keep_last" => "The newest ones",
        _ => "All of the last days, and the newest ones for ever",
    }
}

fn simulator(p: &Page) -> AnyView {
    let s = &p.simulation;
    let heading = if p.preview { "What these rules would do" } else { "What becomes of each backup" };
    let count = |n: usize| crate::base::units::count(n as u64, "backup");
    let words = match p.preview {
        true => format!("{} of {} would go; by the rules in force {} go.", s.goes_then, count(s.rows.len()), s.goes_now),
        false => format!("{} of {} go with the next sweep.", s.goes_now, count(s.rows.len())),
    };
    let rows: Vec<_> = s.rows.iter().map(|r| row(r, p.preview)).collect();
    let then = p.preview.then(|| html! { <th role="columnheader" scope="col">"By what is typed"</th> });
    html! {
        <section class="stack" id="simulation" aria-labelledby="simulation-title">
            <h2 id="simulation-title">{heading}</h2><p role="status">{words}</p>
            <table class="table cards" role="table">
                <caption class="sr">"Backups, newest first, and what becomes of each"</caption>
                <thead role="rowgroup"><tr role="row">
                    <th role="columnheader" scope="col">"Time"</th><th role="columnheader" scope="col">"State"</th>
                    <th role="columnheader" scope="col">"Reason"</th><th role="columnheader" scope="col">"By the rules in force"</th>{then}
                </tr></thead>
                <tbody role="rowgroup">{rows}</tbody>
            </table>
        </section>
    }
}

/// What a tenant's rules do to each environment that follows them.
fn followers(p: &TenantPage) -> AnyView {
    let s = &p.simulation;
    let heading = if p.preview { "What these rules would do" } else { "What becomes of the backups" };
    let all: usize = s.environments.iter().map(|e| e.backups).sum();
    let count = |n: usize, what: &str| crate::base::units::count(n as u64, what);
    let of = format!("{} in {}", count(all, "backup"), count(s.environments.len(), "environment"));
    let words = match p.preview {
        true => format!("{} of {of} would go; by the rules in force {} go.", s.goes_then, s.goes_now),
        false => format!("{} of {of} go with the next sweep.", s.goes_now),
    };
    let row = |e: &SimulatedEnvironment| {
        let then = p.preview.then(|| html! { <td role="cell" class="num" data-label="Would go">{e.goes_then}</td> });
        html! {
            <tr role="row">
                <th role="rowheader" scope="row" class="lead regular"><a class="wrap" href=paths::retention(&e.id)>{e.environment.clone()}</a></th>
                <td role="cell" class="num" data-label="Backups">{e.backups}</td>
                <td role="cell" class="num" data-label="Go now">{e.goes_now}</td>{then}
            </tr>
        }
    };
    let rows: Vec<_> = s.environments.iter().map(row).collect();
    let then = p.preview.then(|| html! { <th role="columnheader" scope="col" class="num">"By what is typed"</th> });
    let table = (!rows.is_empty()).then(|| {
        html! {
            <table class="table cards" role="table">
                <caption class="sr">"Environments that follow these rules, and how many of their backups go"</caption>
                <thead role="rowgroup"><tr role="row">
                    <th role="columnheader" scope="col">"Environment"</th><th role="columnheader" scope="col" class="num">"Backups"</th>
                    <th role="columnheader" scope="col" class="num">"By the rules in force"</th>{then}
                </tr></thead>
                <tbody role="rowgroup">{rows}</tbody>
            </table>
        }
    });
    html! {
        <section class="stack" id="simulation" aria-labelledby="simulation-title">
            <h2 id="simulation-title">{heading}</h2><p role="status">{words}</p>{table}
            <p class="soft small">"Environments with rules of their own are not among them."</p>
        </section>
    }
}

fn row(r: &Simulated, preview: bool) -> AnyView {
    let created = iso(&r.created).unwrap_or_default();
    let mark =
        (r.now.goes_now != r.then.goes_now).then(|| html! { <strong>{if r.then.goes_now { "would go" } else { "would stay" }}</strong> });
    let then =
        preview.then(|| html! { <td role="cell" data-label="Typed"><div class="small stack tight">{mark}{fate(&r.then)}</div></td> });
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead regular"><a href=paths::backup(&r.id)>{time(created)}</a></th>
            <td role="cell" class="lead">{state(r.state.word())}</td>
            <td role="cell"><span class="wrap">{r.reason.clone()}</span></td>
            <td role="cell" data-label="Now"><div class="small">{fate(&r.now)}</div></td>{then}
        </tr>
    }
}
