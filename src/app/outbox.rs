//! The outbox: what waits to leave, by mail or as a call to another program, and how often that is tried.
//!
//! What leaves was written in the transaction of the fact that it tells ([`super::letters`], [`super::webhooks`]). It can be
//! lost in nothing but its last refusal: what is deferred is tried again with longer and longer pauses for a day, what is
//! refused ends at once. Who dies between the answer and our note of it leaves the same message to be sent again, under
//! the same id.

use super::{App, from_json};
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::secret::{Place, Secret};
use crate::db;
use crate::db::letters::{Channel, Claimed};
use crate::mail::{Mailer, Written};
use crate::queue::Shutdown;
use crate::webhooks::Message;
use std::time::Duration;

/// How long a claimed letter is ours: longer than the longest conversation with a server.
const LEASE: i64 = 120 * Millis::SECOND;
/// How long a conversation may still take when we are told to stop.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// Calls that are made at once: a receiver that dawdles keeps few others waiting.
const CALLS: usize = 4;

/// How letters are sent, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Pace {
    /// Between two looks for what is due.
    pub poll: u64,
    /// Before the next try; the last one for every further try.
    pub pauses: Vec<i64>,
    /// After that a letter is given up.
    pub patience: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { poll: 1000, pauses: [1, 2, 5, 15, 60].map(|minutes| minutes * 60 * Millis::SECOND).into(), patience: Millis::DAY }
    }
}

/// Sends what is due until `shutdown`: letters one after the other, calls a few at a time, as each may wait for somebody
/// else's server. Any number of these may run at once, in any number of processes.
///
/// # Errors
/// None: what the catalogue or a receiver says is noted and tried again.
pub async fn deliver(app: &App, mailer: Option<&Mailer>, shutdown: Shutdown) -> Result<()> {
    let letters = every_poll(app, shutdown.clone(), || send_due(app, mailer, &shutdown));
    let calls = every_poll(app, shutdown.clone(), || call_due(app, &shutdown));
    tokio::join!(letters, calls);
    Ok(())
}

/// Rounds until `shutdown`, with pauses.
async fn every_poll<F: Future<Output = Result<usize>>>(app: &App, mut shutdown: Shutdown, round: impl Fn() -> F) {
    while !*shutdown.borrow_and_update() {
        if let Err(e) = round().await {
            tracing::warn!("the outbox: {e}");
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(app.settings.letters.poll)) => {}
            changed = shutdown.changed() => if changed.is_err() { break },
        }
    }
}

/// One round: every letter that is due is tried once; how many were. Without a mail server letters wait, and are given
/// up when their time is over.
pub async fn send_due(app: &App, mailer: Option<&Mailer>, shutdown: &Shutdown) -> Result<usize> {
    let Some(mailer) = mailer else {
        give_up_old(app).await?;
        return Ok(0);
    };
    let mut tried = 0;
    while !*shutdown.borrow() {
        let Some(letter) = next(app, Channel::Mail).await? else { break };
        tried += 1;
        note(app, &letter, mail(app, mailer, &letter, shutdown.clone()).await).await?;
    }
    Ok(tried)
}

/// The same of calls to other programs.
pub async fn call_due(app: &App, shutdown: &Shutdown) -> Result<usize> {
    let mut tried = 0;
    while !*shutdown.borrow() {
        let mut due = Vec::new();
        while due.len() < CALLS
            && let Some(call) = next(app, Channel::Call).await?
        {
            due.push(call);
        }
        let made = futures_util::future::join_all(due.iter().map(|call| self::call(app, call))).await;
        tried += due.len();
        for (call, ended) in due.iter().zip(made) {
            note(app, call, ended).await?;
        }
        if due.is_empty() {
            break;
        }
    }
    Ok(tried)
}

async fn next(app: &App, channel: Channel) -> Result<Option<Claimed>> {
    let now = app.pool.now().await?;
    db::letters::claim(&app.pool, now, now.plus(LEASE), channel).await
}

async fn give_up_old(app: &App) -> Result<()> {
    let before = app.pool.now().await?.plus(-app.settings.letters.patience);
    let mut conn = app.pool.get().await?;
    db::letters::give_up(&mut conn, before, "no mail server is configured").await?;
    Ok(())
}

/// Where the body of a message is sealed.
pub(super) fn place<'a>(tenant: Option<&'a str>, row: &'a str) -> Place<'a> {
    Place { table: "letters", column: "body", tenant: tenant.unwrap_or("-"), row }
}

fn opened(app: &App, letter: &Claimed) -> Result<Secret> {
    let body = letter.body_sealed.as_deref().ok_or_else(|| Error::internal("the letter is empty"))?;
    app.sealer.open(place(letter.tenant_id.as_deref(), &letter.id), body)
}

async fn mail(app: &App, mailer: &Mailer, letter: &Claimed, shutdown: Shutdown) -> Result<String> {
    // The address comes from what was sealed: a row that was changed sends no secret to anybody else.
    let written: Written = from_json("letter", opened(app, letter)?.expose())?;
    tokio::select! {
        answer = mailer.send(&letter.id, Millis(letter.created_at), &written) => answer,
        () = last_moment(shutdown) => Err(Error::transient("Sitekeep was stopped while the letter was being sent")),
    }
}

async fn call(app: &App, call: &Claimed) -> Result<String> {
    let message: Message = from_json("call", opened(app, call)?.expose())?;
    let (caller, id, now) = (app.caller.clone(), call.id.clone(), app.pool.now().await?);
    // Each try is signed anew, so that its time is the time of the try.
    super::servers::blocking(move || caller.send(&id, now, &message)).await
}

async fn last_moment(mut shutdown: Shutdown) {
    while !*shutdown.borrow_and_update() {
        if shutdown.changed().await.is_err() {
            break;
        }
    }
    tokio::time::sleep(LAST_MOMENT).await;
}

/// Writes down what became of a try.
async fn note(app: &App, letter: &Claimed, ended: Result<String>) -> Result<()> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let e = match ended {
        Ok(_) => return db::letters::sent(&mut conn, now, letter).await.map(drop),
        Err(e) => e,
    };
    tracing::warn!("the message {}: {e}", letter.id);
    let next = next_try(&app.settings.letters, now, letter);
    match next.filter(|_| e.class() == Class::Transient) {
        Some(next) => db::letters::retry_later(&mut conn, letter, next, &e.sentence()).await.map(drop),
        None => db::letters::failed(&mut conn, letter, &e.sentence()).await.map(drop),
    }
}

/// When it is tried again; none when that would be beyond all patience.
fn next_try(pace: &Pace, now: Millis, letter: &Claimed) -> Option<Millis> {
    let tries = usize::try_from(letter.tries).unwrap_or(1).max(1);
    let pause = pace.pauses.get(tries - 1).or(pace.pauses.last()).copied().unwrap_or(60 * Millis::SECOND);
    let next = now.plus(pause);
    (next <= Millis(letter.created_at).plus(pace.patience)).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_to_an_hour_and_end_after_a_day() {
        let (pace, mut now, mut pauses) = (Pace::default(), Millis(0), Vec::new());
        for tries in 1.. {
            let letter = Claimed { id: String::new(), tenant_id: None, body_sealed: None, tries, created_at: 0 };
            let Some(next) = next_try(&pace, now, &letter) else { break };
            pauses.push((next.0 - now.0) / 60_000);
            now = next;
        }
        assert_eq!(pauses[..6], [1, 2, 5, 15, 60, 60]);
        assert!(pauses.len() == 27 && now.0 > 23 * 3_600_000 && now.0 <= Millis::DAY, "{pauses:?}");
    }
}
