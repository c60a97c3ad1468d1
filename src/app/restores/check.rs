//! What is looked at before anything is touched, and after everything is switched.

use super::data;
use super::parts::{self, Part};
use super::run::Run;
use super::steps::{Acted, Step};
use crate::app::from_json;
use crate::app::servers::blocking;
use crate::base::error::{Class, Error, Result};
use crate::base::units;
use crate::domain::element::Element;
use crate::domain::view::FileProblem;
use crate::hosting::database::database;
use crate::hosting::host;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Kept free on every file system beyond what the restore needs.
const RESERVE: u64 = 64 << 20;

/// Space on the right file system, rights, versions, and that every snapshot can be read. An undo needs only that what
/// it switches back to is there, and that is looked at when it is switched.
pub(super) async fn preflight(run: &mut Run<'_>, i: usize) -> Result<Option<String>> {
    run.lines[i].journal.was_wrong = asked(run).await?.and_then(std::result::Result::err);
    if run.is_undo() {
        return Ok(None);
    }
    let elements = run.elements()?;
    space(run, &elements).await?;
    if elements.contains(&Element::Database) {
        let alone = !run.tables()?.is_empty();
        let (access, server) = (data::live(run)?, run.env.server.clone().filter(|_| !alone));
        let said = blocking(move || {
            if let Some(server) = server {
                database(server).check().map_err(|e| e.context("trying the server account"))?;
            }
            Ok(database(access).check().err())
        })
        .await?;
        if let Some(e) = said {
            run.attempt.warn(format!("The live database cannot be used as it is: {}", e.sentence())).await;
        }
    }
    let mut snapshots = Vec::new();
    for element in elements {
        snapshots.push(run.source(element)?.1);
    }
    let repository = run.from.clone();
    run.attempt.blocking(move |watch| snapshots.iter().try_for_each(|s| repository.prove(s, watch).map(drop))).await?;
    Ok(None)
}

/// How large an element is, or the chosen parts of it, which must be in the backup.
async fn weight(run: &Run<'_>, element: Element) -> Result<u64> {
    let (source, snapshot) = run.source(element)?;
    let parts: Vec<Part> = run.parts()?.into_iter().filter(|part| part.element == element).collect();
    if parts.is_empty() {
        return Ok(source.size.unsigned_abs());
    }
    let problems: Vec<FileProblem> = from_json("problems", &source.problems)?;
    let repository = run.from.clone();
    let weight = run.attempt.blocking(move |watch| {
        parts::check(&repository, &snapshot, &problems, &parts)?;
        parts::weight(&repository, &snapshot, &parts, watch)
    });
    weight.await.map_err(|e| if e.class() == Class::Invalid { e.with_class(Class::Permanent) } else { e })
}

/// What is staged needs its size on the file system it is staged on.
async fn space(run: &Run<'_>, elements: &[Element]) -> Result<()> {
    let mut needs: BTreeMap<PathBuf, u64> = BTreeMap::new();
    let definition = &run.env.definition;
    for element in elements {
        // Beside the backup chosen tables of a file have a second one, in which those lie that are put aside.
        let twice = *element == Element::Database && !run.tables()?.is_empty();
        let size = weight(run, *element).await? * if twice { 2 } else { 1 };
        let place: Option<&Path> = match element {
            Element::Code => definition.root.parent(),
            Element::Files => definition.files.first().and_then(|f| f.path.parent()),
            Element::Database => match &definition.database {
                Some(crate::domain::site::DatabaseAddress::Sqlite { path }) => path.parent(),
                _ => None, // the database server's disk is not ours to look at
            },
        };
        if let Some(place) = place {
            *needs.entry(place.to_owned()).or_default() += size;
        }
    }
    blocking(move || {
        // Places on one file system share what is free there.
        let mut totals: Vec<(PathBuf, u64)> = Vec::new();
        for (place, need) in needs {
            match totals.iter_mut().find(|(other, _)| host::same_file_system(other, &place).unwrap_or(false)) {
                Some((_, total)) => *total += need,
                None => totals.push((place, need)),
            }
        }
        for (place, need) in totals {
            let free = host::free_space(&place)?;
            if free < need + RESERVE {
                return Err(Error::resource(format!(
                    "there is not enough space on the file system of {}: {} are needed and {} are free",
                    place.display(),
                    units::size(need + RESERVE),
                    units::size(free)
                ))
                .hint("free some space and start the restore again; the site was not touched"));
            }
        }
        Ok(())
    })
    .await
}

