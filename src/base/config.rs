//! Configuration: `sitekeep.toml`, overridden by the environment. Whatever holds a secret may come as `…_FILE`.

use super::error::{Context, Error, Result};
use super::secret::Secret;
use std::path::{Path, PathBuf};

/// Where backups are restored to be looked at, unless another folder is named: it lasts, and a site's owner may pass through.
pub const DRILL_DIR: &str = "/var/tmp/sitekeep-drills";

/// What the program runs with. Only the data directory is needed; everything embedded lies in it.
#[derive(Clone, Debug)]
pub struct Config {
    pub data_dir: PathBuf,
    /// `host:port`; port 0 lets the system choose.
    pub listen: String,
    /// The origin people use, without a slash at the end.
    pub public_url: String,
    pub database_url: Secret,
    /// `file:///path`: where repositories lie.
    pub store_url: Secret,
    /// The bucket in which prepared downloads lie; beside the repositories where there is none.
    pub downloads_url: Option<Secret>,
    pub master_key_file: PathBuf,
    /// Where backups are restored to be looked at.
    pub drill_dir: PathBuf,
    pub smtp_url: Option<Secret>,
    /// The sender of letters.
    pub mail_from: String,
    /// Networks that webhooks may reach although they are not public, with commas between.
    pub webhook_networks: String,
    /// What the administrator should know about how this was configured.
    pub warnings: Vec<String>,
}

/// The same as administrators may see it: what is secret in it is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub data_dir: String,
    pub listen: String,
    pub public_url: String,
    pub database: String,
    pub store: String,
    pub downloads: Option<String>,
    pub master_key_file: String,
    /// Host and port.
    pub smtp: Option<String>,
    pub mail_from: String,
    pub warnings: Vec<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data_dir: Option<PathBuf>,
    listen: Option<String>,
    public_url: Option<String>,
    database_url: Option<String>,
    store_url: Option<String>,
    downloads_url: Option<String>,
    master_key_file: Option<PathBuf>,
    drill_dir: Option<PathBuf>,
    smtp_url: Option<String>,
    mail_from: Option<String>,
    webhook_networks: Option<String>,
}

/// Reads a variable of the environment; tests bring their own.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Config {
    /// Reads `sitekeep.toml` (in the working directory, or where `SITEKEEP_CONFIG` says) and then the environment.
    ///
    /// # Errors
    /// `Invalid` for an unreadable or unknown entry, or when no data directory is named.
    pub fn load() -> Result<Self> {
        Self::from(&|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
    }

    /// The same with the environment given.
    pub fn from(env: Lookup<'_>) -> Result<Self> {
        let file = read_file(env)?;
        let mut warnings = Vec::new();
        let data_dir = env("SITEKEEP_DATA_DIR").map(PathBuf::from).or(file.data_dir).ok_or_else(|| {
            Error::invalid("no data directory is configured").hint("set SITEKEEP_DATA_DIR=/var/lib/sitekeep, or data_dir in sitekeep.toml")
        })?;
        let data_dir = std::path::absolute(&data_dir).context(|| format!("the data directory {}", data_dir.display()))?;
        let listen = env("SITEKEEP_LISTEN").or(file.listen).unwrap_or_else(|| "127.0.0.1:8080".into());
        let public_url = env("SITEKEEP_PUBLIC_URL").or(file.public_url).unwrap_or_else(|| format!("http://{listen}"));
        let database_url = secret("SITEKEEP_DATABASE_URL", env, file.database_url, &mut warnings)?
            .unwrap_or_else(|| Secret::new(format!("sqlite://{}?mode=rwc", data_dir.join("catalogue.db").display())));
        let store_url = secret("SITEKEEP_STORE_URL", env, file.store_url, &mut warnings)?
            .unwrap_or_else(|| Secret::new(format!("file://{}", data_dir.join("repositories").display())));
        let downloads_url = secret("SITEKEEP_DOWNLOADS_URL", env, file.downloads_url, &mut warnings)?;
        let smtp_url = secret("SITEKEEP_SMTP_URL", env, file.smtp_url, &mut warnings)?;
        if smtp_url.as_ref().is_some_and(|url| shows_password(url.expose())) {
            warnings.push("SITEKEEP_SMTP_URL sends a password unencrypted: use smtps://, or add ?tls=required".into());
        }
        let mail_from = env("SITEKEEP_MAIL_FROM").or(file.mail_from).unwrap_or_else(|| format!("sitekeep@{}", host_of(&public_url)));
        let webhook_networks = env("SITEKEEP_WEBHOOK_NETWORKS").or(file.webhook_networks).unwrap_or_default();
        let master_key_file =
            env("SITEKEEP_MASTER_KEY_FILE").map(PathBuf::from).or(file.master_key_file).unwrap_or_else(|| data_dir.join("master.key"));
        let drill_dir = env("SITEKEEP_DRILL_DIR").map(PathBuf::from).or(file.drill_dir).unwrap_or_else(|| PathBuf::from(DRILL_DIR));
        let drill_dir = std::path::absolute(&drill_dir).context(|| format!("the folder for drills {}", drill_dir.display()))?;
        Ok(Self {
            data_dir,
            listen,
            public_url: public_url.trim_end_matches('/').to_owned(),
            database_url,
            store_url,
            downloads_url,
            master_key_file,
            drill_dir,
            smtp_url,
            mail_from,
            webhook_networks,
            warnings,
        })
    }
}

