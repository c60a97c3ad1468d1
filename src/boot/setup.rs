//! The first administrator, or another way in for one who lost theirs: whoever may read the data directory and its key is
//! the administrator of the machine.

use super::block_on;
use super::wiring::{self, Tuning};
use crate::app::{App, accounts};
use crate::base::error::{Context, Result};
use crate::base::password;
use crate::base::secret::Secret;
use crate::db;
use crate::db::activity::Act;
use crate::domain::ids::AccountId;
use crate::domain::rights::Scope;
use rustix::fs::{Mode, OFlags};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Options {
    /// The administrator's e-mail address
    #[arg(long)]
    email: String,
    /// Write the token into this file (mode 0600) instead of printing it
    #[arg(long)]
    token_out: Option<PathBuf>,
    /// The password to sign in to the dashboard with, from this file; whoever is signed in with the account is signed out
    #[arg(long)]
    password_file: Option<PathBuf>,
    /// Days until the token expires
    #[arg(long, default_value_t = 90)]
    days: i64,
}

pub(super) fn main(options: &Options) -> Result<()> {
    let config = wiring::configured()?;
    let tuning = Tuning::load()?;
    block_on(async {
        let app = wiring::app(&config, &tuning, 2).await?;
        let hash = match &options.password_file {
            Some(path) => Some(password(path, &options.email).await?),
            None => None,
        };
        let token = administrator(&app, &options.email, hash.as_deref(), options.days).await?;
        match &options.token_out {
            Some(path) => {
                write_private(path, &token)?;
                println!("{} is an administrator. The token lies in {}", options.email, path.display());
            }
            None => {
                println!("{} is an administrator. This token is shown once:\n\n  {}\n", options.email, token.expose());
                println!("Sign in with: sitekeep auth:login --url {} --token-file -", config.public_url);
            }
        }
        Ok(())
    })
}

/// The hash of the password that a file holds.
async fn password(path: &Path, email: &str) -> Result<String> {
    let text = std::fs::read_to_string(path).context(|| format!("reading {}", path.display()))?;
    let typed = Secret::new(text.trim_end_matches(['\r', '\n']));
    password::check(&typed, email)?;
    password::hash(&typed).await
}

/// Makes the account, or takes the one that is there, and a token for it; with a password, if one is given.
async fn administrator(app: &App, email: &str, hash: Option<&str>, days: i64) -> Result<Secret> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let account = match db::accounts::find_by_email(&mut tx, email).await? {
        Some(found) if found.administrator == 1 => AccountId(found.id),
        Some(_) => {
            return Err(
                crate::base::error::Error::conflict(format!("{email} is an account, and no administrator")).hint("choose another address")
            );
        }
        None => accounts::insert(&mut tx, now, email, true).await?,
    };
    if let Some(hash) = hash {
        db::accounts::set_password(&mut tx, &account, hash).await?;
        db::one_time_links::drop_resets(&mut tx, &account).await?;
        db::sessions::delete_others(&mut tx, &account, None).await?;
    }
    let token = accounts::insert_token(&mut tx, now, &account, None, "setup", &Scope::all(), days).await?;
    let act = Act {
        tenant: None,
        account: Some(&account),
        actor: "setup",
        action: "account.setup",
        object: &account.0,
        detail: &if hash.is_some() { format!("{email}, with a password") } else { email.to_owned() },
        address: "",
    };
    db::activity::record(&mut tx, now, &act).await?;
    tx.commit().await?;
    Ok(token)
}

/// A new file that only we can read.
pub(super) fn write_private(path: &Path, secret: &Secret) -> Result<()> {
    let what = || format!("writing {}", path.display());
    let fd = rustix::fs::open(path, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC, Mode::from_raw_mode(0o600))
        .context(what)?;
    writeln!(std::fs::File::from(fd), "{}", secret.expose()).context(what)
}
