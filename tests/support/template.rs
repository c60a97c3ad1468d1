//! Sites that take a while to build are built once and kept in `target/test-tools`; a test gets a copy.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The directory `name` in the tools' directory, made by `make` (which gets the path to fill) unless it was made from
/// the same `ingredients` before. Several runs at once wait for the one that makes it.
pub fn made_once(name: &str, tools: &Path, ingredients: &[&[u8]], make: impl FnOnce(&Path)) -> PathBuf {
    std::fs::create_dir_all(tools).expect("the directory of tools can be made");
    let found = tools.metadata().expect("it was just made");
    let ours = found.uid() == rustix::process::getuid().as_raw() && found.mode() & 0o022 == 0;
    assert!(ours, "{} belongs to somebody else or can be written by others: programs are run from there", tools.display());
    let lock = File::create(tools.join(format!("{name}.lock"))).expect("a lock file can be made");
    flock(&lock, FlockOperation::LockExclusive).expect("a lock can be waited for");
    let key = key(ingredients);
    let ready = tools.join(format!("{name}-{key}"));
    // Not made elsewhere and renamed: a Python environment knows its own path. So a mark says that it is whole.
    let mark = tools.join(format!("{name}-{key}.whole"));
    if !mark.is_file() {
        remove_others(name, tools);
        make(&ready);
        File::create(mark).expect("a mark can be made");
    }
    ready
}

/// What is there of other makes or was left unfinished.
fn remove_others(name: &str, tools: &Path) {
    for entry in std::fs::read_dir(tools).expect("the directory of tools can be read").flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        if file.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')) {
            let _ = std::fs::remove_dir_all(entry.path());
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn key(ingredients: &[&[u8]]) -> String {
    use sha2::Digest;
    let mut sha = sha2::Sha256::new();
    for part in ingredients {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part);
    }
    let user = sitekeep::base::identity::Identity::of_process().uid;
    sha.update(user.to_le_bytes());
    sitekeep::base::secret::hex(&sha.finalize())[..12].to_owned()
}

/// `target/test-tools`, beside what cargo builds.
pub fn tools() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's directory of temporary files lies in target").join("test-tools")
}

/// The same, when every user may pass through all directories above it (a site's own user runs programs from there);
/// otherwise a directory in /var/tmp.
pub fn tools_for_everybody() -> PathBuf {
    let open = |dir: &Path| dir.metadata().is_ok_and(|m| m.permissions().mode() & 0o001 != 0);
    let tools = tools();
    if !super::is_root() || tools.ancestors().skip(1).all(open) { tools } else { PathBuf::from("/var/tmp/sitekeep-test-tools") }
}
