//! The rooms put together in the test's own process, on a catalogue in SQLite or PostgreSQL, without a network.

use super::Scratch;
use super::postgres::Postgres;
use sitekeep::app::access::Actor;
use sitekeep::app::{self, App, accounts, sites};
use sitekeep::base::clock::{Clock, Millis};
use sitekeep::base::secret::{Place, Sealer, Secret};
use sitekeep::base::sql::{Kind, Pool};
use sitekeep::db;
use sitekeep::db::backups::{Backup, BackupElement};
use sitekeep::db::drills::Drill;
use sitekeep::db::restores::Restore;
use sitekeep::db::webhooks::NewWebhook;
use sitekeep::domain::downloads::DownloadState;
use sitekeep::domain::drill::DrillState;
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{
    AccountId, ArchiveId, BackupId, DownloadId, DrillId, EnvironmentId, JobId, LinkId, RestoreId, SiteId, TenantId, WebhookId,
};
use sitekeep::domain::rights::{Role, Scope};
use sitekeep::domain::state::{BackupState, Reason, RestoreState};
use sitekeep::domain::view::AddSite;
use sitekeep::engine::Location;
use sitekeep::queue::{self, JobClass, NewJob};
use std::path::PathBuf;

pub struct Installation {
    pub app: App,
    /// The first administrator.
    pub admin: Actor,
    pub scratch: Scratch,
    /// The URL of the catalogue.
    pub url: String,
}

/// One of each kind of thing that has an id.
#[derive(Clone, Debug)]
pub struct Things {
    pub tenant: TenantId,
    pub environment: EnvironmentId,
    /// Succeeded, with a snapshot that only the catalogue knows.
    pub backup: BackupId,
    /// Succeeded, without a snapshot: proving it is proving nothing.
    pub bare: BackupId,
    /// Succeeded, what it replaced lies aside.
    pub restore: RestoreId,
    /// Passed.
    pub drill: DrillId,
    /// To the code of `backup`, made by the administrator.
    pub link: LinkId,
    /// A prepared download of the code of `backup` that lies ready, by the catalogue alone; and its archive.
    pub download: DownloadId,
    pub archive: ArchiveId,
    /// Of the kind that makes a backup; queued.
    pub job: JobId,
    /// A heartbeat that leads into our own network, where it must not go.
    pub webhook: WebhookId,
}

impl Installation {
    pub async fn new(kind: Kind) -> Self {
        Self::with_clock(kind, Clock::system()).await
    }

    /// The same with a clock that the test may move.
    pub async fn with_clock(kind: Kind, clock: Clock) -> Self {
        let scratch = Scratch::new();
        let url = match kind {
            Kind::Sqlite => format!("sqlite://{}?mode=rwc", scratch.join("catalogue.db").display()),
            Kind::Postgres => Postgres::shared().create("catalogue").url("postgres"),
        };
        let pool = Pool::connect(&url, 5, clock).await.expect("the catalogue opens");
        pool.migrate().await.expect("the schema can be made");
        let store = Location::parse(&format!("file://{}", scratch.join("repositories").display())).expect("a path is a location");
        let app = App {
            pool,
            sealer: Sealer::ephemeral(),
            store,
            bucket: None,
            public_url: "http://sitekeep.test".into(),
            mailer: None,
            caller: sitekeep::webhooks::Caller::default(),
            queue: queue::Settings::default(),
            settings: app::Settings { downloads: app::downloads::Terms { most: i64::MAX, ..Default::default() }, ..Default::default() },
            configured: std::sync::Arc::default(),
        };
        let admin = actor(&app, "admin@example.test", true).await;
        Self { app, admin, scratch, url }
    }

    pub async fn tenant(&self, name: &str) -> TenantId {
        TenantId(app::tenants::create(&self.app, &self.admin, name).await.expect("a tenant can be made").id)
    }

    /// An account that is a member of these tenants.
    pub async fn member(&self, email: &str, of: &[(&TenantId, Role)]) -> Actor {
        let actor = actor(&self.app, email, false).await;
        let (now, mut tx) = (self.app.pool.now().await.unwrap(), self.app.pool.begin().await.unwrap());
        for (tenant, role) in of {
            db::tenants::set_member(&mut tx, now, tenant, &actor.account, *role).await.unwrap();
        }
        tx.commit().await.unwrap();
        actor
    }

