//! How the rooms are put together.

use crate::app::{App, Settings};
use crate::base::clock::Clock;
use crate::base::config::Config;
use crate::base::error::{Context, Error, Result};
use crate::base::secret::{Sealer, Secret};
use crate::base::sql::Pool;
use crate::engine::Location;
use crate::mail::Mailer;
use crate::queue;
use crate::store::Bucket;
use crate::webhooks::{Caller, Private};
use rustix::fs::Mode;
use std::path::Path;
use std::sync::Arc;

/// Times that tests shorten: `SITEKEEP_TUNE` names a JSON file with `queue` and `app`, and the directory in which a test
/// arms `failpoints` (see `base::failpoint`).
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tuning {
    pub queue: queue::Settings,
    pub app: Settings,
    pub failpoints: Option<std::path::PathBuf>,
}

impl Tuning {
    pub(super) fn load() -> Result<Self> {
        let Ok(path) = std::env::var("SITEKEEP_TUNE") else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(&path).context(|| format!("reading SITEKEEP_TUNE={path}"))?;
        serde_json::from_str(&text).map_err(|e| Error::invalid(e.to_string()).context(format!("reading {path}")))
    }
}

/// The configuration, its warnings told, its data directory made.
pub(super) fn configured() -> Result<Config> {
    let config = Config::load()?;
    for warning in &config.warnings {
        eprintln!("Warning: {warning}");
    }
    make_private(&config.data_dir)?;
    Ok(config)
}

/// A directory that only we may enter; one that exists keeps its mode unless others can write to it.
fn make_private(dir: &Path) -> Result<()> {
    let what = || format!("making the data directory {}", dir.display());
    if !dir.exists() {
        std::fs::create_dir_all(dir).context(what)?;
        rustix::fs::chmod(dir, Mode::from_raw_mode(0o700)).context(what)?;
    }
    refuse_open(dir, rustix::fs::stat(dir).context(what)?.st_mode)
}

/// Whoever may write to the data directory may put another key or catalogue in its place.
pub(super) fn refuse_open(dir: &Path, mode: u32) -> Result<()> {
    match mode & 0o022 {
        0 => Ok(()),
        _ => Err(Error::permanent(format!("others may write to the data directory {}", dir.display()))
            .hint(format!("chmod 700 {}", dir.display()))),
    }
}

/// Everything an attempt needs to know, handed to it on its standard input: no secret in its arguments or environment.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Handover {
    pub database_url: String,
    pub store_url: String,
    pub downloads_url: Option<String>,
    pub public_url: String,
    pub master_key_file: std::path::PathBuf,
    pub tuning: Tuning,
    pub job: Option<(queue::Lease, String, String)>,
}

impl Handover {
    pub(super) fn of(config: &Config, tuning: &Tuning) -> Self {
        Self {
            database_url: config.database_url.expose().to_owned(),
            store_url: config.store_url.expose().to_owned(),
            downloads_url: config.downloads_url.as_ref().map(|url| url.expose().to_owned()),
            public_url: config.public_url.clone(),
            master_key_file: config.master_key_file.clone(),
            tuning: Tuning { app: settings(config, tuning), ..tuning.clone() },
            job: None,
        }
    }

    /// The app over a pool of `connections`.
    pub(super) async fn app(&self, connections: u32) -> Result<App> {
        let sealer = Sealer::load(&self.master_key_file)?;
        let pool = Pool::connect(&self.database_url, connections, Clock::system()).await?;
        let store = Location::parse(&self.store_url)?;
        Ok(App {
            pool,
            sealer,
            store,
            bucket: bucket(self.downloads_url.as_ref().map(|url| Secret::new(url.as_str())).as_ref())?,
            public_url: self.public_url.clone(),
            mailer: None,
            caller: Caller::default(),
            queue: self.tuning.queue.clone(),
            settings: self.tuning.app.clone(),
            configured: Arc::default(),
        })
    }
}

/// The app of a server, a worker or an administrator's tool: key made where there is none, schema brought up to date.
pub(super) async fn app(config: &Config, tuning: &Tuning, connections: u32) -> Result<App> {
    let pool = connect(config, connections).await?;
    let tables = crate::db::copy::tables(&mut *pool.get().await?, pool.kind()).await?;
    if crate::db::copy::is_begun(&tables) {
        return Err(
            Error::conflict("the catalogue is being made again, or that was not ended").hint("run `sitekeep catalogue:rebuild` once more")
        );
    }
    pool.migrate().await?;
    let sealer = master_key(config, &pool).await?;
    let store = Location::parse(config.store_url.expose())?;
    let bucket = bucket(config.downloads_url.as_ref())?;
    let (public_url, mailer) = (config.public_url.clone(), mailer(config)?);
    let caller = Caller::new(Private::parse(&config.webhook_networks).context(|| "reading SITEKEEP_WEBHOOK_NETWORKS")?);
    let (configured, settings) = (Arc::new(config.told()), settings(config, tuning));
    Ok(App { pool, sealer, store, bucket, public_url, mailer, caller, queue: tuning.queue.clone(), settings, configured })
}

/// What is tuned, with what is configured.
fn settings(config: &Config, tuning: &Tuning) -> Settings {
    let mut settings = tuning.app.clone();
    settings.drills.folder.clone_from(&config.drill_dir);
    settings
}

/// The app over what is there already; for looking only.
pub(super) fn with(config: &Config, pool: Pool, sealer: Sealer) -> Result<App> {
    let store = Location::parse(config.store_url.expose())?;
    let (bucket, public_url) = (bucket(config.downloads_url.as_ref())?, config.public_url.clone());
    let (queue, settings, configured) = (queue::Settings::default(), Settings::default(), Arc::new(config.told()));
    Ok(App { pool, sealer, store, bucket, public_url, mailer: None, caller: Caller::default(), queue, settings, configured })
}

fn bucket(url: Option<&Secret>) -> Result<Option<Bucket>> {
    url.map(Bucket::at).transpose().map_err(|e| e.context("reading SITEKEEP_DOWNLOADS_URL"))
}

pub(super) fn mailer(config: &Config) -> Result<Option<Mailer>> {
    config.smtp_url.as_ref().map(|url| Mailer::new(url, &config.mail_from)).transpose()
}

/// A new master key is made only for a catalogue that holds nothing sealed yet: a lost one must not be replaced silently.
async fn master_key(config: &Config, pool: &Pool) -> Result<Sealer> {
    if config.master_key_file.exists() {
        return Sealer::load(&config.master_key_file);
    }
    let tenants = crate::db::tenants::list(&mut *pool.get().await?).await?;
    if tenants.is_empty() {
        return Sealer::load_or_create(&config.master_key_file);
    }
    Sealer::load(&config.master_key_file)
}

pub(super) async fn connect(config: &Config, connections: u32) -> Result<Pool> {
    Pool::connect(config.database_url.expose(), connections, Clock::system()).await
}

/// For attempts: this program, with nothing in its environment but what finds programs and names the language.
pub(super) fn attempt_command() -> Result<std::process::Command> {
    let program = std::env::current_exe().context(|| "finding this program")?;
    let mut command = std::process::Command::new(program);
    command.arg("attempt").env_clear().env("LANG", "C.UTF-8");
    for name in ["PATH", "SITEKEEP_LOG", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    Ok(command)
}
