//! Retention as a whole: what is shown is what is done, nothing that could be wanted goes unseen, and who was let in by
//! mistake destroys nothing in a day.

mod held;
mod tenants;

use crate::support::app::{Installation, backup_row};
use crate::support::restic::Restic;
use crate::support::{digest, write};
use sitekeep::app::access::Actor;
use sitekeep::app::attempt::{Attempt, Ended};
use sitekeep::app::retention::{Change, Swept, Ticker, set, set_of_tenant, simulate, sweep};
use sitekeep::app::{alarms, backups, restores};
use sitekeep::base::clock::{Clock, Millis};
use sitekeep::base::error::Class;
use sitekeep::base::sql::Kind;
use sitekeep::base::watch::Watch;
use sitekeep::db;
use sitekeep::db::backups::Backup;
use sitekeep::domain::alarm::Cause;
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{BackupId, EnvironmentId, TenantId};
use sitekeep::domain::retention::{Policy, Rules};
use sitekeep::domain::rights::Role;
use sitekeep::domain::state::BackupState;
use sitekeep::domain::view::{CreateBackup, CreateRestore, Fate};
use sitekeep::queue;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const HOUR: i64 = 3_600_000;

/// An installation with a clock of its own, a site with one environment, and its owner.
struct World {
    at: Installation,
    clock: Clock,
    tenant: TenantId,
    id: EnvironmentId,
    owner: Actor,
    ticker: Ticker,
    round: std::sync::atomic::AtomicU32,
}

impl World {
    async fn new() -> Self {
        let clock = Clock::fixed(Clock::system().now());
        let mut at = Installation::with_clock(Kind::Sqlite, clock.clone()).await;
        at.app.settings.retention.keep_marked = 0;
        let tenant = at.tenant("acme").await;
        let id = at.add_site("acme", "shop", "live").await;
        let owner = at.member("owner@example.test", &[(&tenant, Role::Owner)]).await;
        Self { at, clock, tenant, id, owner, ticker: Ticker::that_only_follows(), round: 1.into() }
    }

    async fn sweep(&mut self) -> Swept {
        sweep(&self.at.app, &mut self.ticker).await.unwrap()
    }

    /// Days go by, with a sweep at the end of each, and all that it queued.
    async fn days(&mut self, days: i64) {
        for _ in 0..days {
            self.clock.advance(Millis::DAY);
            assert_eq!(self.sweep().await.doubt, None);
            self.work().await;
        }
    }

    /// Runs everything that waits, here; the kinds of job.
    async fn work(&self) -> Vec<String> {
        let mut done = Vec::new();
        while let Some(claimed) = queue::claim(&self.at.app.pool, "here", &self.at.app.queue).await.unwrap() {
            let attempt = Attempt::new(self.at.app.clone(), claimed.lease, Watch::new());
            let ended = sitekeep::jobs::run(&attempt, &claimed.job.kind, &claimed.job.subject).await;
            assert_eq!(ended.unwrap(), Ended::Finished, "{}", claimed.job.kind);
            done.push(claimed.job.kind);
        }
        done
    }

    /// A real backup, of a site whose only upload is another one each time; it does not compress to nothing.
    async fn back_up(&self) -> BackupId {
        let round = self.round.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let upload = |round: u32| self.at.directory().join("uploads").join(format!("{round}"));
        write(upload(round), (0..30_000).map(|_| sitekeep::base::chance::word(10)).collect::<String>());
        let _ = std::fs::remove_file(upload(round - 1));
        let (made, _) = backups::create(&self.at.app, &self.owner, &self.id, &CreateBackup::default(), None).await.unwrap();
        self.work().await;
        let made = backups::find(&self.at.app, &self.owner, &BackupId(made.id)).await.unwrap();
        assert_eq!(made.state, BackupState::Succeeded, "{made:?}");
        BackupId(made.id)
    }

