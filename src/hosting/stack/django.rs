//! Django: the settings module behind manage.py, or the `.env` file that it reads; MEDIA_ROOT.

use super::djangosettings::{Settings, modules};
use super::{Found, Maintenance, Stack, because, env, look, ours, python};
use crate::base::error::{Error, Result};
use crate::base::identity::Identity;
use crate::domain::element::Element;
use crate::domain::site::{Access, DatabaseAddress, Definition, StackKind};
use std::path::{Path, PathBuf};

pub(super) struct Django;

impl Stack for Django {
    fn detect(&self, root: &Path, who: &Identity) -> Result<Option<Found>> {
        let Some((_, manage)) = look::read(&root.join("manage.py"), who)? else { return Ok(None) };
        if memchr::memmem::find(&manage.to_ascii_lowercase(), b"django").is_none() {
            return Ok(None);
        }
        let mut found = look::found(StackKind::Django, root);
        let module = default_module(&manage).ok_or_else(|| {
            Error::invalid("manage.py does not say which settings module is used")
                .hint("give it with --settings, and the database by options")
        })?;
        found.lines.push(format!("Django in {}, settings {module}", root.display()));
        let settings = Settings::load(root, &module, who)?;
        let from = database(&mut found, root, &module, settings.as_ref(), who)?;
        if let Some(settings) = &settings {
            directories(&mut found, settings, who);
        }
        found.definition.settings = Some(from);
        Ok(Some(found))
    }

    fn left_out(&self, _definition: &Definition, element: Element) -> Vec<(String, &'static str)> {
        let mut out = ours();
        match element {
            Element::Database => out.clear(),
            Element::Files => out.extend(because("images made from others when they are asked for", &["/CACHE/"])),
            Element::Code => {
                out.extend(because("compiled by Python when it is needed", &["__pycache__/", "*.pyc"]));
                out.extend(because("caches of development tools", &[".pytest_cache/", ".mypy_cache/", ".ruff_cache/"]));
            }
        }
        out
    }

    fn structure_only(&self, prefix: &str) -> Vec<String> {
        vec![format!("{prefix}django_session")]
    }

    fn rewrite(&self, settings: &[u8], new: &Access) -> Result<Vec<u8>> {
        if env::is_env(settings) {
            return env::rewrite(settings, new);
        }
        Settings::of_text(settings)?.rewrite(settings, new)
    }

    fn read(&self, settings: &[u8]) -> Result<Option<Access>> {
        if env::is_env(settings) {
            return env::read(settings);
        }
        Settings::of_text(settings)?.access()
    }

    fn maintenance(&self, _definition: &Definition) -> Maintenance {
        Maintenance::None { why: "Django has no maintenance mode of its own: set the hooks maintenance_on and maintenance_off".to_owned() }
    }

    fn caches(&self, definition: &Definition) -> Vec<PathBuf> {
        definition.files.iter().map(|f| f.path.join("CACHE")).collect()
    }
}

/// The module in `os.environ.setdefault("DJANGO_SETTINGS_MODULE", "…")`.
fn default_module(text: &[u8]) -> Option<String> {
    let lines = python::lines(text).ok()?;
    let tokens: Vec<&python::Token> = lines.iter().flat_map(|l| &l.tokens).collect();
    let at = tokens.iter().position(|t| t.text() == Some("DJANGO_SETTINGS_MODULE"))?;
    let module = tokens[at + 1..].iter().take(4).find_map(|t| t.text())?;
    module.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.').then(|| module.to_owned())
}

/// Finds the database and returns the file that names it.
///
/// What the settings write down literally holds, whatever an env file beside them says (it may be for containers);
/// what they compute is looked for in the env file.
fn database(found: &mut Found, root: &Path, module: &str, settings: Option<&Settings>, who: &Identity) -> Result<PathBuf> {
    let literal = match settings.map(Settings::access_in) {
        Some(Ok(Some((access, file)))) => Ok((access, file)),
        Some(Ok(None)) => Err(Error::invalid(format!("the settings {module} name no database"))),
        Some(Err(e)) => Err(e),
        None => Err(Error::invalid(format!("the settings module {module} is not below {}", root.display()))),
    };
    if let Ok((access, file)) = literal {
        let (access, file) = prefer(found, root, module, access, file, who)?;
        found.database(access, &file);
        return Ok(file);
    }
    for place in [Some(root), root.parent(), settings.and_then(Settings::dir)].into_iter().flatten() {
        let Some((path, text)) = look::read(&place.join(".env"), who)? else { continue };
        let at = |e: Error| e.context(path.display().to_string());
        if let Some(mut access) = env::read(&text).map_err(at)? {
            if let DatabaseAddress::Sqlite { path } = &mut access.address {
                *path = look::lexical(&root.join(&*path));
            }
            found.database(access, &path);
            return Ok(path);
        }
    }
    let hint = "settings are read, never run, and no .env file beside them holds DATABASE_URL or DB_NAME, DB_USER and DB_PASSWORD: \
give --settings FILE, or --database-engine, --database-name, --database-user and --database-host";
    literal.map(|(_, file)| file).map_err(|e| e.hint(hint))
}

/// manage.py often names the settings of development, with an SQLite file that was never made. Then another module of
/// the same package that names another database is what the site runs with, if there is only one.
fn prefer(found: &mut Found, root: &Path, module: &str, access: Access, file: PathBuf, who: &Identity) -> Result<(Access, PathBuf)> {
    let mut others: Vec<(String, Access, PathBuf)> = Vec::new();
    for other in modules(root, module, who) {
        if let Ok(Some(settings)) = Settings::load(root, &other, who)
            && let Ok(Some((a, f))) = settings.access_in()
            && a.address != access.address
            && !others.iter().any(|(_, b, _)| b.address == a.address)
        {
            others.push((other, a, f));
        }
    }
    let never_made = matches!(&access.address, DatabaseAddress::Sqlite { path } if !look::is_file(path, who));
    if never_made && others.len() == 1 {
        let (other, access, file) = others.remove(0);
        found.warnings.push(format!(
            "the SQLite file of {module} does not exist, so {other} was taken for what the site runs with: give --settings if it is not"
        ));
        if let Some(settings) = Settings::load(root, &other, who)? {
            directories(found, &settings, who);
        }
        return Ok((access, file));
    }
    for (other, a, _) in &others {
        let (engine, label) = (a.address.engine(), a.address.label());
        found.warnings.push(format!("{other} names another database ({engine} {label}): give --settings if the site runs with it"));
    }
    Ok((access, file))
}

/// Uploads, and what is said of static files.
fn directories(found: &mut Found, settings: &Settings, who: &Identity) {
    if found.definition.files.iter().any(|f| f.name == "media") {
        return;
    }
    match settings.path("MEDIA_ROOT") {
        Some(Ok(path)) if path.is_absolute() && path.parent().is_some() => found.files("media", &path, who),
        Some(Err(())) => found.warnings.push("MEDIA_ROOT is computed by the site: give the uploads with --files media=PATH".to_owned()),
        _ => found.warnings.push("the settings name no MEDIA_ROOT: if there are uploads, give them with --files media=PATH".to_owned()),
    }
    if let Some(Ok(path)) = settings.path("STATIC_ROOT") {
        let part =
            if path.starts_with(&found.definition.root) { "is part of the code" } else { "is in no backup: `collectstatic` makes it" };
        found.lines.push(format!("static files: {} {part}", path.display()));
    }
}

#[cfg(test)]
#[path = "django_tests.rs"]
mod tests;
