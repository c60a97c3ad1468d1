//! Where a repository lies.

use crate::base::chance;
use crate::base::error::{Class, Context, Error, Result};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The place of a repository, or of a folder that holds repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder of this host.
    Local(PathBuf),
}

impl Location {
    /// Reads `file:///folder`; bytes that an URL cannot hold are written `%20`.
    ///
    /// # Errors
    /// `Invalid` for another scheme, a relative path, a `..`, or a broken escape.
    pub fn parse(url: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::invalid(format!("{url:?} is not the address of a repository: {why}"))
                .hint("it is written file:///folder, for example file:///var/lib/sitekeep/repositories")
        };
        let path = url.strip_prefix("file://").ok_or_else(|| wrong("it does not begin with file://"))?;
        let bytes = unescape(path).ok_or_else(|| wrong("a % is not followed by two hexadecimal digits"))?;
        if !bytes.starts_with(b"/") || bytes.contains(&0) {
            return Err(wrong("the path is not absolute"));
        }
        let path = PathBuf::from(OsString::from_vec(bytes));
        if path.components().any(|part| part == std::path::Component::ParentDir) {
            return Err(wrong("it has a `..` in it"));
        }
        Ok(Self::Local(path))
    }

    /// The folder `name` in this one. A name is one component: what would leave the folder is made harmless.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let flat: String = name.chars().map(|c| if matches!(c, '/' | '\0') { '_' } else { c }).collect();
        let flat = if matches!(flat.as_str(), "" | "." | "..") { "_".to_owned() } else { flat };
        match self {
            Self::Local(path) => Self::Local(path.join(flat)),
        }
    }

    /// The address as [`Location::parse`] reads it.
    pub fn url(&self) -> String {
        match self {
            Self::Local(path) => format!("file://{}", escape(path.as_os_str().as_bytes())),
        }
    }

    /// Writes a small object here, reads it back and removes it.
    ///
    /// # Errors
    /// What stood in the way; `Damaged` when something else came back.
    pub fn try_out(&self) -> Result<()> {
        let Self::Local(folder) = self;
        let what = |doing: &str| format!("{doing} in the store {}", folder.display());
        let (path, written) = (folder.join(format!(".sitekeep-test-{}", chance::word(12))), chance::bytes::<4096>());
        std::fs::create_dir_all(folder).context(|| what("making the folder"))?;
        let tried =
            write_durably(&path, &written).context(|| what("writing")).and_then(|()| std::fs::read(&path).context(|| what("reading back")));
        let removed = std::fs::remove_file(&path).context(|| what("removing"));
        if tried? != written {
            return Err(Error::new(Class::Damaged, "the store gave back something else than was written").hint("check the disk"));
        }
        removed
    }

    /// For messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Local(path) => path.display().to_string(),
        }
    }
}

fn write_durably(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &b in bytes {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' | b'@' | b':' | b'+' | b',' => out.push(b.into()),
            _ => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            out.push(first);
            rest = tail;
            continue;
        }
        let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        out.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &tail[2..];
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        for path in ["/srv/backups", "/srv/mit leer%/ö", "/"] {
            let place = Location::Local(path.into());
            assert_eq!(Location::parse(&place.url()).unwrap(), place);
        }
        let odd = Location::Local(PathBuf::from(OsString::from_vec(b"/srv/\xff\n".to_vec())));
        assert_eq!(Location::parse(&odd.url()).unwrap(), odd);
    }

    #[test]
    fn what_is_not_a_folder_of_this_host_is_refused() {
        for bad in ["s3://bucket", "/srv", "file://host/x", "file://", "file:///a/../b", "file:///%zz", "file:///%+1", "file:///a%00"] {
            assert!(Location::parse(bad).unwrap_err().to_string().contains("file:///"), "{bad} was accepted");
        }
    }

    #[test]
    fn a_name_cannot_leave_the_folder() {
        let base = Location::Local("/srv".into());
        assert_eq!(base.join("sit_1"), Location::Local("/srv/sit_1".into()));
        assert_eq!(base.join("/etc"), Location::Local("/srv/_etc".into()));
        assert_eq!(base.join(".."), Location::Local("/srv/_".into()));
    }
}
