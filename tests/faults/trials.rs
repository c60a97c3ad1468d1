//! Long forms of tests: many trials, each with a seed of its own, and a line for each in `target/faults/NAME.jsonl`. A run
//! that was stopped goes on where it stopped, and begins with the trial that broke. `FAULTS_TRIALS` bounds the number for a
//! quick try; `FAULTS_SEED` repeats a run, in a folder where there is none of that name.

use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::time::Instant;

/// A long form. The first line of its file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Form {
    pub name: String,
    /// What one trial is, as a person reads it in the table.
    pub what: String,
    /// So many trials are asked for.
    pub of: u64,
    /// A trial counts for so many (jobs, trees).
    pub each: u64,
    pub first_seed: u64,
}

/// What came of a trial.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    pub trial: u64,
    pub seed: u64,
    pub stage: String,
    /// `held`, or what broke.
    pub outcome: String,
    pub seconds: f64,
}

/// A small generator whose numbers can be repeated.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds must not begin alike.
        let mut x = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self((x ^ (x >> 31)) | 1)
    }
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        (self.number() >> 11) % n.max(1)
    }
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/faults")
}

/// What a file holds: the form, and the last line of each trial.
pub fn read(name: &str) -> Option<(Form, Vec<Line>)> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.jsonl"))).ok()?;
    let mut lines = text.lines();
    let form: Form = serde_json::from_str(lines.next()?).expect("the first line of a file of trials is its form");
    // A run that was killed may have left half a line.
    let mut last = std::collections::BTreeMap::new();
    lines.filter_map(|l| serde_json::from_str::<Line>(l).ok()).for_each(|l| drop(last.insert(l.trial, l)));
    Some((form, last.into_values().collect()))
}

/// Makes the trials that are still owed. A trial gets its number and its dice, and names the stage at which it did what.
///
/// # Panics
/// When one breaks, after that was written down.
pub fn run(name: &str, what: &str, (of, each): (u64, u64), mut trial: impl FnMut(u64, &mut Dice) -> String) {
    let (form, done) = read(name).unwrap_or_else(|| (begun(name, what, (of, each)), Vec::new()));
    let held = |n: &u64| done.iter().any(|l| l.trial == *n && l.outcome == "held");
    let bound = number("FAULTS_TRIALS").unwrap_or(of).min(of);
    for n in (0..bound).filter(|n| !held(n)) {
        let (seed, began) = (form.first_seed + n, Instant::now());
        let result = catch_unwind(AssertUnwindSafe(|| trial(n, &mut Dice::new(seed))));
        let (stage, outcome) = match &result {
            Ok(stage) => (stage.clone(), "held".to_owned()),
            Err(panic) => (String::new(), said(&**panic)),
        };
        let line = Line { trial: n, seed, stage, outcome, seconds: (began.elapsed().as_secs_f64() * 100.0).round() / 100.0 };
        append(name, &serde_json::to_string(&line).expect("a line is JSON"));
        eprintln!("{name} {} of {bound}: {} {} ({} s)", n + 1, line.stage, line.outcome.lines().next().unwrap_or_default(), line.seconds);
        if let Err(panic) = result {
            resume_unwind(panic);
        }
    }
}

fn begun(name: &str, what: &str, (of, each): (u64, u64)) -> Form {
    std::fs::create_dir_all(folder()).expect("a folder can be made");
    let mut bytes = [0u8; 4];
    std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes)).expect("the system gives random bytes");
    let first_seed = number("FAULTS_SEED").unwrap_or_else(|| u32::from_le_bytes(bytes).into());
    let form = Form { name: name.into(), what: what.into(), of, each, first_seed };
    append(name, &serde_json::to_string(&form).expect("a form is JSON"));
    form
}

fn append(name: &str, line: &str) {
    let path = folder().join(format!("{name}.jsonl"));
    let mut file = std::fs::File::options().create(true).append(true).open(path).expect("a file of trials can be opened");
    file.write_all(format!("{line}\n").as_bytes()).expect("a file of trials can be written");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
    let text = text.unwrap_or_else(|| "it broke off without a word".into());
    format!("broke: {}", text.chars().take(2000).collect::<String>())
}
