//! Owner, mode, time and attributes of what is restored.

use super::Owners;
use crate::engine::source::meta::{from_go, is_acl, keeps_attribute};
use rustic_core::repofile::Metadata;
use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::AsFd;

/// How owners and modes change on the way.
pub(super) struct Rights {
    owners: Owners,
    root: bool,
}

/// What is kept of a node, in few bytes: there may be a million of them.
pub(super) struct Kept {
    owner: Option<(Uid, Gid)>,
    mode: Mode,
    mtime: Timespec,
    attributes: Option<Box<Attributes>>,
}

type Attributes = Vec<(String, Vec<u8>)>;

impl Rights {
    pub fn new(owners: &Owners) -> Self {
        Self { owners: *owners, root: rustix::process::geteuid().is_root() }
    }

    /// Of a directory that holds what is on its way elsewhere: ours alone.
    pub fn private() -> Kept {
        Kept { owner: None, mode: Mode::RWXU, mtime: Timespec { tv_sec: 0, tv_nsec: 0 }, attributes: None }
    }

    fn uid(&self, recorded: u32) -> u32 {
        match self.owners.map {
            Some((from, _, to, _)) if recorded == from || !self.owners.as_recorded => to,
            _ if self.owners.as_recorded => recorded,
            _ => rustix::process::geteuid().as_raw(),
        }
    }

    fn gid(&self, recorded: u32) -> u32 {
        match self.owners.map {
            Some((_, from, _, to)) if recorded == from || !self.owners.as_recorded => to,
            _ if self.owners.as_recorded => recorded,
            _ => rustix::process::getegid().as_raw(),
        }
    }

    pub fn keep(&self, data: &Metadata, is_dir: bool) -> Kept {
        let mode = from_go(data.mode.unwrap_or(if is_dir { 0o700 } else { 0o600 }));
        let mode = if self.owners.drop_setid && !is_dir { mode & !0o6000 } else { mode };
        let time = data.mtime.map_or(0, |t| t.as_nanosecond());
        let mtime = Timespec { tv_sec: time.div_euclid(1_000_000_000) as i64, tv_nsec: time.rem_euclid(1_000_000_000) as _ };
        let (uid, gid) = (self.uid(data.uid.unwrap_or(0)), self.gid(data.gid.unwrap_or(0)));
        let owner = self.root.then(|| (Uid::from_raw(uid), Gid::from_raw(gid)));
        let mut attributes = Attributes::new();
        for attribute in &data.extended_attributes {
            if keeps_attribute(attribute.name.as_bytes()) {
                let value = attribute.value.clone().unwrap_or_default();
                let value = if is_acl(attribute.name.as_bytes()) { self.acl(value) } else { value };
                attributes.push((attribute.name.clone(), value));
            }
        }
        Kept { owner, mode: Mode::from_raw_mode(mode), mtime, attributes: (!attributes.is_empty()).then(|| Box::new(attributes)) }
    }

    /// An access control list names users and groups by number: four bytes of version, then entries of two bytes tag,
    /// two bytes rights, four bytes number.
    fn acl(&self, mut value: Vec<u8>) -> Vec<u8> {
        const USER: u16 = 0x02;
        const GROUP: u16 = 0x08;
        let Some((from_uid, from_gid, to_uid, to_gid)) = self.owners.map else { return value };
        for entry in value.iter_mut().skip(4).collect::<Vec<_>>().chunks_exact_mut(8) {
            let tag = u16::from_le_bytes([*entry[0], *entry[1]]);
            let number = u32::from_le_bytes([*entry[4], *entry[5], *entry[6], *entry[7]]);
            let new = match tag {
                USER if number == from_uid => to_uid,
                GROUP if number == from_gid => to_gid,
                _ => continue,
            };
            for (byte, new) in entry[4..].iter_mut().zip(new.to_le_bytes()) {
                **byte = new;
            }
        }
        value
    }
}

impl Kept {
    /// The owner first, for changing it clears setuid; the mode before access control lists, which refine it; the time
    /// last.
    pub fn apply(&self, fd: impl AsFd) -> Result<(), Errno> {
        let fd = fd.as_fd();
        if let Some((uid, gid)) = self.owner {
            rustix::fs::fchown(fd, Some(uid), Some(gid))?;
        }
        rustix::fs::fchmod(fd, self.mode)?;
        for (name, value) in self.attributes.iter().flat_map(|a| a.iter()) {
            match rustix::fs::fsetxattr(fd, name.as_str(), value, XattrFlags::empty()) {
                // This file system has none of them; the content is what matters.
                Err(Errno::NOTSUP) => {}
                other => other?,
            }
        }
        rustix::fs::futimens(fd, &self.times())
    }

    /// A symbolic link has an owner and a time, no mode.
    pub fn apply_to_link(&self, folder: impl AsFd, name: &OsStr) -> Result<(), Errno> {
        if let Some((uid, gid)) = self.owner {
            rustix::fs::chownat(&folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        rustix::fs::utimensat(&folder, name, &self.times(), AtFlags::SYMLINK_NOFOLLOW)
    }

    fn times(&self) -> Timestamps {
        Timestamps { last_access: self.mtime, last_modification: self.mtime }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(map: Option<(u32, u32, u32, u32)>, as_recorded: bool) -> Rights {
        Rights { owners: Owners { map, as_recorded, drop_setid: true }, root: true }
    }

    #[test]
    fn owners_are_mapped_kept_or_become_ours() {
        let map = Some((33, 33, 1001, 1002));
        let us = rustix::process::geteuid().as_raw();
        let table = [(map, true, 33, 1001), (map, true, 5, 5), (map, false, 5, 1001), (None, true, 5, 5), (None, false, 5, us)];
        for (map, as_recorded, recorded, uid) in table {
            assert_eq!(rights(map, as_recorded).uid(recorded), uid);
        }
        assert_eq!(rights(map, true).gid(33), 1002);
    }

    #[test]
    fn setid_is_dropped_from_files_and_not_from_directories() {
        let data = Metadata { mode: Some(1 << 23 | 1 << 22 | 0o755), ..Metadata::default() };
        assert_eq!(rights(None, true).keep(&data, false).mode.as_raw_mode(), 0o755);
        assert_eq!(rights(None, true).keep(&data, true).mode.as_raw_mode(), 0o6755);
    }

    #[test]
    fn numbers_in_access_control_lists_are_mapped() {
        let entry = |tag: u16, id: u32| [&tag.to_le_bytes()[..], &[7, 0], &id.to_le_bytes()].concat();
        let list = |user, group| [vec![2, 0, 0, 0], entry(0x01, u32::MAX), entry(0x02, user), entry(0x02, 77), entry(0x08, group)].concat();
        assert_eq!(rights(Some((33, 34, 1001, 1002)), true).acl(list(33, 34)), list(1001, 1002));
        assert_eq!(rights(None, true).acl(list(33, 34)), list(33, 34));
        assert_eq!(rights(Some((33, 34, 1001, 1002)), true).acl(vec![2, 0]), vec![2, 0]);
    }
}
