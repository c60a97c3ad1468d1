//! Schedules: when backups are made by themselves; `backup:automatic:*` as Terminus users know it, `schedule:*` for all of it.

mod automatic;

pub use automatic::{Disable, Enable, disable, enable, info as automatic_info};

use super::backups::{Wait, made};
use super::client::escaped;
use super::exit::Exit;
use super::output::{Cell, Column, Sheet, column};
use super::session::{Session, full_name, short_name};
use crate::base::error::Result;
use crate::domain::view::{Backup, ChangeSchedule, Freeze, Schedule, Slot, TenantSchedule};
use serde_json::{Value, json};

/// List when backups are made next
#[derive(Clone, Debug, clap::Args)]
pub struct List {}

/// An environment
#[derive(Clone, Debug, clap::Args)]
pub struct Of {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV")]
    pub environment: String,
}

/// Show the schedule of an environment with its next runs
#[derive(Clone, Debug, clap::Args)]
pub struct Info {
    #[command(flatten)]
    pub of: Of,
}

/// List what became of the slots of a schedule
#[derive(Clone, Debug, clap::Args)]
pub struct Slots {
    #[command(flatten)]
    pub of: Of,
}

/// The time of a schedule.
#[derive(Clone, Debug, clap::Args)]
pub struct When {
    /// The day of the weekly backup: Mon, Tue, …
    #[arg(long)]
    pub day: Option<String>,
    /// 0 to 23, or spread: one of the night, by chance
    #[arg(long)]
    pub hour: Option<String>,
    /// The zone of the hour, as Europe/Berlin
    #[arg(long)]
    pub zone: Option<String>,
}

/// Change the schedule of an environment, or of a tenant
///
/// What is not given stays as it is.
#[derive(Clone, Debug, clap::Args)]
pub struct Set {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV", required_unless_present = "tenant")]
    pub environment: Option<String>,
    /// Of all environments of this tenant that have no schedule of their own
    #[arg(long, conflicts_with = "environment")]
    pub tenant: Option<String>,
    /// nightly or weekly
    #[arg(long, value_parser = ["nightly", "weekly"])]
    pub cadence: Option<String>,
    #[command(flatten)]
    pub when: When,
    /// Switch it on
    #[arg(long, conflicts_with = "off")]
    pub on: bool,
    /// Switch it off; nothing of it is lost
    #[arg(long)]
    pub off: bool,
    /// Have none of its own: the tenant's, or for a tenant the built-in one
    #[arg(long, conflicts_with_all = ["cadence", "day", "hour", "zone", "on", "off"])]
    pub follow: bool,
}

/// Make a backup now, as the schedule would
#[derive(Clone, Debug, clap::Args)]
pub struct Run {
    #[command(flatten)]
    pub of: Of,
    #[command(flatten)]
    pub wait: Wait,
}

/// Let all schedules rest
#[derive(Clone, Debug, clap::Args)]
pub struct Rest {
    /// Why; everybody reads it
    #[arg(long)]
    pub reason: String,
}

/// Let schedules run again
#[derive(Clone, Debug, clap::Args)]
pub struct Thaw {}

const COLUMNS: &[Column] = &[
    column("environment", "Environment"),
    column("enabled", "Enabled"),
    column("next", "Next run"),
    column("words", "Schedule"),
    column("own", "Own"),
    column("cadence", "Cadence"),
    column("weekday", "Weekday"),
    column("at", "At"),
    column("hour", "Hour"),
    column("zone", "Zone"),
    column("upcoming", "Next runs"),
    column("allowed", "In the plan"),
    column("frozen", "Resting"),
    column("tenant", "Tenant"),
    column("id", "ID"),
];

fn row(s: Schedule) -> Vec<Cell> {
    let dates: Vec<String> = s.upcoming.iter().map(|at| Cell::date(Some(at)).text).collect();
    vec![
        s.environment.into(),
        s.rule.enabled.into(),
        Cell::date(s.upcoming.first().map(String::as_str)),
        s.words.into(),
        s.own.into(),
        s.rule.cadence.word().into(),
        s.rule.weekday.name().into(),
        s.at.into(),
        Cell::shown(s.rule.hour.map_or("spread".into(), |h| h.to_string()), json!(s.rule.hour)),
        s.rule.zone.name().into(),
        Cell::shown(dates.join("\n"), json!(s.upcoming)),
        s.allowed.into(),
        s.frozen.into(),
        s.tenant.into(),
        s.environment_id.into(),
    ]
}

fn path(id: &str) -> String {
    format!("/environments/{}/schedule", escaped(id))
}

