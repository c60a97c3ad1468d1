//! What is kept of a file beside its content: owner, mode, times, links, extended attributes.

use rustic_core::jiff::Timestamp;
use rustic_core::repofile::Metadata;
use rustix::fs::{FileType, Stat};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd};

/// Mode bits as the format has them: Go's `os.FileMode`, in which the type and the special bits lie elsewhere than in
/// `st_mode`.
mod go {
    pub const DIR: u32 = 1 << 31;
    pub const SYMLINK: u32 = 1 << 27;
    pub const SETUID: u32 = 1 << 23;
    pub const SETGID: u32 = 1 << 22;
    pub const STICKY: u32 = 1 << 20;
}

/// The pairs of `st_mode` bit and Go bit.
const SPECIAL: [(u32, u32); 3] = [(0o4000, go::SETUID), (0o2000, go::SETGID), (0o1000, go::STICKY)];

fn to_go(mode: u32) -> u32 {
    let kind = match FileType::from_raw_mode(mode) {
        FileType::Directory => go::DIR,
        FileType::Symlink => go::SYMLINK,
        _ => 0,
    };
    SPECIAL.iter().filter(|(unix, _)| mode & unix != 0).fold(kind | (mode & 0o777), |out, (_, bit)| out | bit)
}

/// Permission and special bits as `chmod` takes them.
pub(in crate::engine) fn from_go(mode: u32) -> u32 {
    SPECIAL.iter().filter(|(_, bit)| mode & bit != 0).fold(mode & 0o777, |out, (unix, _)| out | unix)
}

pub(in crate::engine) fn timestamp(seconds: i64, nanoseconds: i64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)).ok()
}

/// `fresh` is the second since which a change may go unseen: a file can change again within one tick of the file
/// system's clock, and look as it did when it was read. Such a file gets a change time that it never had, so that the
/// next backup reads it again.
#[allow(clippy::unnecessary_cast)] // the fields of `stat` are of other widths on other processors
pub(super) fn of_stat(stat: &Stat, fresh: i64) -> Metadata {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let changed = if stat.st_ctime >= fresh { stat.st_ctime - 1 } else { stat.st_ctime };
    Metadata {
        mode: Some(to_go(stat.st_mode)),
        mtime: timestamp(stat.st_mtime, stat.st_mtime_nsec as i64),
        ctime: timestamp(changed, stat.st_ctime_nsec as i64),
        uid: Some(stat.st_uid),
        gid: Some(stat.st_gid),
        inode: stat.st_ino,
        device_id: stat.st_dev,
        size: if kind == FileType::RegularFile { stat.st_size as u64 } else { 0 },
        links: if kind == FileType::Directory { 0 } else { stat.st_nlink as u64 },
        ..Metadata::default()
    }
}

/// A folder that exists only in the snapshot. Its time never changes, so that an unchanged content keeps its tree.
pub(super) fn of_folder() -> Metadata {
    Metadata { mode: Some(go::DIR | 0o755), mtime: Some(Timestamp::UNIX_EPOCH), uid: Some(0), gid: Some(0), ..Metadata::default() }
}

/// A directory of the site that does not exist, kept as an empty one.
pub(super) fn of_absent(uid: u32, gid: u32) -> Metadata {
    Metadata { uid: Some(uid), gid: Some(gid), ..of_folder() }
}

/// A file that exists only in the snapshot. The library takes a file of equal type, size and times for unchanged and
/// keeps the old content: `mark` (a hash of the content, or chance) makes its change time tell contents apart.
pub(in crate::engine) fn of_memory(size: u64, mtime: Timestamp, mark: u64) -> Metadata {
    let ctime = timestamp((mark >> 34) as i64, (mark & 0x1fff_ffff) as i64);
    Metadata { mode: Some(0o600), mtime: Some(mtime), ctime, uid: Some(0), gid: Some(0), size, ..Metadata::default() }
}

const ACL: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];

/// Is it an extended attribute that is kept? The user's own and access control lists; what gives power to a program
/// (`security.capability`) or belongs to the host (`security.selinux`) is not.
pub(in crate::engine) fn keeps_attribute(name: &[u8]) -> bool {
    name.starts_with(b"user.") || ACL.contains(&name)
}

/// An access control list?
pub(in crate::engine) fn is_acl(name: &[u8]) -> bool {
    ACL.contains(&name)
}

/// Reads the extended attributes of an entry of `dir`, without opening the entry and without following it. A file
/// system without attributes, or a host without /proc, has none.
pub(super) fn read_attributes(dir: impl AsFd, name: &CStr, out: &mut Metadata) {
    let mut path = format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    let mut list = [0u8; 4096];
    let Ok(len) = rustix::fs::llistxattr(path.as_slice(), &mut list) else { return };
    let mut names: Vec<&[u8]> = list[..len].split(|b| *b == 0).filter(|n| keeps_attribute(n)).collect();
    names.sort_unstable(); // the kernel's order may differ from night to night
    for attribute in names {
        let Ok(text) = std::str::from_utf8(attribute) else { continue };
        let mut value = Vec::with_capacity(64 << 10); // the most that Linux allows
        if rustix::fs::lgetxattr(path.as_slice(), attribute, rustix::buffer::spare_capacity(&mut value)).is_ok() {
            value.shrink_to_fit();
            push(out, text, value);
        }
    }
}

/// `ExtendedAttribute` has no public name in the library: it is made from the JSON that it is stored as.
fn push(out: &mut Metadata, name: &str, value: Vec<u8>) {
    let Ok(mut one) = serde_json::from_value::<Metadata>(serde_json::json!({
        "mode": null, "mtime": null, "atime": null, "ctime": null, "uid": null, "gid": null, "user": null, "group": null,
        "extended_attributes": [{ "name": name, "value": "" }],
    })) else {
        return;
    };
    if let Some(mut attribute) = one.extended_attributes.pop() {
        attribute.value = Some(value);
        out.extended_attributes.push(attribute);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_go_there_and_back() {
        for mode in [0o644, 0o755, 0o4755, 0o2775, 0o1777, 0o7777, 0] {
            assert_eq!(from_go(to_go(mode | 0o100_000)), mode, "{mode:o}");
            assert_eq!(from_go(to_go(mode | 0o040_000)), mode, "{mode:o}");
        }
        assert_eq!(to_go(0o041_777), go::DIR | go::STICKY | 0o777);
    }

    #[test]
    fn times_before_1970_are_kept() {
        let t = timestamp(-1, 999_999_999).unwrap();
        assert_eq!(t.as_nanosecond(), -1);
    }

    #[test]
    fn an_attribute_is_made_from_its_stored_form() {
        let mut meta = Metadata::default();
        push(&mut meta, "user.a", vec![0, 255]);
        assert_eq!(meta.extended_attributes[0].name, "user.a");
        assert_eq!(meta.extended_attributes[0].value.as_deref(), Some(&[0u8, 255][..]));
    }
}
