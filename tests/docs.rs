//! What is written about the program is compared with the program: commands, routes, settings, files that are named.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every file below a directory with one of these endings.
fn files(dir: &str, endings: &[&str]) -> Vec<PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![root().join(dir)]);
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())).flatten() {
            let path = entry.path();
            if path.is_dir() {
                pending.push(path);
            } else if endings.iter().any(|e| path.extension().is_some_and(|x| x == *e)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn documents() -> Vec<PathBuf> {
    let mut all = files("docs", &["md"]);
    all.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|f| root().join(f)));
    all
}

fn commands() -> BTreeSet<String> {
    let command = sitekeep::boot::command();
    let of = |c: &clap::Command| [vec![c.get_name().to_owned()], c.get_all_aliases().map(str::to_owned).collect()].concat();
    command.get_subcommands().flat_map(of).collect()
}

/// Words that follow `sitekeep ` and look like a command.
fn named_commands(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("sitekeep ") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || "./-_".contains(c)) && !text[..at].ends_with("./") {
            continue;
        }
        let word: String = text[at + 9..].chars().take_while(|c| c.is_ascii_lowercase() || *c == ':').collect();
        if word.contains(':') && !word.ends_with(':') {
            found.insert(word);
        }
    }
    // Also where a command stands alone in backticks, as in "(`server:add`)".
    for part in text.split('`').skip(1).step_by(2) {
        let word = part.split_whitespace().next().unwrap_or_default();
        let (noun, verb) = word.split_once(':').unwrap_or_default();
        let nouns = [
            "auth",
            "tenant",
            "account",
            "token",
            "server",
            "site",
            "env",
            "backup",
            "restore",
            "drill",
            "retention",
            "schedule",
            "webhook",
            "job",
            "recovery",
            "catalogue",
        ];
        if nouns.contains(&noun) && !verb.is_empty() && verb.chars().all(|c| c.is_ascii_lowercase() || c == ':') {
            found.insert(word.to_owned());
        }
    }
    found
}

#[test]
fn every_command_that_is_named_anywhere_is_a_real_one() {
    let real = commands();
    let mut wrong = Vec::new();
    for path in files("src", &["rs"]).into_iter().chain(documents()) {
        let text = std::fs::read_to_string(&path).unwrap();
        wrong.extend(named_commands(&text).into_iter().filter(|c| !real.contains(c)).map(|c| format!("{}: {c}", path.display())));
    }
    assert!(wrong.is_empty(), "no such command:\n{}", wrong.join("\n"));
    assert!(named_commands("try `sitekeep backup:frob x` or `job:nope`").len() == 2, "an invented one is found");
}

#[test]
fn the_operating_guide_names_every_command_once_and_no_other() {
    let table = section(&text("docs/operating.md"), "## Every command");
    let named: BTreeSet<String> = rows(&table).into_iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    let shown: BTreeSet<String> =
        sitekeep::boot::command().get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name().to_owned()).collect();
    assert_eq!(named, shown);
}

#[test]
fn the_description_of_the_api_has_every_route_and_method() {
    let described: BTreeSet<String> =
        rows(&section(&text("docs/api.md"), "## Routes")).into_iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    let real: BTreeSet<String> =
        sitekeep::web::api::ROUTES.iter().flat_map(|r| r.methods.iter().map(move |m| format!("{m} {}", r.path))).collect();
    assert_eq!(described, real);
    let rights: BTreeSet<String> = rows(&section(&text("docs/api.md"), "## Routes")).into_iter().map(|row| row[1].clone()).collect();
    let known = ["a token", "view", "create", "download", "restore", "policy", "manage", "administer"].map(str::to_owned).into();
    assert!(rights.is_subset(&known), "rights are the program's words: {rights:?}");
}

