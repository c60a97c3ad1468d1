//! The library's errors and ours, in both directions.

use crate::base::error::{Class, Error, Result};
use rustic_core::{ErrorKind, RusticError, RusticResult};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Carries our error through the library.
pub(super) fn to_library(error: Error) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, "the storage refused", error)
}

/// Our own error where the library only passed it on. What the library itself found wrong in something that was stored
/// (a seal that does not hold, text that is not what it should be) is damage.
pub(super) fn from_library(error: &RusticError) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = cause {
        if let Some(ours) = e.downcast_ref::<Error>() {
            return ours.clone();
        }
        cause = e.source();
    }
    Error::new(Class::Damaged, plainly(&error.display_log()))
}

/// The library's text without its scaffolding. A seal that does not hold is what damage looks like, and gets our words.
fn plainly(text: &str) -> String {
    if text.contains("cryptographic operations") {
        let pack = text.split_once("Pack:").map(|(_, rest)| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>());
        let which = pack.map_or_else(|| "what is stored".to_owned(), |pack| format!("the pack {pack}"));
        return format!("{which} was altered since it was written: its seal does not hold");
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("the repository cannot be read");
    let first = first.trim_start_matches("Error: ").split(" (kind: related to").next().unwrap_or(first);
    first.chars().take(300).collect()
}

/// Adds our way of failing to the library's results.
pub(super) trait Ours<T> {
    fn ours(self) -> Result<T>;
}

impl<T> Ours<T> for RusticResult<T> {
    fn ours(self) -> Result<T> {
        self.map_err(|e| from_library(&e))
    }
}

/// Runs `work`, in which the library may panic over something that it did not expect to read.
pub(super) fn reading<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let damaged = |why: &str| Error::damaged(format!("the repository holds something that cannot be understood ({why})"));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(damaged(said(&*panic))))
}

/// Runs `work`, which writes; a panic in it is a defect, and nothing was made visible by it.
pub(super) fn writing<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let defect = |why: &str| Error::internal(format!("writing to the repository broke off ({why})"));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(defect(said(&*panic))))
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_error_comes_back_from_the_library_as_it_went_in() {
        let inner = to_library(Error::resource("the disk is full").hint("free some space"));
        let outer = RusticError::with_source(ErrorKind::Internal, "packing failed", inner);
        let back = from_library(&outer);
        assert_eq!(back.class(), Class::Resource);
        assert_eq!(back.to_string(), "the disk is full\nHint: free some space");
        let own = from_library(&RusticError::new(ErrorKind::Cryptography, "MAC check failed"));
        assert_eq!(own.class(), Class::Damaged);
        assert_eq!(own.to_string(), "what is stored was altered since it was written: its seal does not hold");
        assert_eq!(plainly("Error: no such blob (kind: related to the repository)\nmore"), "no such blob");
        let pack = "Error: error processing Pack:6a318a33 at 0 (kind: related to cryptographic operations)";
        assert!(plainly(pack).starts_with("the pack 6a318a33 was altered"));
    }

    #[test]
    fn a_panic_becomes_a_sentence() {
        let error = reading::<()>(|| panic!("index out of bounds")).unwrap_err();
        assert!(error.class() == Class::Damaged && error.to_string().contains("index out of bounds"));
        assert_eq!(writing::<()>(|| panic!("{}", 1)).unwrap_err().class(), Class::Internal);
    }
}
