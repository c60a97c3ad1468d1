//! The outbox: letters that wait, are being sent, or have come to an end.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::{Conn, Pool};
use crate::base::words::words;
use crate::domain::ids::{LetterId, SiteId, TenantId};

words! {
    /// How a message leaves.
    Channel {
        Mail = "mail",
        /// A request to another program.
        Call = "call",
    }
}

/// A letter as it is queued.
#[derive(Clone, Debug)]
pub struct NewLetter {
    pub id: LetterId,
    /// Whose affairs it tells of; none where it concerns the installation or an account alone.
    pub tenant: Option<TenantId>,
    pub to: String,
    pub kind: String,
    pub channel: Channel,
    pub subject: String,
    pub body_sealed: Vec<u8>,
    /// A second letter with the same key is none.
    pub unique: Option<String>,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Letter {
    pub id: String,
    pub tenant_id: Option<String>,
    pub to_address: String,
    pub kind: String,
    pub subject: String,
    pub state: String,
    pub tries: i64,
    pub next_at: i64,
    pub created_at: i64,
    pub sent_at: Option<i64>,
    pub last_error: Option<String>,
}

/// A letter that is ours to send, until its lease is over. `tries` is its fence: whoever claims it later counts on.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Claimed {
    pub id: String,
    pub tenant_id: Option<String>,
    pub body_sealed: Option<Vec<u8>>,
    pub tries: i64,
    pub created_at: i64,
}

/// Queues a letter; false when there is one with its key already.
pub async fn insert(conn: &mut Conn, now: Millis, letter: &NewLetter) -> Result<bool> {
    let sql = "
        insert into letters (id, tenant_id, to_address, kind, subject, body_sealed, state, tries, next_at, created_at, unique_key,
                             channel)
        values ($1, $2, $3, $4, $5, $6, 'queued', 0, $7, $7, $8, $9)
        on conflict (unique_key) do nothing";
    let query = run(sql)
        .bind(letter.id.0.clone())
        .bind(letter.tenant.as_ref().map(|t| t.0.clone()))
        .bind(letter.to.clone())
        .bind(letter.kind.clone())
        .bind(letter.subject.clone())
        .bind(letter.body_sealed.clone())
        .bind(now.0)
        .bind(letter.unique.clone())
        .bind(letter.channel.word());
    Ok(changed(conn, query).await? == 1)
}

/// Who is next: its time has come, or whoever was sending it is gone.
macro_rules! next_due {
    () => {
        "select id
         from letters
         where channel = $2 and ((state = 'queued' and next_at <= $1) or (state = 'sending' and lease_until <= $1))
         order by next_at, id
         limit 1 /* for update skip locked */"
    };
}

const CLAIM: &str = concat!(
    "update letters set state = 'sending', tries = tries + 1, lease_until = $3 where id = (",
    next_due!(),
    ") returning id, tenant_id, body_sealed, tries, created_at"
);

/// Takes one letter that is due. Two who ask at once never get the same one.
pub async fn claim(pool: &Pool, now: Millis, until: Millis, channel: Channel) -> Result<Option<Claimed>> {
    let mut conn = pool.get().await?;
    // A look first: where there is nothing to send, nothing is written.
    let due: Option<(String,)> = rows(next_due!()).bind(now.0).bind(channel.word()).fetch_optional(&mut *conn).await?;
    if due.is_none() {
        return Ok(None);
    }
    Ok(rows(pool.text(CLAIM)).bind(now.0).bind(channel.word()).bind(until.0).fetch_optional(&mut *conn).await?)
}

/// The server has it. Its links are of no use here any more.
pub async fn sent(conn: &mut Conn, now: Millis, letter: &Claimed) -> Result<bool> {
    let sql = "
        update letters set state = 'sent', sent_at = $3, lease_until = null, last_error = null, body_sealed = null
        where id = $1 and tries = $2 and state = 'sending'";
    Ok(changed(conn, run(sql).bind(letter.id.clone()).bind(letter.tries).bind(now.0)).await? == 1)
}

/// Back into the queue until `next`.
pub async fn retry_later(conn: &mut Conn, letter: &Claimed, next: Millis, error: &str) -> Result<bool> {
    let sql = "
        update letters set state = 'queued', next_at = $3, lease_until = null, last_error = $4
        where id = $1 and tries = $2 and state = 'sending'";
    Ok(changed(conn, run(sql).bind(letter.id.clone()).bind(letter.tries).bind(next.0).bind(error.to_owned())).await? == 1)
}