    /// A row as after a backup, so many days ago.
    async fn row(&self, days: i64, reason: &str, state: BackupState) -> String {
        let (now, mut tx) = (self.at.app.pool.now().await.unwrap(), self.at.app.pool.begin().await.unwrap());
        let env = db::environments::find(&mut tx, &self.id).await.unwrap().unwrap();
        let at = now.plus(-days * Millis::DAY);
        let row = Backup { reason: reason.into(), ..backup_row(&env, at) };
        db::backups::insert(&mut tx, &row, &[Element::Code]).await.unwrap();
        db::backups::ended(&mut tx, at, &self.tenant, &BackupId(row.id.clone()), state, None).await.unwrap();
        tx.commit().await.unwrap();
        row.id
    }

    async fn find(&self, id: &str) -> db::backups::Backup {
        db::backups::find(&mut self.at.app.pool.get().await.unwrap(), &BackupId(id.into())).await.unwrap().unwrap()
    }

    async fn fates(&self) -> BTreeMap<String, Fate> {
        let shown = simulate(&self.at.app, &self.owner, &self.id, None).await.unwrap();
        shown.rows.into_iter().map(|r| (r.id, r.now)).collect()
    }

    async fn letters(&self, kind: &str) -> usize {
        let all = db::letters::list(&mut self.at.app.pool.get().await.unwrap(), 500).await.unwrap();
        all.iter().filter(|l| l.kind == kind).count()
    }

    /// The repository of the only site of a tenant.
    async fn repository(&self, tenant: &TenantId) -> PathBuf {
        let mut conn = self.at.app.pool.get().await.unwrap();
        let site = db::sites::of_tenant(&mut conn, tenant).await.unwrap().remove(0);
        let row = db::sites::repository(&mut conn, tenant, &site.id.into()).await.unwrap().unwrap();
        PathBuf::from(row.location.strip_prefix("file://").unwrap())
    }

    async fn password(&self, tenant: &TenantId) -> String {
        let mut conn = self.at.app.pool.get().await.unwrap();
        let site = db::sites::of_tenant(&mut conn, tenant).await.unwrap().remove(0);
        let row = db::sites::repository(&mut conn, tenant, &site.id.into()).await.unwrap().unwrap();
        let place = sitekeep::base::secret::Place { table: "repositories", column: "password", tenant: &row.tenant_id, row: &row.id };
        self.at.app.sealer.open(place, &row.password_sealed).unwrap().expose().to_owned()
    }
}

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

fn keep_last(count: u32) -> Rules {
    Rules { scheduled: Policy::KeepLast { count }, on_demand: Policy::KeepLast { count }, ..Rules::default() }
}

#[test]
fn what_the_simulator_shows_is_what_the_sweep_does_and_the_rest_stays_as_it_was_said() {
    block_on(async {
        let mut w = World::new().await;
        for day in 1..=60 {
            let state = if day % 9 == 0 { BackupState::Failed } else { BackupState::Succeeded };
            w.row(day, "Nightly backup", state).await;
        }
        for day in [2, 20, 40, 50, 60] {
            w.row(day, "Generated on request", BackupState::Succeeded).await;
        }
        // More than half of the good ones would go: that waits for a day, and the owners are told.
        let swept = w.sweep().await;
        assert_eq!((swept.held, w.letters("retention_held").await), (1, 1), "{swept:?}");
        // What people see meanwhile is the same: nothing goes, and they are told why.
        let said = w.fates().await;
        let held = |f: &&Fate| f.because.as_deref().is_some_and(|b| b.starts_with("held: more than half"));
        assert!(said.values().all(|f| !f.goes_now) && said.values().filter(held).count() > 30, "{said:?}");
        w.clock.advance(2 * HOUR);
        let swept = w.sweep().await;
        assert_eq!((swept.held, swept.thrown), (1, 0));
        w.clock.advance(23 * HOUR);
        let said = w.fates().await;
        let going: BTreeSet<&String> = said.iter().filter(|(_, fate)| fate.goes_now).map(|(id, _)| id).collect();
        assert!(going.len() > 30, "{}", going.len());
        let swept = w.sweep().await;
        assert_eq!((swept.held, swept.thrown), (0, going.len()));
        let mut gone = BTreeSet::new();
        for (id, fate) in &said {
            let row = w.find(id).await;
            if row.deleted_at.is_some() {
                gone.insert(id);
                assert_eq!(row.deleted_by, fate.by, "the rule that was shown stands beside it");
                assert!(row.purge_at >= row.deleted_at.map(|at| at + 14 * Millis::DAY));
            }
        }
        assert_eq!(gone, going);
        let after = w.fates().await;
        assert!(after.iter().all(|(id, fate)| said[id] == *fate), "what stays is said of as before");
        // Nothing more goes by looking again.
        w.clock.advance(2 * HOUR);
        assert_eq!(w.sweep().await.thrown, 0);
    });
}

