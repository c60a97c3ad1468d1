//! Recovery keys: showing that one has a site's. The key itself is told by the dashboard, or on the server by `recovery:key`.

use super::exit::Exit;
use super::session::Session;
use crate::base::error::Result;
use crate::domain::view;
use serde_json::json;
use std::path::PathBuf;

/// Show that you have a site's recovery key
///
/// Owners of the tenant and administrators can. The key is the one line of the file that the dashboard gives, or that
/// `recovery:key --out` wrote on the server.
#[derive(Clone, Debug, clap::Args)]
pub struct Confirm {
    /// The site, or tenant/site where its name is not unique
    #[arg(value_name = "TENANT/SITE")]
    pub site: String,
    /// The file that holds the key; `-` for standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
}

pub fn confirm(s: &mut Session<'_>, args: &Confirm) -> Result<Exit> {
    let site = super::environments::site_named(s, &args.site)?;
    let key = s.secret_from(&args.file, "Recovery key")?;
    let path = format!("/sites/{}/recovery-key/confirm", site.id);
    let confirmed: view::KeyConfirmed = s.client()?.post(&path, &json!({ "key": key.expose() }))?.body;
    s.console.notice(&format!("The recovery key of {} is confirmed.", confirmed.site));
    Ok(Exit::Good)
}
