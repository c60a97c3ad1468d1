//! What is kept: the rules of an environment and of a tenant, with the simulator. A preview is a GET: nothing is saved.

use super::environments::shell;
use crate::app::access::Actor;
use crate::app::{App, environments, retention, space, tenants};
use crate::base::error::{Class, Error, Result};
use crate::domain::element::Element;
use crate::domain::ids::{EnvironmentId, TenantId};
use crate::domain::paths;
use crate::domain::retention::{Policy, Rules};
use crate::domain::view;
use crate::domain::weekday::Weekday;
use crate::ui;
use crate::ui::retention::{Page as Shown, TenantPage, Typed};
use crate::web::error::status;
use crate::web::page_error::Page;
use crate::web::reader::{Reader, problem_of};
use axum::extract::{Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;
use std::collections::HashMap;

/// The fields as they came; those that were not sent are as usual.
type Fields = HashMap<String, String>;

pub async fn page(State(app): State<App>, reader: Reader, Path(id): Path<String>, Query(fields): Query<Fields>) -> Page<Response> {
    let id = EnvironmentId(id);
    let preview = fields.contains_key("preview");
    let typed = if preview { Some(read(&fields)) } else { None };
    show(&app, &reader, &id, &fields, typed).await
}

async fn show(app: &App, reader: &Reader, id: &EnvironmentId, fields: &Fields, asked: Option<Result<retention::Change>>) -> Page<Response> {
    let overview = environments::overview(app, &reader.actor, id, reader.zone).await?;
    let stored = retention::info(app, &reader.actor, id).await?;
    let above = retention::info_of_tenant(app, &reader.actor, &TenantId(overview.tenant_id.clone())).await?;
    let preview = asked.is_some();
    let (typed, rules, wrong) = typed(&stored, &above, fields, asked);
    let (simulation, typed, code) = match simulated(app, &reader.actor, id, rules.as_ref()).await {
        Ok(simulation) => (simulation, typed, wrong),
        // What was typed cannot be meant: it is shown again with what is wrong, beside the list as it is.
        Err(e) if e.class() == Class::Invalid && rules.is_some() => {
            let typed = Typed { problem: problem_of(&e), ..typed };
            (simulated(app, &reader.actor, id, None).await?, typed, Some(e.class()))
        }
        Err(e) => return Err(e.into()),
    };
    let preview = preview && typed.problem.is_none();
    let shell = shell(reader, &overview, format!("What is kept of {}", overview.card.title()));
    let space = space::of_environment(app, &reader.actor, id).await?;
    let html = Html(ui::retention::page(shell, Shown { overview, stored, typed, simulation, preview, space }));
    Ok(match code {
        Some(class) => (status(class), html).into_response(),
        None => html.into_response(),
    })
}

async fn simulated(app: &App, actor: &Actor, id: &EnvironmentId, rules: Option<&Rules>) -> Result<view::Simulation> {
    retention::simulate(app, actor, id, rules).await
}

/// What the form shows, what the simulator tries, and what was wrong.
fn typed(
    stored: &view::Retention,
    above: &view::Retention,
    fields: &Fields,
    asked: Option<Result<retention::Change>>,
) -> (Typed, Option<Rules>, Option<Class>) {
    match asked {
        None => (filled(stored, &Fields::new(), None), None, None),
        Some(Ok(retention::Change::Follow)) => (filled(stored, fields, None), Some(above.rules.clone()), None),
        Some(Ok(retention::Change::To(rules))) => (filled(stored, fields, None), Some(rules), None),
        Some(Err(e)) => (filled(stored, fields, Some(&e)), None, Some(e.class())),
    }
}

/// The form as it was sent, or as the rules are.
fn filled(stored: &view::Retention, sent: &Fields, wrong: Option<&Error>) -> Typed {
    Typed {
        rules: stored.rules.clone(),
        follow: if sent.is_empty() { stored.follows } else { sent.contains_key("follow") },
        sent: sent.clone(),
        problem: wrong.and_then(problem_of),
    }
}

pub async fn save(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(fields): Form<Fields>) -> Page<Response> {
    let id = EnvironmentId(id);
    let saved = match read(&fields) {
        Ok(change) => retention::set(&app, &reader.actor, &id, &change).await,
        Err(e) => Err(e),
    };
    match saved {
        Ok(stored) => {
            reader.tell(sentence(&stored)).await?;
            Ok(Redirect::to(&paths::retention(id.as_str())).into_response())
        }
        Err(e) if e.class() == Class::Invalid => show(&app, &reader, &id, &fields, Some(Err(e))).await,
        Err(e) => Err(e.into()),
    }
}

fn sentence(stored: &view::Retention) -> &'static str {
    match stored.effective {
        Some(_) => "The rules are saved. What they keep is kept at once; what they let go stays for another day.",
        None => "The rules are as they were.",
    }
}