fn tell_rest(s: &mut Session<'_>, frozen: Option<&String>) {
    if let Some(reason) = frozen {
        s.console.warn(&format!("All schedules rest: {reason}"));
    }
}

pub fn list(s: &mut Session<'_>) -> Result<Exit> {
    let all: Vec<Schedule> = s.client()?.get("/schedules")?;
    tell_rest(s, all.first().and_then(|one| one.frozen.as_ref()));
    let mut sheet = Sheet::new(COLUMNS, "tenant,environment,next,words");
    all.into_iter().for_each(|one| sheet.add(row(one)));
    s.print(sheet)?;
    Ok(Exit::Good)
}

pub fn info(s: &mut Session<'_>, args: &Info) -> Result<Exit> {
    let environment = s.environment(&args.of.environment)?;
    let found: Schedule = s.client()?.get(&path(&environment.id))?;
    tell_rest(s, found.frozen.as_ref());
    s.print(Sheet::one(COLUMNS, "environment,tenant,words,enabled,own,cadence,weekday,at,zone,upcoming", row(found)))?;
    Ok(Exit::Good)
}

pub fn set(s: &mut Session<'_>, args: &Set) -> Result<Exit> {
    let change = ChangeSchedule {
        follow: args.follow,
        enabled: (args.on || args.off).then_some(args.on),
        cadence: args.cadence.clone(),
        weekday: args.when.day.clone(),
        hour: args.when.hour.clone(),
        zone: args.when.zone.clone(),
    };
    if let Some(name) = &args.tenant {
        return set_of_tenant(s, name, &change);
    }
    let environment = s.environment(args.environment.as_deref().unwrap_or_default())?;
    let saved: Schedule = s.client()?.patch(&path(&environment.id), &change)?;
    s.console.notice(&format!("Backups of {} are made {}.", short_name(&environment), saved.words));
    if s.wants_data() {
        s.print(Sheet::one(COLUMNS, "environment,tenant,words,enabled,own,cadence,weekday,at,zone,upcoming", row(saved)))?;
    }
    Ok(Exit::Good)
}

fn set_of_tenant(s: &mut Session<'_>, name: &str, change: &ChangeSchedule) -> Result<Exit> {
    let tenant = s.tenant(name)?;
    let saved: TenantSchedule = s.client()?.patch(&format!("/tenants/{}/schedule", escaped(&tenant.id)), change)?;
    s.console.notice(&format!(
        "Backups of the {} environments of {name} without a schedule of their own are made {}.",
        saved.follow, saved.words
    ));
    Ok(Exit::Good)
}

const SLOTS: &[Column] = &[
    column("due", "Due"),
    column("state", "State"),
    column("ran", "Ran"),
    column("backup", "Backup"),
    column("backup_state", "Backup state"),
    column("why", "Why not"),
];

pub fn slots(s: &mut Session<'_>, args: &Slots) -> Result<Exit> {
    let environment = s.environment(&args.of.environment)?;
    let all: Vec<Slot> = s.client()?.get(&format!("/environments/{}/slots", escaped(&environment.id)))?;
    if all.is_empty() {
        s.console.warn(&format!("No slot of {} has come yet.", full_name(&environment)));
    }
    let mut sheet = Sheet::new(SLOTS, "due,state,ran,backup,why");
    for slot in all {
        let state = slot.state.word();
        sheet.add(vec![
            Cell::date(Some(&slot.due)),
            state.into(),
            Cell::date(slot.ran.as_deref()),
            slot.backup.into(),
            slot.backup_state.into(),
            slot.why.into(),
        ]);
    }
    s.print(sheet)?;
    Ok(Exit::Good)
}

pub fn run(s: &mut Session<'_>, args: &Run) -> Result<Exit> {
    let environment = s.environment(&args.of.environment)?;
    let answer = s.client()?.queue::<Backup>(&format!("{}/run", path(&environment.id)), &json!({}))?;
    made(s, &environment.name, answer, &args.wait)
}

pub fn freeze(s: &mut Session<'_>, args: &Rest) -> Result<Exit> {
    let _: Option<Freeze> = s.client()?.post("/freeze", &json!({ "reason": args.reason }))?.body;
    s.console.notice("All schedules rest. Backups by hand are made as ever; `sitekeep schedule:thaw` lets schedules run again.");
    Ok(Exit::Good)
}

pub fn thaw(s: &mut Session<'_>) -> Result<Exit> {
    let _: Value = s.client()?.post("/thaw", &json!({}))?.body;
    s.console.notice("Schedules run again. What they skipped is not made up for.");
    Ok(Exit::Good)
}
