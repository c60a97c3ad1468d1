//! Four hundred days of two hundred sites in six zones, through the real rows of the scheduler and the queue, on a clock that
//! the test moves: both changes of the clocks, a leap day, leaps of a year in both directions, restarts, small steps back and
//! forth, and several schedulers at once. No site is read: of the jobs of each step the first is claimed and ended by the
//! queue's own statements, and the others are ended at once by those of this test. Four quarters of the sites live side by side.

use super::work;
use crate::support::app::{Installation, actor};
use sitekeep::app::{App, schedules};
use sitekeep::base::chance;
use sitekeep::base::clock::{Clock, Millis};
use sitekeep::base::sql::{Kind, Pool};
use sitekeep::base::zone::Zone;
use sitekeep::db;
use sitekeep::domain::ids::{EnvironmentId, RepositoryId, SiteId, TenantId};
use sitekeep::domain::schedule::Schedule;
use sqlx::AssertSqlSafe;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

const ZONES: [&str; 6] = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu"];
const MINUTE: i64 = 60 * Millis::SECOND;
const YEAR: i64 = 365 * Millis::DAY;
/// Before the change of clocks in autumn, so that there are three of them until the end, and a 29 February.
const BEGIN: &str = "2027-09-20T12:00:00Z";

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 % u64::try_from(n).unwrap()).unwrap()
    }
}

/// A directory in memory where there is one: nothing here is about disks.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let path = base.join(format!("sk-{}", chance::word(10)));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct World {
    app: App,
    url: String,
    clock: Clock,
    /// What the time really is, whatever the clock says.
    truth: Millis,
    rules: HashMap<EnvironmentId, Schedule>,
    dice: Dice,
    /// Backups that were queued while the clock was right, and while it was not.
    queued: usize,
    astray: usize,
}

impl World {
    async fn new(at: Installation, url: String, clock: Clock, sites: usize, seed: u8) -> Self {
        let mut app = at.app.clone();
        if app.pool.kind() == Kind::Sqlite {
            app.pool = Pool::connect(&url, 1, clock.clone()).await.unwrap();
            app.pool.migrate().await.unwrap();
        }
        let admin = actor(&app, "ada@example.test", true).await;
        let mut rules = HashMap::new();
        for (i, id) in environments(&app, &at, sites).await.into_iter().enumerate() {
            // A third is spread over the night, the others over all hours.
            let hour = (i % 3 > 0).then_some(u8::try_from(i % 24).unwrap());
            let rule = Schedule { hour, zone: Zone::parse(ZONES[i % 6]).unwrap(), ..Schedule::default() };
            schedules::set(&app, &admin, &id, Some(rule)).await.unwrap();
            rules.insert(id, rule);
        }
        let truth = clock.now();
        Self { app, url, clock, truth, rules, dice: Dice(0x5117_e4ee_9000_0001 + u64::from(seed)), queued: 0, astray: 0 }
    }

    /// A step of the real time; the clock shows `off` more.
    async fn step(&mut self, millis: i64, off: i64) {
        self.truth = self.truth.plus(millis);
        self.clock.advance(self.truth.0 + off - self.clock.now().0);
        let fired = if self.dice.below(40) == 0 { self.several().await } else { schedules::fire(&self.app).await.unwrap() };
        if off.abs() < Millis::DAY {
            self.queued += fired
        } else {
            self.astray += fired
        }
        assert_eq!(work(&self.app, 1).await, fired.min(1));
        if fired > 1 {
            self.end_the_others().await;
        }
    }

