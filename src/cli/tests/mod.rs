//! The commands as people type them, against a far end that answers what it is told to.

mod backups;
mod far_end;
mod gets;
mod others;
mod restores;
mod samples;
mod schedules;
mod signing_in;
mod tenants;
mod waiting;
mod webhooks;

use super::console::Console;
use super::credentials::{Credentials, Login};
use super::follow::Pace;
use super::session::Session;
use super::{Global, People, end};
use crate::base::chance;
use crate::base::secret::Secret;
use clap::Parser;
use far_end::FarEnd;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

#[derive(clap::Parser)]
#[command(name = "sitekeep")]
pub struct Line {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    people: People,
}

#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

/// Somebody at a command line: a home, variables, and what they type.
pub struct Person {
    pub home: PathBuf,
    pub variables: HashMap<&'static str, String>,
    pub typed: String,
    /// They sit at a terminal and can be asked.
    pub present: bool,
    pub pace: Pace,
}

/// What a command did.
#[derive(Debug)]
pub struct Outcome {
    pub code: u8,
    pub out: String,
    pub err: String,
}

impl Person {
    /// Nobody is signed in yet.
    pub fn stranger() -> Self {
        let home = std::env::temp_dir().join(format!("sitekeep-cli-{}", chance::word(10)));
        std::fs::create_dir(&home).unwrap();
        let tick = Duration::from_millis(5);
        let pace = Pace { first: tick, longest: tick, patience: Duration::from_millis(300), silence: Duration::ZERO };
        Self { variables: HashMap::from([("HOME", home.display().to_string())]), home, typed: String::new(), present: false, pace }
    }
    /// Signed in to that server.
    pub fn at(far: &FarEnd) -> Self {
        let person = Self::stranger();
        let mut kept = Credentials { current: Some(far.url.clone()), ..Credentials::default() };
        kept.servers.insert(far.url.clone(), Login { account: "ann@example.org".into(), token: Secret::new("skt_test") });
        kept.save(&person.credentials()).unwrap();
        person
    }
    pub fn credentials(&self) -> PathBuf {
        self.home.join(".config/sitekeep/credentials.json")
    }
    pub fn typing(mut self, text: &str) -> Self {
        text.clone_into(&mut self.typed);
        self.present = true;
        self
    }
    pub fn run(&self, line: &str) -> Outcome {
        self.run_words(&line.split(' ').collect::<Vec<_>>())
    }
    pub fn run_words(&self, words: &[&str]) -> Outcome {
        let line = Line::try_parse_from(["sitekeep"].iter().chain(words)).unwrap();
        let (out, err) = (Shared::default(), Shared::default());
        let console = Console {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            input: Box::new(Cursor::new(self.typed.clone().into_bytes())),
            asks: self.present && !line.global.no_interaction,
            live: false,
            standing: false,
            colour_out: false,
            width: None,
            colour_err: false,
            quiet: line.global.quiet,
        };
        let env = |name: &str| self.variables.get(name).cloned();
        let mut session = Session::new(line.global, console, &env);
        session.pace = self.pace;
        let code = end(&mut session, line.people) as u8;
        Outcome { code, out: out.text(), err: err.text() }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

#[test]
fn the_command_line_holds_together() {
    use clap::CommandFactory;
    Line::command().debug_assert();
}

#[test]
fn global_options_stand_before_and_after_the_command() {
    for words in [["--format=json", "backups", "shop.live"], ["backup:list", "shop.live", "--format=json"]] {
        let line = Line::try_parse_from(["sitekeep"].iter().chain(&words)).unwrap();
        assert_eq!(line.global.format, Some(super::output::Format::Json));
    }
}

#[test]
fn no_command_takes_a_password_from_the_command_line() {
    use clap::CommandFactory;
    for command in Line::command().get_subcommands() {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            let secret = name.contains("password") || name.contains("secret") || name.contains("key");
            assert!(!secret || name.ends_with("_file"), "{} --{name}", command.get_name());
        }
    }
}