/// Rows and files, behind maintenance: what is live must be what was switched to.
pub(super) async fn data(run: &mut Run<'_>) -> Result<Option<String>> {
    // The settings may have been restored, and rewritten after that.
    let rewritten: Vec<PathBuf> = run.line(Step::SwitchSettings).iter().flat_map(|l| &l.journal.swaps).map(|s| s.live.clone()).collect();
    for line in run.lines.iter().filter(|l| matches!(l.step, Step::SwitchCode | Step::SwitchFiles | Step::SwitchSettings)) {
        for swap in line.journal.swaps.clone() {
            if rewritten.contains(&swap.live) {
                continue;
            }
            let shown = swap.live.display().to_string();
            let right = blocking(move || Ok(host::inode(&swap.live)? == swap.aside_inode)).await?;
            if !right {
                return Err(Error::permanent(format!("{shown} is not what was switched to: somebody replaced it")));
            }
        }
    }
    if run.line(Step::SwitchDatabase).is_none() {
        return Ok(None);
    }
    let live = data::live_counts(run).await.map_err(|e| e.context("reading the database that was switched to"))?;
    if let Some(expected) = data::expected_counts(run).await? {
        let missing: Vec<&str> = expected.keys().filter(|t| !live.contains_key(*t)).map(String::as_str).take(10).collect();
        if !missing.is_empty() {
            return Err(Error::permanent(format!("these tables are missing after the switch: {}", missing.join(", "))));
        }
    }
    Ok(Some(format!("{} with {}", units::count(live.len() as u64, "table"), units::count(live.values().sum(), "row"))))
}

/// The site must answer with its page. The other database is fenced by now, so an answer cannot come from it; and
/// maintenance is off, so that the answer is not our own 503.
///
/// What was wrong before may be wrong still in two cases: an undo brings back what was there, and where the site stays with
/// its database, nothing can have hidden the answer of another one. A site that is mended element by element gets so far.
pub(super) async fn ask_site(run: &mut Run<'_>, i: usize) -> Result<Acted> {
    let before = match run.row.undo_of {
        Some(_) => run.lines[i].journal.was_wrong.clone(),
        None if run.elements()?.contains(&Element::Database) && run.tables()?.is_empty() => None,
        None => run.line(Step::Preflight).and_then(|l| l.journal.was_wrong.clone()),
    };
    let mut last = String::new();
    for n in 0..run.app().settings.probe_tries.max(1) {
        if n > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        match asked(run).await? {
            None => return Ok(Acted::skipped("The site was not asked for its page: no URL is set".into())),
            Some(Ok(status)) => return Ok(Acted::done(Some(format!("The site answers with status {status}")))),
            Some(Err(why)) => last = why,
        }
    }
    if before.as_ref() == Some(&last) {
        let told = format!("The site does not answer as it should, as it did not before the restore: {last}");
        return Ok(Acted::done(Some(told)));
    }
    let url = run.env.definition.url.as_deref().unwrap_or_default();
    Err(Error::permanent(format!("after the switch the site does not answer as it should ({url}): {last}"))
        .hint("if its application server keeps old settings in memory, an administrator can set the hook `reload`"))
}

/// After everything was switched back: an application that keeps its connections finds out by a failed request that they
/// were cut. Better ours than a visitor's. What is wrong still is said, and changes nothing.
pub(super) async fn until_it_answers(run: &Run<'_>) {
    if run.line(Step::Preflight).is_some_and(|l| l.journal.was_wrong.is_some()) {
        return; // it did not answer before, either
    }
    let (mut in_a_row, mut last) = (0, String::new());
    for _ in 0..20 {
        match asked(run).await {
            Ok(None) | Err(_) => return,
            Ok(Some(Ok(_))) if in_a_row == 3 => return,
            Ok(Some(Ok(_))) => in_a_row += 1,
            Ok(Some(Err(why))) => (in_a_row, last) = (0, why),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    run.attempt.warn(format!("Everything was switched back, and the site does not answer as it should: {last}")).await;
}

/// Asks once: the status of a good answer, or why it is none; `None` without a URL.
async fn asked(run: &Run<'_>) -> Result<Option<std::result::Result<u16, String>>> {
    let Some(url) = run.env.definition.url.clone() else { return Ok(None) };
    let expect = run.env.definition.expect.clone();
    let answer = blocking(move || Ok(host::probe(&url, expect.as_deref()))).await?;
    Ok(Some(match answer {
        Ok(p) if !(200..400).contains(&p.status) => Err(format!("status {}", p.status)),
        Ok(p) if !p.found => Err("its page does not contain the expected text".into()),
        Ok(p) => Ok(p.status),
        Err(e) => Err(e.sentence()),
    }))
}
