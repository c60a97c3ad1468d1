//! What was run becomes the table of `docs/reliability.md`.

use super::trials;
use std::path::Path;

const BEGIN: &str = "<!-- from here on written by `make faults` -->";
const END: &str = "<!-- up to here -->";

/// The day of the last trial.
fn day(name: &str) -> String {
    let meta = std::fs::metadata(trials::folder().join(format!("{name}.jsonl"))).expect("the file is there");
    let when: chrono::DateTime<chrono::Utc> = meta.modified().expect("a file has a time").into();
    when.format("%Y-%m-%d").to_string()
}

fn row(name: &str) -> String {
    let (form, lines) = trials::read(name).expect("the file is there");
    let held = lines.iter().filter(|l| l.outcome == "held").count() as u64;
    let [asked, run, held] = [form.of, lines.len() as u64, held].map(|n| count(n * form.each));
    format!("| {} | {asked} | {run} | {held} of {run} | {} | {} |", form.what, form.first_seed, day(name))
}

/// With commas, as people read numbers.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).expect("digits")).collect();
    groups.join(",")
}

fn table() -> String {
    let mut names: Vec<String> = std::fs::read_dir(trials::folder())
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| e.file_name().to_str().and_then(|n| n.strip_suffix(".jsonl")).map(str::to_owned))
        .collect();
    names.sort();
    let head = "| Fault | Asked for | Run | Held | First seed | Last run |\n|---|---|---|---|---|---|";
    [head.to_owned()].into_iter().chain(names.iter().map(|n| row(n))).collect::<Vec<_>>().join("\n")
}

/// Between its two marks, and nowhere else.
fn written(document: &str, table: &str) -> String {
    let (before, rest) = document.split_once(BEGIN).expect("the document has the first mark");
    let (_, after) = rest.split_once(END).expect("the document has the second mark");
    format!("{before}{BEGIN}\n\n{table}\n\n{END}{after}")
}

#[test]
#[ignore = "it writes into docs/, by `make faults`, when everything else there was run"]
fn tell_what_was_run_in_docs_reliability() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let table = table();
    eprintln!("{table}");
    let document = std::fs::read_to_string(&path).expect("the document is there");
    std::fs::write(&path, written(&document, &table)).expect("it can be written");
}

#[test]
fn a_table_is_written_between_its_marks_and_a_count_has_commas() {
    assert_eq!(written(&format!("a\n{BEGIN}\nold\n{END}\nz"), "new"), format!("a\n{BEGIN}\n\nnew\n\n{END}\nz"));
    assert_eq!([7, 1000, 1_234_567].map(count), ["7", "1,000", "1,234,567"]);
}