#[test]
fn the_readme_lists_every_setting_and_no_other() {
    let source = text("src/base/config.rs");
    let body = source.split("#[cfg(test)]").next().unwrap();
    let variables = quoted(body, "SITEKEEP_");
    let table = section(&text("README.md"), "## Configuration");
    let described: BTreeSet<String> = rows(&table).iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    assert_eq!(described, variables);
    // Its name in sitekeep.toml follows from the variable's; those are the fields that the file may have.
    let fields: BTreeSet<String> = body
        .split("struct File {")
        .nth(1)
        .and_then(|rest| rest.split('}').next())
        .unwrap()
        .lines()
        .filter_map(|l| l.trim().split_once(": Option"))
        .map(|(name, _)| name.to_owned())
        .collect();
    let in_file: BTreeSet<String> =
        rows(&table).iter().filter(|row| row[1] != "–").map(|row| row[1].trim_matches('`').to_owned()).collect();
    assert_eq!(in_file, fields);
    for row in rows(&table) {
        let secret = body.contains(&format!("secret(\"{}\"", row[0].trim_matches('`')));
        assert_eq!(row[2].contains("_FILE"), secret, "{}: only what may hold a password comes as a file, too", row[0]);
    }
}

#[test]
fn the_exit_codes_in_the_guide_are_those_of_the_program() {
    let table = section(&text("docs/operating.md"), "## Exit codes");
    let described: BTreeSet<String> = rows(&table).into_iter().map(|row| row[0].clone()).collect();
    let real: BTreeSet<String> = sitekeep::cli::exit::HELP
        .split(['·', ':'])
        .filter_map(|part| part.split_whitespace().next())
        .filter(|w| w.parse::<u8>().is_ok())
        .map(str::to_owned)
        .collect();
    assert_eq!(described, real);
}

#[test]
fn every_file_and_every_test_that_a_document_names_is_there() {
    let tests: BTreeSet<String> = files("tests", &["rs"])
        .into_iter()
        .chain(files("src", &["rs"]))
        .flat_map(|p| functions(&std::fs::read_to_string(p).unwrap()))
        .collect();
    let mut wrong = Vec::new();
    for path in documents() {
        let (shown, text) = (path.strip_prefix(root()).unwrap().display().to_string(), std::fs::read_to_string(&path).unwrap());
        for part in text.split('`').skip(1).step_by(2).filter(|p| !p.contains(char::is_whitespace)) {
            let is_file = ["src/", "tests/", "docs/", "migrations/", "scripts/"].iter().any(|d| part.starts_with(d));
            let plain = !part.contains(['*', '…', '<', '{', 'N']);
            if is_file && plain && !root().join(part.split("::").next().unwrap()).exists() {
                wrong.push(format!("{shown}: there is no {part}"));
            }
            // A test is named by its sentence: at least four words of letters, joined.
            let sentence = part.rsplit("::").next().unwrap();
            let words =
                sentence.split('_').filter(|w| !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())).count();
            if words >= 5 && words == sentence.split('_').count() && !tests.contains(sentence) {
                wrong.push(format!("{shown}: there is no test {part}"));
            }
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            if !target.is_empty() && !link.starts_with("http") && !path.parent().unwrap().join(target).exists() {
                wrong.push(format!("{shown}: the link {link} leads nowhere"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn functions(source: &str) -> Vec<String> {
    source.split("fn ").skip(1).map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

fn quoted(source: &str, prefix: &str) -> BTreeSet<String> {
    let of = |part: &str| part.starts_with(prefix) && part.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    source.split('"').skip(1).step_by(2).filter(|p| of(p)).map(str::to_owned).collect()
}

/// From a heading to the next one of its kind.
fn section(text: &str, heading: &str) -> String {
    let start = text.find(&format!("{heading}\n")).unwrap_or_else(|| panic!("there is no heading {heading}"));
    let body = &text[start + heading.len()..];
    body.split("\n## ").next().unwrap_or(body).to_owned()
}

/// The rows of every table in it, without headings.
fn rows(section: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = section.lines().collect();
    let mut rows = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let heading = lines.get(i + 1).is_some_and(|next| next.starts_with("|--") || next.starts_with("|-"));
        if line.starts_with('|') && !line.starts_with("|-") && !heading {
            rows.push(line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect());
        }
    }
    rows
}
