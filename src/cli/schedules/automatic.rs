//! `backup:automatic:*`: the schedule in the words of Terminus.

use super::{Of, When, path};
use crate::base::error::Result;
use crate::cli::exit::Exit;
use crate::cli::output::{Cell, Column, Format, Sheet, column};
use crate::cli::session::Session;
use crate::domain::schedule::Cadence;
use crate::domain::view::{ChangeSchedule, Schedule};
use serde_json::Value;

/// Make backups of an environment automatically
#[derive(Clone, Debug, clap::Args)]
pub struct Enable {
    #[command(flatten)]
    pub of: Of,
    #[command(flatten)]
    pub when: When,
    /// Once a week instead of every night
    #[arg(long)]
    pub weekly: bool,
}

/// Make no backups of an environment automatically
#[derive(Clone, Debug, clap::Args)]
pub struct Disable {
    #[command(flatten)]
    pub of: Of,
}

const COLUMNS: &[Column] = &[
    column("daily_backup_hour", "Daily backup hour"),
    column("weekly_backup_day", "Weekly backup day"),
    column("expiry", "Weekly backup expiry"),
    column("next", "Next run"),
    column("words", "Schedule"),
];

pub fn enable(s: &mut Session<'_>, args: &Enable) -> Result<Exit> {
    let cadence = if args.weekly { Cadence::Weekly } else { Cadence::Nightly };
    let change = ChangeSchedule {
        enabled: Some(true),
        cadence: Some(cadence.word().into()),
        weekday: args.when.day.clone(),
        hour: args.when.hour.clone(),
        zone: args.when.zone.clone(),
        ..ChangeSchedule::default()
    };
    let saved = changed(s, &args.of, &change)?;
    s.console.notice("Backup schedule successfully set.");
    s.console.notice(&format!("Backups are made {}.", saved.words));
    Ok(Exit::Good)
}

pub fn disable(s: &mut Session<'_>, args: &Disable) -> Result<Exit> {
    changed(s, &args.of, &ChangeSchedule { enabled: Some(false), ..ChangeSchedule::default() })?;
    s.console.notice("Backup schedule successfully canceled.");
    Ok(Exit::Good)
}

fn changed(s: &mut Session<'_>, of: &Of, change: &ChangeSchedule) -> Result<Schedule> {
    let environment = s.environment(&of.environment)?;
    s.client()?.patch(&path(&environment.id), change)
}

/// As Terminus does, the day alone where nothing else was asked for.
pub fn info(s: &mut Session<'_>, args: &super::Info) -> Result<Exit> {
    let environment = s.environment(&args.of.environment)?;
    let found: Schedule = s.client()?.get(&path(&environment.id))?;
    let on = found.rule.enabled && found.allowed;
    if !on {
        s.console.warn("Backups are not currently scheduled to be run.");
    }
    let when = |text: String| if on { Cell::from(text) } else { Cell::shown("", Value::Null) };
    let hour = found.at.split(':').next().unwrap_or_default().to_owned();
    let daily = match found.rule.cadence {
        Cadence::Nightly => when(format!("{hour} {}", found.rule.zone.name())),
        Cadence::Weekly => Cell::shown("", Value::Null),
    };
    let row = vec![
        daily,
        when(found.rule.weekday.name().into()),
        when("by the policy".into()),
        Cell::date(found.upcoming.first().map(String::as_str)),
        when(found.words),
    ];
    if !s.wants_data() {
        s.global.format = Some(Format::String);
        s.global.field = Some("weekly_backup_day".into());
    }
    s.print(Sheet::one(COLUMNS, "daily_backup_hour,weekly_backup_day,expiry", row))?;
    Ok(Exit::Good)
}
