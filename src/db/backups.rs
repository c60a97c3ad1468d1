//! Backups and their elements.

use super::packed::{Fields, packed};
use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, TenantId};
use crate::domain::state::BackupState;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Backup {
    pub id: String,
    pub tenant_id: String,
    pub tenant: String,
    pub site_id: String,
    pub site: String,
    pub environment_id: String,
    pub environment: String,
    pub state: String,
    pub reason: String,
    pub note: Option<String>,
    pub account_id: Option<String>,
    pub initiator: String,
    pub keep_for_days: Option<i64>,
    pub pinned: i64,
    pub protected: i64,
    pub job_id: Option<String>,
    /// The slot of the schedule that it was made for.
    pub slot_at: Option<i64>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub proven_at: Option<i64>,
    pub deleted_at: Option<i64>,
    pub deleted_by: Option<String>,
    /// In the trash: not purged before.
    pub purge_at: Option<i64>,
    /// Since then nothing can be restored from it.
    pub expired_at: Option<i64>,
    pub label: Option<String>,
    pub message: Option<String>,
    pub hint: Option<String>,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct BackupElement {
    pub tenant_id: String,
    pub backup_id: String,
    pub element: String,
    pub state: String,
    pub snapshot: Option<String>,
    pub size: i64,
    pub files: i64,
    pub stored: i64,
    pub manifest: String,
    pub problems: String,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
}

/// Every statement that answers with a [`Backup`] begins like this.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select b.id, b.tenant_id, t.name as tenant, b.site_id, s.name as site, b.environment_id, coalesce(e.removed_name, e.name) as environment,
                    b.state, b.reason, b.note, b.account_id, b.initiator, b.keep_for_days, b.pinned, b.protected, b.job_id,
                    b.slot_at, b.created_at, b.started_at, b.finished_at, b.proven_at, b.deleted_at, b.deleted_by,
                    b.purge_at, b.expired_at, b.label, b.message, b.hint
             from backups b
             join environments e on e.tenant_id = b.tenant_id and e.id = b.environment_id
             join sites s on s.tenant_id = b.tenant_id and s.id = b.site_id
             join tenants t on t.id = b.tenant_id ",
            $rest
        )
    };
}

