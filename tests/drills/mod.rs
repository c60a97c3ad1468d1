//! Drills of real sites: they pass and leave nothing behind, they turn red with the name of what is wrong, and nobody but the
//! tenant sees them.

mod checksums;
mod databases;
mod files;
mod killed;

use crate::support::app::Installation;
use crate::support::{give_tree, web_user, write};
use sitekeep::app::access::Actor;
use sitekeep::app::attempt::{Attempt, Ended};
use sitekeep::app::{alarms, backups, drills, environments, sites};
use sitekeep::base::clock::Clock;
use sitekeep::base::secret::{Place, Secret};
use sitekeep::base::sql::Kind;
use sitekeep::base::watch::Watch;
use sitekeep::base::zone::Zone;
use sitekeep::db;
use sitekeep::db::backups::BackupElement;
use sitekeep::domain::alarm::Cause;
use sitekeep::domain::drill::{DrillState, Fault};
use sitekeep::domain::ids::{BackupId, DrillId, EnvironmentId, SiteId, TenantId};
use sitekeep::domain::page::Overview;
use sitekeep::domain::rights::Role;
use sitekeep::domain::state::BackupState;
use sitekeep::domain::view::{AddSite, CreateBackup, Drill, RunDrill};
use sitekeep::engine::{Label, Location, Repository, Source};
use sitekeep::queue;
use std::path::PathBuf;

/// Where a drill may die; `tests/crashes` compares them with the program's.
pub const POINTS: [&str; 4] = ["drill.begin", "drill.database.made", "drill.database.imported", "drill.done"];

/// An installation with a clock of its own and one site, whose directory belongs to a web server's user.
struct World {
    at: Installation,
    clock: Clock,
    tenant: TenantId,
    id: EnvironmentId,
    owner: Actor,
}

impl World {
    /// A site with a page and fifty uploads; `more` says where its database is.
    async fn new(more: impl FnOnce(&mut AddSite)) -> Self {
        let clock = Clock::fixed(Clock::system().now());
        let mut at = Installation::with_clock(Kind::Sqlite, clock.clone()).await;
        at.app.settings.drills.folder = at.scratch.join("drills");
        let tenant = at.tenant("acme").await;
        let root = at.directory();
        for n in 0..50 {
            write(root.join(format!("uploads/2026/{n}.bin")), (0..400).map(|_| sitekeep::base::chance::word(10)).collect::<String>());
        }
        let mut wish = at.wish("acme", "shop", "live");
        more(&mut wish);
        give_tree(&root, &web_user());
        let added = sites::add(&at.app, &at.admin, wish).await.unwrap();
        let owner = at.member("owner@example.test", &[(&tenant, Role::Owner)]).await;
        Self { id: EnvironmentId(added.environment.unwrap().id), at, clock, tenant, owner }
    }

    /// Runs everything that waits, here.
    async fn work(&self) {
        while let Some(claimed) = queue::claim(&self.at.app.pool, "here", &self.at.app.queue).await.unwrap() {
            let attempt = Attempt::new(self.at.app.clone(), claimed.lease, Watch::new());
            let ended = sitekeep::jobs::run(&attempt, &claimed.job.kind, &claimed.job.subject).await;
            assert_eq!(ended.unwrap(), Ended::Finished, "{}", claimed.job.kind);
        }
    }

    async fn back_up(&self) -> BackupId {
        let (made, _) = backups::create(&self.at.app, &self.owner, &self.id, &CreateBackup::default(), None).await.unwrap();
        self.work().await;
        let made = backups::find(&self.at.app, &self.owner, &BackupId(made.id)).await.unwrap();
        assert_eq!(made.state, BackupState::Succeeded, "{made:?}");
        BackupId(made.id)
    }

    /// A drill of a backup, to its end. Whatever it found, it leaves nothing behind.
    async fn drill(&self, backup: &BackupId) -> Drill {
        self.clock.advance(1000);
        let wish = RunDrill { backup: Some(backup.0.clone()) };
        let (queued, fresh) = drills::create(&self.at.app, &self.owner, &self.id, &wish, None).await.unwrap();
        assert!(fresh);
        self.work().await;
        let drill = drills::find(&self.at.app, &self.owner, &DrillId(queued.id)).await.unwrap();
        let left: Vec<_> = std::fs::read_dir(&self.at.app.settings.drills.folder).map(|dir| dir.flatten().collect()).unwrap_or_default();
        assert!(left.is_empty(), "{left:?} is left");
        assert!(db::drills::littered(&mut self.at.app.pool.get().await.unwrap(), 9).await.unwrap().is_empty());
        drill
    }

