//! Tenants: the customers whose things are kept apart.

use super::exit::Exit;
use super::output::{Cell, Column, Sheet, column};
use super::session::Session;
use crate::base::error::Result;
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
