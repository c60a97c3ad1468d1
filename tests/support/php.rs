//! Sites in PHP, served by PHP's own server with several workers, as the site's owner.
//!
//! It keeps no compiled code between requests and no file open, so a site that was exchanged under it is served from the
//! next request on, as by php-fpm after a reload.

use super::{FIXTURES, Running, Scratch, command_as, daemon_as, tool};
use rustix::process::Signal;
use sitekeep::base::identity::Identity;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Serves the directory `root` on 127.0.0.1:`port`. What is not a file is answered by `index.php`.
pub fn serve(scratch: &Scratch, root: &Path, who: &Identity, port: u16) -> Running {
    let router = scratch.join("router.php");
    std::fs::copy(format!("{FIXTURES}/router.php"), &router).expect("the router can be copied");
    let mut command = daemon_as(who, tool("php"));
    command
        .env("PHP_CLI_SERVER_WORKERS", "3")
        .args(SETTINGS)
        .args(["-S", &format!("127.0.0.1:{port}"), "-t"])
        .arg(root)
        .arg(&router)
        .current_dir("/");
    let mut running = Running::start_ending_with(&mut command, &scratch.join("php.log"), Signal::KILL);
    running.wait_until("PHP's server", Duration::from_secs(30), || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    running
}

/// Runs a script as the site's owner.
pub fn script(who: &Identity, script: &Path) -> Command {
    let mut command = command_as(who, tool("php"));
    command.args(SETTINGS).arg(script).current_dir("/");
    command
}

/// No mail, no waiting for other hosts; temporary files where every user may write; no compiled code kept, which would be
/// served for two more seconds after a file changed.
const SETTINGS: [&str; 10] = [
    "-d",
    "memory_limit=512M",
    "-d",
    "sys_temp_dir=/tmp",
    "-d",
    "upload_tmp_dir=/tmp",
    "-d",
    "sendmail_path=/bin/false",
    "-d",
    "opcache.enable=0",
];
