//! What belongs to the shell: completion, the manual page, and commands that are typed with a space where their names have a
//! colon.

use crate::base::error::{Error, Result};
use clap::Command;
use clap_complete::Shell;
use std::ffi::OsString;
use std::io::Write;

/// Print a script that lets a shell complete commands and options
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "For bash, in ~/.bashrc: source <(sitekeep completion bash)")]
pub struct Completion {
    /// bash, elvish, fish, powershell or zsh
    #[arg(hide_possible_values = true)]
    shell: Shell,
}

/// Print the manual page, of Sitekeep or of one command
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "To read it: sitekeep man backup:create | man -l -")]
pub struct Man {
    /// The command that it is about, as in backup:create
    command: Option<String>,
}

/// Bash takes a colon for the end of a word, which would cut every command of ours in two.
const BASH: &str = "COMP_WORDBREAKS=${COMP_WORDBREAKS//:}\n\n";

/// # Errors
/// When standard output cannot be written.
pub fn completion(options: &Completion, mut command: Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, "sitekeep", &mut script);
    if options.shell == Shell::Bash {
        script.splice(0..0, BASH.bytes());
    }
    Ok(std::io::stdout().write_all(&script)?)
}

/// # Errors
/// `NotFound` for a command that there is not.
pub fn man(options: &Man, command: Command) -> Result<()> {
    let page = match &options.command {
        None => command.disable_help_flag(true),
        Some(name) => one(&command, name)?,
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text)?;
    Ok(std::io::stdout().write_all(&text)?)
}

/// A command by its name, as if it were a program of its own: with the options that all have.
fn one(command: &Command, name: &str) -> Result<Command> {
    let found = command.get_subcommands().find(|c| c.get_name() == name || c.get_all_aliases().any(|a| a == name));
    let found = found
        .filter(|c| !c.is_hide_set())
        .cloned()
        .ok_or_else(|| Error::not_found(format!("there is no command `{name}`")).hint("`sitekeep --help` lists them all"))?;
    let global: Vec<_> = command.get_arguments().filter(|a| a.is_global_set()).cloned().collect();
    Ok(found.args(global).display_name(format!("sitekeep {name}")).bin_name(format!("sitekeep {name}")))
}

/// `backup create` and `backup automatic enable` mean `backup:create` and `backup:automatic:enable`, wherever they stand
/// before another command: people who come from other tools type them so.
pub fn joined(line: Vec<OsString>, command: &Command) -> Vec<OsString> {
    let is_command = |name: &str| command.get_subcommands().any(|c| c.get_name() == name || c.get_all_aliases().any(|a| a == name));
    for begin in 1..line.len() {
        if line[begin].to_str().is_some_and(is_command) {
            break;
        }
        // The longest name first.
        for end in (begin + 2..=(begin + 3).min(line.len())).rev() {
            let words: Option<Vec<&str>> = line[begin..end].iter().map(|word| word.to_str()).collect();
            let Some(name) = words.map(|words| words.join(":")).filter(|name| is_command(name)) else { continue };
            return [&line[..begin], &[name.into()], &line[end..]].concat();
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::command;

    fn join(line: &str) -> String {
        let line = line.split(' ').map(OsString::from).collect();
        joined(line, &command()).into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_command_may_be_typed_with_spaces_and_nothing_else_is_taken_for_one() {
        for (typed, meant) in [
            ("sitekeep backup create shop.live", "sitekeep backup:create shop.live"),
            ("sitekeep backup automatic enable shop.live --day=Sun", "sitekeep backup:automatic:enable shop.live --day=Sun"),
            ("sitekeep --quiet backup list shop.live", "sitekeep --quiet backup:list shop.live"),
            ("sitekeep --format json backup list shop.live", "sitekeep --format json backup:list shop.live"),
            ("sitekeep auth whoami", "sitekeep auth:whoami"),
            // What stands behind a command is its own.
            ("sitekeep backup:create shop.live --note backup list", "sitekeep backup:create shop.live --note backup list"),
            ("sitekeep serve", "sitekeep serve"),
            ("sitekeep backup", "sitekeep backup"),
            ("sitekeep backup nothing shop.live", "sitekeep backup nothing shop.live"),
            ("sitekeep", "sitekeep"),
        ] {
            assert_eq!(join(typed), meant);
        }
        for command in command().get_subcommands() {
            let typed = format!("sitekeep {}", command.get_name().replace(':', " "));
            assert_eq!(join(&typed), format!("sitekeep {}", command.get_name()));
        }
    }
}
