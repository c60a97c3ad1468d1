//! Which backup is meant: by its id, by the name of one of its files, or the newest that can be used.
//!
//! A restore takes one set. Its elements are never gathered from several.

use super::client::escaped;
use super::session::{Session, full_name, short_name};
use crate::base::error::{Error, Result};
use crate::domain::element::Element;
use crate::domain::view::{Backup, Environment, Restore};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

const PAGE: usize = 100;

/// Elements by name, with the sentence that Terminus users know.
///
/// # Errors
/// `Invalid` for anything else.
pub fn elements(text: &str) -> Result<Vec<Element>> {
    Element::parse_list(text).map_err(|_| Error::invalid("Element should be one of the following items: code, files, database, db, all"))
}

/// Visits the backups of an environment, the newest first, page by page, until the visitor has had enough.
///
/// # Errors
/// What the server says.
pub fn each(s: &mut Session<'_>, environment: &str, mut visit: impl FnMut(Backup) -> ControlFlow<()>) -> Result<()> {
    let (client, mut seen) = (s.client()?, BTreeSet::new());
    let mut path = format!("/environments/{}/backups?limit={PAGE}", escaped(environment));
    loop {
        let page: Vec<Backup> = client.get(&path)?;
        let before = seen.len();
        for backup in page {
            path = format!("/environments/{}/backups?limit={PAGE}&after={}", escaped(environment), escaped(&backup.id));
            if seen.insert(backup.id.clone()) && visit(backup).is_break() {
                return Ok(());
            }
        }
        if seen.len() == before {
            return Ok(());
        }
    }
}

/// A backup by its id, or by the name of one of its files.
///
/// # Errors
/// `NotFound`, or `Invalid` when it is neither.
pub fn backup(s: &mut Session<'_>, reference: &str) -> Result<Backup> {
    if let Some(address) = address_of_file(reference) {
        let environment = s.environment(&address)?;
        return Ok(by_file(s, &environment, reference)?.0);
    }
    s.client()?.get(&format!("/backups/{}", escaped(reference)))
}

/// The same, when it is one of this environment's: where both are named and do not fit, one of the two is a mistake.
///
/// # Errors
/// `NotFound` also when it belongs to another environment.
pub fn backup_of(s: &mut Session<'_>, environment: &Environment, reference: &str) -> Result<Backup> {
    let backup = backup(s, reference)?;
    if (&backup.tenant, &backup.site, &backup.environment) == (&environment.tenant, &environment.site, &environment.name) {
        return Ok(backup);
    }
    let owner = format!("{}/{}.{}", backup.tenant, backup.site, backup.environment);
    Err(Error::not_found(format!("the backup {} is not one of {}", backup.id, full_name(environment)))
        .hint(format!("it is one of {owner}")))
}

/// `shop_live_2026-11-21T03-00-00_UTC_database.sql.gz` belongs to `shop.live`: names hold no underscore.
fn address_of_file(name: &str) -> Option<String> {
    let mut parts = name.splitn(3, '_');
    let (site, environment, rest) = (parts.next()?, parts.next()?, parts.next()?);
    rest.contains("_UTC_").then(|| format!("{site}.{environment}"))
}

/// The backup that has a file of that name, and which element the file holds.
///
/// # Errors
/// `NotFound`.
pub fn by_file(s: &mut Session<'_>, environment: &Environment, file: &str) -> Result<(Backup, Element)> {
    let mut found = None;
    each(s, &environment.id, |backup| {
        let element = backup.elements.iter().find(|e| e.filename == file).map(|e| e.element);
        match element {
            Some(element) => {
                found = Some((backup, element));
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        }
    })?;
    let name = short_name(environment);
    found.ok_or_else(|| {
        Error::not_found(format!("{name} has no backup with the file {file}")).hint(format!("`sitekeep backup:list {name}` shows them"))
    })
}

/// The elements of a backup that can be restored.
pub fn usable(backup: &Backup) -> Vec<Element> {
    let have = |e: Element| backup.elements.iter().any(|b| b.element == e && b.state.is_usable());
    if backup.state.is_usable() { Element::ALL.into_iter().filter(|e| have(*e)).collect() } else { Vec::new() }
}

/// What [`newest`] found.
#[derive(Debug)]
pub struct Choice {
    pub backup: Backup,
    /// A newer one that was passed over, because elements are missing from it.
    pub newer: Option<Backup>,
}

/// The newest usable backup that has all the elements; failing that, and where `partly` allows it, the newest that has
/// some of them.
///
/// Safety backups of restores do not count here: otherwise a second restore would bring back what the first one replaced.
/// They are restored by `backup:undo`, or by their id.
///
/// # Errors
/// `NotFound` with Terminus' sentence when there is none.
pub fn newest(s: &mut Session<'_>, environment: &Environment, wanted: &[Element], partly: bool) -> Result<Choice> {
    let safety = safety_backups(s, environment)?;
    let (mut whole, mut part) = (None, None);
    each(s, &environment.id, |backup| {
        let have = usable(&backup);
        if safety.contains(&backup.id) || !wanted.iter().any(|e| have.contains(e)) {
            return ControlFlow::Continue(());
        }
        if wanted.iter().all(|e| have.contains(e)) {
            whole = Some(backup);
            return ControlFlow::Break(());
        }
        part.get_or_insert(backup);
        ControlFlow::Continue(())
    })?;
    match (whole, part) {
        (Some(backup), newer) => Ok(Choice { backup, newer }),
        (None, Some(backup)) if partly => Ok(Choice { backup, newer: None }),
        (None, Some(_)) => {
            let names: Vec<&str> = wanted.iter().map(|e| e.name()).collect();
            Err(Error::not_found(format!("no backup of {} has all of {}", short_name(environment), names.join(", ")))
                .hint("restore them one after the other, or name a backup with --backup: a set is never mixed by itself"))
        }
        (None, None) => Err(none(&short_name(environment))),
    }
}

/// There is nothing to restore.
pub fn none(environment: &str) -> Error {
    Error::not_found(format!("No backups available. Create one with `sitekeep backup:create {environment}`"))
}

fn safety_backups(s: &mut Session<'_>, environment: &Environment) -> Result<BTreeSet<String>> {
    let restores: Vec<Restore> = s.client()?.get(&format!("/environments/{}/restores", escaped(&environment.id)))?;
    Ok(restores.into_iter().filter_map(|r| r.safety_backup).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_tells_its_environment_and_an_id_does_not() {
        assert_eq!(address_of_file("my-shop_live_2026-11-21T03-00-00_UTC_database.sql.gz").as_deref(), Some("my-shop.live"));
        for other in ["bak_0123456789abcdefghjk", "x", "a_b", "a_b_c"] {
            assert_eq!(address_of_file(other), None);
        }
    }

    #[test]
    fn an_unknown_element_gets_the_known_sentence() {
        assert_eq!(elements("db").unwrap(), [Element::Database]);
        assert_eq!(
            elements("everything").unwrap_err().to_string(),
            "Element should be one of the following items: code, files, database, db, all"
        );
    }
}
