//! Alarms from the fact to who is told of it: letters by a real mail server, webhooks and heartbeats by a real receiver.

use crate::support::app::Installation;
use crate::support::receiver::{Call, Receiver};
use crate::support::smtp::Smtp;
use crate::support::write;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sitekeep::app::access::Actor;
use sitekeep::app::{App, alarms, letters, outbox, webhooks};
use sitekeep::base::clock::{Clock, Millis};
use sitekeep::base::secret::{Secret, hmac};
use sitekeep::base::sql::Kind;
use sitekeep::db;
use sitekeep::domain::alarm::Cause;
use sitekeep::domain::ids::{BackupId, EnvironmentId, TenantId, WebhookId};
use sitekeep::domain::rights::Role;
use sitekeep::domain::state::BackupState;
use sitekeep::domain::webhook::AddWebhook;
use sitekeep::mail::Mailer;
use sitekeep::webhooks::{Caller, Private};
use tokio::sync::watch;

const NOW: Millis = Millis(1_795_230_000_000);
const HOUR: i64 = 3600 * Millis::SECOND;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// A tenant with an owner and a site, on a clock that stands still.
struct Stage {
    at: Installation,
    app: App,
    clock: Clock,
    tenant: TenantId,
    owner: Actor,
    shop: EnvironmentId,
}

impl Stage {
    async fn new() -> Self {
        let clock = Clock::fixed(NOW);
        let at = Installation::with_clock(Kind::Sqlite, clock.clone()).await;
        let tenant = at.tenant("acme").await;
        let owner = at.member("owner@example.test", &[(&tenant, Role::Owner)]).await;
        let shop = at.add_site("acme", "shop", "live").await;
        let app = App { caller: Caller::new(Private::parse("127.0.0.1").unwrap()), ..at.app.clone() };
        Self { at, app, clock, tenant, owner, shop }
    }
    async fn hook(&self, url: &str, environment: Option<&EnvironmentId>) -> (WebhookId, String) {
        let new = AddWebhook { url: url.into(), environment: environment.map(|e| e.0.clone()) };
        let added = webhooks::add(&self.app, &self.owner, &self.tenant, &new).await.unwrap();
        (WebhookId(added.id), added.secret.unwrap_or_default())
    }
    /// A backup that ended like this, settled as a worker's supervisor does it.
    async fn backup(&self, state: BackupState, why: &str) {
        let things = self.at.things(&self.shop).await;
        let (now, mut tx) = (self.app.pool.now().await.unwrap(), self.app.pool.begin().await.unwrap());
        let job = sitekeep::queue::find(&mut tx, &sitekeep::queue::Tenants::All, &things.job).await.unwrap();
        let mut row = db::backups::find(&mut tx, &BackupId(job.subject)).await.unwrap().unwrap();
        // The helper makes an environment beside the site's own one; what is told is about ours.
        row.id = BackupId::fresh().0;
        row.environment_id = self.shop.0.clone();
        row.created_at = now.0;
        db::backups::insert(&mut tx, &row, &[sitekeep::domain::element::Element::Code]).await.unwrap();
        sitekeep::app::backups::settle(&mut tx, &self.app, now, &BackupId(row.id), state, why).await.unwrap();
        tx.commit().await.unwrap();
    }
    async fn open(&self) -> Vec<Cause> {
        let all = alarms::list(&self.app, &self.owner, &self.tenant).await.unwrap();
        all.into_iter().filter(|a| a.closed.is_none() && a.environment == self.shop.0).map(|a| a.cause).collect()
    }
    /// Calls what is due.
    async fn call(&self) -> usize {
        let (_tell, shutdown) = watch::channel(false);
        outbox::call_due(&self.app, &shutdown).await.unwrap()
    }
}

/// Checks a message as its receiver does.
#[track_caller]
fn verified(call: &Call, secret: &str) -> Value {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let [id, at, signature] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| call.header(name));
    let wanted = hmac(&key, &[id.as_bytes(), b".", at.as_bytes(), b".", call.body.as_bytes()]);
    assert_eq!(signature, format!("v1,{}", STANDARD.encode(wanted)), "{call:?}");
    serde_json::from_str(&call.body).unwrap()
}

#[test]
fn one_cause_is_one_letter_and_a_good_backup_closes_it() {
    block_on(async {
        let stage = Stage::new().await;
        for _ in 0..3 {
            stage.backup(BackupState::Failed, "the disk is gone").await;
            stage.clock.advance(HOUR);
        }
        assert_eq!(stage.open().await, [Cause::Failed]);
        let letters = letters::log(&stage.app, &stage.at.admin, 50).await.unwrap();
        assert_eq!(letters.iter().filter(|l| l.to == "owner@example.test").count(), 1, "{letters:?}");
        let smtp = Smtp::start();
        let mailer = Mailer::new(&Secret::new(smtp.url()), "keep@sitekeep.test").unwrap();
        let (_tell, shutdown) = watch::channel(false);
        outbox::send_due(&stage.app, Some(&mailer), &shutdown).await.unwrap();
        assert_eq!(smtp.to("owner@example.test").len(), 1);
        stage.backup(BackupState::Succeeded, "").await;
        assert!(stage.open().await.is_empty(), "it is right again");
        stage.backup(BackupState::Failed, "the disk is gone").await;
        outbox::send_due(&stage.app, Some(&mailer), &shutdown).await.unwrap();
        assert_eq!(smtp.to("owner@example.test").len(), 2, "a new alarm is told");
    });
}