    /// A token for an account, good for `days` (less than none: for as long in the past).
    pub async fn token(&self, account: &AccountId, tenant: Option<&TenantId>, scope: &str, days: i64) -> String {
        let now = self.app.pool.now().await.unwrap();
        let made = if days > 0 { now } else { now.plus((days - 1) * Millis::DAY) };
        let (scope, mut tx) = (Scope::parse(scope).unwrap(), self.app.pool.begin().await.unwrap());
        let secret = accounts::insert_token(&mut tx, made, account, tenant.cloned(), "test", &scope, days.abs()).await.unwrap();
        tx.commit().await.unwrap();
        secret.expose().to_owned()
    }

    /// A directory that passes for a site.
    pub fn directory(&self) -> PathBuf {
        let root = self.scratch.join("site");
        if !root.exists() {
            super::write(root.join("index.html"), "<h1>here</h1>");
            std::fs::create_dir_all(root.join("uploads")).unwrap();
        }
        root
    }

    /// What `site:add` is asked for.
    pub fn wish(&self, tenant: &str, site: &str, environment: &str) -> AddSite {
        AddSite {
            tenant: tenant.into(),
            site: site.into(),
            environment: environment.into(),
            path: self.directory().display().to_string(),
            files: vec!["public=uploads".into()],
            live: Some(false),
            ..AddSite::default()
        }
    }

    pub async fn add_site(&self, tenant: &str, site: &str, environment: &str) -> EnvironmentId {
        let added = sites::add(&self.app, &self.admin, self.wish(tenant, site, environment)).await.expect("a site can be added");
        EnvironmentId(added.environment.expect("it was added").id)
    }

    /// Takes the recovery key of an environment's site from the catalogue, and enters it as the administrator.
    pub async fn confirm_key(&self, environment: &EnvironmentId) {
        let (site, key) = self.recovery_key(environment).await;
        app::recovery::confirm(&self.app, &self.admin, &site, &key).await.expect("it is the right key");
    }

    /// The site of an environment, and its recovery key.
    pub async fn recovery_key(&self, environment: &EnvironmentId) -> (SiteId, Secret) {
        let mut conn = self.app.pool.get().await.unwrap();
        let env = db::environments::find(&mut conn, environment).await.unwrap().expect("it is there");
        let (tenant, site) = (TenantId(env.tenant_id), SiteId(env.site_id));
        let row = db::sites::repository(&mut conn, &tenant, &site).await.unwrap().expect("a site has a repository");
        let place = Place { table: "repositories", column: "password", tenant: tenant.as_str(), row: &row.id };
        (site, self.app.sealer.open(place, &row.password_sealed).unwrap())
    }

