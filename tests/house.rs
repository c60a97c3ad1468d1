//! The rules of the house, read from the sources. Each offence is a sentence that names the rule it breaks.

use crate::support::{Scratch, write};
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms with their floors. A room imports from lower floors only.
const FLOORS: [(&str, u8); 14] = [
    ("boot", 5),
    ("cli", 4),
    ("web", 4),
    ("jobs", 4),
    ("app", 3),
    ("ui", 3),
    ("db", 2),
    ("queue", 2),
    ("engine", 2),
    ("hosting", 2),
    ("store", 2),
    ("mail", 2),
    ("webhooks", 2),
    ("domain", 1),
];
const GROUND: &str = "base";

/// What a room must not see although it lies lower, and why.
const HIDDEN: [(&str, &[&str], &str); 3] = [
    ("web", &["db", "queue", "engine"], "handlers ask `app`, which checks rights"),
    ("ui", &["db", "queue", "engine", "hosting", "store", "mail", "webhooks"], "components are pure: page structs in, HTML out"),
    ("cli", &["app", "db", "queue", "engine", "hosting"], "the command line talks to the API and to nothing else"),
];

/// Libraries, and the only places that name them (a room, or a file of one).
const LIBRARIES: [(&str, &[&str]); 8] = [
    ("axum", &["web", "boot"]),
    ("axum_extra", &["web", "boot"]),
    ("leptos", &["ui"]),
    ("sqlx", &["db", "queue", "base/sql.rs"]),
    ("rustic_core", &["engine"]),
    ("rusqlite", &["hosting", "boot/demo"]),
    ("ureq", &["cli", "hosting", "store", "webhooks"]),
    ("rusty_s3", &["store"]),
];

const LONGEST_FILE: usize = 400;

/// Words that have no business in this repository; put together here so that this file does not offend.
const WORDS: [(&str, &str); 7] = [
    (concat!("../", "shared"), "it points outside the repository"),
    (concat!("issue", " #"), "the repository speaks of the product, not of its tickets"),
    (concat!("cla", "ude"), "the repository speaks of the product, not of how it was written"),
    (concat!("/wo", "rk/"), "it is a path of one machine"),
    (concat!("/fa", "rm/"), "it is a path of one machine"),
    (concat!("/ro", "ot/"), "it is a path of one machine"),
    (concat!("https://", "crates.io"), "packages are named, never their registry's host"),
];

const VERBS: [&str; 9] = ["create", "add", "drop", "rename", "change", "index", "fill", "move", "split"];

/// Types and functions that SQLite and PostgreSQL do not share; `base/sql.rs` says what to write instead.
const DIALECT: [&str; 11] = [
    "boolean",
    "timestamp",
    "timestamptz",
    "serial",
    "bigserial",
    "autoincrement",
    "jsonb",
    "uuid",
    "current_timestamp",
    "datetime",
    "now",
];

