//! Drupal 7, 8 and later, and Backdrop: `settings.php`, `sites/*/files`, private files, the block that answers 503.

use super::address::{self, DatabaseUrl};
use super::drupalsettings::Config;
use super::php::{Kind, tokens};
use super::phpvalue::{constants, one};
use super::{Found, Maintenance, Stack, because, look, ours};
use crate::base::error::{Error, Result};
use crate::base::identity::Identity;
use crate::domain::element::Element;
use crate::domain::site::{Access, DatabaseAddress, Definition, StackKind};
use std::path::{Path, PathBuf};

pub(super) struct Drupal;

/// Where a project keeps the directory that the web server shows.
const DOCROOTS: [&str; 5] = ["", "web", "docroot", "html", "public"];

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kin {
    Seven,
    Eight,
    Backdrop,
}

impl Stack for Drupal {
    fn detect(&self, root: &Path, who: &Identity) -> Result<Option<Found>> {
        for docroot in DOCROOTS.map(|d| if d.is_empty() { root.to_owned() } else { root.join(d) }) {
            let Some((kin, name)) = version(&docroot, who)? else { continue };
            let mut found = look::found(StackKind::Drupal, root);
            found.lines.push(format!("{name} in {}", docroot.display()));
            let (path, text) = settings_file(&docroot, kin, who)?;
            let config = Config::parse(&text).map_err(|e| e.context(path.display().to_string()))?;
            let (path, text) = config.local(&path, who)?.unwrap_or_else(|| (path.clone(), text.clone()));
            let config = Config::parse(&text).map_err(|e| e.context(path.display().to_string()))?;
            fill(&mut found, &config, &path, &docroot, kin, who).map_err(|e| e.context(path.display().to_string()))?;
            found.definition.settings = Some(path);
            return Ok(Some(found));
        }
        Ok(None)
    }

    fn left_out(&self, _definition: &Definition, element: Element) -> Vec<(String, &'static str)> {
        let mut out = ours();
        match element {
            Element::Database => out.clear(),
            Element::Files => {
                out.extend(because(
                    "images made from others when they are asked for",
                    &["/styles/", "/imagecache/", "/imagefield_thumbs/"],
                ));
                out.extend(because(
                    "style sheets and scripts put together when they are asked for",
                    &["/css/", "/js/", "/advagg_css/", "/advagg_js/", "/ctools/css/"],
                ));
                out.extend(because("compiled templates and containers", &["/php/"]));
                out.extend(because("backups made by a module", &["/backup_migrate/"]));
                out.extend(because("temporary files", &["/tmp/"]));
            }
            // Files of other sites in the same code are theirs; ours are an element of their own.
            Element::Code => out.extend(because("temporary files", &["/tmp/"])),
        }
        out
    }

    /// `queue` is not among them: what waits there is work to be done. `cachetags` neither: its counters say which
    /// entries of a cache outside of the database are stale.
    fn structure_only(&self, prefix: &str) -> Vec<String> {
        ["cache", "cache_*", "sessions", "watchdog", "flood", "semaphore", "batch"].iter().map(|t| format!("{prefix}{t}")).collect()
    }

    fn rewrite(&self, settings: &[u8], new: &Access) -> Result<Vec<u8>> {
        Config::parse(settings)?.rewrite(new)
    }

    fn read(&self, settings: &[u8]) -> Result<Option<Access>> {
        Config::parse(settings)?.access()
    }

    fn maintenance(&self, definition: &Definition) -> Maintenance {
        match definition.settings {
            Some(_) => Maintenance::SettingsBlock,
            None => Maintenance::None { why: "the definition names no settings.php".to_owned() },
        }
    }

    fn caches(&self, definition: &Definition) -> Vec<PathBuf> {
        let generated = ["styles", "css", "js", "php", "imagecache", "advagg_css", "advagg_js"];
        definition.files.iter().flat_map(|f| generated.iter().map(|g| f.path.join(g))).collect()
    }
}

/// Which Drupal it is, by the file that says so.
fn version(docroot: &Path, who: &Identity) -> Result<Option<(Kin, String)>> {
    let table = [
        ("core/lib/Drupal.php", "VERSION", Kin::Eight, "Drupal"),
        ("core/includes/bootstrap.inc", "BACKDROP_VERSION", Kin::Backdrop, "Backdrop"),
        ("includes/bootstrap.inc", "VERSION", Kin::Seven, "Drupal"),
    ];
    for (file, constant, kin, name) in table {
        let Some((_, text)) = look::read(&docroot.join(file), who)? else { continue };
        let Ok(tokens) = tokens(&text) else { continue };
        let found = constants(&tokens, &[constant])?;
        if let Ok(Some(version)) = one(&text, constant, "", &found.iter().map(|(_, n)| n).collect::<Vec<_>>()) {
            return Ok(Some((kin, format!("{name} {version}"))));
        }
    }
    Ok(None)
}

/// `sites/default/settings.php`, or the only other one there is; Backdrop's lies at the top.
fn settings_file(docroot: &Path, kin: Kin, who: &Identity) -> Result<(PathBuf, Vec<u8>)> {
    if kin == Kin::Backdrop
        && let Some(found) = look::read(&docroot.join("settings.php"), who)?
    {
        return Ok(found);
    }
    let sites = docroot.join("sites");
    if let Some(found) = look::read(&sites.join("default/settings.php"), who)? {
        return Ok(found);
    }
    let names = look::names(&sites, who);
    let others: Vec<PathBuf> = names.iter().map(|n| sites.join(n).join("settings.php")).filter(|p| look::is_file(p, who)).collect();
    match &others[..] {
        [one] => look::read(one, who)?.ok_or_else(|| Error::permanent(format!("{} cannot be read", one.display()))),
        [] => Err(Error::invalid(format!("{} is Drupal, but no settings.php below {} can be read", docroot.display(), sites.display()))
            .hint("finish its installation, or give --settings and the database by options")),
        several => {
            let list = several.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
            Err(Error::invalid(format!("several sites share this code: {list}"))
                .hint("say which one with --settings, --files and --database-name"))
        }
    }
}

