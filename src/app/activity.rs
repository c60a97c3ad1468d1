//! The activity log: of a tenant for those whom it concerns; of the whole installation for administrators, as a page and
//! as a table to take away.

use super::{App, access, access::Actor};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::base::zone::Zone;
use crate::db;
use crate::db::activity::{Act, Entry, Filter};
use crate::domain::ids::TenantId;
use crate::domain::page::{Activity, ActivityLine, ActivityQuery};
use crate::domain::people;
use crate::domain::rights::Right;

const NEWEST: i64 = 50;
/// Lines on one page.
const PAGE: usize = 100;
/// Lines of a table, and how many are asked for at once.
const MOST: usize = 50_000;
const CHUNK: usize = 1_000;

/// Writes down what an actor did, in the transaction in which it was done.
pub(crate) async fn record(
    conn: &mut Conn,
    now: Millis,
    actor: &Actor,
    tenant: Option<&TenantId>,
    action: &'static str,
    object: &str,
    detail: &str,
) -> Result<()> {
    let (account, address) = (Some(&actor.account), actor.address.as_str());
    let act = Act { tenant, account, actor: &actor.email, action, object, detail, address };
    db::activity::record(conn, now, &act).await
}

/// The newest acts in a tenant. Whoever may see the tenant sees who did what there, administrators included.
pub async fn of_tenant(app: &App, actor: &Actor, tenant: &TenantId) -> Result<Vec<people::Act>> {
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, tenant, Right::View, "tenant").await?;
    let lines = db::activity::newest(&mut conn, tenant, NEWEST).await?;
    let shown = |l: db::activity::Line| people::Act {
        at: Millis(l.at).iso(),
        actor: l.actor,
        administrator: l.administrator == 1,
        action: l.action,
        detail: l.detail,
    };
    Ok(lines.into_iter().map(shown).collect())
}

/// A page, newest first.
///
/// # Errors
/// `Invalid` for a day that is none.
pub async fn page(app: &App, actor: &Actor, asked: ActivityQuery, zone: Zone) -> Result<Activity> {
    access::administer(actor)?;
    let filter = filter(&asked, zone)?;
    let mut conn = app.pool.get().await?;
    let after = match asked.after.as_str() {
        "" => None,
        id => Some((db::activity::at(&mut conn, id).await?.ok_or_else(|| access::hidden("line"))?, id.to_owned())),
    };
    let mut rows = db::activity::page(&mut conn, &filter, after, PAGE as i64 + 1).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let older = rows.last().filter(|_| more).map(|r| r.id.clone());
    let tenants = db::tenants::list(&mut conn).await?.into_iter().map(|t| (t.id, t.name)).collect();
    Ok(Activity { lines: rows.into_iter().map(line).collect(), older, asked, tenants })
}

/// The lines that a filter leaves, as comma-separated values; the newest 50,000 at the most. Times are UTC.
pub async fn table(app: &App, actor: &Actor, asked: &ActivityQuery, zone: Zone) -> Result<String> {
    access::administer(actor)?;
    let filter = filter(asked, zone)?;
    let mut conn = app.pool.get().await?;
    let mut text = String::from("time,tenant,actor,as administrator,action,object,detail,address\r\n");
    let (mut after, mut written) = (None, 0);
    while written < MOST {
        let rows = db::activity::page(&mut conn, &filter, after, CHUNK.min(MOST - written) as i64).await?;
        let Some(last) = rows.last() else { break };
        after = Some((last.at, last.id.clone()));
        written += rows.len();
        rows.iter().for_each(|row| text.push_str(&csv_line(row)));
    }
    Ok(text)
}

fn filter(asked: &ActivityQuery, zone: Zone) -> Result<Filter> {
    let given = |text: &str| Some(text.trim().chars().take(200).collect::<String>()).filter(|t| !t.is_empty());
    let day = |text: &str| given(text).map(|t| zone.begin_of(&t)).transpose();
    Ok(Filter {
        tenant: given(&asked.tenant),
        actor: given(&asked.actor),
        action: given(&asked.action),
        from: day(&asked.from)?,
        // The last day is meant, too; a day may have 25 hours.
        until: day(&asked.until)?.map(|t| zone.begin_of(&zone.day(t.plus(26 * 3600 * Millis::SECOND)))).transpose()?,
    })
}

fn line(row: Entry) -> ActivityLine {
    ActivityLine {
        at: Millis(row.at),
        tenant: row.tenant,
        actor: row.actor,
        action: row.action,
        object: row.object,
        detail: row.detail,
        address: row.address,
        as_administrator: row.as_administrator == 1,
    }
}

fn csv_line(row: &Entry) -> String {
    let time = Millis(row.at).iso();
    let as_administrator = if row.as_administrator == 1 { "yes" } else { "" };
    let tenant = row.tenant.as_deref().unwrap_or_default();
    let cells = [&time, tenant, &row.actor, as_administrator, &row.action, &row.object, &row.detail, &row.address];
    cells.map(cell).join(",") + "\r\n"
}

/// One value after RFC 4180. What a table program would take for a formula gets an apostrophe before it.
fn cell(text: &str) -> String {
    let tamed = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if tamed.contains([',', '"', '\r', '\n']) { format!("\"{}\"", tamed.replace('"', "\"\"")) } else { tamed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_breaks_out_of_its_place() {
        let table = [
            ("plain", "plain"),
            ("", ""),
            ("=1+2", "'=1+2"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum", "'@sum"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=cmd|' /C calc'!A0,", "\"'=cmd|' /C calc'!A0,\""),
        ];
        for (text, written) in table {
            assert_eq!(cell(text), written);
        }
    }
}