#[test]
fn the_house_is_in_order() {
    let offences = offences(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}

#[test]
fn every_planted_offence_is_found() {
    for (path, text, expected) in PLANTED {
        let place = Scratch::new();
        for (path, text) in SOUND {
            write(place.join(path), text);
        }
        assert_eq!(offences(place.path()), Vec::<String>::new(), "the sound house");
        write(place.join(path), text);
        let found = offences(place.path());
        assert!(found.len() == 1 && found[0].contains(expected), "{path} with {text:?}: {found:?}");
    }
}

#[test]
fn what_only_looks_like_an_offence_is_none() {
    let place = Scratch::new();
    for (path, text) in SOUND {
        write(place.join(path), text);
    }
    write(
        place.join("src/web/pages.rs"),
        "// crate::db is never seen here; unsafe neither\nconst A: &str = \"sqlx=warn crate::db::x unsafe\";\nconst B: char = '\"';\n\
         /* crate::engine /* nested */ sqlx::query */\nfn f<'a>(x: &'a str) -> &'a str { x }\nconst C: &str = r#\"crate::queue \"quoted\" sqlx::\"#;\n\
         use crate::domain::{ids, state};\nuse super::router;\nfn g() { let _ = my::sqlx::x(); }\n",
    );
    assert_eq!(offences(place.path()), Vec::<String>::new());
}

/// A house in order, small.
const SOUND: [(&str, &str); 10] = [
    ("src/lib.rs", "pub mod web;\npub mod db;\npub mod domain;\npub mod base;\n"),
    ("src/main.rs", "fn main() { sitekeep::boot::main() }\n"),
    ("src/web/mod.rs", "//! Pages.\nuse axum::Router;\nuse crate::domain::ids;\n"),
    ("src/db/mod.rs", "//! SQL.\nuse sqlx::Row;\nuse crate::base::error;\n"),
    ("src/db/sites.rs", "use super::super::domain::names;\nuse super::tenants;\n"),
    ("src/domain/mod.rs", "//! Nouns.\n"),
    ("src/base/sql.rs", "use sqlx::Any;\n"),
    ("tests/main.rs", "mod sites;\n"),
    ("tests/sites.rs", "\n"),
    ("migrations/20261121000000_create_sites.sql", "-- a timestamp is a bigint\ncreate table sites (id text);\n"),
];

/// A file with an offence, and a part of the sentence that must name it.
const PLANTED: [(&str, &str, &str); 23] = [
    ("src/db/x.rs", "use crate::web::router;\n", "src/db/x.rs:1: `db` (floor 2) imports `web` (floor 4)"),
    ("src/db/x.rs", "\nfn f() { crate::engine::open() }\n", "src/db/x.rs:2: `db` (floor 2) imports `engine` (floor 2)"),
    ("src/domain/x.rs", "use crate::{base::error, db::sites};\n", "`domain` (floor 1) imports `db` (floor 2)"),
    ("src/domain/x.rs", "use super::super::db;\n", "`domain` (floor 1) imports `db`"),
    ("src/base/x.rs", "use crate::domain::ids;\n", "`base` (floor 0) imports `domain`"),
    ("src/web/x.rs", "use crate::db::sites;\n", "`web` must not see `db`: handlers ask `app`"),
    ("src/app/x.rs", "fn f(r: axum::Router) {}\n", "src/app/x.rs:1: `axum` is named outside web, boot"),
    ("src/base/x.rs", "use sqlx::Any;\n", "`sqlx` is named outside db, queue, base/sql.rs"),
    ("src/domain/x.rs", "#[derive(sqlx::FromRow)]\nstruct X;\n", "`sqlx` is named outside"),
    ("src/app/x.rs", "use rustic_core as rc;\n", "`rustic_core` is named outside engine"),
    ("src/mail/x.rs", "fn f() { ureq::get(\"x\"); }\n", "`ureq` is named outside cli, hosting, store, webhooks"),
    ("src/db/x.rs", "fn f() { unsafe { g() } }\n", "src/db/x.rs:1: `unsafe` is forbidden"),
    ("src/attic/mod.rs", "//! Things.\n", "src/attic is no room"),
    ("src/app/mod.rs", "use crate::domain::ids;\n", "src/app/mod.rs does not begin with `//!`"),
    ("tests/more.rs", "\n", "tests/more.rs is not listed in tests/main.rs"),
    ("tests/zoo/mod.rs", "\n", "tests/zoo is not listed in tests/main.rs"),
    ("migrations/20261121_create_sites.sql", "", "migrations/20261121_create_sites.sql is not named YYYYMMDDHHMMSS_verb_noun.sql"),
    ("migrations/20261121000100_sites.sql", "", "is not named YYYYMMDDHHMMSS_verb_noun.sql"),
    ("migrations/20261121000000_add_more.sql", "", "has the time of another migration"),
    ("migrations/20261121000100_add_more.sql", "alter table x add b boolean;\n", "20261121000100_add_more.sql:1: `boolean`"),
    ("docs/x.md", concat!("a\nSee ../", "shared/x.\n"), "docs/x.md:2: \"../"),
    ("src/boot/serve.rs", "use rusqlite::Connection;\n", "`rusqlite` is named outside hosting, boot/demo"),
    ("Makefile", concat!("x:\n\tls /wo", "rk/main\n"), "Makefile:2:"),
];

#[test]
fn a_file_that_is_too_long_is_found_in_src_and_nowhere_else() {
    let place = Scratch::new();
    write(place.join("src/db/mod.rs"), "//! SQL.\n".repeat(LONGEST_FILE));
    write(place.join("tests/main.rs"), "\n".repeat(LONGEST_FILE * 2));
    assert_eq!(offences(place.path()), Vec::<String>::new());
    write(place.join("src/db/mod.rs"), "//! SQL.\n".repeat(LONGEST_FILE + 1));
    let found = offences(place.path());
    assert!(found.len() == 1 && found[0].contains("src/db/mod.rs has 401 lines"), "{found:?}");
}

/// Every offence in the repository at `root`, in the order of its files.
fn offences(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for path in files(root) {
        let Ok(text) = fs::read_to_string(root.join(&path)) else { continue }; // not text: nothing to read
        let name = path.to_string_lossy().into_owned();
        words(&name, &text, &mut all);
        if name.ends_with(".rs") {
            source(&name, &text, &mut all);
        }
    }
    rooms(root, &mut all);
    tests(root, &mut all);
    migrations(root, &mut all);
    all.sort();
    all
}

/// Files of the repository, relative to it: what is built or fetched is none of them.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(root.join(&dir)).into_iter().flatten().flatten() {
            let path = dir.join(entry.file_name());
            let skipped = ["target", ".git", "node_modules", "Cargo.lock", "package-lock.json"];
            if skipped.iter().any(|s| path.ends_with(s)) {
                continue;
            }
            if entry.file_type().is_ok_and(|t| t.is_dir()) { todo.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn words(name: &str, text: &str, all: &mut Vec<String>) {
    for (number, line) in text.lines().enumerate() {
        let line = line.to_lowercase();
        for (word, why) in WORDS {
            if line.contains(word) {
                all.push(format!("{name}:{}: \"{word}\" must not stand here: {why}", number + 1));
            }
        }
    }
}

fn source(name: &str, text: &str, all: &mut Vec<String>) {
    let lines = text.lines().count();
    let inside = name.strip_prefix("src/");
    if inside.is_some() && lines > LONGEST_FILE {
        all.push(format!("{name} has {lines} lines: a file has at most {LONGEST_FILE}; which noun or verb could move out?"));
    }
    let code = without_comments_and_strings(text);
    let tokens = tokens(&code);
    for t in tokens.iter().filter(|t| t.text == "unsafe") {
        all.push(format!("{name}:{}: `unsafe` is forbidden", t.line));
    }
    let Some(inside) = inside else { return };
    let room = inside.split('/').next().filter(|_| inside.contains('/')).unwrap_or("boot"); // main.rs stands before boot
    for (to, line) in imports(inside, &tokens) {
        import(name, line, room, to, all);
    }
    for (library, places) in LIBRARIES {
        let allowed = places.iter().any(|p| inside == *p || room == *p || inside.starts_with(&format!("{p}/")));
        for line in named(library, &tokens).filter(|_| !allowed) {
            all.push(format!("{name}:{line}: `{library}` is named outside {}", places.join(", ")));
        }
    }
}

fn import(name: &str, line: usize, from: &str, to: &str, all: &mut Vec<String>) {
    let (Some(above), Some(below)) = (floor(from), floor(to)) else { return };
    if from == to {
        return;
    }
    if below >= above {
        all.push(format!("{name}:{line}: `{from}` (floor {above}) imports `{to}` (floor {below}): a room imports from lower floors only"));
    } else if let Some((_, _, why)) = HIDDEN.iter().find(|(room, hidden, _)| *room == from && hidden.contains(&to)) {
        all.push(format!("{name}:{line}: `{from}` must not see `{to}`: {why}"));
    }
}

fn floor(room: &str) -> Option<u8> {
    if room == GROUND { Some(0) } else { FLOORS.iter().find(|(r, _)| *r == room).map(|(_, f)| *f) }
}

fn rooms(root: &Path, all: &mut Vec<String>) {
    for entry in fs::read_dir(root.join("src")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "lib.rs" || name == "main.rs" {
            continue;
        }
        if floor(name.trim_end_matches(".rs")).is_none() {
            all.push(format!("src/{name} is no room: give it a floor in tests/house.rs and a place in ARCHITECTURE.md"));
        }
        let front = entry.path().join("mod.rs");
        if let Ok(text) = fs::read_to_string(front)
            && !text.starts_with("//!")
        {
            all.push(format!(
                "src/{name}/mod.rs does not begin with `//!`: what it is for, what it must never do, how to add the next one"
            ));
        }
    }
}

fn tests(root: &Path, all: &mut Vec<String>) {
    let list = fs::read_to_string(root.join("tests/main.rs")).unwrap_or_default();
    for entry in fs::read_dir(root.join("tests")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let module = name.strip_suffix(".rs").unwrap_or(&name);
        let is_module = name.ends_with(".rs") || entry.path().join("mod.rs").is_file();
        if is_module && module != "main" && !list.lines().any(|l| l.trim() == format!("mod {module};")) {
            all.push(format!("tests/{name} is not listed in tests/main.rs, so it never runs"));
        }
    }
}

fn migrations(root: &Path, all: &mut Vec<String>) {
    let mut times: Vec<String> = Vec::new();
    let mut names: Vec<String> = fs::read_dir(root.join("migrations"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    for name in names {
        let (time, words) = name.split_once('_').unwrap_or((&name, ""));
        let (verb, noun) = words.strip_suffix(".sql").and_then(|w| w.split_once('_')).unwrap_or_default();
        let plain = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if time.len() != 14 || !time.bytes().all(|b| b.is_ascii_digit()) || !VERBS.contains(&verb) || !plain(noun) {
            all.push(format!("migrations/{name} is not named YYYYMMDDHHMMSS_verb_noun.sql (verbs: {})", VERBS.join(", ")));
        }
        if times.iter().any(|t| t == time) {
            all.push(format!("migrations/{name} has the time of another migration"));
        }
        times.push(time.to_owned());
        let text = fs::read_to_string(root.join("migrations").join(&name)).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("--").next().unwrap_or_default().to_lowercase();
            for word in code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| DIALECT.contains(w)) {
                all.push(format!("migrations/{name}:{}: `{word}` is not the same in SQLite and PostgreSQL (see base/sql.rs)", number + 1));
            }
        }
    }
}

struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// Names, `::`, and single signs.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (code, 1);
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            found.push(Token { text: &rest[..length], line });
        }
        line += usize::from(first == '\n');
        rest = &rest[length..];
    }
    found
}