fn fill(found: &mut Found, config: &Config<'_>, settings: &Path, docroot: &Path, kin: Kin, who: &Identity) -> Result<()> {
    let mut access = config.access()?.ok_or_else(|| {
        Error::invalid("it names no database: the site takes it from elsewhere")
            .hint("give --settings FILE, or --database-engine with --database-name, --database-user and --database-host")
    })?;
    if let DatabaseAddress::Sqlite { path } = &mut access.address {
        let whole = look::lexical(&docroot.join(&*path));
        *path = who.act(|| std::fs::canonicalize(&whole)).unwrap_or(whole);
    }
    found.database(access, settings);
    let site = settings.parent().unwrap_or(docroot);
    let paths = |name: &str| config.path(name, docroot, site);
    let public = match paths("file_public_path") {
        Some(Ok(path)) => path,
        other => {
            if other.is_some() {
                found.warnings.push("the path of public files is computed by the site: check it, or give it with --files".to_owned());
            }
            if kin == Kin::Backdrop && site == docroot { docroot.join("files") } else { site.join("files") }
        }
    };
    found.files("public", &public, who);
    match paths("file_private_path") {
        Some(Ok(path)) => found.files("private", &path, who),
        Some(Err(())) => {
            found.warnings.push("the path of private files is computed by the site: give it with --files private=PATH".to_owned());
        }
        None if kin != Kin::Eight => found
            .warnings
            .push("a path of private files may be set in the site's own pages: if it is, give it with --files private=PATH".to_owned()),
        None => {}
    }
    if let Some(Ok(sync)) = paths("config_sync_directory") {
        found.lines.push(format!("configuration is exported to {}", sync.display()));
        let covered = sync.starts_with(&found.definition.root) || found.definition.files.iter().any(|f| sync.starts_with(&f.path));
        if !covered {
            found.warnings.push(format!("{} lies outside of the code and of the files: it is in no backup", sync.display()));
        }
    }
    found.definition.url = config.base_url();
    found.warnings.extend(config.other_includes());
    Ok(())
}

const BEGIN: &[u8] = b"/* sitekeep: maintenance, begin */";
const END: &[u8] = b"/* sitekeep: maintenance, end */\n";

/// What stands between the marks. Settings are read before anything else of the site, also for cached pages; the
/// command line (drush, a hook) must go on working.
const BLOCK: &[u8] = b" if (PHP_SAPI !== 'cli') { http_response_code(503); header('Retry-After: 120'); header('Cache-Control: no-store'); \
header('Content-Type: text/plain; charset=utf-8'); echo 'This site is being restored and will be back in a few minutes.'; exit; } ";

/// The settings with a marked block that answers 503 to every visitor; unchanged when it is there already.
///
/// # Errors
/// `Invalid` when the text is no PHP.
pub fn with_maintenance(settings: &[u8]) -> Result<Vec<u8>> {
    if memchr::memmem::find(settings, BEGIN).is_some() {
        return Ok(settings.to_vec());
    }
    let all = tokens(settings)?;
    let open = all.iter().position(|t| t.kind == Kind::Open).ok_or_else(|| Error::invalid("the settings file holds no PHP"))?;
    let mut at = all[open].span.end;
    if settings[all[open].span.clone()].eq_ignore_ascii_case(b"<?php") || settings[all[open].span.clone()].starts_with(b"<?=") {
        return Err(Error::invalid("the settings file begins with a PHP tag that nothing can be put behind"));
    }
    // `declare(strict_types=1);` and `namespace …;` must stay the first statements.
    let mut next = open + 1;
    while all.get(next).is_some_and(|t| t.is_name("declare") || t.is_name("namespace")) {
        let Some(end) = all[next..].iter().position(|t| t.is(";") || t.is("{") || t.kind == Kind::Close) else { break };
        if !all[next + end].is(";") {
            return Err(Error::invalid("the settings file declares a block, and nothing can be put before it"));
        }
        at = all[next + end].span.end;
        next += end + 1;
    }
    Ok([&settings[..at], BEGIN, BLOCK, END, &settings[at..]].concat())
}

/// The settings without the block: the exact inverse of [`with_maintenance`].
pub fn without_maintenance(settings: &[u8]) -> Vec<u8> {
    let mut out = settings.to_vec();
    while let Some(begin) = memchr::memmem::find(&out, BEGIN) {
        let Some(end) = memchr::memmem::find(&out[begin..], END) else { break };
        out.drain(begin..begin + end + END.len());
    }
    out
}

/// Backdrop's `$database = 'mysql://user:password@host/name'`.
pub(super) fn backdrop(url: &str, prefix: String) -> Result<Option<Access>> {
    let url = DatabaseUrl::parse(url)?;
    let mut access = url.access(Path::new("")).ok_or_else(|| {
        Error::invalid(format!("{} is not a database that is known here", url.scheme)).hint("give the database by options")
    })?;
    if let DatabaseAddress::Mysql(account) = &mut access.address {
        account.prefix = prefix;
        account.at = address::mysql_endpoint(&url.host, url.port, None);
    }
    Ok(Some(access))
}

#[cfg(test)]
#[path = "drupal_tests.rs"]
mod tests;