pub async fn insert(conn: &mut Conn, b: &Backup, elements: &[Element]) -> Result<()> {
    let sql = "
        insert into backups (id, tenant_id, site_id, environment_id, state, reason, note, account_id, initiator,
                             keep_for_days, pinned, protected, job_id, slot_at, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    let query = run(sql)
        .bind(b.id.clone())
        .bind(b.tenant_id.clone())
        .bind(b.site_id.clone())
        .bind(b.environment_id.clone())
        .bind(b.state.clone())
        .bind(b.reason.clone())
        .bind(b.note.clone())
        .bind(b.account_id.clone())
        .bind(b.initiator.clone())
        .bind(b.keep_for_days)
        .bind(b.pinned)
        .bind(b.protected)
        .bind(b.job_id.clone())
        .bind(b.slot_at)
        .bind(b.created_at);
    changed(conn, query).await?;
    for element in elements {
        let sql = "
            insert into backup_elements (tenant_id, backup_id, element, state, size, files, stored, manifest, problems)
            values ($1, $2, $3, 'queued', 0, 0, 0, '{}', '[]')";
        changed(conn, run(sql).bind(b.tenant_id.clone()).bind(b.id.clone()).bind(element.name())).await?;
    }
    Ok(())
}

/// By id alone: for `app::access` to judge, and for the worker.
pub async fn find(conn: &mut Conn, id: &BackupId) -> Result<Option<Backup>> {
    Ok(rows(select!("where b.id = $1")).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// What a page of the log is narrowed to; nothing where nothing is given.
#[derive(Clone, Debug, Default)]
pub struct Narrow {
    pub state: Option<BackupState>,
    pub element: Option<Element>,
    /// Only those made on demand (`true`), or only the others.
    pub on_demand: Option<bool>,
    /// A part of the note, the reason or the initiator, whatever its case.
    pub text: Option<String>,
    pub from: Option<Millis>,
    pub until: Option<Millis>,
    /// The trash instead of the log.
    pub deleted: bool,
}

/// One page of an environment's log, newest first, beginning after `(created_at, id)`.
pub async fn log(
    conn: &mut Conn,
    tenant: &TenantId,
    environment: &EnvironmentId,
    narrow: &Narrow,
    after: Option<(i64, String)>,
    limit: i64,
) -> Result<Vec<Backup>> {
    let sql = select!(
        "where b.tenant_id = $1 and b.environment_id = $2 and (b.created_at, b.id) < ($3, $4)
           and b.created_at >= $6 and b.created_at < $7
           and (cast($8 as text) is null or b.state = $8)
           and (cast($9 as bigint) is null or $9 = case when b.reason = 'Generated on request' then 1 else 0 end)
           and (cast($10 as text) is null
                or lower(coalesce(b.note, b.reason) || ' ' || b.initiator) like '%' || lower($10) || '%' escape '!')
           and (cast($11 as text) is null
                or exists (select 1 from backup_elements x where x.tenant_id = b.tenant_id and x.backup_id = b.id and x.element = $11))
           and $12 = case when b.deleted_at is null then 0 else 1 end
           and b.expired_at is null
         order by b.created_at desc, b.id desc
         limit $5"
    );
    let (at, id) = after.unwrap_or((i64::MAX, "~".into()));
    let query = rows(sql)
        .bind(tenant.0.clone())
        .bind(environment.0.clone())
        .bind(at)
        .bind(id)
        .bind(limit)
        .bind(narrow.from.map_or(i64::MIN, |t| t.0))
        .bind(narrow.until.map_or(i64::MAX, |t| t.0))
        .bind(narrow.state.map(BackupState::word))
        .bind(narrow.on_demand.map(i64::from))
        .bind(narrow.text.as_deref().map(super::literally))
        .bind(narrow.element.map(Element::name))
        .bind(i64::from(narrow.deleted));
    Ok(query.fetch_all(conn).await?)
}

/// An element as a list shows it: without what only its backup's own page tells.
#[derive(Clone, Debug)]
pub struct Chip {
    pub backup_id: String,
    pub element: String,
    pub state: String,
    pub size: i64,
    pub files: i64,
}

/// The elements of every backup of a page, in one question.
pub async fn chips(conn: &mut Conn, tenant: &TenantId, backups: &[String]) -> Result<Vec<Chip>> {
    if backups.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select string_agg(concat(backup_id, '|', element, '|', state, '|', size, '|', files), ';')
         from backup_elements where tenant_id = $1 and backup_id in ({})",
        super::holders(2, backups.len())
    );
    // Made of numbered holders alone.
    let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(tenant.0.clone());
    let query = backups.iter().fold(query, |query, id| query.bind(id.clone()));
    let mut all = packed(conn, query, chip).await?;
    all.sort_by(|a, b| a.element.cmp(&b.element));
    Ok(all)
}

fn chip(mut fields: Fields<'_>) -> Option<Chip> {
    Some(Chip {
        backup_id: fields.text()?,
        element: fields.text()?,
        state: fields.text()?,
        size: fields.number()??,
        files: fields.number()??,
    })
}

/// How many backups of an environment ended on one day in which state.
#[derive(Clone, Debug)]
pub struct DayCount {
    /// Days since 1970-01-01 in the reader's zone.
    pub day: i64,
    pub state: String,
    pub count: i64,
}

/// By day and state since `from`; `offset` is how far the reader's clocks are ahead of UTC, in milliseconds.
pub async fn days(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId, from: Millis, offset: i64) -> Result<Vec<DayCount>> {
    let sql = "
        select string_agg(concat(d.day, '|', d.state, '|', d.count), ';' order by d.day, d.state)
        from (select (created_at + $4) / 86400000 as day, state, count(*) as count
              from backups
              where tenant_id = $1 and environment_id = $2 and created_at >= $3 and finished_at is not null and deleted_at is null
              group by 1, 2) as d";
    let query = rows(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(from.0).bind(offset);
    packed(conn, query, |mut fields| Some(DayCount { day: fields.number()??, state: fields.text()?, count: fields.number()?? })).await
}

pub async fn elements(conn: &mut Conn, tenant: &TenantId, backup: &BackupId) -> Result<Vec<BackupElement>> {
    // What is expired has no snapshot any more, whether that is gone already or goes in a moment.
    let sql = "
        select x.tenant_id, x.backup_id, x.element, x.state,
               case when x.expired_at is null and b.expired_at is null then x.snapshot end as snapshot,
               x.size, x.files, x.stored, x.manifest, x.problems, x.started_at, x.finished_at
        from backup_elements x
        join backups b on b.tenant_id = x.tenant_id and b.id = x.backup_id
        where x.tenant_id = $1 and x.backup_id = $2
        order by x.element";
    Ok(rows(sql).bind(tenant.0.clone()).bind(backup.0.clone()).fetch_all(conn).await?)
}

pub async fn set_job(conn: &mut Conn, tenant: &TenantId, id: &BackupId, job: &str) -> Result<()> {
    changed(
        conn,
        run("update backups set job_id = $3 where tenant_id = $1 and id = $2")
            .bind(tenant.0.clone())
            .bind(id.0.clone())
            .bind(job.to_owned()),
    )
    .await?;
    Ok(())
}

pub async fn started(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &BackupId) -> Result<()> {
    let sql = "
        update backups set state = 'running', started_at = coalesce(started_at, $3)
        where tenant_id = $1 and id = $2 and state in ('queued', 'running')";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(now.0)).await?;
    Ok(())
}

/// The end of a backup; a final state is never changed again.
pub async fn ended(
    conn: &mut Conn,
    now: Millis,
    tenant: &TenantId,
    id: &BackupId,
    state: BackupState,
    message: Option<(String, Option<String>)>,
) -> Result<bool> {
    let sql = "
        update backups set state = $3, finished_at = $4, message = $5, hint = $6,
               proven_at = case when $3 in ('succeeded', 'incomplete') then $4 else proven_at end
        where tenant_id = $1 and id = $2 and state in ('queued', 'running')";
    let (message, hint) = message.map_or((None, None), |(m, h)| (Some(m), h));
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(state.word()).bind(now.0).bind(message).bind(hint);
    let ended = changed(conn, query).await? == 1;
    if ended {
        let sql = "
            update backup_elements set state = $3, finished_at = $4
            where tenant_id = $1 and backup_id = $2 and state in ('queued', 'running')";
        let left = if state.is_usable() { BackupState::Failed } else { state };
        changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(left.word()).bind(now.0)).await?;
        super::environments::refresh_health(conn, tenant, id).await?;
    }
    Ok(ended)
}

/// All of it was resolved in the repository once more.
pub async fn proven(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &BackupId) -> Result<()> {
    let sql = "update backups set proven_at = $3 where tenant_id = $1 and id = $2";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(now.0)).await?;
    super::environments::refresh_health(conn, tenant, id).await
}

/// Into the trash, or (`None`) out of it.
pub async fn set_deleted(conn: &mut Conn, tenant: &TenantId, id: &BackupId, by: Option<(Millis, &str)>) -> Result<()> {
    let sql = "
        update backups set deleted_at = $3, deleted_by = $4, purge_at = null, noticed_at = null
        where tenant_id = $1 and id = $2 and expired_at is null";
    let (at, who) = by.map_or((None, None), |(at, who)| (Some(at.0), Some(who.to_owned())));
    changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(at).bind(who)).await?;
    super::environments::refresh_health(conn, tenant, id).await
}

