//! A catalogue as it is after two years: 1,000 sites of 50 tenants with one to three environments, a million backups with
//! one to three elements each, jobs with their logs for the newest ones, restores, activity.
//!
//! The rows follow from their numbers alone, so that each table can be written on its own, in the order of its
//! references. What the product derives (`environments.last_…`) is derived afterwards, from the backups.

use super::sink::{Cell, Sink};
use crate::bench::site::Dice;

pub const TENANTS: u64 = 50;
pub const SITES: u64 = 1_000;
/// Backups whose jobs are still there; the newest.
const JOBS: u64 = 100_000;
/// The newest of these run, the ones before them wait.
const RUNNING: u64 = 12;
const WAITING: u64 = 30;
const DAY: i64 = 86_400_000;

pub const OWNER: &str = "owner@bench.example.test";
pub const OWNER_ID: &str = "acc_00000000000000owner0";

/// What is written at once, and when it is now.
#[derive(Clone, Copy, Debug)]
pub struct Seed {
    pub backups: u64,
    pub now: i64,
}

/// A site's environments: one to three.
fn environments_of(site: u64) -> u64 {
    1 + site % 3
}

/// All environments: the number of the site, and which of its environments it is.
fn environments() -> Vec<(u64, u64)> {
    (0..SITES).flat_map(|site| (0..environments_of(site)).map(move |nth| (site, nth))).collect()
}

const ENVIRONMENT_NAMES: [&str; 3] = ["live", "test", "dev"];
const NOTES: [&str; 5] = ["before the release", "after the import of March", "Update of plug-ins", "for the auditors", "vor dem Umbau"];

/// An id as the product makes them: 20 letters after the prefix, in no order.
pub fn id(prefix: &str, number: u64) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut dice = Dice::new(17, number);
    let (a, b) = (dice.next(), dice.next());
    let letters = (0..10).flat_map(|n| [(a >> (5 * n)) & 31, (b >> (5 * n)) & 31]);
    format!("{prefix}_{}", letters.map(|n| char::from(ALPHABET[n as usize])).collect::<String>())
}

fn text(value: impl Into<String>) -> Cell {
    Cell::Text(value.into())
}

/// The number of the owner's tenant.
const OWN: u64 = 7;

/// A backup with all that its rows in several tables have in common.
struct Backup {
    number: u64,
    site: u64,
    environment: String,
    state: &'static str,
    created: i64,
    started: Option<i64>,
    finished: Option<i64>,
    elements: &'static [&'static str],
    job: Option<String>,
    dice: Dice,
}

impl Backup {
    fn tenant(&self) -> String {
        id("ten", self.site % TENANTS)
    }
    fn site_id(&self) -> String {
        id("sit", self.site)
    }
    fn id(&self) -> String {
        id("bak", self.number)
    }
}

impl Seed {
    fn step(&self) -> i64 {
        2 * 365 * DAY / self.backups as i64
    }

    fn backup(&self, number: u64, environments: &[(u64, u64)]) -> Backup {
        let mut dice = Dice::new(1, number);
        let (site, nth) = environments[dice.below(environments.len() as u64) as usize];
        let created = self.now - (self.backups - number) as i64 * self.step();
        let from_the_end = self.backups - number;
        let state = match (from_the_end, dice.below(1000)) {
            (..=WAITING, _) => "queued",
            (from, _) if from <= WAITING + RUNNING => "running",
            (_, ..930) => "succeeded",
            (_, ..955) => "incomplete",
            (_, ..985) => "failed",
            _ => "cancelled",
        };
        let started = (state != "queued").then_some(created + 2_000);
        let finished = (!matches!(state, "queued" | "running")).then(|| created + 5_000 + dice.below(600_000) as i64);
        let elements: &[&str] = match dice.below(20) {
            ..12 => &["code", "database", "files"],
            12..17 => &["database", "files"],
            _ => &["database"],
        };
        let job = (from_the_end <= JOBS).then(|| id("job", number));
        let environment = id("env", site * 3 + nth);
        Backup { number, site, environment, state, created, started, finished, elements, job, dice }
    }