    /// A heartbeat as if its address had been allowed when it was added.
    async fn webhook(&self, tenant: &TenantId, environment: &EnvironmentId) -> WebhookId {
        let (now, id) = (self.app.pool.now().await.unwrap(), WebhookId::fresh());
        let place = Place { table: "webhooks", column: "target", tenant: tenant.as_str(), row: id.as_str() };
        let target = Secret::new(r#"{"url":"http://127.0.0.1:65535/","key":null}"#);
        let row = NewWebhook {
            target_sealed: self.app.sealer.seal(place, &target),
            id: id.clone(),
            tenant: tenant.clone(),
            environment: Some(environment.clone()),
            kind: db::webhooks::Kind::Heartbeat,
            host: "127.0.0.1:65535".into(),
            created_by: self.admin.account.clone(),
        };
        db::webhooks::insert(&mut self.app.pool.get().await.unwrap(), now, &row).await.unwrap();
        id
    }

    /// A download of the backup's code, as if it had been prepared.
    pub async fn prepared(&self, tenant: &TenantId, backup: &BackupId) -> (DownloadId, ArchiveId) {
        let (now, mut tx) = (self.app.pool.now().await.unwrap(), self.app.pool.begin().await.unwrap());
        let (download, archive) = prepared_rows(tenant, backup, &self.admin, now);
        let (id, of) = (DownloadId(download.id.clone()), ArchiveId(archive.id.clone()));
        db::downloads::insert(&mut tx, &download, &[archive]).await.unwrap();
        let object = format!("{of}.test");
        let made = db::downloads::Made { object: &object, size: 1, sha256: "5eaf" };
        db::downloads::made(&mut tx, now, tenant, &of, &made).await.unwrap();
        let end = db::downloads::End { state: DownloadState::Ready, expires: Some(now.plus(Millis::DAY)), message: None, hint: None };
        assert!(db::downloads::ended(&mut tx, now, tenant, &id, &end).await.unwrap());
        tx.commit().await.unwrap();
        (id, of)
    }

    /// Rows as after a backup and a restore of this environment's site, in a new environment beside it.
    pub async fn things(&self, like: &EnvironmentId) -> Things {
        let (now, mut tx) = (self.app.pool.now().await.unwrap(), self.app.pool.begin().await.unwrap());
        let mut env = db::environments::find(&mut tx, like).await.unwrap().expect("it is there");
        let environment = EnvironmentId::fresh();
        env.id = environment.0.clone();
        env.name = environment.0[4..14].to_owned();
        db::environments::insert(&mut tx, now, &env).await.unwrap();
        let tenant = TenantId(env.tenant_id.clone());
        let (backup, bare) = (backup_row(&env, now), backup_row(&env, now));
        for row in [&backup, &bare] {
            db::backups::insert(&mut tx, row, &[Element::Code]).await.unwrap();
            let element = BackupElement {
                tenant_id: row.tenant_id.clone(),
                backup_id: row.id.clone(),
                element: "code".into(),
                state: "succeeded".into(),
                snapshot: (row.id == backup.id).then(|| "0".repeat(64)),
                size: 1,
                files: 1,
                stored: 1,
                manifest: "{}".into(),
                problems: "[]".into(),
                started_at: Some(now.0),
                finished_at: Some(now.0),
            };
            db::backups::set_element(&mut tx, &element).await.unwrap();
            db::backups::ended(&mut tx, now, &tenant, &BackupId(row.id.clone()), BackupState::Succeeded, None).await.unwrap();
        }
        let restore = restore_row(&env, &backup.id, now);
        db::restores::insert(&mut tx, &restore, &[]).await.unwrap();
        let until = Some(now.plus(Millis::DAY));
        db::restores::ended(&mut tx, now, &tenant, &RestoreId(restore.id.clone()), RestoreState::Succeeded, until).await.unwrap();
        let drill = drill_row(&env, &backup.id, now);
        db::drills::insert(&mut tx, &drill).await.unwrap();
        let drill = DrillId(drill.id);
        db::drills::ended(&mut tx, now, &tenant, &drill, &PASSED).await.unwrap();
        let queued = backup_row(&env, now);
        let job = NewJob {
            tenant: tenant.clone(),
            kind: app::backups::JOB.into(),
            subject: queued.id.clone(),
            environment: Some(environment.clone()),
            class: JobClass::OnDemand,
            needs: Vec::new(),
            unique: None,
            idempotency: None,
            run_at: None,
            initiator: None,
        };
        let job = queue::enqueue(&mut tx, now, job).await.unwrap().id;
        db::backups::insert(&mut tx, &Backup { job_id: Some(job.0.clone()), ..queued }, &[Element::Code]).await.unwrap();
        tx.commit().await.unwrap();
        let (backup, bare, restore) = (BackupId(backup.id), BackupId(bare.id), RestoreId(restore.id));
        let link = app::downloads::create(&self.app, &self.admin, &backup, Element::Code, app::downloads::Life::default()).await.unwrap();
        let webhook = self.webhook(&tenant, &environment).await;
        let (download, archive) = self.prepared(&tenant, &backup).await;
        Things { tenant, environment, backup, bare, restore, drill, link: LinkId(link.id), download, archive, job, webhook }
    }
}

impl Things {
    /// Ids that name nothing.
    pub fn nowhere() -> Self {
        Self {
            tenant: TenantId::fresh(),
            environment: EnvironmentId::fresh(),
            backup: BackupId::fresh(),
            bare: BackupId::fresh(),
            restore: RestoreId::fresh(),
            drill: DrillId::fresh(),
            link: LinkId::fresh(),
            download: DownloadId::fresh(),
            archive: ArchiveId::fresh(),
            job: JobId::fresh(),
            webhook: WebhookId::fresh(),
        }
    }
}

/// An account with every right that it can have.
pub async fn actor(app: &App, email: &str, administrator: bool) -> Actor {
    let (now, mut tx) = (app.pool.now().await.unwrap(), app.pool.begin().await.unwrap());
    let account = accounts::insert(&mut tx, now, email, administrator).await.unwrap();
    tx.commit().await.unwrap();
    Actor { account, email: email.into(), administrator, scope: Scope::all(), tenant: None, address: "192.0.2.1".into() }
}

pub fn backup_row(env: &db::environments::Environment, now: Millis) -> Backup {
    Backup {
        id: BackupId::fresh().0,
        tenant_id: env.tenant_id.clone(),
        tenant: env.tenant.clone(),
        site_id: env.site_id.clone(),
        site: env.site.clone(),
        environment_id: env.id.clone(),
        environment: env.name.clone(),
        state: "queued".into(),
        reason: Reason::OnRequest.word().into(),
        note: None,
        account_id: None,
        initiator: "test".into(),
        keep_for_days: None,
        pinned: 0,
        protected: 0,
        job_id: None,
        slot_at: None,
        created_at: now.0,
        started_at: None,
        finished_at: None,
        proven_at: None,
        deleted_at: None,
        deleted_by: None,
        purge_at: None,
        expired_at: None,
        label: None,
        message: None,
        hint: None,
    }
}

/// How a drill ends that found nothing wrong.
pub const PASSED: db::drills::End<'static> =
    db::drills::End { state: DrillState::Passed, fault: None, message: None, hint: None, evidence: "{}", restore_took: Some(61_000) };

pub fn drill_row(env: &db::environments::Environment, backup: &str, now: Millis) -> Drill {
    Drill {
        id: DrillId::fresh().0,
        tenant_id: env.tenant_id.clone(),
        tenant: env.tenant.clone(),
        site_id: env.site_id.clone(),
        site: env.site.clone(),
        environment_id: env.id.clone(),
        environment: env.name.clone(),
        backup_id: backup.to_owned(),
        state: "queued".into(),
        fault: None,
        message: None,
        hint: None,
        account_id: None,
        initiator: "test".into(),
        job_id: None,
        created_at: now.0,
        started_at: None,
        finished_at: None,
        restore_took: None,
    }
}

/// A download of a backup's code, asked for by somebody, with its archive.
pub fn prepared_rows(tenant: &TenantId, backup: &BackupId, by: &Actor, now: Millis) -> (db::downloads::Download, db::downloads::Archive) {
    let download = db::downloads::Download {
        id: DownloadId::fresh().0,
        tenant_id: tenant.0.clone(),
        backup_id: backup.0.clone(),
        state: "queued".into(),
        form: "tar.gz".into(),
        hours: 24,
        uses: None,
        account_id: by.account.0.clone(),
        initiator: by.email.clone(),
        job_id: None,
        created_at: now.0,
        finished_at: None,
        expires_at: None,
        message: None,
        hint: None,
    };
    let archive = db::downloads::Archive {
        id: ArchiveId::fresh().0,
        tenant_id: tenant.0.clone(),
        download_id: download.id.clone(),
        backup_id: backup.0.clone(),
        element: "code".into(),
        form: "tar.gz".into(),
        object: None,
        size: None,
        sha256: None,
    };
    (download, archive)
}

/// The first step of a restore, planned.
pub fn step_row(restore: &Restore) -> db::restores::Step {
    db::restores::Step {
        tenant_id: restore.tenant_id.clone(),
        restore_id: restore.id.clone(),
        position: 0,
        name: "preflight".into(),
        state: "planned".into(),
        journal: "{}".into(),
        secret_sealed: None,
        message: None,
        started_at: None,
        finished_at: None,
    }
}

pub fn restore_row(env: &db::environments::Environment, backup: &str, now: Millis) -> Restore {
    Restore {
        id: RestoreId::fresh().0,
        tenant_id: env.tenant_id.clone(),
        tenant: env.tenant.clone(),
        site_id: env.site_id.clone(),
        site: env.site.clone(),
        environment_id: env.id.clone(),
        environment: env.name.clone(),
        backup_id: backup.to_owned(),
        safety_backup_id: None,
        kind: "restore".into(),
        undo_of: None,
        undone_by: None,
        elements: "code".into(),
        state: "queued".into(),
        note: None,
        account_id: None,
        initiator: "test".into(),
        job_id: None,
        created_at: now.0,
        started_at: None,
        finished_at: None,
        undo_until: None,
        message: None,
        hint: None,
        paths: None,
    }
}
