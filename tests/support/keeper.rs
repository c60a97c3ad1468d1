//! What ends the servers and removes the directories of a run, however the run ends.
//!
//! Shared servers live in statics, which are never dropped, and a run may be killed. So a small shell reads from a pipe
//! what was started and made; when the pipe closes, because this process is gone, it ends and removes what is left.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// `born SESSION SIGNAL`, `gone SESSION`, `made DIRECTORY`, `removed DIRECTORY`. Processes are found by their session,
/// and only sessions that this run opened are ever touched.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
declare -A sessions dirs
while read -r what name signal; do
  case $what in
    born) sessions[$name]=$signal ;;
    gone) unset "sessions[$name]" ;;
    made) dirs[$name]=1 ;;
    removed) unset "dirs[$name]" ;;
  esac
done
members() {
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    set -- ${line##*) }
    [ "$1" != Z ] && [ -n "${sessions[$4]:-}" ] && echo "${line%% *}"
  done
}
for session in "${!sessions[@]}"; do kill -"${sessions[$session]}" "$session" 2>/dev/null; done
for ((i = 0; i < 20; i++)); do [ -z "$(members)" ] && break; sleep 0.1; done
left=$(members); [ -z "$left" ] || kill -KILL $left 2>/dev/null
while read -r _ where _; do
  for dir in "${!dirs[@]}"; do case $where in "$dir"/*) umount -l "$where" ;; esac; done
done </proc/mounts
[ -n "${SITEKEEP_TEST_KEEP:-}" ] || rm -rf -- "${!dirs[@]}" || { chmod -R u+rwX -- "${!dirs[@]}"; rm -rf -- "${!dirs[@]}"; }
"#;

fn tell(line: &str) {
    static KEEPER: OnceLock<Mutex<Child>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        // A session of its own: Ctrl-C at the terminal ends the run, and this must outlive it.
        let child = Command::new(super::tool("setsid"))
            .args(["bash", "-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash starts");
        Mutex::new(child)
    });
    let mut keeper = keeper.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    writeln!(keeper.stdin.as_mut().expect("its standard input is a pipe"), "{line}").expect("the keeper lives as long as the run");
}

/// A session was opened by a process of ours; `signal` ends its leader cleanly.
pub fn born(session: u32, signal: &str) {
    tell(&format!("born {session} {signal}"));
}
pub fn gone(session: u32) {
    tell(&format!("gone {session}"));
}
pub fn made(dir: &Path) {
    tell(&format!("made {}", dir.display()));
}
pub fn removed(dir: &Path) {
    tell(&format!("removed {}", dir.display()));
}
