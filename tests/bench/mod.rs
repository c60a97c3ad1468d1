//! How fast Sitekeep is, how much memory it takes and how much it stores, beside what people use otherwise.
//!
//! `make bench` runs everything in here, in release. The sizes come from the environment: `BENCH_POSTS`, `BENCH_GB` (of
//! uploads), `BENCH_FILES` (small ones, for the test of memory) and `BENCH_ROUNDS` (each figure is the median of so many).
//! The defaults end within ten minutes or so on two cores. `docs/benchmarks.md` holds what was measured at full size.
//!
//! Every program of one round works on the same site in the same minute, because machines are noisy: compare within one
//! table only. To add a program: an implementation of [`peers::Peer`].

mod claims;
mod dashboard;
mod downloads;
mod edits;
mod limits;
mod measure;
mod panel;
mod peers;
mod rivals;
mod site;
mod table;

use crate::support::{Scratch, wordpress::Wordpress};
use peers::Peer;
use std::path::Path;
use table::{Phase, Table};

/// A number from the environment.
fn size<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => otherwise,
    }
}

/// A WordPress of the size that the environment asks for.
fn big_site() -> Wordpress {
    let site = Wordpress::start();
    let (posts, gb) = (size("BENCH_POSTS", 10_000), size("BENCH_GB", 0.5));
    site::fill(&site, posts, gb, 1);
    site
}

#[test]
#[ignore = "figures, not checks: they want a release build and a quiet machine, so `make bench` takes them, with a site that takes minutes to make"]
fn bench_a_big_site_beside_what_people_use_otherwise() {
    let site = big_site();
    println!("\n{}", site::describe(&site));
    let mut table = Table::default();
    for round in 0..size("BENCH_ROUNDS", 3) {
        let scratch = Scratch::new();
        let mut all = peers::all(&scratch, &site);
        // What stores the whole again each night takes minutes, and always the same ones.
        all.retain(|peer| round == 0 || !peer.is_slow());
        every(&mut all, &mut table, Phase::First, |peer| peer.backup("first"));
        edits::scattered(&site, 2 * round);
        every(&mut all, &mut table, Phase::Scattered, |peer| peer.backup("scattered"));
        edits::clustered(&site, 2 * round + 1);
        every(&mut all, &mut table, Phase::Clustered, |peer| peer.backup("clustered"));
        every(&mut all, &mut table, Phase::Restore, |peer| peer.restore());
    }
    table.print();
}

/// Lets each of them do the same, one after the other.
fn every(all: &mut [Box<dyn Peer + '_>], table: &mut Table, phase: Phase, mut act: impl FnMut(&mut dyn Peer) -> peers::Done) {
    for peer in all {
        let before = peer.stored();
        settle(peer.place());
        let done = act(&mut **peer);
        let stored = peer.stored().saturating_sub(before);
        table.add(phase, peer.name(), &done, stored);
    }
}

/// What the one before has left to be written must not be paid for by the next one.
fn settle(place: &Path) {
    crate::support::run(std::process::Command::new("sync").arg("-f").arg(place));
}
