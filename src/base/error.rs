//! The one error type: a sentence for people, a class for machines, a hint where there is something to do.
//!
//! Rooms add context on the way up; `web`, `cli` and `boot` translate once at the edge. A message never holds a secret.

use std::fmt;

/// What kind of failure it is. The queue retries by it, the API chooses a status by it, the CLI an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The request itself is wrong: 400, never retried.
    Invalid,
    /// Nobody is signed in, or the token is not good: 401.
    Unauthenticated,
    /// It does not exist, or the actor may not know that it does: 404.
    NotFound,
    /// The actor may see it, but not do this to it: 403.
    Forbidden,
    /// It collides with something that exists or runs: 409.
    Conflict,
    /// It was asked too often: 429, and the hint says how long to wait.
    TooMany,
    /// It may go well on another try (a connection dropped, a server restarted).
    Transient,
    /// Space, memory or a quota ran out.
    Resource,
    /// Trying again changes nothing until a person mends it (password wrong, tool missing, path gone).
    Permanent,
    /// What was stored cannot be read back as it was written.
    Damaged,
    /// A person or a shutdown asked for the end.
    Cancelled,
    /// The lease was lost: somebody else owns this job now. Nothing more may be written.
    Fenced,
    /// A defect of Sitekeep itself.
    Internal,
}

/// A failure with its class, its sentence, its context (innermost first) and perhaps a hint.
#[derive(Clone)]
pub struct Error {
    class: Class,
    message: String,
    context: Vec<String>,
    hint: Option<String>,
}

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `class`; `message` is a sentence without a full stop that a site owner can read.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), context: Vec::new(), hint: None }
    }
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Class::Invalid, message)
    }
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Class::NotFound, message)
    }
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(Class::Forbidden, message)
    }
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Class::Conflict, message)
    }
    /// Somebody asks too often; `seconds` from now they may again.
    pub fn too_many(message: impl Into<String>, seconds: i64) -> Self {
        let wait = match seconds.max(1) {
            1 => "one second".to_owned(),
            few @ ..120 => format!("{few} seconds"),
            many => format!("{} minutes ({many} seconds)", (many + 59) / 60),
        };
        Self::new(Class::TooMany, message).hint(format!("try again in {wait}"))
    }
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(Class::Transient, message)
    }
    pub fn resource(message: impl Into<String>) -> Self {
        Self::new(Class::Resource, message)
    }
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(Class::Permanent, message)
    }
    pub fn damaged(message: impl Into<String>) -> Self {
        Self::new(Class::Damaged, message)
    }
    pub fn cancelled() -> Self {
        Self::new(Class::Cancelled, "cancelled")
    }
    pub fn fenced() -> Self {
        Self::new(Class::Fenced, "the lease on this job was lost; another attempt owns it now")
    }
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Class::Internal, message)
    }

    /// Says what to do about it. The innermost hint wins: it knows most.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }
    /// Says what was being done, on the way up.
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.context.push(context.into());
        self
    }
    #[must_use]
    pub fn with_class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }
    pub fn class(&self) -> Class {
        self.class
    }
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
    /// The whole sentence, outermost context first: `backing up files: open /x: permission denied`.
    pub fn sentence(&self) -> String {
        let mut parts: Vec<&str> = self.context.iter().rev().map(String::as_str).collect();
        parts.push(&self.message);
        parts.join(": ")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())?;
        match &self.hint {
            Some(hint) => write!(f, "\nHint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:?}] {self}", self.class)
    }
}

impl std::error::Error for Error {}

/// An I/O error keeps its sense: no space is `Resource`, an interrupted connection is `Transient`, the rest is `Permanent`.
/// One of ours that had to pass as one of I/O (a reader or writer can return no other) comes out as it went in.
impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        if let Some(ours) = e.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            return ours.clone();
        }
        let class = match e.kind() {
            K::StorageFull | K::QuotaExceeded | K::OutOfMemory | K::FileTooLarge => Class::Resource,
            K::ConnectionReset | K::ConnectionAborted | K::ConnectionRefused | K::TimedOut | K::Interrupted => Class::Transient,
            _ => Class::Permanent,
        };
        // The number is for programmers: the sentence before it says the same.
        let said = e.to_string();
        Self::new(class, said.rsplit_once(" (os error ").map_or(said.as_str(), |(sentence, _)| sentence))
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(e: rustix::io::Errno) -> Self {
        std::io::Error::from(e).into()
    }
}

/// Adds context to anything that becomes an [`Error`].
pub trait Context<T> {
    /// `what` is only made when there is an error.
    fn context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|e| e.into().context(what()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_reads_from_the_outside_in_and_the_innermost_hint_wins() {
        let e =
            Error::permanent("permission denied").hint("run as root").context("open /x").hint("never shown").context("backing up files");
        assert_eq!(e.to_string(), "backing up files: open /x: permission denied\nHint: run as root");
    }

    #[test]
    fn one_of_ours_comes_out_of_an_error_of_io_as_it_went_in() {
        let back = Error::from(std::io::Error::other(Error::damaged("it was altered").hint("make it again")));
        assert_eq!((back.class(), back.to_string().as_str()), (Class::Damaged, "it was altered\nHint: make it again"));
    }

    #[test]
    fn a_full_disk_is_a_matter_of_resources() {
        assert_eq!(Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull)).class(), Class::Resource);
    }
}
