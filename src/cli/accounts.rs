//! Accounts and their tokens.

use super::exit::Exit;
use super::output::{Cell, Column, Sheet, column};
use super::session::Session;
use crate::base::error::Result;
use crate::domain::rights::{Role, Scope};
use serde_json::{Value, json};

/// Make an account
#[derive(Clone, Debug, clap::Args)]
pub struct Create {
    /// Its e-mail address
    pub email: String,
    /// It may do everything on this installation
    #[arg(long)]
    pub administrator: bool,
    /// Make it a member of this tenant
    #[arg(long, requires = "role")]
    pub tenant: Option<String>,
    /// What it is there: owner, developer or viewer
    #[arg(long, requires = "tenant")]
    pub role: Option<String>,
}

/// Make a token for an account; it is printed once
#[derive(Clone, Debug, clap::Args)]
pub struct CreateToken {
    /// The account's e-mail address
    pub account: String,
    /// What it is for
    #[arg(long, default_value = "command line")]
    pub label: String,
    /// Only in this tenant
    #[arg(long)]
    pub tenant: Option<String>,
    /// `all`, or rights with commas: view, create, download, restore, delete, policy, manage, administer
    #[arg(long, default_value = "all")]
    pub scope: String,
    /// After so many days it is no longer good
    #[arg(long, default_value_t = 90)]
    pub days: u32,
}

const ACCOUNT: &[Column] = &[
    column("id", "ID"),
    column("email", "E-mail"),
    column("administrator", "Administrator"),
    column("tenant", "Tenant"),
    column("role", "Role"),
];
const TOKEN: &[Column] =
    &[column("token", "Token"), column("account", "Account"), column("label", "Label"), column("scope", "Scope"), column("days", "Days")];

pub fn create(s: &mut Session<'_>, args: &Create) -> Result<Exit> {
    let role = args.role.as_deref().map(Role::parse).transpose()?.map(Role::name);
    let body = json!({ "email": args.email, "administrator": args.administrator, "tenant": args.tenant, "role": role });
    let made: Value = s.client()?.post("/accounts", &body)?.body;
    s.console.notice(&match (&args.tenant, role) {
        // An account that was there already has become a member, and nothing was created.
        (Some(tenant), Some(role)) => format!("The account {} is {} of {tenant}.", args.email, with_article(role)),
        _ => format!("Created the account {}.", args.email),
    });
    if s.wants_data() {
        let row = vec![made["id"].clone().into(), (&args.email).into(), args.administrator.into(), args.tenant.clone().into(), role.into()];
        s.print(Sheet::one(ACCOUNT, "id,email,administrator,tenant,role", row))?;
    }
    Ok(Exit::Good)
}

fn with_article(role: &str) -> String {
    format!("{} {role}", if role.starts_with('o') { "an" } else { "a" })
}

pub fn create_token(s: &mut Session<'_>, args: &CreateToken) -> Result<Exit> {
    let scope = Scope::parse(&args.scope)?.text();
    let body = json!({ "account": args.account, "label": args.label, "tenant": args.tenant, "scope": scope, "days": args.days });
    let made: Value = s.client()?.post("/tokens", &body)?.body;
    let token: Cell = made["token"].clone().into();
    if s.wants_data() {
        let row = vec![token, (&args.account).into(), (&args.label).into(), scope.into(), args.days.into()];
        s.print(Sheet::one(TOKEN, "token", row))?;
    } else {
        s.console.data(&format!("{}\n", token.text))?;
    }
    s.console.notice(&format!("This is the only time that the token of {} is shown. It is good for {} days.", args.account, args.days));
    Ok(Exit::Good)
}