/// Changes nothing, but until the transaction is over nobody expires it; false when somebody was quicker.
pub async fn hold(conn: &mut Conn, tenant: &TenantId, id: &BackupId) -> Result<bool> {
    let sql = "update backups set state = state where tenant_id = $1 and id = $2 and expired_at is null";
    Ok(changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone())).await? == 1)
}

/// A safety backup is opened again for its second pass.
pub async fn reopened(conn: &mut Conn, tenant: &TenantId, id: &BackupId) -> Result<()> {
    let sql = "update backups set state = 'running', finished_at = null where tenant_id = $1 and id = $2";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone())).await?;
    Ok(())
}

/// An element with its snapshot, or with the state it ended in.
pub async fn set_element(conn: &mut Conn, e: &BackupElement) -> Result<()> {
    let sql = "
        update backup_elements
        set state = $4, snapshot = $5, size = $6, files = $7, stored = $8, manifest = $9, problems = $10, started_at = $11, finished_at = $12
        where tenant_id = $1 and backup_id = $2 and element = $3";
    let query = run(sql)
        .bind(e.tenant_id.clone())
        .bind(e.backup_id.clone())
        .bind(e.element.clone())
        .bind(e.state.clone())
        .bind(e.snapshot.clone())
        .bind(e.size)
        .bind(e.files)
        .bind(e.stored)
        .bind(e.manifest.clone())
        .bind(e.problems.clone())
        .bind(e.started_at)
        .bind(e.finished_at);
    changed(conn, query).await?;
    Ok(())
}

pub async fn set_note(conn: &mut Conn, tenant: &TenantId, id: &BackupId, note: Option<&str>) -> Result<()> {
    let query = run("update backups set note = $3 where tenant_id = $1 and id = $2");
    changed(conn, query.bind(tenant.0.clone()).bind(id.0.clone()).bind(note.map(str::to_owned))).await?;
    Ok(())
}

pub async fn set_pinned(conn: &mut Conn, tenant: &TenantId, id: &BackupId, pinned: bool) -> Result<()> {
    let query = run("update backups set pinned = $3 where tenant_id = $1 and id = $2");
    changed(conn, query.bind(tenant.0.clone()).bind(id.0.clone()).bind(i64::from(pinned))).await?;
    Ok(())
}

/// Everything of an environment into the trash, but for one backup; how many those were.
pub async fn trash_all(
    conn: &mut Conn,
    tenant: &TenantId,
    environment: &EnvironmentId,
    but: Option<&str>,
    now: Millis,
    who: &str,
) -> Result<u64> {
    let sql = "
        update backups set deleted_at = $4, deleted_by = $5
        where tenant_id = $1 and environment_id = $2 and deleted_at is null and finished_at is not null and id <> $3";
    let query = run(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(but.unwrap_or_default().to_owned());
    changed(conn, query.bind(now.0).bind(who.to_owned())).await
}