#[test]
fn a_shorter_rule_takes_a_day_and_a_longer_one_none() {
    block_on(async {
        let mut w = World::new().await;
        let ids = [w.row(1, "Nightly backup", BackupState::Succeeded).await, w.row(2, "Nightly backup", BackupState::Succeeded).await];
        let old = w.row(3, "Nightly backup", BackupState::Succeeded).await;
        let stored = set(&w.at.app, &w.owner, &w.id, &Change::To(keep_last(2))).await.unwrap();
        assert!(stored.effective.is_some() && stored.before.is_some() && w.letters("rules_changed").await >= 1);
        w.clock.advance(23 * HOUR);
        assert_eq!(w.sweep().await.thrown, 0);
        assert_eq!(w.fates().await[&old].goes, stored.effective, "the day of the change is told");
        w.clock.advance(HOUR);
        assert_eq!(w.sweep().await.thrown, 1);
        assert!(w.find(&old).await.deleted_at.is_some() && w.find(&ids[1]).await.deleted_at.is_none());
        // Shorter and, before it works, longer again: what the longer one keeps is kept from the first moment.
        set(&w.at.app, &w.owner, &w.id, &Change::To(keep_last(1))).await.unwrap();
        set(&w.at.app, &w.owner, &w.id, &Change::To(keep_last(5))).await.unwrap();
        w.clock.advance(25 * HOUR);
        assert_eq!(w.sweep().await.thrown, 0);
        // A change that is taken back leaves the rules as they were.
        set(&w.at.app, &w.owner, &w.id, &Change::To(keep_last(1))).await.unwrap();
        let back = set(&w.at.app, &w.owner, &w.id, &Change::To(keep_last(5))).await.unwrap();
        assert_eq!((back.effective, back.before), (None, None));
        let wrong = set(&w.at.app, &w.owner, &w.id, &Change::To(Rules { grace_days: 0, ..Rules::default() })).await.unwrap_err();
        assert_eq!(wrong.class(), Class::Invalid);
    });
}

#[test]
fn a_clock_that_jumped_deletes_nothing_until_three_readings_agree() {
    block_on(async {
        let mut w = World::new().await;
        for day in 1..=9 {
            w.row(day, "Generated on request", BackupState::Succeeded).await;
        }
        assert_eq!(w.sweep().await.thrown, 0);
        w.clock.advance(365 * Millis::DAY);
        for reading in 0..3 {
            let swept = w.sweep().await;
            assert!(swept.doubt.is_some() && swept.thrown + swept.jobs == 0, "reading {reading}: {swept:?}");
            w.clock.advance(10 * 60_000);
        }
        // Believed again: but most would go at once, which waits for another day.
        let swept = w.sweep().await;
        assert_eq!((swept.doubt, swept.thrown, swept.held), (None, 0, 1));
    });
}

