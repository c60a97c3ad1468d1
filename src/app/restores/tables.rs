//! Chosen tables of a database: which there are, what each would lose, and what cannot be restored alone.

use crate::app::access::{self, Actor};
use crate::app::backups::{Manifest, RowCounts};
use crate::app::environments::{self, Opened};
use crate::app::servers::blocking;
use crate::app::{App, from_json};
use crate::base::error::{Error, Result};
use crate::base::units;
use crate::base::words::shown;
use crate::db;
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, TenantId};
use crate::domain::page::{TableChoice, TableChoices};
use crate::domain::rights::Right;
use crate::domain::view::Plan;
use crate::hosting::database::database;

/// The tables of a backup, beside those of the environment that they may be restored into.
///
/// # Errors
/// `NotFound` for who may not restore; `Invalid` for a backup without a database.
pub async fn tables(app: &App, actor: &Actor, target: &EnvironmentId, backup: &BackupId) -> Result<TableChoices> {
    let mut conn = app.pool.get().await?;
    let env = access::environment(&mut conn, actor, target, Right::Restore).await?;
    let row = access::backup(&mut conn, actor, backup, Right::Restore).await?;
    if row.tenant_id != env.tenant_id {
        return Err(access::hidden("backup"));
    }
    let held = db::backups::elements(&mut conn, &TenantId(row.tenant_id.clone()), backup).await?;
    drop(conn);
    let held = held.into_iter().find(|e| e.element == Element::Database.name() && e.snapshot.is_some());
    let held = held.ok_or_else(|| Error::invalid(format!("the backup {} has no database", row.id)).hint("choose one that has"))?;
    let manifest: Manifest = from_json("manifest", &held.manifest)?;
    let access = environments::open(app, target).await?.access;
    let live = match access {
        Some(access) => blocking(move || database(access).counts()).await,
        None => Err(Error::invalid("this environment has no database")),
    };
    let now = |name: &String| live.as_ref().ok().and_then(|live| live.get(name).copied());
    let empty = |name: &String| manifest.structure_only.contains(name);
    let choice = |(name, then): (&String, &u64)| TableChoice { name: name.clone(), then: *then, empty: empty(name), now: now(name) };
    Ok(TableChoices { tables: manifest.rows.iter().map(choice).collect(), problem: live.as_ref().err().map(Error::sentence) })
}

/// What a restore of these tables alone would do.
///
/// # Errors
/// `Invalid` for a table that the backup does not hold, or that cannot change places by itself.
pub(super) async fn lines(env: &Opened, manifest: &Manifest, tables: &[String], plan: &mut Plan) -> Result<()> {
    if let Some(missing) = tables.iter().find(|t| !manifest.rows.contains_key(*t)) {
        return Err(unknown(missing, &manifest.rows));
    }
    let access = env.access.clone().ok_or_else(|| Error::invalid("this environment has no database"))?;
    let engine = access.address.engine();
    if !manifest.engine.is_empty() && manifest.engine != engine {
        return Err(Error::invalid(format!("the backup is of a {} database, and this environment has {engine}", manifest.engine)));
    }
    let only = tables.to_vec();
    let live = blocking(move || {
        let site = database(access);
        site.check_tables(&only)?;
        site.counts()
    })
    .await?;
    plan.lines.extend(tables.iter().map(|table| line(table, live.get(table).copied(), manifest)));
    plan.lines.push("database: everything else in it stays as it is".into());
    let inexact = |column: &&String| tables.iter().any(|t| column.strip_prefix(t.as_str()).is_some_and(|rest| rest.starts_with('.')));
    let columns: Vec<&str> = manifest.inexact_columns.iter().filter(inexact).map(String::as_str).collect();
    if !columns.is_empty() {
        plan.warnings.push(format!("these columns do not come back bit-exact: {}", columns.join(", ")));
    }
    Ok(())
}

/// One table: what is there now, what comes.
fn line(table: &str, now: Option<u64>, manifest: &Manifest) -> String {
    let name = shown(table.as_bytes());
    let then = manifest.rows.get(table).copied().unwrap_or_default();
    let empty = manifest.structure_only.iter().any(|t| t == table);
    let coming = if empty { "without rows, which the backup left out".to_owned() } else { format!("with {}", units::count(then, "row")) };
    match now {
        None => format!("database: table {name} comes back {coming}, where there is none now"),
        Some(0) => format!("database: table {name}, which is empty now, comes back {coming}"),
        Some(now) if empty || now != then => {
            format!(
                "database: table {name} is replaced: you will lose the {} that it has now; it comes back {coming}",
                units::count(now, "row")
            )
        }
        Some(now) => {
            format!(
                "database: table {name} is replaced: it has {} now, as many as in the backup; what was changed in them is lost",
                units::count(now, "row")
            )
        }
    }
}

fn unknown(table: &str, rows: &RowCounts) -> Error {
    let near = near(table, rows.keys().map(String::as_str));
    let hint = match near.is_empty() {
        true => "`sitekeep backup:browse` with the element database shows its tables".to_owned(),
        false => format!("did you mean {}?", near.join(", ")),
    };
    Error::invalid(format!("the table {} is not in this backup", shown(table.as_bytes()))).hint(hint)
}

/// Names that somebody may have meant: with the same letters somewhere in them, or a slip or two away.
fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let mut found: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let within = wanted.len() >= 3 && (lower.contains(&wanted) || (lower.len() >= 3 && wanted.contains(&lower)));
            let slips = slips(&wanted, &lower);
            (within || slips <= 2).then_some((slips, name))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, name)| name).take(5).collect()
}

/// How many letters must be put in, left out or exchanged to come from one word to the other.
fn slips(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut above_left = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (above_left + usize::from(x != *y)).min(above + 1).min(row[j] + 1);
            above_left = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_not_there_is_answered_with_those_that_may_be_meant() {
        let names = ["wp_options", "wp_posts", "wp_postmeta", "wp_users"];
        for (wanted, meant) in [
            ("options", &["wp_options"][..]),
            ("wp_post", &["wp_posts", "wp_postmeta"]),
            ("wp_optoins", &["wp_options"]),
            ("WP_USERS", &["wp_users"]),
            ("nothing_like_it", &[]),
        ] {
            assert_eq!(near(wanted, names.into_iter()), meant, "{wanted}");
        }
        assert_eq!((slips("kitten", "sitting"), slips("", "abc"), slips("same", "same")), (3, 3, 0));
    }

    #[test]
    fn each_chosen_table_says_what_it_loses() {
        let rows = [("a", 3), ("b", 1), ("c", 0)].map(|(t, n)| (t.to_owned(), n)).into();
        let manifest = Manifest { rows, structure_only: vec!["c".into()], ..Manifest::default() };
        for (table, now, said) in [
            ("a", Some(5), "you will lose the 5 rows that it has now; it comes back with 3 rows"),
            ("a", Some(3), "as many as in the backup"),
            ("a", Some(0), "which is empty now, comes back with 3 rows"),
            ("b", None, "comes back with 1 row, where there is none now"),
            ("c", Some(2), "it comes back without rows, which the backup left out"),
        ] {
            let line = line(table, now, &manifest);
            assert!(line.contains(said), "{line}");
        }
    }
}