    #[track_caller]
    fn assert_failed(&self, drill: &Drill, fault: Fault) {
        assert_eq!((drill.state, drill.fault), (DrillState::Failed, Some(fault)), "{drill:#?}");
        assert!(drill.message.is_some() && drill.hint.is_some(), "{drill:#?}");
    }

    /// The message of the alarm about drills, while it is open.
    async fn alarm(&self) -> Option<String> {
        let all = alarms::list(&self.at.app, &self.owner, &self.tenant).await.unwrap();
        all.into_iter().find(|a| a.closed.is_none() && a.cause == Cause::Drill).map(|a| a.message)
    }

    async fn overview(&self) -> Overview {
        environments::overview(&self.at.app, &self.owner, &self.id, Zone::default()).await.unwrap()
    }

    async fn repository_row(&self) -> db::sites::Repository {
        let mut conn = self.at.app.pool.get().await.unwrap();
        let env = db::environments::find(&mut conn, &self.id).await.unwrap().unwrap();
        db::sites::repository(&mut conn, &self.tenant, &SiteId(env.site_id)).await.unwrap().unwrap()
    }

    async fn repository(&self) -> (PathBuf, Repository) {
        let row = self.repository_row().await;
        let place = Place { table: "repositories", column: "master_key", tenant: &row.tenant_id, row: &row.id };
        let key = self.at.app.sealer.open(place, &row.master_key_sealed).unwrap();
        let repository = Repository::open(&Location::parse(&row.location).unwrap(), &key).unwrap();
        (PathBuf::from(row.location.strip_prefix("file://").unwrap()), repository)
    }

    /// From now on the repository is opened with this key.
    async fn set_key(&self, key: &Secret) {
        let row = self.repository_row().await;
        let place = Place { table: "repositories", column: "master_key", tenant: &row.tenant_id, row: &row.id };
        let sealed = self.at.app.sealer.seal(place, key);
        let catalogue = rusqlite::Connection::open(self.at.scratch.join("catalogue.db")).unwrap();
        catalogue.execute("update repositories set master_key_sealed = ?2 where id = ?1", rusqlite::params![row.id, sealed]).unwrap();
    }

    async fn element(&self, backup: &BackupId, element: &str) -> BackupElement {
        let all = db::backups::elements(&mut self.at.app.pool.get().await.unwrap(), &self.tenant, backup).await.unwrap();
        all.into_iter().find(|e| e.element == element).unwrap()
    }

    async fn set_element(&self, element: &BackupElement) {
        db::backups::set_element(&mut self.at.app.pool.get().await.unwrap(), element).await.unwrap();
    }

    /// Puts another snapshot in the place of an element's, as if that had been stored and nobody had noticed.
    async fn replace(&self, backup: &BackupId, element: &str, source: Source) -> BackupElement {
        let (was, (_, repository)) = (self.element(backup, element).await, self.repository().await);
        let label = Label {
            host: "x".into(),
            path: format!("x/{element}"),
            tags: Vec::new(),
            time: self.clock.now(),
            description: String::new(),
            afresh: false,
        };
        let stored = repository.backup(vec![source], &label, &Watch::new()).unwrap();
        let now = BackupElement { snapshot: Some(stored.snapshot), size: stored.bytes as i64, files: stored.files as i64, ..was.clone() };
        self.set_element(&now).await;
        was
    }

    /// The bytes of an element's dump.
    async fn dump(&self, backup: &BackupId) -> Vec<u8> {
        let (element, (_, repository)) = (self.element(backup, "database").await, self.repository().await);
        let mut bytes = Vec::new();
        let mut dump = repository.dump(&element.snapshot.unwrap(), "database".as_ref(), &Watch::new()).unwrap();
        std::io::Read::read_to_end(&mut dump, &mut bytes).unwrap();
        bytes
    }
}

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}