    /// The ids of all environments, or of the owner's.
    pub fn environments(&self, own: bool) -> Vec<String> {
        let all = environments().into_iter().filter(|(site, _)| !own || site % TENANTS == OWN);
        all.map(|(site, nth)| id("env", site * 3 + nth)).collect()
    }

    /// Backups of the last two months with their environments, of all or of the owner's.
    pub fn some_backups(&self, own: bool) -> Vec<(String, String)> {
        let all = environments();
        let numbers = (self.with_jobs()).step_by(if own { 1 } else { 97 });
        let backups = numbers.map(|n| self.backup(n, &all)).filter(|b| !own || b.site % TENANTS == OWN);
        backups.map(|b| (b.environment.clone(), b.id())).collect()
    }

    /// Everything, table by table.
    pub fn write(&self, sink: &mut dyn Sink) {
        self.people(sink);
        self.sites(sink);
        self.backups(sink);
        self.elements(sink);
        self.jobs(sink);
        self.logs(sink);
        self.restores(sink);
        self.activity(sink);
    }

    fn people(&self, sink: &mut dyn Sink) {
        let then = Cell::Number(self.now - 800 * DAY);
        let names = (0..TENANTS).map(|t| vec![text(id("ten", t)), text(format!("tenant-{t:02}")), text("active"), then.clone()]);
        sink.table("tenants", "id name state created_at", &mut { names });
        let owner = vec![text(OWNER_ID), text(OWNER), Cell::Number(0), then.clone()];
        sink.table("accounts", "id email administrator created_at", &mut std::iter::once(owner));
        let member = vec![text(id("ten", OWN)), text(OWNER_ID), text("owner"), then];
        sink.table("members", "tenant_id account_id role created_at", &mut std::iter::once(member));
    }

    fn sites(&self, sink: &mut dyn Sink) {
        let then = Cell::Number(self.now - 790 * DAY);
        // Their keys are confirmed: they stand as their backups are.
        let site = |s: u64| {
            vec![text(id("sit", s)), text(id("ten", s % TENANTS)), text(format!("site-{s:03}")), then.clone(), then.clone(), text("admin")]
        };
        sink.table("sites", "id tenant_id name created_at key_confirmed_at key_confirmed_by", &mut (0..SITES).map(site));
        let environment = |(s, nth): (u64, u64)| {
            let name = ENVIRONMENT_NAMES[nth as usize];
            vec![
                text(id("env", s * 3 + nth)),
                text(id("ten", s % TENANTS)),
                text(id("sit", s)),
                text(name),
                text(definition(s, name)),
                then.clone(),
            ]
        };
        sink.table("environments", "id tenant_id site_id name definition created_at", &mut environments().into_iter().map(environment));
    }

    fn backups(&self, sink: &mut dyn Sink) {
        const COLUMNS: &str = "id tenant_id site_id environment_id state reason note account_id initiator keep_for_days pinned protected \
                               job_id created_at started_at finished_at proven_at deleted_at deleted_by message hint";
        let all = environments();
        let row = |number| {
            let mut b = self.backup(number, &all);
            let on_demand = b.dice.below(3) == 0;
            let usable = matches!(b.state, "succeeded" | "incomplete");
            let note = (b.dice.below(5) == 0).then(|| text(NOTES[b.dice.below(5) as usize]));
            let deleted = (b.dice.below(100) == 0 && b.finished.is_some()).then(|| b.created + DAY);
            let failed = b.state == "failed";
            vec![
                text(b.id()),
                text(b.tenant()),
                text(b.site_id()),
                text(b.environment.clone()),
                text(b.state),
                text(if on_demand { "Generated on request" } else { "Nightly backup" }),
                note.unwrap_or(Cell::Null),
                if on_demand { text(OWNER_ID) } else { Cell::Null },
                text(if on_demand { OWNER } else { "schedule" }),
                if b.dice.below(4) == 0 { Cell::Number(30) } else { Cell::Null },
                Cell::Number(i64::from(b.dice.below(50) == 0)),
                Cell::Number(0),
                b.job.clone().map_or(Cell::Null, text),
                Cell::Number(b.created),
                b.started.into(),
                b.finished.into(),
                b.finished.filter(|_| usable).into(),
                deleted.into(),
                deleted.map_or(Cell::Null, |_| text(OWNER)),
                if failed { text("the database server did not answer") } else { Cell::Null },
                if failed { text("is it running?") } else { Cell::Null },
            ]
        };
        sink.table("backups", COLUMNS, &mut (0..self.backups).map(row));
    }

