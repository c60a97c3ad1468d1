//! Tenants: the list, a new one, suspending, plans.

use super::{Administrator, given, whole, wrong};
use crate::app::plans::{self, Plan};
use crate::app::{App, access, tenants};
use crate::base::error::{Error, Result};
use crate::domain::ids::TenantId;
use crate::domain::page::TenantRow;
use crate::ui::admin::tenants as ui;
use crate::ui::admin::tenants::TypedPlan;
use crate::web::page_error::Page;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

pub async fn list(State(app): State<App>, reader: Administrator) -> Page {
    let rows = plans::tenants(&app, &reader.actor).await?;
    Ok(Html(ui::list(reader.shell("Tenants"), rows, String::new(), None)))
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct New {
    name: String,
}

pub async fn create(State(app): State<App>, reader: Administrator, Form(form): Form<New>) -> Page<Response> {
    match tenants::create(&app, &reader.actor, form.name.trim()).await {
        Ok(tenant) => {
            reader.tell(format!("The tenant {} is there. Add a site to it, and invite its owner.", tenant.name)).await?;
            Ok(Redirect::to("/admin/tenants").into_response())
        }
        Err(e) => {
            let (status, problem) = wrong(&e);
            let rows = plans::tenants(&app, &reader.actor).await?;
            Ok((status, Html(ui::list(reader.shell("Tenants"), rows, form.name, problem))).into_response())
        }
    }
}

pub async fn suspend(State(app): State<App>, reader: Administrator, Path(id): Path<String>) -> Page<Redirect> {
    let done = tenants::set_active(&app, &reader.actor, &TenantId(id), false).await;
    reader.settle("The tenant is suspended: its members see everything, and begin nothing.", done).await?;
    Ok(Redirect::to("/admin/tenants"))
}

pub async fn activate(State(app): State<App>, reader: Administrator, Path(id): Path<String>) -> Page<Redirect> {
    let done = tenants::set_active(&app, &reader.actor, &TenantId(id), true).await;
    reader.settle("The tenant is active again.", done).await?;
    Ok(Redirect::to("/admin/tenants"))
}

async fn row(app: &App, reader: &Administrator, id: &str) -> Result<TenantRow> {
    let rows = plans::tenants(app, &reader.actor).await?;
    rows.into_iter().find(|t| t.id == id).ok_or_else(|| access::hidden("tenant"))
}

pub async fn plan(State(app): State<App>, reader: Administrator, Path(id): Path<String>) -> Page {
    let row = row(&app, &reader, &id).await?;
    let typed = TypedPlan::of(&row);
    Ok(Html(ui::plan(reader.shell(format!("Plan of {}", row.name)), row, typed, None)))
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct PlanForm {
    plan: String,
    gigabytes: String,
    backups: String,
    jobs: String,
    schedules: String,
}

pub async fn set_plan(State(app): State<App>, reader: Administrator, Path(id): Path<String>, Form(form): Form<PlanForm>) -> Page<Response> {
    let row = row(&app, &reader, &id).await?;
    match save_plan(&app, &reader, &TenantId(id), &form).await {
        Ok(()) => {
            reader.tell(format!("The plan of {} is saved.", row.name)).await?;
            Ok(Redirect::to("/admin/tenants").into_response())
        }
        Err(e) => {
            let (status, problem) = wrong(&e);
            let schedules = form.schedules == "1";
            let typed = TypedPlan { plan: form.plan, gigabytes: form.gigabytes, backups: form.backups, jobs: form.jobs, schedules };
            Ok((status, Html(ui::plan(reader.shell(format!("Plan of {}", row.name)), row, typed, problem))).into_response())
        }
    }
}

async fn save_plan(app: &App, reader: &Administrator, id: &TenantId, form: &PlanForm) -> Result<()> {
    let plan = Plan {
        name: form.plan.trim().to_owned(),
        bytes: bytes(&form.gigabytes)?,
        backups: whole(&form.backups, "backups")?,
        jobs: whole(&form.jobs, "jobs")?,
        schedules: form.schedules == "1",
    };
    plans::set(app, &reader.actor, id, &plan).await
}

/// Gigabytes, with a point or a comma, as bytes.
fn bytes(gigabytes: &str) -> Result<Option<u64>> {
    let Some(text) = given(gigabytes) else { return Ok(None) };
    let number = text.replace(',', ".").parse::<f64>().ok().filter(|n| n.is_finite() && (0.0..=9e6).contains(n));
    let number = number.ok_or_else(|| {
        Error::invalid(format!("{text:?} is not a number of gigabytes")).hint("write a number like 10 or 2.5, or nothing for no limit")
    })?;
    Ok(Some((number * 1e9).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gigabytes_are_read_as_people_write_them() {
        let table = [("", None), ("10", Some(10_000_000_000)), ("2,5", Some(2_500_000_000)), (" 0.001 ", Some(1_000_000)), ("0", Some(0))];
        for (text, expected) in table {
            assert_eq!(bytes(text).unwrap(), expected);
        }
        for bad in ["ten", "-1", "1e99", "NaN", "inf"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
