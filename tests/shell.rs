//! What belongs to the shell, by the program and a real bash.

use crate::support::run;
use crate::support::server::PROGRAM;
use std::process::Command;

fn says(arguments: &[&str]) -> String {
    String::from_utf8(run(Command::new(PROGRAM).args(arguments))).unwrap()
}

#[test]
fn bash_completes_commands_with_their_colons_and_their_options() {
    let complete = |line: &str| {
        let script = format!(
            "set -e; source <(\"$0\" completion bash); COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
             _sitekeep sitekeep \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; echo \"${{COMPREPLY[@]}}\"
             [[ $COMP_WORDBREAKS != *:* ]]"
        );
        String::from_utf8(run(Command::new("bash").args(["--norc", "-c", &script, PROGRAM]))).unwrap()
    };
    assert_eq!(complete("sitekeep backup:cr").trim(), "backup:create");
    assert_eq!(complete("sitekeep backup:automatic:e").trim(), "backup:automatic:enable");
    let options = complete("sitekeep backup:create --");
    for option in ["--element", "--keep-for", "--note", "--format"] {
        assert!(options.contains(option), "{option} in {options}");
    }
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(says(&["completion", shell]).contains("backup:create"), "{shell}");
    }
}

#[test]
fn the_manual_has_a_page_for_all_and_one_for_each_command() {
    let page = says(&["man"]);
    assert!(page.contains(".TH sitekeep 1") && page.contains("backup:create"), "{page}");
    for command in sitekeep::boot::command().get_subcommands().filter(|c| !c.is_hide_set()) {
        let (name, page) = (command.get_name(), says(&["man", command.get_name()]));
        assert!(page.contains(".SH NAME") && page.contains(&format!("sitekeep {name}").replace('-', "\\-")), "{name}: {page}");
        let about = command.get_about().unwrap().to_string();
        let first = about.split([' ', ',']).next().unwrap();
        assert!(page.contains(first), "{name}: {page}");
        for option in command.get_arguments().filter_map(|a| a.get_long()) {
            assert!(page.contains(&format!("--{option}").replace('-', "\\-")), "{name} --{option}: {page}");
        }
        assert!(page.contains("\\-\\-format"), "the options that all have");
    }
    let wrong = Command::new(PROGRAM).args(["man", "backup:fetch"]).output().unwrap();
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("there is no command `backup:fetch`"));
}

#[test]
fn a_space_does_for_the_colon() {
    assert_eq!(says(&["backup", "create", "--help"]), says(&["backup:create", "--help"]));
    assert_eq!(says(&["backup", "automatic", "info", "--help"]), says(&["backup:automatic:info", "--help"]));
}
