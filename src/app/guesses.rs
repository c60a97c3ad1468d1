//! How often anybody may try a password, a code, or a link by letter.
//!
//! A try is counted before it is judged, so that a thousand at once are not all judged. Each is counted under its account
//! (known or not), its address, and its network; the delay grows with each one, up to a limit that nobody may pass: no
//! account is ever locked. Strangers who guess must not keep an owner out either: from a network where the account has
//! signed in before, it is counted for itself alone, whoever else comes from there (behind a proxy, that is everybody).

use super::App;
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::db;
use std::net::IpAddr;

/// So many are free; then a delay that doubles from the first to the longest.
#[derive(Debug)]
pub(super) struct Rule {
    name: &'static str,
    free: i64,
    first: i64,
    longest: i64,
    /// A good try wipes the count. Otherwise it only takes itself back: one good account must not pay for guesses at others.
    wiped: bool,
}

const fn rule(name: &'static str, free: i64, first: i64, longest: i64, wiped: bool) -> Rule {
    Rule { name, free, first: first * Millis::SECOND, longest: longest * Millis::SECOND, wiped }
}

pub(super) const ACCOUNT: Rule = rule("account", 5, 2, 900, true);
pub(super) const ACCOUNT_AT_HOME: Rule = rule("account-at", 10, 2, 60, true);
pub(super) const ADDRESS: Rule = rule("address", 20, 2, 900, false);
pub(super) const NETWORK: Rule = rule("network", 100, 1, 300, false);
/// Five codes in five minutes.
pub(super) const CODE: Rule = rule("code", 5, 300, 3600, true);
pub(super) const CODE_AT_HOME: Rule = rule("code-at", 5, 300, 300, true);
/// The password of somebody who is signed in.
pub(super) const AGAIN: Rule = rule("again", 5, 300, 300, true);
/// A recovery key that is entered, by somebody who is signed in.
pub(super) const KEY: Rule = rule("key", 5, 300, 3600, true);
pub(super) const RESET: Rule = rule("reset", 3, 300, 3600, false);
pub(super) const RESET_FROM: Rule = rule("reset-from", 10, 60, 3600, false);
pub(super) const INVITE: Rule = rule("invite", 30, 60, 3600, false);

/// After so long without a try, counting starts over.
const FORGET: i64 = 6 * 3600 * Millis::SECOND;
/// How long a network stays known to an account.
const AT_HOME: i64 = 90 * Millis::DAY;

/// Where somebody comes from: the address (of IPv6 the customer's /64), and the network around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub address: String,
    pub network: String,
}

impl Place {
    pub(super) fn of(address: &str) -> Self {
        match address.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(IpAddr::V4(ip)) => {
                let [a, b, c, _] = ip.octets();
                Self { address: ip.to_string(), network: format!("{a}.{b}.{c}.0/24") }
            }
            Ok(IpAddr::V6(ip)) => {
                let [a, b, c, d, ..] = ip.segments();
                Self { address: format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"), network: format!("{a:x}:{b:x}:{c:x}::/48") }
            }
            // Nobody's address is counted as everybody's.
            Err(_) => Self { address: "unknown".into(), network: "unknown".into() },
        }
    }
}

/// An account by what was typed: it may be unknown, or no address at all, and is kept as a hash.
pub(super) fn typed(email: &str) -> String {
    Secret::new(email.trim().to_lowercase()).sha256()
}

/// Counts a try at the account of `email`, by the rules of its home or by those for strangers.
///
/// # Errors
/// `TooMany`, with the time to wait.
pub(super) async fn at_account(app: &App, now: Millis, what: &str, rules: [&Rule; 2], email: &str, place: &Place) -> Result<Counted> {
    let (whom, [home, away]) = (typed(email), rules);
    let since = now.plus(-AT_HOME);
    if db::places::is_known(&mut *app.pool.get().await?, email.trim(), &place.network, since).await? {
        return count(app, now, what, &[(home, &in_network(&whom, place))]).await;
    }
    count(app, now, what, &[(away, &whom), (&ADDRESS, &place.address), (&NETWORK, &place.network)]).await
}

pub(super) fn in_network(whom: &str, place: &Place) -> String {
    format!("{whom}@{}", place.network)
}

/// Tries that were counted, to be wiped or taken back when they were good.
#[derive(Debug)]
pub(super) struct Counted(Vec<(String, bool)>);

pub(super) fn key(rule: &Rule, whom: &str) -> String {
    format!("{}:{whom}", rule.name)
}

/// Counts a try under each rule, or, while one of them blocks, under none. Rules come in the same order everywhere, so that
/// two who count at once never wait for each other.
///
/// # Errors
/// `TooMany`, with the time to wait.
pub(super) async fn count(app: &App, now: Millis, what: &str, tries: &[(&Rule, &str)]) -> Result<Counted> {
    let mut tx = app.pool.begin().await?;
    let mut counted = Vec::new();
    for (rule, whom) in tries {
        let key = key(rule, whom);
        let Some(number) = db::guesses::count(&mut tx, now, &key, now.plus(-FORGET)).await? else {
            let until = db::guesses::blocked_until(&mut tx, &key).await?.unwrap_or(now.0);
            return Err(Error::too_many(what, (until - now.0 + Millis::SECOND - 1) / Millis::SECOND));
        };
        if let Some(delay) = delay(rule, number) {
            db::guesses::block(&mut tx, &key, now.plus(delay)).await?;
        }
        counted.push((key, rule.wiped));
    }
    tx.commit().await?;
    Ok(Counted(counted))
}

fn delay(rule: &Rule, number: i64) -> Option<i64> {
    let beyond = number - rule.free;
    (beyond >= 0).then(|| rule.first.saturating_mul(1 << beyond.min(20)).min(rule.longest))
}

/// The try was good.
pub(super) async fn good(app: &App, counted: &Counted) -> Result<()> {
    let mut tx = app.pool.begin().await?;
    for (key, wiped) in &counted.0 {
        if *wiped {
            db::guesses::forget(&mut tx, key).await?;
        } else {
            db::guesses::give_back(&mut tx, key).await?;
        }
    }
    tx.commit().await.map_err(Into::into)
}

/// Drops what is forgotten.
pub(super) async fn tidy(app: &App, now: Millis) -> Result<()> {
    let mut conn = app.pool.get().await?;
    db::guesses::tidy(&mut conn, now, now.plus(-FORGET)).await?;
    db::places::tidy(&mut conn, now.plus(-AT_HOME)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_from_the_first_beyond_what_is_free_up_to_its_limit() {
        let delays: Vec<_> = (1..=16).map(|n| delay(&ACCOUNT, n).map(|d| d / 1000)).collect();
        assert_eq!(delays[..6], [None, None, None, None, Some(2), Some(4)]);
        assert_eq!(delays[15], Some(900));
        assert_eq!(delay(&ACCOUNT, i64::MAX), Some(900_000));
    }

    #[test]
    fn an_address_is_counted_with_its_network() {
        let place = |a: &str, n: &str| Place { address: a.into(), network: n.into() };
        assert_eq!(Place::of("192.0.2.7"), place("192.0.2.7", "192.0.2.0/24"));
        assert_eq!(Place::of("::ffff:192.0.2.7"), Place::of("192.0.2.7"));
        assert_eq!(Place::of("2001:db8:1:2:3:4:5:6"), place("2001:db8:1:2::/64", "2001:db8:1::/48"));
        assert_eq!(Place::of(""), Place::of("nonsense"));
    }
}