    async fn end_the_others(&self) {
        let mut tx = self.app.pool.begin().await.unwrap();
        let now = self.clock.now().0;
        const QUEUED: &str = "select tenant_id, subject from jobs where state in ('queued', 'retry_wait')";
        for sql in [
            format!("update backups set state = 'succeeded', finished_at = {now} where (tenant_id, id) in ({QUEUED})"),
            "delete from job_needs where token is null".into(),
            format!("update jobs set state = 'succeeded', finished_at = {now} where state in ('queued', 'retry_wait')"),
        ] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// Three schedulers at once, each with connections of its own.
    async fn several(&self) -> usize {
        let mut tasks = Vec::new();
        for _ in 0..3 {
            let mut app = self.app.clone();
            app.pool = Pool::connect(&self.url, 1, self.clock.clone()).await.unwrap();
            tasks.push(tokio::spawn(async move { schedules::fire(&app).await.unwrap() }));
        }
        let mut fired = 0;
        for task in tasks {
            fired += task.await.unwrap();
        }
        fired
    }

    async fn restart(&mut self) {
        self.app.pool.close().await;
        self.app.pool = Pool::connect(&self.url, 1, self.clock.clone()).await.unwrap();
    }

    async fn live(&mut self, days: i64) {
        let (begin, end) = (self.truth, self.truth.plus(days * Millis::DAY));
        let mut leaps: Vec<(i64, i64)> = vec![(20, YEAR), (47, -YEAR), (160, YEAR), (161, -YEAR), (372, YEAR), (390, -YEAR)];
        leaps.retain(|(day, _)| *day < days);
        let mut restarts = 0;
        while self.truth < end {
            let day = (self.truth.0 - begin.0) / Millis::DAY;
            if leaps.first().is_some_and(|(on, _)| *on == day) {
                let off = leaps.remove(0).1;
                for _ in 0..3 {
                    let step = 30 * MINUTE + self.dice.below(70) * MINUTE;
                    self.step(step, off).await;
                }
            }
            if day / 20 > restarts {
                restarts = day / 20;
                self.restart().await;
            }
            let step = 30 * MINUTE + self.dice.below(70) * MINUTE;
            // Now and then the clock is some minutes wrong.
            let off = if self.dice.below(20) == 0 { (self.dice.below(11) - 5) * MINUTE } else { 0 };
            self.step(step, off).await;
        }
        // Right again, and past what a clock that was ahead has done.
        self.step(10 * MINUTE, 0).await;
    }

    /// Every slot of every site in that time has one backup, and nothing else was made while the clock was right.
    async fn judge(&self, begin: Millis) {
        let mut expected = 0;
        let mut missing = Vec::new();
        for (id, rule) in &self.rules {
            let (slots, all) = rule.between(id.as_str(), begin, self.truth, usize::MAX);
            expected += all;
            let sql = format!("select slot_at from backups where environment_id = '{id}' and slot_at is not null");
            let made: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *self.app.pool.get().await.unwrap()).await.unwrap();
            let made: std::collections::HashSet<i64> = made.into_iter().collect();
            missing.extend(slots.iter().filter(|s| !made.contains(&s.0)).map(|s| format!("{} of {id}", s.iso())));
        }
        assert!(missing.is_empty(), "{} slots have no backup: {:?}", missing.len(), &missing[..missing.len().min(20)]);
        assert_eq!(self.queued, expected, "as many backups as slots: none is doubled");
        // A clock that is a year wrong for three steps makes one backup of each site, or one more where a slot of that time comes.
        let most = self.rules.len() * 6 * 2;
        assert!(self.astray <= most, "{} backups while the clock was wrong", self.astray);
        eprintln!("{expected} slots, {} backups while the clock was a year wrong", self.astray);
    }
}

/// Sites with one environment each, as rows: a repository that nobody opens, a directory that nobody reads.
async fn environments(app: &App, at: &Installation, count: usize) -> Vec<EnvironmentId> {
    let (now, mut tx) = (app.pool.now().await.unwrap(), app.pool.begin().await.unwrap());
    let definition = serde_json::json!({ "stack": "generic", "root": at.directory(), "files": [], "live": false });
    let tenants: Vec<TenantId> = (0..20).map(|_| TenantId::fresh()).collect();
    for (n, tenant) in tenants.iter().enumerate() {
        db::tenants::insert(&mut tx, now, tenant, &format!("tenant{n}")).await.unwrap();
    }
    let mut all = Vec::new();
    for n in 0..count {
        let (tenant, site, id) = (&tenants[n % 20], SiteId::fresh(), EnvironmentId::fresh());
        db::sites::insert(&mut tx, now, &site, tenant, &format!("site{n}")).await.unwrap();
        let repository = db::sites::Repository {
            id: RepositoryId::fresh().0,
            tenant_id: tenant.0.clone(),
            site_id: site.0.clone(),
            location: "file:///nowhere".into(),
            password_sealed: vec![1],
            master_key_sealed: vec![1],
        };
        db::sites::insert_repository(&mut tx, now, &repository).await.unwrap();
        let row = db::environments::Environment {
            id: id.0.clone(),
            tenant_id: tenant.0.clone(),
            tenant: String::new(),
            site_id: site.0.clone(),
            site: format!("site{n}"),
            name: "live".into(),
            definition: definition.to_string(),
            password_sealed: None,
            server_id: None,
            state: "active".into(),
            created_at: now.0,
        };
        db::environments::insert(&mut tx, now, &row).await.unwrap();
        all.push(id);
    }
    tx.commit().await.unwrap();
    all
}

fn simulate(kind: Kind, sites: usize, days: i64, seed: u8) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let begin = Millis::from_iso(BEGIN).unwrap();
        let clock = Clock::fixed(begin);
        let at = Installation::with_clock(kind, clock.clone()).await;
        let place = Place::new();
        let url = match kind {
            Kind::Sqlite => format!("sqlite://{}?mode=rwc", place.0.join("catalogue.db").display()),
            Kind::Postgres => at.url.clone(),
        };
        let began = Instant::now();
        let mut world = World::new(at, url, clock, sites, seed).await;
        world.live(days).await;
        world.judge(begin).await;
        let took = began.elapsed();
        eprintln!("{sites} sites, {days} days on {kind:?} in {took:.1?}");
        world.app.pool.close().await;
    });
}

#[test]
fn in_400_days_of_200_sites_no_slot_is_missed_and_none_is_doubled() {
    std::thread::scope(|threads| {
        for quarter in 0..4 {
            threads.spawn(move || simulate(Kind::Sqlite, 50, 400, quarter));
        }
    });
}

#[test]
fn nor_are_they_on_postgresql() {
    simulate(Kind::Postgres, 24, 60, 9);
}