/// It will not be tried again.
pub async fn failed(conn: &mut Conn, letter: &Claimed, error: &str) -> Result<bool> {
    let sql = "
        update letters set state = 'failed', lease_until = null, last_error = $3, body_sealed = null
        where id = $1 and tries = $2 and state = 'sending'";
    Ok(changed(conn, run(sql).bind(letter.id.clone()).bind(letter.tries).bind(error.to_owned())).await? == 1)
}

/// Gives up what was queued before `before` and is sent by nobody; how many those were.
pub async fn give_up(conn: &mut Conn, before: Millis, error: &str) -> Result<u64> {
    let sql = "
        update letters set state = 'failed', last_error = coalesce(last_error, $2), body_sealed = null
        where state = 'queued' and channel = 'mail' and created_at <= $1";
    changed(conn, run(sql).bind(before.0).bind(error.to_owned())).await
}

/// Forgets letters that came to their end and were written before.
pub async fn tidy(conn: &mut Conn, before: Millis) -> Result<u64> {
    changed(conn, run("delete from letters where created_at < $1 and state in ('sent', 'failed')").bind(before.0)).await
}

/// The newest letters of the installation.
pub async fn list(conn: &mut Conn, limit: i64) -> Result<Vec<Letter>> {
    let sql = "
        select id, tenant_id, to_address, kind, subject, state, tries, next_at, created_at, sent_at, last_error
        from letters
        order by created_at desc, id desc
        limit $1";
    Ok(rows(sql).bind(limit).fetch_all(conn).await?)
}

/// The newest letters about a tenant's affairs.
pub async fn of_tenant(conn: &mut Conn, tenant: &TenantId, limit: i64) -> Result<Vec<Letter>> {
    let sql = "
        select id, tenant_id, to_address, kind, subject, state, tries, next_at, created_at, sent_at, last_error
        from letters
        where tenant_id = $1
        order by created_at desc, id desc
        limit $2";
    Ok(rows(sql).bind(tenant.0.clone()).bind(limit).fetch_all(conn).await?)
}

/// The addresses of a tenant's owners.
pub async fn owners(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<String>> {
    let sql = "
        select a.email from accounts a join members m on m.account_id = a.id
        where m.tenant_id = $1 and m.role = 'owner' and a.state = 'active'
        order by a.email";
    let found: Vec<(String,)> = rows(sql).bind(tenant.0.clone()).fetch_all(conn).await?;
    Ok(found.into_iter().map(|(email,)| email).collect())
}

/// The letters whose key begins with the id of what they are about.
pub async fn about(conn: &mut Conn, tenant: &TenantId, what: &str) -> Result<Vec<Letter>> {
    let sql = "
        select id, tenant_id, to_address, kind, subject, state, tries, next_at, created_at, sent_at, last_error
        from letters
        where tenant_id = $1 and substr(unique_key, 1, length($2)) = $2
        order by created_at, id";
    Ok(rows(sql).bind(tenant.0.clone()).bind(format!("{what}:")).fetch_all(conn).await?)
}

/// The addresses of a tenant's owners, and of the account that began something, while it may still see it.
pub async fn recipients(
    conn: &mut Conn,
    tenant: &TenantId,
    site: Option<&SiteId>,
    news: bool,
    initiator: Option<&str>,
) -> Result<Vec<String>> {
    let sql = "
        select a.email
        from accounts a
        left join members m on m.account_id = a.id and m.tenant_id = $1
        where a.state = 'active' and (
          (a.id = $2 and (m.account_id is not null or a.administrator = 1))
          or ($4 = 1 and m.role = 'owner' and not exists (select 1 from recipients r where r.tenant_id = $1 and r.site_id = $3)))
        union
        select r.email from recipients r where $4 = 1 and r.tenant_id = $1 and r.site_id = $3
        order by 1";
    let query = rows(sql).bind(tenant.0.clone()).bind(initiator.map(str::to_owned)).bind(site.map(|s| s.0.clone())).bind(i64::from(news));
    let found: Vec<(String,)> = query.fetch_all(conn).await?;
    Ok(found.into_iter().map(|(email,)| email).collect())
}
