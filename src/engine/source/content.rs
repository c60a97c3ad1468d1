//! Opening and reading what the library asks for.
//!
//! The library only logs an error of these and drops the file, so each is noted with its path *first*.

use crate::base::error::Error;
use crate::base::identity::Identity;
use crate::engine::control::Control;
use crate::engine::failure::to_library;
use crate::engine::segments::Whole;
use crate::engine::source::Finish;
use rustic_core::{ReadSourceOpen, RusticResult};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

const CHANGED: &str = "it changed while it was read";
const REPLACED: &str = "it was replaced by something else while the backup ran";

/// How to get at the content of an entry.
pub(in crate::engine) enum Content {
    /// A file of the site, opened only when it is its turn.
    File(Listed),
    Memory(Vec<u8>),
    Stream(Streamed),
    /// The library has it already and must not ask.
    Known,
}

/// A file as the walker saw it.
pub(in crate::engine) struct Listed {
    pub dir: Arc<OwnedFd>,
    pub name: CString,
    pub stat: Stat,
    pub path: PathBuf,
    pub identity: Arc<Identity>,
    pub control: Arc<Control>,
}

pub(in crate::engine) enum Reader {
    File(FileReader),
    Memory(Cursor<Vec<u8>>),
    Stream(Streamed),
}

impl ReadSourceOpen for Content {
    type Reader = Reader;

    fn open(self) -> RusticResult<Reader> {
        match self {
            Self::File(listed) => listed.open().map(Reader::File),
            Self::Memory(bytes) => Ok(Reader::Memory(Cursor::new(bytes))),
            Self::Stream(stream) => Ok(Reader::Stream(stream)),
            Self::Known => Err(to_library(Error::internal("something that was read already was asked for again"))),
        }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
            Self::Stream(stream) => stream.read(buffer),
        }
    }
}

impl Listed {
    fn open(self) -> RusticResult<FileReader> {
        // NONBLOCK: a FIFO that took the file's place must not hold us. It has no meaning for regular files.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = self.identity.act(|| {
            let fd = rustix::fs::openat(&*self.dir, &self.name, flags, Mode::empty())?;
            let stat = rustix::fs::fstat(&fd)?;
            Ok::<_, rustix::io::Errno>((File::from(fd), stat))
        });
        match opened {
            Ok((file, stat)) if is_same(&stat, &self.stat) => Ok(FileReader { file, left: self.stat.st_size as u64, listed: self }),
            Ok(_) | Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => {
                self.control.changed(&self.path, REPLACED);
                Err(to_library(Error::transient(REPLACED)))
            }
            Err(rustix::io::Errno::NOENT) => {
                self.control.vanished();
                Err(to_library(Error::not_found("it is gone")))
            }
            Err(e) => {
                let e = io::Error::from(e);
                self.control.problem(&self.path, e.to_string());
                Err(to_library(e.into()))
            }
        }
    }
}

fn is_same(opened: &Stat, listed: &Stat) -> bool {
    (opened.st_dev, opened.st_ino) == (listed.st_dev, listed.st_ino) && FileType::from_raw_mode(opened.st_mode) == FileType::RegularFile
}

fn is_untouched(now: &Stat, listed: &Stat) -> bool {
    let key = |s: &Stat| (s.st_size, s.st_mtime, s.st_mtime_nsec, s.st_ctime, s.st_ctime_nsec);
    key(now) == key(listed)
}

/// Gives exactly as many bytes as were listed: the size was written down before the file was opened.
pub(in crate::engine) struct FileReader {
    file: File,
    left: u64,
    listed: Listed,
}

impl FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (control, path) = (&self.listed.control, &self.listed.path);
        if control.is_over() {
            return Err(io::Error::other("the backup ended"));
        }
        let want = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if want == 0 {
            return Ok(0);
        }
        let got = match self.file.read(&mut buffer[..want]) {
            Ok(0) => {
                control.changed(path, "it became shorter while it was read");
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(e),
            Err(e) => {
                control.problem(path, e.to_string());
                return Err(e);
            }
            Ok(got) => got,
        };
        self.left -= got as u64;
        control.watch.add_bytes(got as u64);
        if self.left == 0 && !rustix::fs::fstat(&self.file).is_ok_and(|now| is_untouched(&now, &self.listed.stat)) {
            control.changed(path, CHANGED);
        }
        Ok(got)
    }
}

/// A stream of known size. While one is neither read to its end nor finished well, no snapshot may be written.
pub(in crate::engine) struct Streamed {
    pub reader: Box<dyn Read + Send>,
    pub finish: Option<Finish>,
    pub left: u64,
    pub control: Arc<Control>,
    /// Of the file in the snapshot.
    name: String,
    whole: Whole,
}

impl Streamed {
    pub fn new(name: String, size: u64, reader: Box<dyn Read + Send>, finish: Finish, control: Arc<Control>) -> Self {
        control.stream_begins();
        Self { reader, finish: Some(finish), left: size, control, name, whole: Whole::default() }
    }

    /// Fills the buffer: short reads, one for each write at the other end of a pipe, cost the library dear.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() && self.finish.is_some() {
            self.control.watch.check().map_err(io::Error::other)?;
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => self.end()?,
                Ok(got) => {
                    self.whole.push(&buffer[filled..filled + got]);
                    filled += self.got(got)?;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.fail(Error::from(e).context("reading the stream"))),
            }
        }
        Ok(filled)
    }

    fn got(&mut self, got: usize) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(got as u64) else {
            return Err(self.fail(Error::transient("the stream is longer than was announced")));
        };
        self.left = left;
        self.control.watch.add_bytes(got as u64);
        Ok(got)
    }

    fn end(&mut self) -> io::Result<()> {
        let finished = self.finish.take().map_or(Ok(()), |finish| finish());
        finished.map_err(|e| self.fail(e))?;
        if self.left > 0 {
            return Err(self.fail(Error::transient(format!("the stream ended {} bytes too early", self.left))));
        }
        let sum = std::mem::take(&mut self.whole).sum();
        self.control.summed([(std::mem::take(&mut self.name), sum)].into());
        self.control.stream_ended_well();
        Ok(())
    }

    fn fail(&self, error: Error) -> io::Error {
        self.control.fail(error);
        io::Error::other("the stream failed")
    }
}

impl Read for Streamed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read(buffer)
    }
}
