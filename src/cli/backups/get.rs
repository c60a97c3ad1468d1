//! `backup:get`: a link to one file of a backup, or the file itself. What is prepared first is gone on with when it breaks
//! off, and its hash is checked ([`super::resume`]).

use super::{newest_with, usual};
use crate::base::chance;
use crate::base::error::{Context, Error, Result};
use crate::base::units;
use crate::cli::choose;
use crate::cli::client::escaped;
use crate::cli::exit::Exit;
use crate::cli::follow::ask;
use crate::cli::jobs;
use crate::cli::output::{Cell, Column, Sheet, column};
use crate::cli::session::Session;
use crate::domain::browse::Inner;
use crate::domain::downloads::{Archive, Download, DownloadState, Form, LinkArchive, PrepareDownload};
use crate::domain::element::Element;
use crate::domain::links::{CreateLink, DownloadLink};
use crate::domain::view::{Backup, Environment};
use rustix::fs::{CWD, RenameFlags};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Print a link to a file of a backup, or download it
///
/// By default the newest file of the element `files`. The link needs no signing in, and ends by itself.
#[derive(Clone, Debug, clap::Args)]
pub struct Get {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV")]
    pub environment: String,
    /// The name of one of its files
    #[arg(long)]
    pub file: Option<String>,
    /// code, files, database (or db) [default: files]
    #[arg(long)]
    pub element: Option<String>,
    /// One file or folder of the element, for example files/public/logo.png; a folder comes as .tar.gz
    #[arg(long, value_name = "PATH", conflicts_with = "file")]
    pub path: Option<PathBuf>,
    /// Out of this backup, by its id, instead of the newest
    #[arg(long, value_name = "ID", conflicts_with = "file")]
    pub backup: Option<String>,
    /// A file or directory to download to; what is there is never overwritten
    #[arg(long, value_name = "PATH")]
    pub to: Option<PathBuf>,
    /// Have an archive prepared first: a download of it that breaks off is gone on with, and its hash is checked
    #[arg(long, conflicts_with = "path")]
    pub prepare: bool,
    /// How it is packed with --prepare: files and code as tar.gz, tar.zst or zip [default: tar.gz]; a dump as sql.gz [default],
    /// that of PostgreSQL also as dump, for pg_restore
    #[arg(long, requires = "prepare")]
    pub form: Option<String>,
    /// How long the link is good: 1 to 168 hours [default: 24]
    #[arg(long)]
    pub hours: Option<u32>,
    /// How often the link may be used [default: as often as one likes]
    #[arg(long)]
    pub uses: Option<u32>,
}

const LINK: &[Column] = &[
    column("url", "URL"),
    column("file", "Filename").or("filename"),
    column("element", "Element").or("type"),
    column("expires", "Expires"),
    column("id", "ID"),
    column("backup", "Backup"),
];

pub fn get(s: &mut Session<'_>, args: &Get) -> Result<Exit> {
    if args.file.is_some() && args.element.is_some() {
        return Err(Error::invalid("You cannot specify a file and an element at the same time."));
    }
    let wanted = args.element.as_deref().map(one).transpose()?;
    let environment = s.environment(&args.environment)?;
    let (backup, element) = match (&args.file, wanted) {
        (Some(file), _) => choose::by_file(s, &environment, file)?,
        (None, element) => {
            let element = element.unwrap_or_else(|| usual(&environment));
            (chosen(s, &environment, args.backup.as_deref(), element)?, element)
        }
    };
    let name = backup.elements.iter().find(|e| e.element == element).map(|e| e.filename.clone());
    // Before there is a link, or anything is prepared; of what is prepared the name is known later.
    if let (Some(to), None) = (&args.to, &args.path)
        && !(args.prepare && to.is_dir())
    {
        free(to, name.as_deref().unwrap_or_default())?;
    }
    let link = match args.prepare {
        true => match prepared(s, args, &backup, element)? {
            Ready::Link(link) => *link,
            Ready::Ended(exit) => return Ok(exit),
        },
        false => s.client()?.post(&format!("/backups/{}/links", escaped(&backup.id)), &asked(args, element))?.body,
    };
    match &args.to {
        Some(to) => {
            let target = free(to, &link.filename.replace('/', "_"))?;
            match &link.sha256 {
                Some(hash) => super::resume::fetch(s, &link, hash, &target)?,
                None => fetch(s, &link, &target)?,
            }
        }
        None => print(s, &link)?,
    }
    Ok(Exit::Good)
}

/// What came of having an archive prepared.
enum Ready {
    Link(Box<DownloadLink>),
    Ended(Exit),
}

