//! The commands that people type, against the JSON API with a token: the shapes that Terminus users know.
//!
//! It must never reach past the API: no database, no repository, no file of a site; what a command may do is decided
//! by the server. No secret is read from the command line, but for `auth:login --token`, which warns. Data goes to
//! standard output, everything else to standard error, and the exit codes are a promise ([`exit::Exit`]).
//! To add a command: its arguments and a function in the file of its noun, a variant of [`People`], a line in [`dispatch`].

pub mod exit;

mod accounts;
mod auth;
mod backups;
mod choose;
mod client;
mod console;
mod credentials;
mod drills;
mod environments;
mod follow;
mod jobs;
mod output;
mod progress;
mod recovery;
mod restores;
mod retention;
mod schedules;
mod servers;
mod session;
mod sites;
mod tenants;
#[cfg(test)]
mod tests;
mod webhooks;
mod words;

use crate::base::error::Result;
use console::Console;
use exit::Exit;
use output::Format;
use session::Session;
use std::path::PathBuf;
use std::process::ExitCode;

/// Options of every command.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The form of the output: table, json, csv, yaml, list, string or tsv
    #[arg(long, global = true, value_enum, hide_possible_values = true)]
    pub format: Option<Format>,
    /// One field, as a bare value
    #[arg(long, global = true, conflicts_with = "fields")]
    pub field: Option<String>,
    /// Fields, in this order, with commas between them
    #[arg(long, global = true)]
    pub fields: Option<String>,
    /// Rows that stay: field=value, field*=part, field!=value, joined by & and |
    #[arg(long, global = true)]
    pub filter: Option<String>,
    /// The server [SITEKEEP_URL; otherwise the one signed in to last]
    #[arg(long, global = true)]
    pub url: Option<String>,
    /// A file with a token, `-` for standard input [SITEKEEP_TOKEN_FILE; otherwise what auth:login keeps]
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificates (PEM) to trust instead of the usual ones [SITEKEEP_CA_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Answer yes to every question
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
    /// Ask nothing
    #[arg(long, short = 'n', global = true)]
    pub no_interaction: bool,
    /// Say nothing but warnings and errors
    #[arg(long, short = 'q', global = true)]
    pub quiet: bool,
    /// No colours [NO_COLOR]
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// The commands for people.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum People {
    #[command(name = "auth:login", visible_alias = "login")]
    AuthLogin(auth::Login),
    #[command(name = "auth:whoami", visible_alias = "whoami")]
    AuthWhoami(auth::Whoami),
    #[command(name = "auth:logout", visible_alias = "logout")]
    AuthLogout(auth::Logout),
    #[command(name = "tenant:list")]
    TenantList(tenants::List),
    #[command(name = "tenant:create")]
    TenantCreate(tenants::Create),
    #[command(name = "tenant:plan")]
    TenantPlan(tenants::Plan),
    #[command(name = "account:create")]
    AccountCreate(accounts::Create),
    #[command(name = "token:create")]
    TokenCreate(accounts::CreateToken),
    #[command(name = "server:list")]
    ServerList(servers::List),
    #[command(name = "server:add")]
    ServerAdd(servers::Add),
    #[command(name = "server:change")]
    ServerChange(servers::Change),
    #[command(name = "site:list", visible_alias = "sites")]
    SiteList(sites::List),
    #[command(name = "site:add")]
    SiteAdd(Box<sites::Add>),
    #[command(name = "recovery:confirm")]
    RecoveryConfirm(recovery::Confirm),
    #[command(name = "env:list", visible_alias = "envs")]
    EnvList(environments::List),
    #[command(name = "env:info")]
    EnvInfo(environments::Info),
    #[command(name = "backup:create", after_help = exit::HELP)]
    BackupCreate(backups::Create),
    #[command(name = "backup:list", visible_alias = "backups")]
    BackupList(backups::List),
    #[command(name = "backup:info")]
    BackupInfo(backups::Info),
    #[command(name = "backup:get", after_help = exit::HELP)]
    BackupGet(backups::Get),
    #[command(name = "backup:browse")]
    BackupBrowse(backups::Browse),
    #[command(name = "backup:versions")]
    BackupVersions(backups::Versions),
    #[command(name = "backup:compare")]
    BackupCompare(backups::Compare),
    #[command(name = "backup:restore", after_help = exit::HELP)]
    BackupRestore(restores::Create),
    #[command(name = "backup:undo", after_help = exit::HELP)]
    BackupUndo(restores::Undo),
    #[command(name = "backup:pin")]
    BackupPin(backups::Pin),
    #[command(name = "backup:unpin")]
    BackupUnpin(backups::Unpin),
    #[command(name = "backup:note")]
    BackupNote(backups::Note),
    #[command(name = "backup:verify", after_help = exit::HELP)]
    BackupVerify(backups::Verify),
    #[command(name = "backup:drill", after_help = exit::HELP)]
    BackupDrill(drills::Run),
    #[command(name = "drill:list")]
    DrillList(drills::List),
    #[command(name = "drill:info")]
    DrillInfo(drills::Info),
    #[command(name = "backup:automatic:enable")]
    BackupAutomaticEnable(schedules::Enable),
    #[command(name = "backup:automatic:disable")]
    BackupAutomaticDisable(schedules::Disable),
    #[command(name = "backup:automatic:info")]
    BackupAutomaticInfo(schedules::Info),
    #[command(name = "schedule:list")]
    ScheduleList(schedules::List),
    #[command(name = "schedule:info")]
    ScheduleInfo(schedules::Info),
    #[command(name = "schedule:set")]
    ScheduleSet(schedules::Set),
    #[command(name = "schedule:run", after_help = exit::HELP)]
    ScheduleRun(schedules::Run),
    #[command(name = "schedule:slots")]
    ScheduleSlots(schedules::Slots),
    #[command(name = "schedule:freeze")]
    ScheduleFreeze(schedules::Rest),
    #[command(name = "schedule:thaw")]
    ScheduleThaw(schedules::Thaw),
    #[command(name = "retention:info")]
    RetentionInfo(retention::Info),
    #[command(name = "retention:set")]
    RetentionSet(Box<retention::Set>),
    #[command(name = "retention:simulate")]
    RetentionSimulate(Box<retention::Simulate>),
    #[command(name = "webhook:list")]
    WebhookList(webhooks::List),
    #[command(name = "webhook:add")]
    WebhookAdd(webhooks::Add),
    #[command(name = "webhook:remove")]
    WebhookRemove(webhooks::Remove),
    #[command(name = "webhook:test", after_help = exit::HELP)]
    WebhookTest(webhooks::Test),
    #[command(name = "restore:list")]
    RestoreList(restores::List),
    #[command(name = "restore:info")]
    RestoreInfo(restores::Info),
    #[command(name = "job:list")]
    JobList(jobs::List),
    #[command(name = "job:info")]
    JobInfo(jobs::Info),
    #[command(name = "job:log")]
    JobLog(jobs::Log),
    #[command(name = "job:cancel")]
    JobCancel(jobs::Cancel),
}