#[test]
fn what_lay_long_enough_in_the_trash_leaves_the_repository_and_nothing_else_does() {
    block_on(async {
        let mut w = World::new().await;
        let other = w.at.tenant("bolt").await;
        w.at.add_site("bolt", "forge", "live").await;
        let (foreign, own) = (w.repository(&other).await, w.repository(&w.tenant).await);
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(w.back_up().await);
            w.days(1).await;
        }
        let untouched = digest::content(&foreign);
        let full = size(&own);
        for id in &ids[..3] {
            backups::delete(&w.at.app, &w.owner, id).await.unwrap();
        }
        let refused = backups::delete(&w.at.app, &w.owner, &ids[3]).await.unwrap_err();
        assert_eq!(refused.class(), Class::Conflict, "the newest good one");
        backups::take_back(&w.at.app, &w.owner, &ids[2]).await.unwrap();
        w.days(13).await;
        assert!(w.find(&ids[0].0).await.expired_at.is_none());
        assert_eq!(w.letters("purge_ahead").await, 1, "the owner was told once of both");
        w.days(2).await;
        for id in &ids[..2] {
            let row = w.find(&id.0).await;
            assert!(row.expired_at.is_some(), "{row:?}");
            let shown = backups::find(&w.at.app, &w.owner, id).await.unwrap();
            assert!(shown.expired.is_some() && shown.elements.iter().all(|e| e.snapshot.is_none()));
            assert_eq!(backups::take_back(&w.at.app, &w.owner, id).await.unwrap_err().class(), Class::Conflict);
            let wish = CreateRestore { backup: Some(id.0.clone()), ..CreateRestore::default() };
            restores::create(&w.at.app, &w.owner, &w.id, &wish, None).await.unwrap_err();
        }
        let restic = Restic::open(&own, &w.password(&w.tenant).await);
        restic.check();
        assert_eq!(restic.snapshots().len(), 4, "two elements of two backups");
        digest::content(&foreign).assert_same(&untouched, "another tenant's repository");
        for id in &ids[2..] {
            backups::read_back(&w.at.app, id, &Watch::new()).await.unwrap();
        }
        // The second run removes what the first one marked; the space is there again, and the next backup is whole.
        w.days(2).await;
        assert!(size(&own) < full - 150_000, "{} of {full}", size(&own));
        restic.check();
        let fresh = w.back_up().await;
        backups::read_back(&w.at.app, &fresh, &Watch::new()).await.unwrap();
        restic.check();
    });
}

#[test]
fn damage_that_is_found_by_reading_back_is_an_alarm_until_a_whole_round_finds_none() {
    block_on(async {
        let mut w = World::new().await;
        let backup = w.back_up().await;
        w.days(2).await;
        let open = async |w: &World| {
            let all = alarms::list(&w.at.app, &w.owner, &w.tenant).await.unwrap();
            all.into_iter().filter(|a| a.closed.is_none() && a.cause == Cause::Check).map(|a| a.message).collect::<Vec<_>>()
        };
        assert!(open(&w).await.is_empty(), "what was read back is what was written");
        let pack = a_file_below(&w.repository(&w.tenant).await.join("data"));
        let sound = std::fs::read(&pack).unwrap();
        let mut damaged = sound.clone();
        damaged[sound.len() / 2] ^= 1;
        write(&pack, &damaged);
        w.days(2).await;
        let name = pack.file_name().unwrap().to_string_lossy().into_owned();
        assert!(open(&w).await[0].contains(&name), "{:?} is not about {name}", open(&w).await);
        assert!(open(&w).await[0].contains("1 backup needs them: shop.live of "), "{:?}", open(&w).await);
        assert!(open(&w).await[0].contains(&backup.0), "{:?}", open(&w).await);
        assert_eq!(w.letters("alarm").await, 1, "the owner was told once, although it was found twice");
        write(&pack, &sound);
        w.days(2).await;
        assert!(open(&w).await.is_empty());
    });
}

#[test]
fn what_damage_took_is_brought_back_by_the_next_backup_and_until_then_it_is_an_alarm() {
    block_on(async {
        let mut w = World::new().await;
        let old = w.back_up().await;
        let open = async |w: &World| {
            let all = alarms::list(&w.at.app, &w.owner, &w.tenant).await.unwrap();
            all.into_iter().filter(|a| a.closed.is_none() && a.cause == Cause::Check).map(|a| a.message).collect::<Vec<_>>()
        };
        for pack in files_below(&w.repository(&w.tenant).await.join("data")) {
            let sound = std::fs::read(&pack).unwrap();
            write(&pack, &sound[..sound.len() / 2]);
        }
        w.days(3).await;
        assert_eq!(open(&w).await.len(), 1, "what was taken out of the index is still wanting");
        assert!(backups::read_back(&w.at.app, &old, &Watch::new()).await.is_err());
        // The same site as before: what was lost is stored again under its old names.
        let (made, _) = backups::create(&w.at.app, &w.owner, &w.id, &CreateBackup::default(), None).await.unwrap();
        w.work().await;
        let new = BackupId(made.id);
        assert_eq!(backups::find(&w.at.app, &w.owner, &new).await.unwrap().state, BackupState::Succeeded);
        backups::read_back(&w.at.app, &new, &Watch::new()).await.unwrap();
        w.days(3).await;
        for id in [&new, &w.back_up().await] {
            backups::read_back(&w.at.app, id, &Watch::new()).await.unwrap();
        }
        if backups::read_back(&w.at.app, &old, &Watch::new()).await.is_err() {
            assert!(open(&w).await[0].contains(&old.0), "what does not come back stays an alarm: {:?}", open(&w).await);
        }
    });
}