#[test]
fn a_webhook_is_signed_told_once_of_each_fact_and_tried_again_until_it_arrives() {
    block_on(async {
        let stage = Stage::new().await;
        let receiver = Receiver::start();
        receiver.answer(503, "");
        let (_, secret) = stage.hook(&receiver.url("/hook?token=t"), None).await;
        stage.backup(BackupState::Failed, "the disk is gone").await;
        assert_eq!(stage.call().await, 2, "the alarm, and the end of the backup");
        let first = receiver.take();
        assert_eq!(first.len(), 2);
        assert_eq!(stage.call().await, 0, "it waits");
        receiver.answer(200, "");
        stage.clock.advance(HOUR);
        assert_eq!(stage.call().await, 2);
        let second = receiver.take();
        for call in &second {
            let earlier = first.iter().find(|c| c.header("webhook-id") == call.header("webhook-id")).expect("the same id");
            assert_ne!(earlier.header("webhook-signature"), call.header("webhook-signature"), "each try is signed anew");
            assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/hook?token=t"));
        }
        let mut told: Vec<Value> = second.iter().map(|call| verified(call, &secret)).collect();
        told.sort_by_key(|v| v["type"].to_string());
        assert_eq!((told[0]["type"].as_str(), told[0]["data"]["cause"].as_str()), (Some("alarm.opened"), Some("failed")));
        assert_eq!((told[1]["type"].as_str(), told[1]["data"]["state"].as_str()), (Some("backup.ended"), Some("failed")));
        assert_eq!(told[1]["data"]["address"], "shop.live");
        stage.clock.advance(48 * HOUR);
        assert_eq!(stage.call().await, 0, "nothing is told twice");
        stage.backup(BackupState::Succeeded, "").await;
        stage.call().await;
        let mut kinds: Vec<String> = receiver.take().iter().map(|c| verified(c, &secret)["type"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        assert_eq!(kinds, ["alarm.closed", "backup.ended"]);
    });
}

#[test]
fn a_heartbeat_is_called_after_a_good_backup_alone() {
    block_on(async {
        let stage = Stage::new().await;
        let receiver = Receiver::start();
        stage.hook(&receiver.url("/beat"), Some(&stage.shop)).await;
        stage.backup(BackupState::Failed, "no").await;
        assert_eq!(stage.call().await, 0);
        stage.backup(BackupState::Succeeded, "").await;
        assert_eq!(stage.call().await, 1);
        let calls = receiver.take();
        assert_eq!((calls.len(), calls[0].path.as_str(), calls[0].body.as_str()), (1, "/beat", ""));
        assert!(calls[0].headers.iter().all(|(name, _)| !name.starts_with("webhook-")), "it is not signed");
    });
}

#[test]
fn a_receiver_that_sends_us_elsewhere_or_answers_without_end_gets_nothing_more() {
    block_on(async {
        let stage = Stage::new().await;
        let (receiver, trap) = (Receiver::start(), Receiver::start());
        let (id, _) = stage.hook(&receiver.url("/"), None).await;
        receiver.answer(302, &format!("Location: {}\r\n", trap.url("/metadata")));
        let said = webhooks::test(&stage.app, &stage.owner, &id).await.unwrap_err();
        assert!(said.to_string().contains("302") && trap.take().is_empty(), "{said}");
        receiver.answer_without_end();
        let said = webhooks::test(&stage.app, &stage.owner, &id).await.unwrap();
        assert_eq!(said, "the receiver answered 200", "what is answered beyond 64 KiB is not read");
        receiver.answer(410, "");
        let said = webhooks::test(&stage.app, &stage.owner, &id).await.unwrap_err();
        assert!(said.to_string().contains("410"), "{said}");
    });
}

#[test]
fn a_name_that_leads_into_our_own_network_is_not_called_even_when_it_was_added_before() {
    block_on(async {
        let stage = Stage::new().await;
        let receiver = Receiver::start();
        stage.hook(&receiver.url("/"), None).await;
        stage.hook(&receiver.url("/").replace("127.0.0.1", "localhost"), None).await;
        stage.backup(BackupState::Failed, "no").await;
        let forbidden = App { caller: Caller::default(), ..stage.app.clone() };
        let (_tell, shutdown) = watch::channel(false);
        assert_eq!(outbox::call_due(&forbidden, &shutdown).await.unwrap(), 4);
        assert!(receiver.take().is_empty(), "the administrator no longer allows that network");
        let letters = letters::log(&stage.app, &stage.at.admin, 50).await.unwrap();
        let calls: Vec<_> = letters.iter().filter(|l| l.kind == "webhook").collect();
        assert!(calls.iter().all(|l| l.state == "failed" && l.error.as_deref().unwrap().contains("not a public address")), "{calls:?}");
    });
}

#[test]
fn a_backup_that_shrank_by_half_is_told_and_one_like_it_closes_the_alarm_after_a_day() {
    block_on(async {
        let stage = Stage::new().await;
        let root = stage.at.directory();
        let make = async |bytes: usize| {
            write(root.join("uploads/film.bin"), (0..bytes).map(|n| (n * 7919 % 251) as u8).collect::<Vec<_>>());
            let new = sitekeep::domain::view::CreateBackup { element: None, note: None, keep_for: None };
            let made = sitekeep::app::backups::create(&stage.app, &stage.owner, &stage.shop, &new, None).await.unwrap().0;
            super::catalogue::work(&stage.at).await;
            stage.clock.advance(HOUR);
            made
        };
        make(400_000).await;
        make(390_000).await;
        assert!(stage.open().await.is_empty());
        make(150_000).await;
        assert_eq!(stage.open().await, [Cause::Size]);
        let all = alarms::list(&stage.app, &stage.owner, &stage.tenant).await.unwrap();
        assert!(all[0].message.starts_with("the files shrank by half or more"), "{all:?}");
        make(150_000).await;
        assert_eq!(stage.open().await, [Cause::Size], "whoever shrank it could make another one, too");
        stage.clock.advance(24 * HOUR);
        make(150_000).await;
        assert!(stage.open().await.is_empty(), "it is as it should be");
        make(20_000).await;
        make(140_000).await;
        assert!(stage.open().await.is_empty(), "as it was before");
    });
}

#[test]
fn who_has_no_good_backup_in_time_is_told_once_whatever_the_queue_does() {
    block_on(async {
        let stage = Stage::new().await;
        stage.clock.advance(35 * HOUR);
        alarms::watch(&stage.app).await.unwrap();
        assert!(stage.open().await.is_empty(), "its first night is not over by half an interval");
        stage.clock.advance(2 * HOUR);
        for _ in 0..3 {
            alarms::watch(&stage.app).await.unwrap();
        }
        assert_eq!(stage.open().await, [Cause::Overdue]);
        let letters = letters::log(&stage.app, &stage.at.admin, 50).await.unwrap();
        let told: Vec<_> = letters.iter().filter(|l| l.kind == "alarm").map(|l| (l.to.as_str(), l.subject.as_str())).collect();
        assert_eq!(told, [("owner@example.test", "shop.live: No good backup in time")]);
        stage.backup(BackupState::Incomplete, "").await;
        assert!(stage.open().await.contains(&Cause::Overdue), "an incomplete one does not count");
        stage.backup(BackupState::Succeeded, "").await;
        assert!(stage.open().await.is_empty());
        stage.clock.advance(35 * HOUR);
        alarms::watch(&stage.app).await.unwrap();
        assert!(stage.open().await.is_empty());
        stage.clock.advance(2 * HOUR);
        alarms::watch(&stage.app).await.unwrap();
        assert_eq!(stage.open().await, [Cause::Overdue], "a new one");
    });
}

#[test]
fn the_daily_letter_lists_first_what_has_no_good_backup_and_comes_once_a_day() {
    block_on(async {
        let stage = Stage::new().await;
        stage.at.add_site("acme", "alpha", "live").await;
        stage.backup(BackupState::Succeeded, "").await;
        let smtp = Smtp::start();
        let mailer = Mailer::new(&Secret::new(smtp.url()), "keep@sitekeep.test").unwrap();
        let (_tell, shutdown) = watch::channel(false);
        let digests = async || {
            for _ in 0..2 {
                alarms::watch(&stage.app).await.unwrap();
            }
            outbox::send_due(&stage.app, Some(&mailer), &shutdown).await.unwrap();
            let all = smtp.to("owner@example.test");
            all.into_iter().filter(|m| m.text.contains("stand, those that need somebody first")).collect::<Vec<_>>()
        };
        let first = digests().await;
        assert_eq!(first.len(), 1);
        let text = &first[0].text;
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} is not in {text}"));
        assert!(at("alpha.live: NO GOOD BACKUP") < at("shop.live: last good backup"), "{text}");
        stage.clock.advance(20 * HOUR);
        alarms::set_digest(&stage.app, &stage.owner, &stage.tenant, false).await.unwrap();
        stage.clock.advance(24 * HOUR);
        assert_eq!(digests().await.len(), 1, "switched off");
        alarms::set_digest(&stage.app, &stage.owner, &stage.tenant, true).await.unwrap();
        assert_eq!(digests().await.len(), 2);
    });
}
