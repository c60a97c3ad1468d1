//! Signing in and out: which token is kept for which server.

use super::credentials::{self, Credentials, Login as Kept};
use super::exit::Exit;
use super::output::{Cell, Column, Sheet, column};
use super::session::Session;
use crate::base::error::{Class, Error, Result};
use crate::base::secret::Secret;
use crate::domain::view;

/// Sign in: check a token and keep it
///
/// The token is read from --token-file, SITEKEEP_TOKEN_FILE or standard input (typed unseen on a terminal), and kept in
/// ~/.config/sitekeep/credentials.json, readable by you alone. `sitekeep token:create` makes one.
#[derive(Clone, Debug, clap::Args)]
pub struct Login {
    /// The token itself. Other people on this host can read it there; better use --token-file
    #[arg(long, alias = "machine-token", value_name = "TOKEN", conflicts_with = "token_file")]
    pub token: Option<String>,
}

/// Who am I, and what may I do?
#[derive(Clone, Debug, clap::Args)]
pub struct Whoami {}

/// Forget the token that is kept for the server
#[derive(Clone, Debug, clap::Args)]
pub struct Logout {}

pub fn login(s: &mut Session<'_>, args: Login) -> Result<Exit> {
    let path = credentials::path(s.env)?;
    let mut kept = Credentials::load(&path)?;
    let url = s.url(&kept)?;
    let token = match args.token {
        Some(token) => {
            s.console.warn(
                "a token on the command line can be read by others on this host and stays in the shell's history: --token-file is better",
            );
            Secret::new(token.trim())
        }
        None => match s.given_token()? {
            Some(token) => token,
            None => s.console.secret("Token")?,
        },
    };
    let client = s.client_for(url.clone(), token.clone())?;
    let me: view::Whoami = client.get("/whoami").map_err(|e| refused(e, &url))?;
    kept.current = Some(url.clone());
    kept.servers.insert(url.clone(), Kept { account: me.account.clone(), token });
    kept.save(&path)?;
    s.console.notice(&format!("You are logged in to {url} as {}.", me.account));
    Ok(Exit::Good)
}

/// The server's own hint would be to sign in.
fn refused(e: Error, url: &str) -> Error {
    match e.class() {
        Class::Unauthenticated => Error::new(e.class(), format!("{url} does not know this token, or it has expired"))
            .hint("an administrator makes one with `sitekeep token:create`; on the server itself `sitekeep setup` makes the first"),
        _ => e,
    }
}

const COLUMNS: &[Column] = &[
    column("account", "Account"),
    column("administrator", "Administrator"),
    column("scope", "Scope"),
    column("tenants", "Tenants"),
    column("url", "Server"),
];

pub fn whoami(s: &mut Session<'_>) -> Result<Exit> {
    let client = s.client()?;
    let me: view::Whoami = client.get("/whoami")?;
    let tenants = me.tenants.iter().map(|(tenant, role)| format!("{tenant} ({role})")).collect::<Vec<_>>().join(", ");
    let tenants = Cell::shown(tenants, serde_json::json!(me.tenants));
    let row = vec![me.account.into(), me.administrator.into(), me.scope.into(), tenants, client.url().into()];
    s.print(Sheet::one(COLUMNS, "account,administrator,scope,tenants,url", row))?;
    Ok(Exit::Good)
}

pub fn logout(s: &mut Session<'_>) -> Result<Exit> {
    let path = credentials::path(s.env)?;
    let mut kept = Credentials::load(&path)?;
    let url = s.url(&kept)?;
    if kept.servers.remove(&url).is_none() {
        s.console.warn(&format!("You are not logged in to {url}."));
        return Ok(Exit::Good);
    }
    if kept.current.as_deref() == Some(&url) {
        kept.current = kept.servers.keys().next().cloned();
    }
    kept.save(&path)?;
    s.console.notice(&format!("You have been logged out of {url}. The token itself is good until it expires or is revoked."));
    Ok(Exit::Good)
}
