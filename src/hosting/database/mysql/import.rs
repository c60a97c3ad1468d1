//! Feeding statements to the client, as an account that can only harm what it is meant to fill.

use super::script::{Editor, Script, from_io};
use super::session::{Session, explain};
use crate::base::chance;
use crate::base::error::{Context, Error, Result};
use crate::base::watch::Watch;
use std::io::{Read, Write};

/// What every import begins with, so that a part of a dump, which lacks the dump's head, means the same as the whole.
const HEAD: &str = "set names utf8mb4;\nset session time_zone='+00:00', unique_checks=0, foreign_key_checks=0, \
                    sql_mode='NO_AUTO_VALUE_ON_ZERO', sql_notes=0, lock_wait_timeout=600;\n";
const CHUNK: usize = 256 << 10;

/// Runs every statement that comes out of `script`; `watch` counts its bytes and may end it.
///
/// # Errors
/// What the server says; `Damaged` when the script ends inside a statement or its end was never reached by the client.
pub fn feed<R: Read, E: Editor>(session: &Session, script: &mut Script<R, E>, watch: &Watch) -> Result<()> {
    let mut running = session.client(true)?.start(true, true)?;
    let mut pipe = running.child.stdin.take().ok_or_else(|| Error::internal("the client's input is not piped"))?;
    let answer = running.stdout()?;
    // What statements of a dump answer is of no use, and much of it must not block the client; its end is the proof.
    let last_words = std::thread::spawn(move || last_line(answer));
    let mark = chance::word(24);
    let written = pour(&mut pipe, script, watch, &mark);
    drop(pipe);
    if let Err(Stop::Cause(error)) = written {
        return Err(error); // dropping `running` ends the client, and the server rolls back what it was doing
    }
    running.wait(None)?.success(explain)?;
    let said = last_words.join().unwrap_or_default();
    if said != mark {
        return Err(
            Error::damaged("the client did not read the dump to its end").hint("the dump holds a string or a comment without an end")
        );
    }
    Ok(())
}

/// Why the pouring stopped.
enum Stop {
    /// The client closed its input: its own complaint is the cause.
    Client,
    Cause(Error),
}

fn pour<R: Read, E: Editor>(pipe: &mut impl Write, script: &mut Script<R, E>, watch: &Watch, mark: &str) -> Result<(), Stop> {
    let send = |pipe: &mut dyn Write, bytes: &[u8]| {
        pipe.write_all(bytes).map_err(|e| match e.kind() {
            std::io::ErrorKind::BrokenPipe => Stop::Client,
            _ => Stop::Cause(Error::from(e).context("writing to the database client")),
        })
    };
    send(pipe, HEAD.as_bytes())?;
    let mut buffer = vec![0; CHUNK];
    loop {
        watch.check().map_err(Stop::Cause)?;
        let n = script.read(&mut buffer).map_err(from_io).context(|| "reading the dump").map_err(Stop::Cause)?;
        if n == 0 {
            break;
        }
        send(pipe, &buffer[..n])?;
        watch.add_bytes(n as u64);
    }
    let delimiter = script.delimiter();
    send(pipe, &[b"\nselect '", mark.as_bytes(), b"'", delimiter, b"\n"].concat())
}

/// The last line of a stream, whatever its length; only its last bytes are kept.
fn last_line(mut from: impl Read) -> String {
    let mut tail: Vec<u8> = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 {
            break;
        }
        tail.extend_from_slice(&buffer[..n]);
        let keep = tail.len().saturating_sub(200);
        tail.drain(..keep);
    }
    String::from_utf8_lossy(&tail).trim_end().rsplit('\n').next().unwrap_or_default().to_owned()
}

/// Runs statements that were kept one by one, with a delimiter that none of them holds.
pub fn replay(session: &Session, statements: &[Vec<u8>]) -> Result<()> {
    let delimiter = format!("${}", chance::word(12));
    let mut text = format!("delimiter {delimiter}\n").into_bytes();
    for statement in statements {
        text.extend_from_slice(statement);
        text.extend_from_slice(format!("{delimiter}\n").as_bytes());
    }
    session.client(true)?.output(&text, None, explain).map(|_| ())
}