/// A link to an archive of the element: one that lies ready already, or one that is prepared now.
fn prepared(s: &mut Session<'_>, args: &Get, backup: &Backup, element: Element) -> Result<Ready> {
    let form = args.form.as_deref().map(Form::parse).transpose()?;
    let (trees, dump) = forms(form, element)?;
    let path = format!("/backups/{}/downloads", escaped(&backup.id));
    let there: Vec<Download> = s.client()?.get(&path)?;
    let fits = |a: &&Archive| {
        let as_asked = if element == Element::Database { (a.form == Form::Dump) == (dump == Form::Dump) } else { a.form == trees };
        a.element == element && as_asked
    };
    let archive = |d: &Download| d.archives.iter().find(fits).map(|a| a.id.clone());
    let ready = there.iter().filter(|d| d.state == DownloadState::Ready).find_map(archive);
    let archive = match ready {
        Some(id) => id,
        None => {
            // The usual form need not be named: a server that is older knows no other.
            let database = Some(dump).filter(|form| *form != Form::SqlGz);
            let wish = PrepareDownload { elements: vec![element], form: Some(trees), database, hours: args.hours, uses: args.uses };
            let queued = s.client()?.queue::<Download>(&path, &wish)?.body;
            let job = queued.job.clone().ok_or_else(|| Error::internal("the server did not say which job prepares"))?;
            let (_, exit) = jobs::wait(s, &job)?;
            if exit != Exit::Good {
                return Ok(Ready::Ended(exit));
            }
            let done: Download = ask(s, &format!("/downloads/{}", escaped(&queued.id)), &job)?;
            archive(&done).ok_or_else(|| Error::internal("the server prepared something else"))?
        }
    };
    let life = LinkArchive { hours: args.hours, uses: args.uses };
    let link = s.client()?.post(&format!("/archives/{}/links", escaped(&archive)), &life)?.body;
    Ok(Ready::Link(Box::new(link)))
}

/// How trees and how dumps are packed, by the one word that was given for the element.
fn forms(form: Option<Form>, element: Element) -> Result<(Form, Form)> {
    Ok(match form {
        None => (Form::TarGz, Form::SqlGz),
        Some(trees) if element != Element::Database || Form::TREES.contains(&trees) => (trees.of_trees()?, Form::SqlGz),
        Some(dump) => (Form::TarGz, dump.of_dumps()?),
    })
}

fn chosen(s: &mut Session<'_>, environment: &Environment, id: Option<&str>, element: Element) -> Result<Backup> {
    match id {
        Some(id) => choose::backup_of(s, environment, id),
        None => newest_with(s, environment, &[element]),
    }
}

fn asked(args: &Get, element: Element) -> CreateLink {
    let path = args.path.as_ref().map(|path| Inner::of_path(path).text());
    let (path, path_hex) = path.unzip();
    CreateLink { element, path, path_hex: path_hex.flatten(), hours: args.hours, uses: args.uses }
}

pub(super) fn one(text: &str) -> Result<Element> {
    if text == "all" {
        return Err(Error::invalid("The backup element \"all\" is not supported for this command."));
    }
    Element::parse(text).map_err(|_| Error::invalid("Element should be one of the following items: code, files, database, db"))
}

/// Where it goes, if nothing is there yet.
fn free(to: &Path, name: &str) -> Result<PathBuf> {
    let target = if to.is_dir() { to.join(name) } else { to.to_owned() };
    match target.symlink_metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(target),
        Ok(_) => Err(taken(&target)),
        Err(e) => Err(e).context(|| format!("looking at {}", target.display())),
    }
}

pub(super) fn taken(target: &Path) -> Error {
    Error::conflict(format!("Target file {} already exists.", target.display())).hint("name another one, or move it away first")
}

pub(super) fn address(link: &DownloadLink) -> Result<&str> {
    link.url.as_deref().ok_or_else(|| Error::internal("the server made a link that is not open"))
}

fn print(s: &mut Session<'_>, link: &DownloadLink) -> Result<()> {
    let url = address(link)?.to_owned();
    if !s.wants_data() {
        return s.console.data(&format!("{url}\n"));
    }
    let row: Vec<Cell> = vec![
        url.as_str().into(),
        link.filename.as_str().into(),
        link.element.name().into(),
        link.expires.as_str().into(),
        link.id.as_str().into(),
        link.backup.as_str().into(),
    ];
    s.print(Sheet::one(LINK, "url,file,expires", row))
}

/// Beside its place first, and into it when all of it is there: what broke off never looks like a backup, and never stands
/// in the way of the next try.
fn fetch(s: &mut Session<'_>, link: &DownloadLink, target: &Path) -> Result<()> {
    s.console.notice(&format!("Downloading {} to {}", link.filename, target.display()));
    let url = address(link)?;
    let path = url.find("/d/").map(|at| &url[at..]).ok_or_else(|| Error::internal("the server's link leads nowhere"))?;
    let mut body = s.client()?.download(path)?;
    let name = format!(".{}.{}.part", link.filename.replace('/', "_"), chance::word(8));
    let part = target.with_file_name(name);
    let written = write(&mut body, &part).and_then(|size| place(&part, target).map(|()| size));
    if written.is_err() {
        let _ = std::fs::remove_file(&part); // what is told is why it is not whole
    }
    s.console.notice(&format!("Downloaded {}.", units::size(written?)));
    Ok(())
}

fn write(body: &mut dyn Read, part: &Path) -> Result<u64> {
    let what = || format!("writing {}", part.display());
    // A backup holds passwords: it is for nobody else.
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part).context(what)?;
    let mut buffer = vec![0; 128 << 10];
    let mut size = 0;
    loop {
        let n = body.read(&mut buffer).map_err(|e| {
            Error::transient(format!("the download broke off: {}", e.kind()))
                .hint("try again; if it breaks off again, the server's log says why")
        })?;
        if n == 0 {
            break;
        }
        io::Write::write_all(&mut file, &buffer[..n]).context(what)?;
        size += n as u64;
    }
    file.sync_all().context(what)?;
    Ok(size)
}

pub(super) fn place(part: &Path, target: &Path) -> Result<()> {
    match rustix::fs::renameat_with(CWD, part, CWD, target, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::EXIST) => Err(taken(target)),
        other => other.context(|| format!("naming {}", target.display())),
    }
}