/// Rooms that a file of `src` names, by `crate::room`, `crate::{room, …}` or a chain of `super` that leaves the room.
fn imports<'a>(inside: &str, tokens: &[Token<'a>]) -> Vec<(&'a str, usize)> {
    // How many `super` lead from this file to the crate: src/db/mod.rs one, src/db/sites.rs two.
    let depth = inside.split('/').count() - usize::from(inside.ends_with("/mod.rs"));
    let text = |i: usize| tokens.get(i).map_or("", |t| t.text);
    let mut found = Vec::new();
    for i in 0..tokens.len() {
        let after_path = i > 0 && text(i - 1) == "::";
        let start = if ["crate", "sitekeep"].contains(&text(i)) && !after_path && text(i + 1) == "::" {
            i + 2
        } else if text(i) == "super" && !after_path {
            let supers = (0..).take_while(|n| text(i + 2 * n) == "super" && text(i + 2 * n + 1) == "::").count();
            // In an inline module (`mod tests`) it takes one more.
            if supers < depth {
                continue;
            }
            i + 2 * supers
        } else {
            continue;
        };
        found.extend(first_names(&tokens[start..]));
    }
    found
}

/// The first name of a path, or of each path in a group in braces.
fn first_names<'a>(tokens: &[Token<'a>]) -> Vec<(&'a str, usize)> {
    if tokens.first().is_none_or(|t| t.text != "{") {
        return tokens.first().map(|t| (t.text, t.line)).into_iter().collect();
    }
    let (mut depth, mut found) = (0, Vec::new());
    for (i, token) in tokens.iter().enumerate() {
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ if depth == 1 && ["{", ","].contains(&tokens[i - 1].text) => found.push((token.text, token.line)),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// Lines on which a library is named as the first part of a path.
fn named<'a>(library: &'a str, tokens: &'a [Token<'_>]) -> impl Iterator<Item = usize> + 'a {
    tokens.iter().enumerate().filter_map(move |(i, token)| {
        let before = i.checked_sub(1).map_or("", |b| tokens[b].text);
        let after = tokens.get(i + 1).map_or("", |t| t.text);
        (token.text == library && before != "::" && (after == "::" || before == "use" || before == "crate")).then_some(token.line)
    })
}

