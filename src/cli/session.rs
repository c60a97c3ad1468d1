//! One run of one command: what was asked for globally, the streams, the environment, and the server once it is needed.

use super::Global;
use super::client::{Client, escaped, is_loopback, server_url};
use super::console::Console;
use super::credentials::{self, Credentials};
use super::follow::Pace;
use super::output::{self, Sheet, Wish};
use crate::base::config::Lookup;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::secret::Secret;
use crate::domain::names::Address;
use crate::domain::view::{Environment, Tenant};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Where a server is looked for when nobody named one: `sitekeep serve` on this host, as it comes.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";

pub struct Session<'a> {
    pub global: Global,
    pub console: Console,
    pub env: Lookup<'a>,
    pub pace: Pace,
    /// Ctrl-C while waiting is told what it means; tests have no terminal of their own.
    pub interruptible: bool,
    client: Option<Rc<Client>>,
}

impl<'a> Session<'a> {
    pub fn new(global: Global, console: Console, env: Lookup<'a>) -> Self {
        Self { global, console, env, pace: Pace::default(), interruptible: false, client: None }
    }

    /// Prints a sheet as the global options ask for it.
    ///
    /// # Errors
    /// `Invalid` for fields that it does not have; what writing says.
    pub fn print(&mut self, sheet: Sheet) -> Result<()> {
        let text = output::render(sheet, &self.wish())?;
        self.console.data(&text)
    }
    fn wish(&self) -> Wish {
        let g = &self.global;
        let (format, field, fields, filter) = (g.format, g.field.clone(), g.fields.clone(), g.filter.clone());
        Wish { format, field, fields, filter, colour: self.console.colour_out, width: self.console.width }
    }
    /// Was data asked for in words, where a notice says all that people need?
    pub fn wants_data(&self) -> bool {
        self.global.format.is_some() || self.global.field.is_some() || self.global.fields.is_some()
    }

    /// The server, asked with the token that belongs to it.
    ///
    /// # Errors
    /// `Unauthenticated` when there is no token for it.
    pub fn client(&mut self) -> Result<Rc<Client>> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let token = self.given_token()?;
        // Where both are named nothing kept is needed: a job of cron may have no home.
        let kept = if token.is_some() && self.named_url().is_some() { Credentials::default() } else { self.kept()? };
        let url = self.url(&kept)?;
        let token = token.or_else(|| kept.servers.get(&url).map(|login| login.token.clone())).ok_or_else(|| not_signed_in(&url))?;
        let client = Rc::new(self.client_for(url, token)?);
        self.client = Some(client.clone());
        Ok(client)
    }

    /// A client for this server and token, after a warning when the token would travel in the clear.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn client_for(&mut self, url: String, token: Secret) -> Result<Client> {
        if url.starts_with("http://") && !is_loopback(&url) {
            self.console.warn(&format!("{url} is not encrypted: whoever is on the way can read the token"));
        }
        let ca_file = self.global.ca_file.clone().or_else(|| self.variable("SITEKEEP_CA_FILE").map(PathBuf::from));
        Client::new(url, token, ca_file.as_deref())
    }

    /// Which server is meant: `--url`, `SITEKEEP_URL`, the one signed in to last, or the one on this host.
    ///
    /// # Errors
    /// `Invalid` when it is no URL.
    pub fn url(&self, kept: &Credentials) -> Result<String> {
        server_url(self.named_url().or_else(|| kept.current.clone()).as_deref().unwrap_or(DEFAULT_URL))
    }
    fn named_url(&self) -> Option<String> {
        self.global.url.clone().or_else(|| self.variable("SITEKEEP_URL"))
    }
    fn kept(&self) -> Result<Credentials> {
        Credentials::load(&credentials::path(self.env)?)
    }

    /// `--token-file`, `SITEKEEP_TOKEN_FILE` or, with a warning, `SITEKEEP_TOKEN`.
    ///
    /// # Errors
    /// What reading the file says; `Invalid` when it is empty.
    pub fn given_token(&mut self) -> Result<Option<Secret>> {
        let file = self.global.token_file.clone().or_else(|| self.variable("SITEKEEP_TOKEN_FILE").map(PathBuf::from));
        if let Some(path) = file {
            return self.secret_from(&path, "Token").map(Some);
        }
        let plain = self.variable("SITEKEEP_TOKEN");
        if plain.is_some() {
            self.console
                .warn("the environment of a process can be read by others: put the token into a file and name that in SITEKEEP_TOKEN_FILE");
        }
        Ok(plain.map(|token| Secret::new(token.trim())))
    }

    /// The first line of a file; `-` is standard input.
    ///
    /// # Errors
    /// What reading says; `Invalid` when it is empty.
    pub fn secret_from(&mut self, path: &Path, what: &str) -> Result<Secret> {
        if path == Path::new("-") {
            return self.console.secret(what);
        }
        let text = std::fs::read_to_string(path).context(|| format!("reading {}", path.display()))?;
        match text.lines().next().map(|line| line.trim_end_matches('\r')) {
            Some(line) if !line.is_empty() => Ok(Secret::new(line)),
            _ => Err(Error::invalid(format!("{} is empty", path.display())).hint("its first line is what is read")),
        }
    }

    /// A variable of the environment; an empty one counts as none.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.is_empty())
    }

    /// The environment of that address.
    ///
    /// # Errors
    /// `Invalid` when it is none; `NotFound`; `Conflict` when several tenants have such a site.
    pub fn environment(&mut self, address: &str) -> Result<Environment> {
        let address = Address::parse(address)?.to_string();
        let found: Value = self.client()?.get(&format!("/environments?named={}", escaped(&address)))?;
        let mut found: Vec<Environment> = match found {
            Value::Array(_) => serde_json::from_value(found),
            one => serde_json::from_value(one).map(|e| vec![e]),
        }
        .map_err(|e| Error::internal(format!("the server's answer cannot be read: {e}")))?;
        if found.len() > 1 {
            let names: Vec<String> = found.iter().map(full_name).collect();
            return Err(Error::conflict(format!("{address} could be {}", names.join(" or "))).hint("name the tenant too: tenant/site.env"));
        }
        found.pop().ok_or_else(|| Error::not_found(format!("there is no environment {address}")).hint("`sitekeep site:list` shows them"))
    }

    /// The tenant of that name.
    ///
    /// # Errors
    /// `NotFound`, also when one may not see it.
    pub fn tenant(&mut self, name: &str) -> Result<Tenant> {
        let all: Vec<Tenant> = self.client()?.get("/tenants")?;
        all.into_iter()
            .find(|t| t.name == name)
            .ok_or_else(|| Error::not_found(format!("there is no tenant {name}")).hint("`sitekeep tenant:list` shows those you may see"))
    }

    /// Ends with the error's sentence, and its hint, on standard error.
    pub fn tell(&mut self, error: &Error) {
        self.console.error(&error.sentence());
        if let Some(hint) = error.hint_text() {
            self.console.hint(hint);
        }
    }
}

fn not_signed_in(url: &str) -> Error {
    Error::new(Class::Unauthenticated, format!("You are not logged in to {url}."))
        .hint(format!("`sitekeep auth:login --url={url}`, or name a file with a token in SITEKEEP_TOKEN_FILE"))
}

/// `shop.live`
pub fn short_name(environment: &Environment) -> String {
    format!("{}.{}", environment.site, environment.name)
}

/// `acme/shop.live`
pub fn full_name(environment: &Environment) -> String {
    format!("{}/{}.{}", environment.tenant, environment.site, environment.name)
}
