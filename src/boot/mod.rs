//! What starts the program: the command line, configuration, wiring; then `serve`, `work`, `attempt`, and the tools of
//! the administrator.
//!
//! It must hold no rule of the product: it reads the configuration, builds the [`App`](crate::app::App) and calls. To
//! add a command for the administrator: a file here and its variant in [`Command`]; one for people goes to `cli`.

mod attempt;
mod demo;
mod doctor;
mod overview;
mod rebuild;
mod recovery;
mod serve;
mod setup;
mod shell;
mod upkeep;
mod wiring;
mod work;

use crate::base::error::Result;
use crate::base::telemetry;
use crate::cli;
use clap::{CommandFactory, FromArgMatches, Parser};
use std::process::ExitCode;

/// Backups that are proven, restores that can be undone.
#[derive(Debug, Parser)]
#[command(name = "sitekeep", version, disable_help_subcommand = true, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: cli::Global,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the server, with a worker inside
    Serve(serve::Options),
    /// Run a worker alone, beside a server that shares its database
    Work(work::Options),
    /// Make the first administrator and print a token
    Setup(setup::Options),
    /// Check everything that Sitekeep needs, and say how to mend it
    Doctor(doctor::Options),
    #[command(name = "recovery:key")]
    RecoveryKey(recovery::Options),
    #[command(name = "catalogue:backup")]
    CatalogueBackup(rebuild::Backup),
    #[command(name = "catalogue:rebuild")]
    CatalogueRebuild(rebuild::Options),
    /// Show the whole thing on a small real site made on the spot
    Demo(demo::Options),
    Completion(shell::Completion),
    Man(shell::Man),
    /// Run one attempt at a job; started by a worker, which tells it what on standard input
    #[command(hide = true)]
    Attempt,
    /// List the points at which tests interrupt an attempt; a release has none of them
    #[cfg(debug_assertions)]
    #[command(hide = true)]
    Failpoints,
    #[command(flatten)]
    People(cli::People),
}

/// The whole command line, for help and for tests that compare it with what is written about it.
pub fn command() -> clap::Command {
    overview::grouped(CommandLine::command())
}

/// The whole program; its exit code.
pub fn main() -> ExitCode {
    let words = shell::joined(std::env::args_os().collect(), &command());
    let line = CommandLine::from_arg_matches(&command().get_matches_from(words)).unwrap_or_else(|e| e.exit());
    match line.command {
        Command::People(people) => cli::run(people, line.global),
        Command::Attempt => attempt::main(),
        #[cfg(debug_assertions)]
        Command::Failpoints => {
            println!("{}", crate::app::restores::failpoints().join("\n"));
            ExitCode::SUCCESS
        }
        Command::Serve(options) => ended(serve::main(&options)),
        Command::Work(options) => ended(work::main(&options)),
        Command::Setup(options) => ended(setup::main(&options)),
        Command::Doctor(options) => doctor::main(&options),
        Command::RecoveryKey(options) => ended(recovery::main(&options)),
        Command::CatalogueBackup(_) => ended(rebuild::backup()),
        Command::CatalogueRebuild(options) => ended(rebuild::main(&options)),
        Command::Demo(options) => ended(demo::main(&options)),
        Command::Completion(options) => ended(shell::completion(&options, command())),
        Command::Man(options) => ended(shell::man(&options, command())),
    }
}

fn ended(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("Error: {}", e.sentence());
            if let Some(hint) = e.hint_text() {
                eprintln!("Hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Runs a future on a fresh runtime.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    telemetry::start();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}
