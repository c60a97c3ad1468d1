//! Configuration: `sitekeep.toml`, overridden by the environment. Whatever holds a secret may come as `…_FILE`.

use super::error::{Context, Error, Result};
use super::secret::Secret;
use std::path::{Path, PathBuf};

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
    pub master_key_file: PathBuf,
    pub smtp_url: Option<Secret>,
    /// What the administrator should know about how this was configured.
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
    master_key_file: Option<PathBuf>,
    smtp_url: Option<String>,
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
        let smtp_url = secret("SITEKEEP_SMTP_URL", env, file.smtp_url, &mut warnings)?;
        let master_key_file =
            env("SITEKEEP_MASTER_KEY_FILE").map(PathBuf::from).or(file.master_key_file).unwrap_or_else(|| data_dir.join("master.key"));
        Ok(Self {
            data_dir,
            listen,
            public_url: public_url.trim_end_matches('/').to_owned(),
            database_url,
            store_url,
            master_key_file,
            smtp_url,
            warnings,
        })
    }
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