    fn elements(&self, sink: &mut dyn Sink) {
        const COLUMNS: &str = "tenant_id backup_id element state snapshot size files stored manifest problems started_at finished_at";
        let all = environments();
        let rows = (0..self.backups).flat_map(|number| {
            let mut b = self.backup(number, &all);
            let rows: Vec<Vec<Cell>> = b.elements.iter().enumerate().map(|(n, element)| element_row(&mut b, n as u64, element)).collect();
            rows
        });
        sink.table("backup_elements", COLUMNS, &mut { rows });
    }

    /// Numbers of the backups whose jobs are there.
    fn with_jobs(&self) -> std::ops::Range<u64> {
        self.backups.saturating_sub(JOBS)..self.backups
    }

    fn jobs(&self, sink: &mut dyn Sink) {
        const COLUMNS: &str = "id tenant_id kind subject environment_id class place state initiator_id run_at attempt worker lease_token \
                               lease_until cancel_requested phase bytes bytes_total files message log_lines log_bytes created_at aged_at \
                               started_at claimed_at finished_at";
        let all = environments();
        let row = |number| {
            let mut b = self.backup(number, &all);
            let running = b.state == "running";
            let bytes = b.dice.below(2 << 30) as i64;
            vec![
                b.job.clone().map_or(Cell::Null, text),
                text(b.tenant()),
                text("create_backup"),
                text(b.id()),
                text(b.environment.clone()),
                text("on_demand"),
                Cell::Number(2),
                text(b.state),
                if number % 3 == 0 { text(OWNER_ID) } else { Cell::Null },
                Cell::Number(b.created),
                Cell::Number(i64::from(b.started.is_some())),
                if b.started.is_some() { text("worker-1") } else { Cell::Null },
                if running { text(id("token", number)) } else { Cell::Null },
                if running { Cell::Number(self.now + 3650 * DAY) } else { Cell::Null },
                Cell::Number(0),
                text(if running { "files" } else { "" }),
                Cell::Number(bytes),
                Cell::Number(bytes),
                Cell::Number(b.dice.below(20_000) as i64),
                if b.state == "failed" { text("the database server did not answer") } else { Cell::Null },
                Cell::Number(5),
                Cell::Number(300),
                Cell::Number(b.created),
                Cell::Number(b.created),
                b.started.into(),
                b.started.into(),
                b.finished.into(),
            ]
        };
        sink.table("jobs", COLUMNS, &mut self.with_jobs().map(row));
    }

    fn logs(&self, sink: &mut dyn Sink) {
        let all = environments();
        let rows = self.with_jobs().flat_map(|number| {
            let b = self.backup(number, &all);
            let row = |line: i64| {
                let words = format!("element {line} of the backup was read: 1.2 GB in 8,412 files, 31.5 MB of it new");
                let (job, at) = (id("job", number), b.created + 2_000 + line * 900);
                vec![text(job), Cell::Number(line), text(b.tenant()), Cell::Number(1), Cell::Number(at), text("info"), text(words)]
            };
            (1..=5).map(row).collect::<Vec<_>>()
        });
        sink.table("task_log", "job_id number tenant_id attempt at level line", &mut { rows });
    }

