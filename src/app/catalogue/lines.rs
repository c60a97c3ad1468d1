//! A copy of the catalogue as lines of JSON: a head, for each table its name and columns and then its rows, and an end that
//! says how many rows there were. A copy without its end is none.

use crate::app::App;
use crate::base::error::{Error, Result};
use crate::base::sql::Pool;
use crate::db;
use crate::db::copy::Table;
use serde_json::{Value, json};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// The form of the lines; one that this program does not know is not read.
pub(super) const FORMAT: u64 = 1;
/// Bytes that go through the pipe together.
const PORTION: usize = 256 << 10;

/// What is not copied: it is good for hours only, or for the processes that run now. Letters would be sent again.
const LEFT_OUT: [&str; 14] = [
    "_sqlx_migrations",
    "catalogue_copies",
    "gates",
    "guesses",
    "job_needs",
    "letters",
    "one_time_links",
    "places",
    "queue_gate",
    "queue_lines",
    "rebuilding",
    "sessions",
    "tenant_turns",
    "unclean_ends",
];

/// The reading end, for a thread that may block. Without an honest end it reads as an error, never as a shorter copy.
pub(super) struct Pipe {
    portions: mpsc::Receiver<Result<Vec<u8>>>,
    current: io::Cursor<Vec<u8>>,
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.current.read(out)?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            match self.portions.blocking_recv() {
                Some(Ok(portion)) => self.current = io::Cursor::new(portion),
                Some(Err(e)) => return Err(io::Error::other(e.to_string())),
                None => return Ok(0),
            }
        }
    }
}

/// How many rows were written; none before the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Written(Arc<AtomicU64>);

impl Written {
    /// # Errors
    /// `Internal` when the copy has not come to its end.
    pub fn whole(&self) -> Result<u64> {
        match self.0.load(Ordering::SeqCst) {
            0 => Err(Error::internal("the copy of the catalogue has no end")),
            rows => Ok(rows - 1),
        }
    }
}

/// Begins to read the catalogue, as it is now.
pub(super) fn of(app: &App) -> (Pipe, Written) {
    let (send, portions) = mpsc::channel(4);
    let written = Written::default();
    let (app, end) = (app.clone(), written.clone());
    // On a thread of its own: the rows are handed out one by one, for as long as the repository takes them.
    let here = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        here.block_on(async {
            match write(&app, &send).await {
                Ok(rows) => end.0.store(rows + 1, Ordering::SeqCst),
                Err(e) => drop(send.send(Err(e)).await),
            }
        });
    });
    (Pipe { portions, current: io::Cursor::default() }, written)
}

async fn write(app: &App, send: &mpsc::Sender<Result<Vec<u8>>>) -> Result<u64> {
    let mut tx = app.pool.snapshot().await?;
    let now = app.pool.now().await?;
    let mut out = Portions { send, current: Vec::new() };
    let head = json!({ "sitekeep": env!("CARGO_PKG_VERSION"), "format": FORMAT, "schema": Pool::newest_migration(), "made": now.iso() });
    out.line(&head.to_string()).await?;
    let mut rows = 0;
    for table in db::copy::tables(&mut tx, app.pool.kind()).await?.iter().filter(|t| !LEFT_OUT.contains(&t.name.as_str())) {
        out.line(&head_of(table)).await?;
        rows += db::copy::each(&mut tx, table, async |row| out.line(&row.to_string()).await).await?;
    }
    out.line(&json!({ "end": rows }).to_string()).await?;
    out.flush().await?;
    Ok(rows)
}

/// The engine knows a table by how this line begins.
fn head_of(table: &Table) -> String {
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| name.as_str()).collect();
    format!("{{\"table\":{},\"columns\":{}}}", json!(table.name), json!(columns))
}

struct Portions<'a> {
    send: &'a mpsc::Sender<Result<Vec<u8>>>,
    current: Vec<u8>,
}

impl Portions<'_> {
    async fn line(&mut self, text: &str) -> Result<()> {
        self.current.extend_from_slice(text.as_bytes());
        self.current.push(b'\n');
        if self.current.len() >= PORTION { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        let portion = std::mem::take(&mut self.current);
        self.send.send(Ok(portion)).await.map_err(|_| Error::internal("nobody reads the copy of the catalogue any more"))
    }
}

/// A line, as it is read.
pub(super) enum Line {
    Head { format: u64, schema: i64, made: String },
    Table { name: String, columns: Vec<String> },
    Row(Vec<Value>),
    End(u64),
}

/// # Errors
/// `Damaged` when it is none of those.
pub(super) fn parse(line: &str) -> Result<Line> {
    let wrong = || Error::damaged("a line of the copy of the catalogue cannot be read");
    let mut fields = match serde_json::from_str(line).map_err(|_| wrong())? {
        Value::Array(row) => return Ok(Line::Row(row)),
        Value::Object(fields) => fields,
        _ => return Err(wrong()),
    };
    let number = |v: Option<&Value>| v.and_then(Value::as_u64).ok_or_else(wrong);
    if let Some(rows) = fields.get("end") {
        return Ok(Line::End(number(Some(rows))?));
    }
    if let Some(Value::String(name)) = fields.remove("table") {
        let columns = serde_json::from_value(fields.remove("columns").unwrap_or_default()).map_err(|_| wrong())?;
        return Ok(Line::Table { name, columns });
    }
    let schema = fields.get("schema").and_then(Value::as_i64).ok_or_else(wrong)?;
    let made = fields.get("made").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Line::Head { format: number(fields.get("format"))?, schema, made })
}
