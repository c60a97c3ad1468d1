//! Environments of Debian's Python (one below a home directory cannot be run by the user of a site), made once.

use super::{FIXTURES, apt_line, run, template};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One with what `fixtures/NAME/requirements.txt` asks for, in `home` under the name `kept`.
pub fn environment(name: &str, kept: &str, home: &Path) -> PathBuf {
    let requirements = format!("{FIXTURES}/{name}/requirements.txt");
    let text = std::fs::read(&requirements).expect("a fixture can be read");
    let python = Path::new("/usr/bin/python3");
    assert!(python.is_file(), "/usr/bin/python3 is missing; install it with:\n{}", apt_line());
    let version = run(Command::new(python).arg("--version"));
    template::made_once(kept, home, &[&text, &version], |dir| {
        run(Command::new(python).args(["-m", "venv", "--clear"]).arg(dir));
        run(Command::new(dir.join("bin/pip")).args(["install", "--quiet", "--requirement", &requirements]));
    })
}
