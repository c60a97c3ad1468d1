//! How a command ends: numbers that scripts may rely on. They are never renumbered.

use crate::base::error::Class;
use std::process::ExitCode;

/// The exit codes of every command that people type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Good = 0,
    /// It failed, or the answer to the question was no.
    Failed = 1,
    /// The command itself is wrong: an unknown option, an element that does not exist.
    Usage = 2,
    /// The backup was made and can be used, but something is missing from it.
    Incomplete = 3,
    NotFound = 4,
    /// Not signed in, or not allowed.
    NotAllowed = 5,
    /// It collides with something that exists or runs.
    Conflict = 6,
    /// The server cannot be reached, or is not ready.
    Unreachable = 7,
    /// Ctrl-C or SIGTERM while waiting. The job goes on.
    Interrupted = 130,
}

impl Exit {
    /// The code for an error of this class.
    pub fn of(class: Class) -> Self {
        match class {
            Class::Invalid => Self::Usage,
            Class::Unauthenticated | Class::Forbidden => Self::NotAllowed,
            Class::NotFound => Self::NotFound,
            Class::Conflict => Self::Conflict,
            Class::Transient | Class::TooMany => Self::Unreachable,
            Class::Resource | Class::Permanent | Class::Damaged | Class::Cancelled | Class::Fenced | Class::Internal => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What `--help` says about them.
pub const HELP: &str = "\
Exit codes: 0 good · 1 failed · 2 wrong usage · 3 the backup is incomplete · 4 not found · 5 not signed in or not \
allowed · 6 conflict, or already running · 7 the server cannot be reached · 130 interrupted (the job goes on)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_a_promise() {
        let table = [
            (Exit::Good, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::Incomplete, 3),
            (Exit::NotFound, 4),
            (Exit::NotAllowed, 5),
            (Exit::Conflict, 6),
            (Exit::Unreachable, 7),
            (Exit::Interrupted, 130),
        ];
        for (exit, number) in table {
            assert_eq!(exit as u8, number);
            assert!(HELP.contains(&number.to_string()));
        }
    }
}