/// Runs a command with the process's own streams and environment.
pub fn run(people: People, global: Global) -> ExitCode {
    let console = Console::of_process(global.no_color, global.no_interaction, global.quiet);
    let env = |name: &str| std::env::var(name).ok();
    let mut session = Session::new(global, console, &env);
    session.interruptible = true;
    end(&mut session, people).into()
}

fn end(session: &mut Session<'_>, people: People) -> Exit {
    dispatch(session, people).unwrap_or_else(|error| {
        session.tell(&error);
        Exit::of(error.class())
    })
}

fn dispatch(s: &mut Session<'_>, people: People) -> Result<Exit> {
    match people {
        People::AuthLogin(a) => auth::login(s, a),
        People::AuthWhoami(_) => auth::whoami(s),
        People::AuthLogout(_) => auth::logout(s),
        People::TenantList(_) => tenants::list(s),
        People::TenantCreate(a) => tenants::create(s, &a),
        People::TenantPlan(a) => tenants::plan(s, &a),
        People::AccountCreate(a) => accounts::create(s, &a),
        People::TokenCreate(a) => accounts::create_token(s, &a),
        People::ServerList(_) => servers::list(s),
        People::ServerAdd(a) => servers::add(s, a),
        People::ServerChange(a) => servers::change(s, &a),
        People::SiteList(a) => sites::list(s, &a),
        People::SiteAdd(a) => sites::add(s, *a),
        People::RecoveryConfirm(a) => recovery::confirm(s, &a),
        People::EnvList(a) => environments::list(s, &a),
        People::EnvInfo(a) => environments::info(s, &a),
        People::BackupCreate(a) => backups::create(s, a),
        People::BackupList(a) => backups::list(s, &a),
        People::BackupInfo(a) => backups::info(s, &a),
        People::BackupGet(a) => backups::get(s, &a),
        People::BackupBrowse(a) => backups::browse(s, &a),
        People::BackupVersions(a) => backups::versions(s, &a),
        People::BackupCompare(a) => backups::compare(s, &a),
        People::BackupRestore(a) => restores::create(s, &a),
        People::BackupUndo(a) => restores::undo(s, &a),
        People::BackupPin(a) => backups::pin(s, &a.backup, true),
        People::BackupUnpin(a) => backups::pin(s, &a.backup, false),
        People::BackupNote(a) => backups::note(s, &a),
        People::BackupVerify(a) => backups::verify(s, &a),
        People::BackupDrill(a) => drills::run(s, &a),
        People::DrillList(a) => drills::list(s, &a),
        People::DrillInfo(a) => drills::info(s, &a),
        People::BackupAutomaticEnable(a) => schedules::enable(s, &a),
        People::BackupAutomaticDisable(a) => schedules::disable(s, &a),
        People::BackupAutomaticInfo(a) => schedules::automatic_info(s, &a),
        People::ScheduleList(_) => schedules::list(s),
        People::ScheduleInfo(a) => schedules::info(s, &a),
        People::ScheduleSet(a) => schedules::set(s, &a),
        People::ScheduleRun(a) => schedules::run(s, &a),
        People::ScheduleSlots(a) => schedules::slots(s, &a),
        People::ScheduleFreeze(a) => schedules::freeze(s, &a),
        People::ScheduleThaw(_) => schedules::thaw(s),
        People::RetentionInfo(a) => retention::info(s, &a),
        People::RetentionSet(a) => retention::set(s, &a),
        People::RetentionSimulate(a) => retention::simulate(s, &a),
        People::WebhookList(a) => webhooks::list(s, &a),
        People::WebhookAdd(a) => webhooks::add(s, &a),
        People::WebhookRemove(a) => webhooks::remove(s, &a),
        People::WebhookTest(a) => webhooks::test(s, &a),
        People::RestoreList(a) => restores::list(s, &a),
        People::RestoreInfo(a) => restores::info(s, &a),
        People::JobList(a) => jobs::list(s, &a),
        People::JobInfo(a) => jobs::info(s, &a),
        People::JobLog(a) => jobs::log(s, &a),
        People::JobCancel(a) => jobs::cancel(s, &a),
    }
}