pub async fn tenant_page(State(app): State<App>, reader: Reader, Path(id): Path<String>, Query(fields): Query<Fields>) -> Page<Response> {
    let typed = if fields.contains_key("preview") { Some(read(&fields)) } else { None };
    show_tenant(&app, &reader, &TenantId(id), &fields, typed).await
}

async fn show_tenant(
    app: &App,
    reader: &Reader,
    id: &TenantId,
    fields: &Fields,
    asked: Option<Result<retention::Change>>,
) -> Page<Response> {
    let tenant = tenants::overview(app, &reader.actor, id).await?;
    let stored = retention::info_of_tenant(app, &reader.actor, id).await?;
    // Above a tenant stands the product.
    let above = view::Retention { rules: Rules::default(), ..stored.clone() };
    let preview = asked.is_some();
    let (typed, rules, wrong) = typed(&stored, &above, fields, asked);
    let preview = preview && wrong.is_none();
    let simulation = retention::simulate_tenant(app, &reader.actor, id, rules.as_ref()).await?;
    let stranger = reader.actor.administrator && tenant.card.role.is_none();
    let shell = reader.shell(format!("What is kept of {}", tenant.card.name)).acting(stranger.then_some(tenant.card.name.as_str()));
    let space = space::of_tenant(app, &reader.actor, id).await?;
    let may = tenant.manages;
    let html = Html(ui::retention::tenant_page(shell, TenantPage { tenant, stored, typed, may, simulation, preview, space }));
    Ok(match wrong {
        Some(class) => (status(class), html).into_response(),
        None => html.into_response(),
    })
}

pub async fn save_tenant(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(fields): Form<Fields>) -> Page<Response> {
    let id = TenantId(id);
    let saved = match read(&fields) {
        Ok(change) => retention::set_of_tenant(&app, &reader.actor, &id, &change).await,
        Err(e) => Err(e),
    };
    match saved {
        Ok(stored) => {
            reader.tell(sentence(&stored)).await?;
            Ok(Redirect::to(&paths::tenant_retention(id.as_str())).into_response())
        }
        Err(e) if e.class() == Class::Invalid => show_tenant(&app, &reader, &id, &fields, Some(Err(e))).await,
        Err(e) => Err(e.into()),
    }
}

/// The rules that a form holds.
fn read(fields: &Fields) -> Result<retention::Change> {
    if fields.contains_key("follow") {
        return Ok(retention::Change::Follow);
    }
    let usual = Rules::default();
    let given = |name: &str| fields.get(name).map(|v| v.trim()).filter(|v| !v.is_empty());
    let days = |name: &str, usual: i64| given(name).map_or(Ok(usual), |text| number(name, text));
    let mut rules = Rules {
        scheduled: policy(fields, "scheduled", &usual.scheduled)?,
        on_demand: policy(fields, "on_demand", &usual.on_demand)?,
        safety_days: days("safety_days", usual.safety_days)?,
        failed_days: days("failed_days", usual.failed_days)?,
        grace_days: days("grace_days", usual.grace_days)?,
        purge_on: given("purge_on").map(Weekday::parse).transpose()?,
        zone: given("zone").unwrap_or("UTC").to_owned(),
        ..usual
    };
    for element in Element::ALL {
        let name = ui::retention::element_field(element);
        if let Some(text) = given(name) {
            rules.elements.insert(element, number(name, text)?);
        }
    }
    rules.check()?;
    Ok(retention::Change::To(rules))
}

fn policy(fields: &Fields, field: &str, usual: &Policy) -> Result<Policy> {
    let Some(name) = fields.get(field) else { return Ok(usual.clone()) };
    let form = Policy::FORMS.iter().find(|(known, _)| known == name);
    let numbers = form.map_or(&[][..], |(_, numbers)| numbers).iter().map(|(what, usual)| {
        let name = format!("{field}.{name}.{what}");
        fields.get(&name).map_or(Ok(*usual), |text| number(what, text.trim()))
    });
    Policy::of(name, &numbers.collect::<Result<Vec<_>>>()?)
}

fn number(what: &str, text: &str) -> Result<i64> {
    text.parse().map_err(|_| Error::invalid(format!("{text:?} is no number of {}", what.replace('_', " "))).hint("write a whole number"))
}
