//! The demo's site: own pages, images and a SQLite database, its code in Git; and the few lines that serve it.

use crate::base::error::{Context, Error, Result};
use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

pub(super) const ENVIRONMENTS: [&str; 3] = ["dev", "test", "live"];
const PLANTS: [(&str, &str); 12] = [
    ("Yarrow", "Achillea millefolium"),
    ("Columbine", "Aquilegia vulgaris"),
    ("Marigold", "Calendula officinalis"),
    ("Cornflower", "Centaurea cyanus"),
    ("Foxglove", "Digitalis purpurea"),
    ("Meadowsweet", "Filipendula ulmaria"),
    ("Crane's-bill", "Geranium pratense"),
    ("Lavender", "Lavandula angustifolia"),
    ("Oregano", "Origanum vulgare"),
    ("Poppy", "Papaver rhoeas"),
    ("Sage", "Salvia pratensis"),
    ("Mullein", "Verbascum thapsus"),
];

/// Makes one directory for each environment.
pub(super) fn plant(dir: &Path) -> Result<PathBuf> {
    for name in ENVIRONMENTS {
        let root = dir.join(name);
        std::fs::create_dir_all(root.join("uploads")).context(|| format!("making {}", root.display()))?;
        pages(&root)?;
        images(&root.join("uploads"))?;
        rows(&root.join("garden.sqlite3"), name)?;
        commit(&root)?;
    }
    Ok(dir.to_owned())
}

fn pages(root: &Path) -> Result<()> {
    let write = |name: &str, text: &str| std::fs::write(root.join(name), text).context(|| format!("writing {name}"));
    write("header.html", "<!doctype html><meta charset=utf-8><title>The Garden</title><h1>The Garden</h1>\n")?;
    write("footer.html", "<p>Open every day from eight until dusk.</p>\n")?;
    write("about.html", "<h2>About</h2><p>An allotment of twelve beds behind the old station.</p>\n")?;
    write(".gitignore", "uploads/\n*.sqlite3*\n")
}

/// Small pictures in the simplest format that every browser shows: 24-bit BMP.
fn images(dir: &Path) -> Result<()> {
    for (i, (name, _)) in PLANTS.iter().enumerate() {
        let path = dir.join(format!("{}.bmp", name.to_lowercase().replace('\'', "")));
        std::fs::write(&path, bitmap(96, 64, i as u32)).context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn bitmap(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let body = width * height * 3;
    let mut out = b"BM".to_vec();
    for n in [54 + body, 0, 54, 40, width, height, 1 | 24 << 16, 0, body, 2835, 2835, 0, 0] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    for y in 0..height {
        for x in 0..width {
            let petal = (x.abs_diff(width / 2).pow(2) + y.abs_diff(height / 2).pow(2)) / (60 + seed * 9) % 4;
            out.extend_from_slice(&[(40 + seed * 17 + petal * 50) as u8, (150 + petal * 25) as u8, (90 + seed * 13 + x) as u8]);
        }
    }
    out
}

fn rows(path: &Path, environment: &str) -> Result<()> {
    let what = |e: rusqlite::Error| Error::permanent(e.to_string()).context(format!("making {}", path.display()));
    let db = rusqlite::Connection::open(path).map_err(what)?;
    db.execute_batch("pragma journal_mode = wal; create table plants (id integer primary key, name text, latin text, height real); create table visits (id integer primary key, at text, note text);")
        .map_err(what)?;
    for (i, (name, latin)) in PLANTS.iter().enumerate() {
        db.execute("insert into plants (name, latin, height) values (?1, ?2, ?3)", (name, latin, 0.2 + i as f64 / 7.0)).map_err(what)?;
    }
    for i in 0..200 {
        let note = format!("visitor {i} of {environment}");
        db.execute("insert into visits (at, note) values (?1, ?2)", (format!("2026-05-{:02}", i % 28 + 1), note)).map_err(what)?;
    }
    Ok(())
}

fn commit(root: &Path) -> Result<()> {
    for arguments in [
        vec!["init", "--quiet", "--initial-branch=main"],
        vec!["add", "--all"],
        vec!["-c", "user.name=Garden", "-c", "user.email=garden@example.com", "commit", "--quiet", "--message=The garden opens"],
        vec!["tag", "v1.0"],
    ] {
        let done = Command::new("git").arg("-C").arg(root).args(&arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").output();
        let done = done.map_err(|e| Error::permanent(format!("git: {e}")).hint("apt-get install git"))?;
        if !done.status.success() {
            return Err(Error::permanent(format!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim())));
        }
    }
    Ok(())
}

/// Serves the environments below `/dev`, `/test` and `/live`: every page is made anew from files and rows.
pub(super) fn router(sites: PathBuf) -> Router {
    Router::new().route("/{environment}/", get(front)).route("/{environment}/uploads/{name}", get(upload)).with_state(Arc::new(sites))
}

async fn front(State(sites): State<Arc<PathBuf>>, UrlPath(environment): UrlPath<String>) -> Response {
    if !ENVIRONMENTS.contains(&environment.as_str()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match page(&sites.join(environment)) {
        Ok(html) => Html(html).into_response(),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("The garden is closed: {e}\n")).into_response(),
    }
}

fn page(root: &Path) -> Result<String> {
    let read = |name: &str| std::fs::read_to_string(root.join(name)).context(|| name.to_owned());
    let closed = |e: rusqlite::Error| Error::permanent(e.to_string());
    let db =
        rusqlite::Connection::open_with_flags(root.join("garden.sqlite3"), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(closed)?;
    let mut html = read("header.html")?;
    let mut plants = db.prepare("select name, latin from plants order by name").map_err(closed)?;
    let names = plants.query_map((), |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).map_err(closed)?;
    html.push_str("<ul>");
    for plant in names {
        let (name, latin) = plant.map_err(closed)?;
        let image = name.to_lowercase().replace('\'', "");
        html.push_str(&format!("<li><img src=\"uploads/{image}.bmp\" alt=\"\"> {name} (<i>{latin}</i>)"));
    }
    let visits: i64 = db.query_row("select count(*) from visits", (), |row| row.get(0)).map_err(closed)?;
    html.push_str(&format!("</ul><p>{visits} visits so far.</p>"));
    html.push_str(&read("footer.html")?);
    Ok(html)
}

async fn upload(State(sites): State<Arc<PathBuf>>, UrlPath((environment, name)): UrlPath<(String, String)>) -> Response {
    let known = ENVIRONMENTS.contains(&environment.as_str()) && !name.contains(['/', '\\']) && !name.starts_with('.');
    match known.then(|| std::fs::read(sites.join(environment).join("uploads").join(name))) {
        Some(Ok(bytes)) => ([(header::CONTENT_TYPE, "image/bmp")], bytes).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
