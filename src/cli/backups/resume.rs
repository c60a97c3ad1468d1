//! Downloads of what lies ready: gone on with when they break off, now or at the next call, and checked by their hash.

use super::get::{address, place};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::secret::hex;
use crate::base::units;
use crate::cli::session::Session;
use crate::domain::links::DownloadLink;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Tries within one call, and the pause before each further one, which grows.
const TRIES: u32 = 5;

/// Into its place when all of it is there and its hash is right. Until then it lies beside it, under a name that says of which
/// file it is the beginning.
pub(super) fn fetch(s: &mut Session<'_>, link: &DownloadLink, hash: &str, target: &Path) -> Result<()> {
    let url = address(link)?;
    let path = url.find("/d/").map(|at| &url[at..]).ok_or_else(|| Error::internal("the server's link leads nowhere"))?;
    let short: String = hash.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    let part = target.with_file_name(format!(".{}.{short}.part", link.filename.replace('/', "_")));
    let what = || format!("writing {}", part.display());
    // A backup holds passwords: it is for nobody else.
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).clone();
    let mut file = options.open(&part).context(what)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        Error::conflict(format!("{} is being downloaded already", target.display())).hint("wait for the other command to end")
    })?;
    let there = file.metadata().context(what)?.len();
    let from = if there > 0 { format!(", from {} on", units::size(there)) } else { String::new() };
    s.console.notice(&format!("Downloading {} to {}{from}", link.filename, target.display()));
    all(s, path, hash, link.size, &mut file)?;
    let found = sum(&mut file).context(what)?;
    if found != hash {
        let _ = std::fs::remove_file(&part); // the next try begins anew
        return Err(Error::damaged(format!("what was downloaded has the SHA-256 {found} instead of {hash}")).hint("try again"));
    }
    file.sync_all().context(what)?;
    place(&part, target)?;
    s.console.notice(&format!("Downloaded {}, SHA-256 {hash}.", units::size(link.size)));
    Ok(())
}

/// Reads until nothing is missing; a connection that breaks off is made again.
fn all(s: &mut Session<'_>, path: &str, hash: &str, size: u64, file: &mut File) -> Result<()> {
    let (mut tries, tag) = (0, format!("\"{hash}\""));
    loop {
        let there = file.metadata()?.len();
        if there == size {
            return Ok(());
        }
        match rest(s, path, &tag, if there < size { there } else { 0 }, file) {
            Err(e) if e.class() == Class::Transient && tries + 1 < TRIES => {
                tries += 1;
                s.console.notice(&format!("Going on: {}.", e.sentence()));
                std::thread::sleep(s.pace.longest * tries);
            }
            Err(e) if e.class() == Class::Transient => {
                let there = units::size(file.metadata()?.len());
                let said = format!("{}; {there} of {} are there", e.sentence(), units::size(size));
                return Err(Error::transient(said).hint("the same command goes on from them"));
            }
            Err(e) => return Err(e),
            Ok(()) if file.metadata()?.len() >= size => return Ok(()),
            Ok(()) => return Err(Error::transient("the download ended before its size").hint("try again: it goes on from there")),
        }
    }
}

fn rest(s: &mut Session<'_>, path: &str, tag: &str, from: u64, file: &mut File) -> Result<()> {
    let (goes_on, mut body) = s.client()?.download_from(path, from, tag)?;
    let from = if goes_on { from } else { 0 };
    file.set_len(from)?;
    file.seek(SeekFrom::Start(from))?;
    let mut buffer = vec![0; 128 << 10];
    loop {
        let n = body.read(&mut buffer).map_err(|e| Error::transient(format!("the download broke off: {}", e.kind())))?;
        if n == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..n])?;
    }
}

fn sum(file: &mut File) -> std::io::Result<String> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 128 << 10]);
    file.seek(SeekFrom::Start(0))?;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}