impl Config {
    pub fn told(&self) -> Told {
        Told {
            data_dir: self.data_dir.display().to_string(),
            listen: self.listen.clone(),
            public_url: without_secrets(&self.public_url),
            database: without_secrets(self.database_url.expose()),
            store: without_secrets(self.store_url.expose()),
            downloads: self.downloads_url.as_ref().map(|url| without_secrets(url.expose())),
            master_key_file: self.master_key_file.display().to_string(),
            smtp: self.smtp_url.as_ref().map(|url| without_secrets(url.expose())),
            mail_from: self.mail_from.clone(),
            warnings: self.warnings.clone(),
        }
    }
}

/// An URL without its user, password and options: each of them may hold a secret.
fn without_secrets(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = plain.split_once("://") else { return plain.to_owned() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |i| rest.split_at(i));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn read_file(env: Lookup<'_>) -> Result<File> {
    let named = env("SITEKEEP_CONFIG").map(PathBuf::from);
    let path = named.clone().unwrap_or_else(|| PathBuf::from("sitekeep.toml"));
    match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|e| Error::invalid(e.to_string()).context(format!("reading {}", path.display()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && named.is_none() => Ok(File::default()),
        Err(e) => Err(e).context(|| format!("reading {}", path.display())),
    }
}

/// `NAME_FILE` wins over `NAME`, which wins over the file; a password in a plain variable is warned about, because every
/// child process and `/proc` can show it.
fn secret(name: &str, env: Lookup<'_>, file: Option<String>, warnings: &mut Vec<String>) -> Result<Option<Secret>> {
    let by_file = format!("{name}_FILE");
    if let Some(path) = env(&by_file) {
        let text = std::fs::read_to_string(Path::new(&path)).context(|| format!("reading {by_file}={path}"))?;
        return Ok(Some(Secret::new(text.trim())));
    }
    let value = env(name);
    if value.as_deref().is_some_and(has_password) {
        warnings.push(format!(
            "{name} holds a password, and the environment of a process can be read by others: put it into a file and name that in {by_file}"
        ));
    }
    Ok(value.or(file).map(Secret::new))
}

/// Does a password cross the network as it is?
fn shows_password(url: &str) -> bool {
    url.starts_with("smtp://") && has_password(url) && !url.contains("tls=required") && !["127.0.0.1", "localhost"].contains(&host_of(url))
}

/// The host of an URL for the sender's address; in the place of a number, which mail servers rarely take there, `localhost`.
fn host_of(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).split(':').next().unwrap_or_default();
    let number = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    if number || host.is_empty() { "localhost" } else { host }
}

/// Does an URL carry `user:password@`?
fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn with(pairs: &[(&str, &str)]) -> Result<Config> {
        let map: HashMap<String, String> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Config::from(&|name| map.get(name).cloned())
    }

    #[test]
    fn only_the_data_directory_is_needed() {
        let c = with(&[("SITEKEEP_DATA_DIR", "/srv/keep")]).unwrap();
        assert_eq!(c.database_url.expose(), "sqlite:///srv/keep/catalogue.db?mode=rwc");
        assert_eq!(c.store_url.expose(), "file:///srv/keep/repositories");
        assert_eq!(c.master_key_file, Path::new("/srv/keep/master.key"));
        assert_eq!(c.public_url, "http://127.0.0.1:8080");
        assert!(with(&[]).unwrap_err().to_string().contains("SITEKEEP_DATA_DIR"));
    }

    #[test]
    fn what_administrators_are_told_holds_no_secret() {
        let table = [
            ("postgres://keep:canary@db:5432/keep?password=canary", "postgres://db:5432/keep"),
            ("smtps://keep:can%40ary@mail.example.com", "smtps://mail.example.com"),
            ("sqlite:///srv/keep/catalogue.db?mode=rwc", "sqlite:///srv/keep/catalogue.db"),
            ("file:///srv/a@b", "file:///srv/a@b"),
        ];
        for (url, told) in table {
            assert_eq!(without_secrets(url), told);
        }
    }

    #[test]
    fn letters_come_from_the_host_that_people_use_unless_a_sender_is_named() {
        let table = [
            ("https://keep.example.com/", "sitekeep@keep.example.com"),
            ("https://keep.example.com:8443", "sitekeep@keep.example.com"),
            ("http://127.0.0.1:8080", "sitekeep@localhost"),
            ("http://[::1]:8080", "sitekeep@localhost"),
        ];
        for (url, from) in table {
            assert_eq!(with(&[("SITEKEEP_DATA_DIR", "/srv"), ("SITEKEEP_PUBLIC_URL", url)]).unwrap().mail_from, from);
        }
        let c = with(&[("SITEKEEP_DATA_DIR", "/srv"), ("SITEKEEP_MAIL_FROM", "Keep <keep@example.com>")]).unwrap();
        assert_eq!(c.mail_from, "Keep <keep@example.com>");
    }

    #[test]
    fn a_password_that_crosses_the_network_unencrypted_is_warned_about() {
        let warned = |url: &str| {
            let c = with(&[("SITEKEEP_DATA_DIR", "/srv"), ("SITEKEEP_SMTP_URL", url)]).unwrap();
            c.warnings.iter().any(|w| w.contains("unencrypted"))
        };
        assert!(warned("smtp://keep:canary@mail.example.com"));
        for fine in
            ["smtp://keep:canary@mail.example.com?tls=required", "smtps://keep:canary@mail.example.com", "smtp://mail.example.com:25"]
        {
            assert!(!warned(fine), "{fine}");
        }
    }

    #[test]
    fn a_password_in_a_variable_is_warned_about_and_one_in_a_file_is_not() {
        let url = "postgres://keep:canary@db/keep";
        let c = with(&[("SITEKEEP_DATA_DIR", "/srv"), ("SITEKEEP_DATABASE_URL", url)]).unwrap();
        assert!(c.warnings[0].contains("SITEKEEP_DATABASE_URL_FILE"));
        assert!(!c.warnings[0].contains("canary"));
        let path = std::env::temp_dir().join(format!("sitekeep-url-{}", crate::base::chance::word(8)));
        std::fs::write(&path, format!("{url}\n")).unwrap();
        let c = with(&[("SITEKEEP_DATA_DIR", "/srv"), ("SITEKEEP_DATABASE_URL_FILE", path.to_str().unwrap())]).unwrap();
        assert_eq!((c.database_url.expose(), c.warnings.len()), (url, 0));
        std::fs::remove_file(path).unwrap();
        assert!(with(&[("SITEKEEP_DATA_DIR", "/srv"), ("SITEKEEP_DATABASE_URL", "postgres://keep@db/keep")]).unwrap().warnings.is_empty());
    }
}
