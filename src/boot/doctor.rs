//! `sitekeep doctor`: looks at everything the program stands on, and says how to mend what is wrong.

use super::block_on;
use super::wiring;
use crate::app::App;
use crate::base::config::Config;
use crate::base::error::{Error, Result};
use crate::base::secret::Sealer;
use crate::base::sql::Pool;
use crate::base::units;
use crate::engine::{Location, Repository};
use crate::hosting::host;
use crate::{app, db};
use std::process::{Command, ExitCode, Stdio};

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Options {
    /// Also open every site's directory and database
    #[arg(long)]
    sites: bool,
}

/// What a look found: a line for people, and whether it has to be mended.
#[derive(Default)]
struct Findings {
    broken: u32,
}

impl Findings {
    fn good(&self, what: &str, detail: &str) {
        println!("ok    {what}: {detail}");
    }
    fn note(&self, what: &str, detail: &str, hint: &str) {
        println!("note  {what}: {detail}\n      Hint: {hint}");
    }
    fn bad(&mut self, what: &str, e: &Error) {
        self.broken += 1;
        println!("FAIL  {what}: {}", e.sentence());
        if let Some(hint) = e.hint_text() {
            println!("      Hint: {hint}");
        }
    }
    fn of(&mut self, what: &str, result: Result<String>) {
        match result {
            Ok(detail) => self.good(what, &detail),
            Err(e) => self.bad(what, &e),
        }
    }
}

pub(super) fn main(options: &Options) -> ExitCode {
    let mut found = Findings::default();
    tools(&found);
    match Config::load() {
        Err(e) => found.bad("configuration", &e),
        Ok(config) => installation(&mut found, &config, options),
    }
    match found.broken {
        0 => {
            println!("\nEverything that Sitekeep needs is there.");
            ExitCode::SUCCESS
        }
        n => {
            println!("\n{} to mend.", units::count(n.into(), "thing"));
            ExitCode::FAILURE
        }
    }
}

/// Each tool is needed only where a site uses it: a missing one is a note here, and an error when such a site is added.
fn tools(found: &Findings) {
    let table: [(&str, &[&str], &str); 4] = [
        ("MariaDB or MySQL client", &["mariadb-dump", "mysqldump"], "apt-get install mariadb-client"),
        ("PostgreSQL client", &["pg_dump"], "apt-get install postgresql-client"),
        ("Git", &["git"], "apt-get install git"),
        ("restic (not needed; opens a repository without Sitekeep)", &["restic"], "apt-get install restic"),
    ];
    for (what, programs, hint) in table {
        let version = programs.iter().find_map(|p| version(p));
        match version {
            Some(line) => found.good(what, &line),
            None => found.note(what, "not found", hint),
        }
    }
}

fn version(program: &str) -> Option<String> {
    let flag = if program == "restic" { "version" } else { "--version" };
    let said = Command::new(program).arg(flag).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&said.stdout).lines().next()?.trim().to_owned();
    said.status.success().then_some(text)
}

/// Looks at each thing by itself, so that one that is broken does not hide another; makes and changes nothing.
fn installation(found: &mut Findings, config: &Config, options: &Options) {
    config.warnings.iter().for_each(|w| found.note("configuration", w, "docs/operating.md says how secrets are given"));
    data_directory(found, config);
    let root = rustix::process::geteuid().is_root();
    let rights = if root { "root: every site is read with its owner's rights" } else { "one user: it must own the sites it keeps" };
    found.good("running as", rights);
    mail(found, config);
    let key = master_key(found, config);
    let (said, pool) = match block_on(catalogue(config)) {
        Ok((detail, pool)) => (Ok(detail), pool),
        Err(e) => (Err(e), None),
    };
    match said {
        Ok(Some(detail)) => found.good("catalogue database", &detail),
        Ok(None) => found.note("catalogue database", "not there yet", "`sitekeep setup` makes it"),
        Err(e) => found.bad("catalogue database", &e),
    }
    let Some(pool) = pool else {
        return if key.is_none() {
            found.note("master key", "not there yet", "`sitekeep setup` makes it")
        };
    };
    let looked = block_on(async {
        let sealer = match key {
            Some(Ok(key)) => Some(key),
            Some(Err(_)) => None, // told above
            None => unmade_key(found, config, &pool).await?,
        };
        match sealer {
            Some(sealer) => rooms(found, &wiring::with(config, pool, sealer)?, options).await,
            None => Ok(()),
        }
    });
    if let Err(e) = looked {
        found.bad("catalogue database", &e);
    }
}

fn data_directory(found: &mut Findings, config: &Config) {
    let dir = &config.data_dir;
    match rustix::fs::stat(dir) {
        Err(_) if !dir.exists() => {
            found.note("data directory", &format!("{} is not there yet", dir.display()), "`sitekeep setup` makes it")
        }
        Err(e) => found.bad("data directory", &Error::from(e).context(format!("looking at {}", dir.display()))),
        Ok(stat) => {
            found.of("data directory", wiring::refuse_open(dir, stat.st_mode).and_then(|()| space(dir, "SITEKEEP_DATA_DIR")));
            if stat.st_mode & 0o055 != 0 {
                found.note("data directory", "other users of this host may look into it", &format!("chmod 700 {}", dir.display()));
            }
        }
    }
    match Location::parse(config.store_url.expose()) {
        Err(e) => found.bad("repositories", &e),
        Ok(Location::Local(store)) if store.exists() => found.of("repositories", space(&store, "SITEKEEP_STORE_URL")),
        Ok(Location::Local(store)) => {
            found.note("repositories", &format!("{} is not there yet", store.display()), "the first site that is added makes it");
        }
    }
}