fn files_below(dir: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn a_file_below(dir: &std::path::Path) -> PathBuf {
    let mut all = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    all.find_map(|path| if path.is_file() { Some(path) } else { std::fs::read_dir(&path).ok()?.flatten().map(|e| e.path()).next() })
        .unwrap()
}

fn size(dir: &std::path::Path) -> u64 {
    let sized = |entry: std::fs::DirEntry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() };
    std::fs::read_dir(dir).unwrap().flatten().map(sized).sum()
}

#[test]
fn the_last_good_backup_of_an_environment_is_spared_even_in_the_trash() {
    block_on(async {
        let mut w = World::new().await;
        let only = w.back_up().await;
        let now = w.at.app.pool.now().await.unwrap();
        // No verb does this; whoever did it by hand is protected all the same.
        let mut tx = w.at.app.pool.begin().await.unwrap();
        db::backups::set_deleted(&mut tx, &w.tenant, &only, Some((now, "by hand"))).await.unwrap();
        tx.commit().await.unwrap();
        w.days(17).await;
        assert!(w.find(&only.0).await.expired_at.is_none());
        backups::take_back(&w.at.app, &w.owner, &only).await.unwrap();
        backups::read_back(&w.at.app, &only, &Watch::new()).await.unwrap();
    });
}

#[test]
fn a_hostile_owner_destroys_nothing_in_a_day() {
    block_on(async {
        let mut w = World::new().await;
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(w.back_up().await);
            w.days(1).await;
        }
        let least = Rules { grace_days: Rules::SHORTEST_GRACE, safety_days: 1, failed_days: 1, ..keep_last(1) };
        for hour in 0..24 {
            // Everything that an owner's rights allow, again and again.
            let _ = set_of_tenant(&w.at.app, &w.owner, &w.tenant, &Change::To(least.clone())).await;
            let _ = set(&w.at.app, &w.owner, &w.id, &Change::To(Rules { failed_days: 1 + hour % 2, ..least.clone() })).await;
            for id in &ids {
                let _ = backups::edit(&w.at.app, &w.owner, id, &backups::Edit { pinned: Some(false), note: None }).await;
                let _ = backups::delete(&w.at.app, &w.owner, id).await;
            }
            w.clock.advance(HOUR);
            w.sweep().await;
            w.work().await;
        }
        assert!(w.letters("rules_changed").await > 0, "the owners were told");
        for id in &ids {
            if w.find(&id.0).await.deleted_at.is_some() {
                backups::take_back(&w.at.app, &w.owner, id).await.unwrap();
            }
            backups::read_back(&w.at.app, id, &Watch::new()).await.unwrap();
        }
        let oldest = CreateRestore { backup: Some(ids[0].0.clone()), element: Some("files".into()), ..CreateRestore::default() };
        let answer = restores::create(&w.at.app, &w.owner, &w.id, &oldest, None).await.unwrap();
        w.work().await;
        let restored = restores::find(&w.at.app, &w.owner, &answer.restore.unwrap().id.into()).await.unwrap();
        assert_eq!(restored.state.word(), "succeeded", "{restored:?}");
        let uploads = std::fs::read_dir(w.at.directory().join("uploads")).unwrap().flatten().map(|e| e.file_name());
        assert_eq!(uploads.collect::<Vec<_>>(), ["1"]);
    });
}