/// The code with blanks in place of comments, strings and characters; lines stay where they are.
fn without_comments_and_strings(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| raw_string(rest, &out)).or_else(|| string(rest)).or_else(|| character(rest));
        match skipped {
            Some(length) => {
                out.extend(rest[..length].chars().map(|c| if c == '\n' { c } else { ' ' }));
                rest = &rest[length..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    Some(rest.len())
}

/// `r"…"`, `r#"…"#`, also after `b` or `c`; not the end of a name such as `for`.
fn raw_string(rest: &str, before: &str) -> Option<usize> {
    let body = rest.strip_prefix('r')?;
    let in_name = before.trim_end_matches(['b', 'c']).ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let hashes = body.len() - body.trim_start_matches('#').len();
    let body = body[hashes..].strip_prefix('"').filter(|_| !in_name)?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(1 + hashes + 1 + body.find(&end).map_or(body.len(), |at| at + end.len()))
}

fn string(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('"')?;
    let mut escaped = false;
    let end = body.char_indices().find(|(_, c)| {
        let closes = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    });
    Some(1 + end.map_or(body.len(), |(at, _)| at + 1))
}

/// `'x'` or `'\n'`, and not the lifetime `'a`.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    if body.starts_with('\\') {
        return body.char_indices().skip(2).find(|(_, c)| *c == '\'').map(|(at, _)| at + 2);
    }
    let first = body.chars().next()?;
    body[first.len_utf8()..].starts_with('\'').then(|| first.len_utf8() + 2)
}
