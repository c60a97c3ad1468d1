//! Drills: a backup is restored into a scratch place and looked at, now; and what came of those before.

use super::backups::Wait;
use super::choose;
use super::client::escaped;
use super::exit::Exit;
use super::follow::ask;
use super::jobs;
use super::output::{Cell, Column, Sheet, column};
use super::session::{Session, short_name};
use crate::base::error::{Error, Result};
use crate::base::units;
use crate::domain::drill::{Database, DrillState};
use crate::domain::view::{Drill, RunDrill};

/// Restore a backup into a scratch place and look at it
///
/// By default the newest good one. It is compared with what was written down when it was made, started where there is a
/// command for that, and cleared away. The site is not touched.
#[derive(Clone, Debug, clap::Args)]
pub struct Run {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV")]
    pub environment: String,
    /// The backup's id
    #[arg(long, value_name = "ID")]
    pub backup: Option<String>,
    #[command(flatten)]
    pub wait: Wait,
}

/// List the drills of an environment, the newest first
#[derive(Clone, Debug, clap::Args)]
pub struct List {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV")]
    pub environment: String,
}

/// Show a drill with its evidence
#[derive(Clone, Debug, clap::Args)]
pub struct Info {
    /// Its id
    pub drill: String,
}

const COLUMNS: &[Column] = &[
    column("id", "ID"),
    column("date", "Date"),
    column("state", "State"),
    column("fault", "Fault"),
    column("backup", "Backup"),
    column("environment", "Environment"),
    column("initiator", "Initiator"),
    column("finished", "Finished"),
    column("restore_took", "Restored in"),
    column("message", "Message"),
    column("hint", "Hint"),
    column("findings", "Findings"),
    column("tables", "Tables"),
    column("not_drilled", "Not drilled"),
    column("job", "Job"),
];

fn row(d: &Drill) -> Vec<Cell> {
    let evidence = d.evidence.clone().unwrap_or_default();
    let findings: Vec<String> = evidence.findings.iter().map(|f| format!("{}: {}", f.fault, f.message)).collect();
    vec![
        (&d.id).into(),
        Cell::date(Some(&d.created)),
        d.state.word().into(),
        d.fault.map(|f| f.word()).into(),
        (&d.backup).into(),
        format!("{}/{}.{}", d.tenant, d.site, d.environment).into(),
        (&d.initiator).into(),
        Cell::date(d.finished.as_deref()),
        d.restore_took.map(units::duration).into(),
        d.message.as_ref().into(),
        d.hint.as_ref().into(),
        findings.into(),
        evidence.database.as_ref().and_then(Database::equality).into(),
        evidence.not_drilled.into(),
        d.job.as_ref().into(),
    ]
}

pub fn run(s: &mut Session<'_>, args: &Run) -> Result<Exit> {
    let environment = s.environment(&args.environment)?;
    let backup = match &args.backup {
        Some(id) => Some(choose::backup_of(s, &environment, id)?.id),
        None => None,
    };
    let path = format!("/environments/{}/drills", escaped(&environment.id));
    let queued = s.client()?.queue::<Drill>(&path, &RunDrill { backup })?;
    if !queued.fresh {
        s.console.notice(&format!("A drill of {} is under way already.", short_name(&environment)));
    }
    let drill = queued.body;
    let job = drill.job.clone().ok_or_else(|| Error::internal("the server did not say which job drills"))?;
    if !args.wait.waits() {
        s.console.notice(&format!("Queued the drill {}: `sitekeep job:log --follow {job}` follows it.", drill.id));
        return Ok(Exit::Good);
    }
    let (_, exit) = jobs::wait(s, &job)?;
    let drill: Drill = ask(s, &format!("/drills/{}", escaped(&drill.id)), &job)?;
    if drill.state == DrillState::Passed {
        s.console.notice(&format!("The backup {} was restored whole, and the scratch place is cleared away.", drill.backup));
    }
    if s.wants_data() {
        s.print(Sheet::one(COLUMNS, "id,state,fault,backup,restore_took,findings,tables,not_drilled", row(&drill)))?;
    }
    Ok(exit)
}

pub fn list(s: &mut Session<'_>, args: &List) -> Result<Exit> {
    let environment = s.environment(&args.environment)?;
    let all: Vec<Drill> = s.client()?.get(&format!("/environments/{}/drills", escaped(&environment.id)))?;
    let mut sheet = Sheet::new(COLUMNS, "id,date,state,fault,backup,restore_took,initiator");
    all.iter().for_each(|d| sheet.add(row(d)));
    if sheet.rows.is_empty() {
        s.console.warn(&format!("No backup of {} was ever drilled.", short_name(&environment)));
    }
    s.print(sheet)?;
    Ok(Exit::Good)
}

pub fn info(s: &mut Session<'_>, args: &Info) -> Result<Exit> {
    let drill: Drill = s.client()?.get(&format!("/drills/{}", escaped(&args.drill)))?;
    let shown = "id,environment,state,fault,backup,date,finished,restore_took,message,hint,findings,tables,not_drilled,initiator";
    s.print(Sheet::one(COLUMNS, shown, row(&drill)))?;
    Ok(Exit::Good)
}