    /// Now and then somebody needs one of them back.
    fn restores(&self, sink: &mut dyn Sink) {
        const COLUMNS: &str = "id tenant_id site_id environment_id backup_id kind elements state account_id initiator created_at started_at \
                               finished_at undo_until";
        let all = environments();
        let row = |number: u64| {
            let b = self.backup(number, &all);
            let at = b.created + 3 * DAY / 2;
            vec![
                text(id("rst", number)),
                text(b.tenant()),
                text(b.site_id()),
                text(b.environment.clone()),
                text(b.id()),
                text("restore"),
                text("code,database,files"),
                text(if number.is_multiple_of(40) { "unwound" } else { "succeeded" }),
                text(OWNER_ID),
                text(OWNER),
                Cell::Number(at),
                Cell::Number(at + 2_000),
                Cell::Number(at + 95_000),
                if at + 7 * DAY > self.now { Cell::Number(at + 7 * DAY) } else { Cell::Null },
            ]
        };
        sink.table("restores", COLUMNS, &mut (0..self.backups.saturating_sub(5_000)).step_by(127).map(row));
    }

    fn activity(&self, sink: &mut dyn Sink) {
        let all = environments();
        let row = |number| {
            let b = self.backup(number, &all);
            vec![
                text(id("act", number)),
                text(b.tenant()),
                Cell::Number(b.created),
                text(OWNER_ID),
                text(OWNER),
                text("backup.create"),
                text(b.id()),
                text(""),
                text("192.0.2.7"),
            ]
        };
        sink.table("activity", "id tenant_id at account_id actor action object detail address", &mut self.with_jobs().map(row));
    }
}

fn element_row(b: &mut Backup, n: u64, element: &str) -> Vec<Cell> {
    let usable = matches!(b.state, "succeeded" | "incomplete");
    // Of an incomplete backup it is the last element that lacks something.
    let state = if b.state == "incomplete" && n + 1 < b.elements.len() as u64 { "succeeded" } else { b.state };
    let number = |dice: &mut Dice, below: u64| Cell::Number(if usable { dice.below(below) as i64 } else { 0 });
    vec![
        text(b.tenant()),
        text(b.id()),
        text(element),
        text(state),
        if usable { text(format!("{:064x}", b.number * 3 + n)) } else { Cell::Null },
        number(&mut b.dice, 4 << 30),
        number(&mut b.dice, 20_000),
        number(&mut b.dice, 200 << 20),
        text(if element == "database" { MANIFEST } else { "{}" }),
        text(if state == "incomplete" { r#"["uploads/2019/07/scan.pdf: permission denied"]"# } else { "[]" }),
        b.started.into(),
        b.finished.into(),
    ]
}

const MANIFEST: &str =
    r#"{"engine":"mysql","stack":"wordpress","server_version":"10.11.14-MariaDB","tool":"mariadb-dump 10.19","charset":"utf8mb4"}"#;

fn definition(site: u64, environment: &str) -> String {
    let (stack, live) = (["wordpress", "drupal", "django", "generic"][(site % 4) as usize], environment == "live");
    let root = format!("/srv/site-{site:03}/{environment}");
    format!(
        r#"{{"stack":"{stack}","root":"{root}","files":[{{"name":"public","path":"{root}/uploads"}}],"database":{{"engine":"sqlite","path":"{root}/data.db"}},"url":"https://{environment}.site-{site:03}.example.test/","live":{live}}}"#
    )
}

/// What the product derives from the rows, for all environments at once.
pub fn derived() -> String {
    format!(
        "{};
         insert into schedules (tenant_id, environment_id, next_at, planned_from, settled_at)
           select tenant_id, id, 0, 0, 0 from environments;
         analyze;",
        sitekeep::db::environments::REFRESH_ALL
    )
}
