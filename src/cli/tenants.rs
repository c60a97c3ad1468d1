//! Tenants: the customers whose things are kept apart.

use super::client::escaped;
use super::exit::Exit;
use super::output::{Cell, Column, Sheet, column};
use super::session::Session;
use crate::base::error::{Error, Result};
use crate::base::units;
use crate::domain::view::TenantPlan;
use crate::domain::{names, view};

/// List the tenants that you may see
#[derive(Clone, Debug, clap::Args)]
pub struct List {}

/// Make a tenant
#[derive(Clone, Debug, clap::Args)]
pub struct Create {
    /// a-z, 0-9 and -
    pub name: String,
}

/// Show what a tenant may use, or change it
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Plan {
    /// The name of the tenant
    pub tenant: String,
    /// The plan's name, one word for people
    #[arg(long)]
    pub name: Option<String>,
    /// Space in GB (1 000 000 000 bytes), or `none` for no limit
    #[arg(long, value_name = "GB")]
    pub space: Option<String>,
    /// Backups that are kept at once, or `none` for no limit
    #[arg(long, value_name = "NUMBER")]
    pub backups: Option<String>,
    /// Jobs that run at once, or `none` for as many as of everybody
    #[arg(long, value_name = "NUMBER")]
    pub jobs: Option<String>,
    /// May a schedule make backups?
    #[arg(long, value_parser = ["on", "off"])]
    pub schedules: Option<String>,
}

impl Plan {
    /// The plan with what was given; none where nothing was.
    fn on(&self, mut plan: TenantPlan) -> Result<Option<TenantPlan>> {
        let before = plan.clone();
        plan.plan = self.name.clone().unwrap_or(plan.plan);
        if let Some(text) = &self.space {
            let number = |t: &str| t.parse::<f64>().ok().filter(|n| (0.0..=9e6).contains(n)).map(|n| (n * 1e9).round() as u64);
            plan.bytes = limit(text, number)?;
        }
        if let Some(text) = &self.backups {
            plan.backups = limit(text, |t| t.parse().ok())?;
        }
        if let Some(text) = &self.jobs {
            plan.jobs_at_once = limit(text, |t| t.parse().ok())?;
        }
        if let Some(word) = &self.schedules {
            plan.schedules = word == "on";
        }
        Ok((plan != before).then_some(plan))
    }
}

fn limit(text: &str, number: impl Fn(&str) -> Option<u64>) -> Result<Option<u64>> {
    if text == "none" {
        return Ok(None);
    }
    let wrong = || Error::invalid(format!("{text:?} is no number")).hint("write a number, or `none` for no limit");
    number(text).map(Some).ok_or_else(wrong)
}

const COLUMNS: &[Column] = &[column("name", "Name"), column("state", "State"), column("created", "Created"), column("id", "ID")];
const SHOWN: &str = "name,state,created,id";

fn row(t: view::Tenant) -> Vec<Cell> {
    vec![t.name.into(), t.state.into(), Cell::date(Some(&t.created)), t.id.into()]
}

pub fn list(s: &mut Session<'_>) -> Result<Exit> {
    let all: Vec<view::Tenant> = s.client()?.get("/tenants")?;
    let mut sheet = Sheet::new(COLUMNS, SHOWN);
    all.into_iter().for_each(|t| sheet.add(row(t)));
    if sheet.rows.is_empty() {
        s.console.warn("There are no tenants.");
    }
    s.print(sheet)?;
    Ok(Exit::Good)
}

pub fn create(s: &mut Session<'_>, args: &Create) -> Result<Exit> {
    names::check("tenant", &args.name)?;
    let made: view::Tenant = s.client()?.post("/tenants", &serde_json::json!({ "name": args.name }))?.body;
    s.console.notice(&format!("Created the tenant {}.", made.name));
    if s.wants_data() {
        s.print(Sheet::one(COLUMNS, SHOWN, row(made)))?;
    }
    Ok(Exit::Good)
}

const PLAN: &[Column] = &[
    column("plan", "Plan"),
    column("space", "Space"),
    column("backups", "Backups"),
    column("jobs", "Jobs at once"),
    column("schedules", "Schedules"),
];

fn plan_row(p: &TenantPlan) -> Vec<Cell> {
    let shown = |n: Option<u64>, none: &str| Cell::shown(n.map_or(none.to_owned(), |n| n.to_string()), serde_json::json!(n));
    vec![
        p.plan.clone().into(),
        Cell::shown(p.bytes.map_or("no limit".to_owned(), units::size), serde_json::json!(p.bytes)),
        shown(p.backups, "no limit"),
        shown(p.jobs_at_once, "as everybody"),
        p.schedules.into(),
    ]
}

pub fn plan(s: &mut Session<'_>, args: &Plan) -> Result<Exit> {
    let tenant = s.tenant(&args.tenant)?;
    let path = format!("/tenants/{}/plan", escaped(&tenant.id));
    let now: TenantPlan = s.client()?.get(&path)?;
    let plan = match args.on(now.clone())? {
        Some(wanted) => {
            let saved: TenantPlan = s.client()?.put(&path, &wanted)?;
            s.console.notice(&format!("The plan of {} is saved.", tenant.name));
            saved
        }
        None => now,
    };
    s.print(Sheet::one(PLAN, "plan,space,backups,jobs,schedules", plan_row(&plan)))?;
    Ok(Exit::Good)
}