fn mail(found: &mut Findings, config: &Config) {
    match wiring::mailer(config) {
        Err(e) => found.bad("mail server", &e),
        Ok(None) => found.note("mail server", "none: no letter leaves", "name one in SITEKEEP_SMTP_URL"),
        Ok(Some(mailer)) => found.of("mail server", block_on(mailer.knock()).map(|()| "answers".into())),
    }
}

/// `None` where there is no file yet; whether that is right only the catalogue knows.
fn master_key(found: &mut Findings, config: &Config) -> Option<Result<Sealer>> {
    let path = &config.master_key_file;
    let key = path.exists().then(|| Sealer::load(path))?;
    let said = key.as_ref().map(|k| format!("{} (key {}); keep a copy of it elsewhere", path.display(), k.key_id()));
    found.of("master key", said.map_err(Clone::clone));
    Some(key)
}

/// Without a key there must be nothing sealed.
async fn unmade_key(found: &mut Findings, config: &Config, pool: &Pool) -> Result<Option<Sealer>> {
    if db::tenants::list(&mut *pool.get().await?).await?.is_empty() {
        found.note("master key", "not there yet", "`sitekeep setup` makes it");
        return Ok(None);
    }
    let lost = Sealer::load(&config.master_key_file);
    Ok(lost.map_err(|e| found.bad("master key", &e)).ok())
}

/// Connects, and compares schemas. `None`: an embedded catalogue that nobody has made yet.
async fn catalogue(config: &Config) -> Result<(Option<String>, Option<Pool>)> {
    let url = config.database_url.expose();
    let file = url.strip_prefix("sqlite://").map(|rest| rest.split('?').next().unwrap_or(rest));
    if file.is_some_and(|file| !std::path::Path::new(file).exists()) {
        return Ok((None, None));
    }
    Pool::knock(url).await?;
    let pool = wiring::connect(config, 2).await?;
    let schema = pool.schema().await?;
    let newer = "the catalogue was made by a newer version of Sitekeep";
    match (schema.missing, schema.unknown) {
        (_, 1..) => Err(Error::permanent(newer).hint("run the newest version everywhere: an older one must not write to it")),
        (1.., 0) => Err(Error::permanent("the catalogue is older than this version of Sitekeep")
            .hint("back it up and start `sitekeep serve`: it brings the schema up to date")),
        (0, 0) => Ok((Some(format!("{} answers, and its schema is up to date", pool.kind().name())), Some(pool))),
    }
}

fn space(dir: &std::path::Path, variable: &str) -> Result<String> {
    let free = host::free_space(dir)?;
    if free < 1 << 30 {
        return Err(Error::resource(format!("only {} are free for {}", units::size(free), dir.display()))
            .hint(format!("free some space, or name another disk in {variable}")));
    }
    Ok(format!("{}, {} free", dir.display(), units::size(free)))
}

async fn rooms(found: &mut Findings, app: &App, options: &Options) -> Result<()> {
    let mut conn = app.pool.get().await?;
    let tenants = db::tenants::list(&mut conn).await?;
    let mut environments = Vec::new();
    for tenant in tenants {
        let id = crate::domain::ids::TenantId(tenant.id);
        environments.extend(db::environments::of_tenant(&mut conn, &id).await?);
        for site in db::sites::of_tenant(&mut conn, &id).await? {
            let row = db::sites::repository(&mut conn, &id, &crate::domain::ids::SiteId(site.id)).await?;
            let Some(row) = row else { continue };
            found.of(&format!("repository of {}/{}", site.tenant, site.name), repository(app, &row).await);
        }
    }
    drop(conn);
    if !environments.is_empty() {
        copies(found, app).await?;
    }
    for row in environments.iter().filter(|_| options.sites) {
        let name = app::environments::address(row);
        found.of(&name, app::environments::examine(app, &crate::domain::ids::EnvironmentId(row.id.clone())).await);
    }
    Ok(())
}

/// The catalogue's own copies: without a young one it is lost with its disk.
async fn copies(found: &mut Findings, app: &App) -> Result<()> {
    let standing = app::catalogue::standing(app).await?;
    let newest = standing.newest.as_ref().map_or_else(|| "none yet".into(), |c| format!("of {}", c.at.iso()));
    let why = standing.failed.map(|why| format!("; the last try failed: {why}")).unwrap_or_default();
    let hint = "a server that runs makes one each day; `sitekeep catalogue:backup` makes one now";
    match standing.late {
        true => found.bad("copy of the catalogue", &Error::permanent(format!("{newest}{why}")).hint(hint)),
        false if standing.newest.is_none() || !why.is_empty() => found.note("copy of the catalogue", &format!("{newest}{why}"), hint),
        false => found.good("copy of the catalogue", &newest),
    }
    Ok(())
}

async fn repository(app: &App, row: &db::sites::Repository) -> Result<String> {
    let key = app.sealer.open(app::environments::repository_place("master_key", &row.tenant_id, &row.id), &row.master_key_sealed)?;
    let at = Location::parse(&row.location)?;
    let shown = row.location.clone();
    let snapshots = tokio::task::spawn_blocking(move || Repository::open(&at, &key)?.snapshots())
        .await
        .map_err(|e| Error::internal(e.to_string()))??;
    Ok(format!("{shown}, {}", units::count(snapshots.len() as u64, "snapshot")))
}
