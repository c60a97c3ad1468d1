//! The log of an environment as its page shows it, and the choices of a restore.

use crate::app::access::Actor;
use crate::app::{App, access, environments, retention};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::base::zone::Zone;
use crate::db;
use crate::db::backups::{Backup as Row, Narrow};
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, TenantId};
use crate::domain::page::{Chip, Choice, Log, LogQuery, LogRow, RestoreChoices};
use crate::domain::rights::Right;
use crate::domain::state::BackupState;

/// Backups on one page of a log.
const PAGE: usize = 20;
/// Backups that a restore offers; older ones are reached from the log.
const CHOICES: usize = 50;

/// A page of the log, newest first. The caller has found the environment: it is theirs to see.
///
/// # Errors
/// `Invalid` for a filter that cannot be read.
pub(crate) async fn page(
    conn: &mut Conn,
    actor: &Actor,
    tenant: &TenantId,
    environment: &EnvironmentId,
    asked: LogQuery,
    (now, zone): (Millis, Zone),
) -> Result<Log> {
    let narrow = narrow(&asked, zone)?;
    let after = after(conn, actor, &asked.after).await?;
    let mut rows = db::backups::log(conn, tenant, environment, &narrow, after, PAGE as i64 + 1).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let older = rows.last().filter(|_| more).map(|r| r.id.clone());
    let mut rows = with_chips(conn, tenant, rows).await?;
    let mut held = None;
    if narrow.deleted {
        held = retention::in_effect(conn, now, tenant, environment).await?.held;
    } else if !rows.is_empty() {
        let verdicts = retention::verdicts(conn, now, tenant, environment).await?;
        rows.iter_mut().for_each(|row| row.fate = verdicts.get(&row.id).map(retention::fate));
    }
    Ok(Log { rows, older, held, asked })
}

async fn after(conn: &mut Conn, actor: &Actor, id: &str) -> Result<Option<(i64, String)>> {
    if id.is_empty() {
        return Ok(None);
    }
    let row = access::backup(conn, actor, &BackupId(id.to_owned()), Right::View).await?;
    Ok(Some((row.created_at, row.id)))
}

fn narrow(asked: &LogQuery, zone: Zone) -> Result<Narrow> {
    let given = |text: &str| Some(text.trim().to_owned()).filter(|t| !t.is_empty());
    let day = |text: &str| given(text).map(|t| zone.begin_of(&t)).transpose();
    Ok(Narrow {
        state: given(&asked.state).map(|s| BackupState::parse(&s)).transpose()?,
        element: given(&asked.element).map(|e| Element::parse(&e)).transpose()?,
        on_demand: given(&asked.how).map(|how| how == "demand"),
        text: given(&asked.q).map(|q| q.chars().take(200).collect()),
        from: day(&asked.from)?,
        // The last day is meant, too; a day may have 25 hours.
        until: day(&asked.until)?.map(|t| zone.begin_of(&zone.day(t.plus(26 * 3600 * Millis::SECOND)))).transpose()?,
        deleted: asked.trash == "1",
    })
}

async fn with_chips(conn: &mut Conn, tenant: &TenantId, rows: Vec<Row>) -> Result<Vec<LogRow>> {
    let ids: Vec<String> = rows.iter().map(|r| r.id.clone()).collect();
    let chips = db::backups::chips(conn, tenant, &ids).await?;
    rows.into_iter().map(|row| log_row(row, &chips)).collect()
}

fn log_row(row: Row, chips: &[db::backups::Chip]) -> Result<LogRow> {
    let chip = |c: &db::backups::Chip| {
        Ok(Chip {
            element: Element::parse(&c.element)?,
            state: BackupState::parse(&c.state)?,
            size: c.size.unsigned_abs(),
            files: c.files.unsigned_abs(),
        })
    };
    let elements = chips.iter().filter(|c| c.backup_id == row.id).map(chip).collect::<Result<Vec<_>>>()?;
    Ok(LogRow {
        state: BackupState::parse(&row.state)?,
        fate: None,
        purge: row.purge_at.map(Millis),
        deleted_by: row.deleted_by,
        reason: row.note.unwrap_or(row.reason),
        initiator: row.initiator,
        created: Millis(row.created_at),
        due: row.slot_at.map(Millis),
        started: row.started_at.map(Millis),
        pinned: row.pinned == 1,
        proven: row.proven_at.map(Millis),
        deleted: row.deleted_at.map(Millis),
        job: row.job_id,
        size: elements.iter().map(|e| e.size).sum(),
        message: row.message,
        elements,
        id: row.id,
    })
}

/// What a restore into this environment can choose from. `from` is the environment whose backups are offered; the target
/// itself where it is not given.
pub async fn choices(app: &App, actor: &Actor, id: &EnvironmentId, from: Option<&EnvironmentId>, zone: Zone) -> Result<RestoreChoices> {
    let mut conn = app.pool.get().await?;
    access::environment(&mut conn, actor, id, Right::Restore).await?;
    let source = access::environment(&mut conn, actor, from.unwrap_or(id), Right::Restore).await?;
    let tenant = TenantId(source.tenant_id.clone());
    let rows = db::backups::log(&mut conn, &tenant, from.unwrap_or(id), &Narrow::default(), None, 4 * CHOICES as i64).await?;
    let rows = with_chips(&mut conn, &tenant, rows).await?;
    let usable = rows.into_iter().filter(|r| r.state.is_usable());
    let mut choices: Vec<Choice> = usable.map(choice).collect();
    let more = choices.len() > CHOICES;
    choices.truncate(CHOICES);
    let mut destinations = Vec::new();
    for env in db::environments::of_tenant(&mut conn, &tenant).await? {
        let definition: crate::domain::site::Definition = crate::app::from_json("definition", &env.definition)?;
        destinations.push((env.id, format!("{}.{}", env.site, env.name), definition.live));
    }
    drop(conn);
    Ok(RestoreChoices { overview: environments::overview(app, actor, id, zone).await?, choices, more, destinations, tables: None })
}

fn choice(row: LogRow) -> Choice {
    let there = row.elements.iter().filter(|c| c.state.is_usable());
    Choice {
        elements: there.map(|c| c.element).collect(),
        id: row.id,
        created: row.created,
        reason: row.reason,
        state: row.state,
        size: row.size,
    }
}
