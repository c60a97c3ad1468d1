//! The token that `auth:login` keeps: one for each server, in a file of mode 0600.
//!
//! A token is only ever sent to the server it was given for, so it is found by the server's URL.

use crate::base::chance;
use crate::base::config::Lookup;
use crate::base::error::{Context, Error, Result};
use crate::base::secret::Secret;
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What the file holds.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Credentials {
    /// The server that is meant when none is named.
    #[serde(default)]
    pub current: Option<String>,
    #[serde(default)]
    pub servers: BTreeMap<String, Login>,
}

#[derive(Clone, Debug, serde::Deserialize)]
pub struct Login {
    pub account: String,
    pub token: Secret,
}

/// `$XDG_CONFIG_HOME/sitekeep/credentials.json`, or `~/.config/sitekeep/credentials.json`.
///
/// # Errors
/// `Invalid` when there is no home directory. A relative XDG_CONFIG_HOME counts as none, as its specification says.
pub fn path(env: Lookup<'_>) -> Result<PathBuf> {
    let config = env("XDG_CONFIG_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home = env("HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let config = config.or_else(|| home.map(|home| home.join(".config")));
    let config =
        config.ok_or_else(|| Error::invalid("there is no home directory to keep the token in").hint("set HOME or XDG_CONFIG_HOME"))?;
    Ok(config.join("sitekeep").join("credentials.json"))
}

impl Credentials {
    /// What is kept; nothing where there is no file.
    ///
    /// # Errors
    /// `Permanent` when others can read the file, or it is not what `auth:login` writes.
    pub fn load(path: &Path) -> Result<Self> {
        let mut file = match std::fs::File::open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            other => other.context(|| format!("opening {}", path.display()))?,
        };
        let mode = rustix::fs::fstat(&file)?.st_mode & 0o7777;
        if mode & 0o077 != 0 {
            return Err(Error::permanent(format!("others can read the token in {} (mode {mode:04o})", path.display()))
                .hint(format!("chmod 600 {}, and if others use this host, make a new token", path.display())));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).context(|| format!("reading {}", path.display()))?;
        // serde_json's message quotes a piece of the text it could not read, and that may be the token.
        serde_json::from_str(&text).map_err(|e| {
            Error::permanent(format!("{} is not what auth:login writes (line {})", path.display(), e.line()))
                .hint("remove it and run `sitekeep auth:login` again")
        })
    }

    /// Writes beside the file and renames, so that a crash leaves the old one.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, path: &Path) -> Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).context(|| format!("making {}", folder.display()))?;
        let fresh = folder.join(format!(".credentials-{}", chance::word(8)));
        let written = self.write(&fresh).and_then(|()| Ok(std::fs::rename(&fresh, path)?));
        if written.is_err() {
            let _ = std::fs::remove_file(&fresh);
        }
        written.context(|| format!("writing {}", path.display()))
    }

    fn write(&self, fresh: &Path) -> Result<()> {
        let servers: BTreeMap<&String, serde_json::Value> =
            self.servers.iter().map(|(url, l)| (url, serde_json::json!({ "account": l.account, "token": l.token.expose() }))).collect();
        let text = serde_json::json!({ "current": self.current, "servers": servers });
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut file = std::fs::File::from(rustix::fs::open(fresh, flags, Mode::from_raw_mode(0o600))?);
        file.write_all(format!("{text:#}\n").as_bytes())?;
        Ok(file.sync_all()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_file_is_for_its_owner_alone_and_refused_when_it_is_not() {
        let home = std::env::temp_dir().join(format!("sitekeep-home-{}", chance::word(8)));
        let env = |name: &str| (name == "HOME").then(|| home.display().to_string());
        let path = path(&env).unwrap();
        assert!(path.ends_with(".config/sitekeep/credentials.json"));
        assert!(Credentials::load(&path).unwrap().servers.is_empty());
        let mut kept = Credentials { current: Some("https://keep".into()), ..Credentials::default() };
        kept.servers.insert("https://keep".into(), Login { account: "a@b".into(), token: Secret::new("skt_canary") });
        kept.save(&path).unwrap();
        kept.save(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Credentials::load(&path).unwrap().servers["https://keep"].token.expose(), "skt_canary");
        std::fs::write(&path, "{\"servers\": {\"x\": \"skt_canary\"}}").unwrap();
        assert!(!Credentials::load(&path).unwrap_err().to_string().contains("canary"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Credentials::load(&path).unwrap_err().to_string().contains("chmod 600"));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        std::fs::remove_dir_all(home).unwrap();
    }

    #[test]
    fn xdg_config_home_wins_when_it_is_absolute() {
        let with = |xdg: &'static str| path(&move |name| Some(if name == "HOME" { "/home/ann".into() } else { xdg.to_owned() })).unwrap();
        assert_eq!(with("/etc/ann"), Path::new("/etc/ann/sitekeep/credentials.json"));
        assert_eq!(with("ann"), Path::new("/home/ann/.config/sitekeep/credentials.json"));
    }
}
