//! `sitekeep --help`: every command on one screen, in groups, no line wider than 80 columns.

use clap::Command;

/// Groups in the order of a first day, with what the names of their commands begin with.
const GROUPS: [(&str, &[&str]); 8] = [
    ("On the server itself", &["serve", "work", "setup", "doctor", "recovery:", "catalogue:", "demo"]),
    ("Signing in", &["auth:"]),
    ("Tenants, accounts, servers and webhooks", &["tenant:", "account:", "token:", "server:", "webhook:"]),
    ("Sites and their environments", &["site:", "env:"]),
    ("Backups", &["backup:"]),
    ("Schedules and retention", &["schedule:", "retention:"]),
    ("Restores, drills and jobs", &["restore:", "drill:", "job:"]),
    ("For your shell", &["completion", "man"]),
];

/// The command line with the overview in the place of clap's flat list. Help of single commands is clap's.
pub(super) fn grouped(command: Command) -> Command {
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}Options:\n{{options}}\n\n`sitekeep COMMAND --help` says more about one.\n",
        groups(&command)
    );
    command.help_template(template)
}

fn groups(command: &Command) -> String {
    let mut text = String::new();
    for (title, prefixes) in GROUPS {
        text.push_str(&format!("{title}:\n"));
        let of_group =
            |c: &&Command| prefixes.iter().any(|p| if p.ends_with(':') { c.get_name().starts_with(p) } else { c.get_name() == *p });
        command.get_subcommands().filter(|c| !c.is_hide_set()).filter(of_group).for_each(|c| text.push_str(&line(c)));
        text.push('\n');
    }
    text
}

fn line(command: &Command) -> String {
    let alias = command.get_visible_aliases().next().map(|a| format!(" (also `{a}`)")).unwrap_or_default();
    format!("  {:<15} {}{alias}\n", command.get_name(), command.get_about().map(ToString::to_string).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::command;

    #[test]
    fn the_overview_names_every_command_once_and_fits_a_terminal() {
        let help = command().term_width(80).render_help().to_string();
        for c in command().get_subcommands().filter(|c| !c.is_hide_set()) {
            let name = format!("\n  {:<15} ", c.get_name());
            assert_eq!(help.matches(&name).count(), 1, "{}", c.get_name());
        }
        let wide: Vec<&str> = help.lines().filter(|l| l.chars().count() > 80).collect();
        assert!(wide.is_empty(), "wider than 80 columns: {wide:?}");
    }

    #[test]
    fn every_argument_of_every_command_says_what_it_is() {
        let mut silent = Vec::new();
        for c in command().get_subcommands().filter(|c| !c.is_hide_set()) {
            assert!(c.get_about().is_some(), "{} says nothing", c.get_name());
            silent.extend(c.get_arguments().filter(|a| a.get_help().is_none()).map(|a| format!("{} {}", c.get_name(), a.get_id())));
        }
        assert!(silent.is_empty(), "without a word of help: {silent:?}");
    }
}
