//! What changes while a page is open, as server-sent events: `change` says that it is time to look again.
//!
//! The event carries nothing of what changed: the page is asked for anew, with all that stands before it. A stream ends
//! when the reader may no longer see what they follow, and when the server stops; browsers come back by themselves.

use crate::app::{App, events, sessions};
use crate::base::error::Class;
use crate::web::page_error::Page;
use crate::web::reader::Reader;
use crate::web::stop::Stop;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// How often the catalogue is asked: an event is to reach the browser within a second.
const PACE: Duration = Duration::from_millis(400);
/// A stream that says nothing is renewed after this: proxies cut what is silent or old.
const LONGEST: u32 = 10 * 60 * 1000 / 400;

#[derive(Debug, serde::Deserialize)]
pub struct Topic {
    of: String,
}

pub async fn follow(
    State(app): State<App>,
    reader: Reader,
    Extension(stop): Extension<Stop>,
    Query(topic): Query<Topic>,
) -> Page<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let first = events::fingerprint(&app, &reader.actor, &topic.of).await?;
    let follower = Follower { app, reader, stop, topic: topic.of, last: Some(hash(&first)), told: false, rounds: 0 };
    Ok(Sse::new(stream::unfold(follower, Follower::next)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

struct Follower {
    app: App,
    reader: Reader,
    stop: Stop,
    topic: String,
    last: Option<u64>,
    told: bool,
    rounds: u32,
}

impl Follower {
    /// The next event, as late as there is one; `None` ends the stream.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        // The first one at once: something may have happened between the page and this stream.
        if !self.told {
            self.told = true;
            let event = Event::default().event("change").data("first").retry(Duration::from_secs(1));
            return Some((Ok(event), self));
        }
        loop {
            self.rounds += 1;
            if self.rounds > LONGEST || self.stop.wait(PACE).await {
                return None;
            }
            let now = self.look().await?;
            if Some(now) != self.last {
                self.last = Some(now);
                return Some((Ok(Event::default().event("change").data(format!("{now:x}"))), self));
            }
        }
    }

    /// Judged anew each time: the session, the account, the right. A catalogue that does not answer now may answer later.
    async fn look(&self) -> Option<u64> {
        let address = &self.reader.actor.address;
        let actor = match sessions::still(&self.app, &self.reader.key()?, address).await {
            Ok(Some(actor)) => actor,
            Ok(None) => return None,
            Err(_) => return self.last,
        };
        match events::fingerprint(&self.app, &actor, &self.topic).await {
            Ok(text) => Some(hash(&text)),
            Err(e) if matches!(e.class(), Class::Transient | Class::Internal) => self.last,
            Err(_) => None,
        }
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
