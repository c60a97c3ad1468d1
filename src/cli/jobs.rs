//! Jobs: what runs in the background, its log, and how to end it.

use super::client::escaped;
use super::exit::Exit;
use super::follow::{ask, follow, is_final};
use super::output::{Cell, Column, Sheet, column, plain};
use super::session::Session;
use crate::base::error::Result;
use crate::base::units;
use crate::domain::view;
use serde_json::json;

/// List jobs, the newest first
#[derive(Clone, Debug, clap::Args)]
pub struct List {
    /// Only of this environment
    #[arg(value_name = "SITE.ENV")]
    pub environment: Option<String>,
    /// Only in this state: queued, running, succeeded, incomplete, failed, cancelled
    #[arg(long)]
    pub state: Option<String>,
}

/// Show one job
#[derive(Clone, Debug, clap::Args)]
pub struct Info {
    /// Its id
    pub job: String,
}

/// Show what a job wrote
#[derive(Clone, Debug, clap::Args)]
pub struct Log {
    /// Its id
    pub job: String,
    /// Go on until it has ended
    #[arg(long, short = 'f')]
    pub follow: bool,
}

/// Ask a job to stop at its next safe point
#[derive(Clone, Debug, clap::Args)]
pub struct Cancel {
    /// Its id
    pub job: String,
}

const COLUMNS: &[Column] = &[
    column("id", "ID"),
    column("kind", "Kind"),
    column("environment", "Environment"),
    column("state", "State"),
    column("phase", "Phase"),
    column("created", "Created"),
    column("started", "Started"),
    column("finished", "Finished"),
    column("attempt", "Attempt").right(),
    column("size", "Size").right(),
    column("files", "Files").right(),
    column("blocked_on", "Waits for"),
    column("message", "Message"),
    column("hint", "Hint"),
    column("cancel_requested", "Asked to stop"),
    column("subject", "Works on"),
    column("tenant", "Tenant"),
    column("bytes", "Bytes").right(),
    column("bytes_total", "Bytes in all").right(),
];

fn row(j: view::Job) -> Vec<Cell> {
    let size = match j.bytes_total {
        Some(total) if !is_final(&j) => format!("{} of {}", units::size(j.bytes), units::size(total)),
        _ => units::size(j.bytes),
    };
    vec![
        j.id.into(),
        j.kind.into(),
        j.environment.into(),
        j.state.into(),
        j.phase.into(),
        Cell::date(Some(&j.created)),
        Cell::date(j.started.as_deref()),
        Cell::date(j.finished.as_deref()),
        j.attempt.into(),
        size.into(),
        j.files.into(),
        j.blocked_on.into(),
        j.message.into(),
        j.hint.into(),
        j.cancel_requested.into(),
        j.subject.into(),
        j.tenant.into(),
        j.bytes.into(),
        j.bytes_total.into(),
    ]
}

pub fn list(s: &mut Session<'_>, args: &List) -> Result<Exit> {
    let environment = args.environment.as_deref().map(|address| s.environment(address)).transpose()?;
    let wanted = [("environment", environment.map(|e| e.id)), ("state", args.state.clone())];
    let query: Vec<String> = wanted.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", escaped(&value?)))).collect();
    let all: Vec<view::Job> = s.client()?.get(&format!("/jobs?{}", query.join("&")))?;
    let mut sheet = Sheet::new(COLUMNS, "id,kind,environment,state,created,finished,blocked_on");
    all.into_iter().for_each(|job| sheet.add(row(job)));
    if sheet.rows.is_empty() {
        s.console.warn("There are no jobs.");
    }
    s.print(sheet)?;
    Ok(Exit::Good)
}

pub fn info(s: &mut Session<'_>, args: &Info) -> Result<Exit> {
    let job: view::Job = s.client()?.get(&format!("/jobs/{}", escaped(&args.job)))?;
    let shown =
        "id,kind,environment,subject,state,phase,size,files,attempt,blocked_on,message,hint,created,started,finished,cancel_requested";
    s.print(Sheet::one(COLUMNS, shown, row(job)))?;
    Ok(Exit::Good)
}

pub fn log(s: &mut Session<'_>, args: &Log) -> Result<Exit> {
    let mut last = None;
    if !args.follow {
        let lines = lines_after(s, &args.job, &mut last)?;
        return if s.wants_data() || s.global.filter.is_some() { print_sheet(s, lines) } else { print_lines(s, &lines) };
    }
    let mut pause = s.pace.first;
    loop {
        // The state is asked for before the lines: what is written between the two requests is not missed.
        let job: view::Job = ask(s, &format!("/jobs/{}", escaped(&args.job)), &args.job)?;
        let lines = lines_after(s, &args.job, &mut last)?;
        pause = if lines.is_empty() { (pause * 3 / 2).min(s.pace.longest) } else { s.pace.first };
        print_lines(s, &lines)?;
        if is_final(&job) {
            return Ok(conclude(s, &job));
        }
        std::thread::sleep(pause);
    }
}

/// All lines after the last one that was seen, however many the server gives at once.
fn lines_after(s: &mut Session<'_>, job: &str, last: &mut Option<i64>) -> Result<Vec<view::LogLine>> {
    let mut all = Vec::new();
    loop {
        let query = last.map_or_else(String::new, |n| format!("?after={n}"));
        let mut page: Vec<view::LogLine> = ask(s, &format!("/jobs/{}/log{query}", escaped(job)), job)?;
        page.retain(|line| last.is_none_or(|n| line.number > n));
        let Some(newest) = page.iter().map(|line| line.number).max() else { return Ok(all) };
        *last = Some(newest);
        all.extend(page);
    }
}

fn print_lines(s: &mut Session<'_>, lines: &[view::LogLine]) -> Result<Exit> {
    let text = lines.iter().fold(String::new(), |out, line| {
        let level = if line.level == "info" { String::new() } else { format!("{}: ", line.level) };
        out + &plain::line(&format!("{}  {level}{}", Cell::date(Some(&line.at)).text, line.text)) + "\n"
    });
    s.console.data(&text)?;
    Ok(Exit::Good)
}

fn print_sheet(s: &mut Session<'_>, lines: Vec<view::LogLine>) -> Result<Exit> {
    let columns = [column("number", "Number").right(), column("at", "Time"), column("level", "Level"), column("text", "Text")];
    let mut sheet = Sheet::new(&columns, "at,level,text");
    lines.into_iter().for_each(|l| sheet.add(vec![json!(l.number).into(), Cell::date(Some(&l.at)), l.level.into(), l.text.into()]));
    s.print(sheet)?;
    Ok(Exit::Good)
}

pub fn cancel(s: &mut Session<'_>, args: &Cancel) -> Result<Exit> {
    let job: view::Job = s.client()?.post(&format!("/jobs/{}/cancel", escaped(&args.job)), &json!({}))?.body;
    let notice = match job.state.as_str() {
        "cancelled" => format!("Cancelled the job {}.", job.id),
        _ if is_final(&job) => format!("The job {} had ended already: {}.", job.id, job.state),
        _ => format!("Asked the job {} to stop. It stops at its next safe point, and cleans up.", job.id),
    };
    s.console.notice(&notice);
    if s.wants_data() {
        s.print(Sheet::one(COLUMNS, "id,state", row(job)))?;
    }
    Ok(Exit::Good)
}

/// Follows a job and says how it ended.
pub fn wait(s: &mut Session<'_>, id: &str) -> Result<(view::Job, Exit)> {
    let job = follow(s, id)?;
    let exit = conclude(s, &job);
    Ok((job, exit))
}

/// Says how a job ended where that was not well.
pub fn conclude(s: &mut Session<'_>, job: &view::Job) -> Exit {
    let what = || format!("the job {} {}", job.id, if job.state == "cancelled" { "was cancelled" } else { "failed" });
    match job.state.as_str() {
        "succeeded" => Exit::Good,
        "incomplete" => {
            s.console.warn(job.message.as_deref().unwrap_or("something is missing from the backup"));
            Exit::Incomplete
        }
        _ => {
            s.console.error(&job.message.clone().unwrap_or_else(what));
            job.hint.iter().for_each(|hint| s.console.hint(hint));
            Exit::Failed
        }
    }
}
