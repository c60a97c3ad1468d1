//! What the demo runs on: the real server as its own process, the site beside it, and the CLI as people type it.

use super::super::setup::write_private;
use super::garden;
use crate::base::chance;
use crate::base::error::{Context, Error, Result};
use crate::base::secret::Secret;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const ADMINISTRATOR: &str = "admin@example.com";

pub(super) struct Stage {
    pub sites: PathBuf,
    /// Where the garden answers.
    pub garden: String,
    url: String,
    token_file: PathBuf,
    password_file: PathBuf,
    dir: PathBuf,
    program: PathBuf,
    server: Child,
    runtime: tokio::runtime::Runtime,
}

impl Stage {
    /// Starts the site and the server, and makes the first administrator.
    pub(super) fn open(dir: &Path, sites: PathBuf) -> Result<Self> {
        let program = std::env::current_exe().context(|| "finding this program")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let garden = serve_garden(&runtime, &sites)?;
        let token_file = dir.join("token");
        let data = dir.join("data");
        let ours = |command: &mut Command| {
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LANG", "C.UTF-8");
            // Only what went wrong: the demo tells the rest itself.
            command.env("SITEKEEP_LOG", "warn");
            for name in ["SITEKEEP_LOG", "SITEKEEP_TUNE"] {
                if let Some(value) = std::env::var_os(name) {
                    command.env(name, value);
                }
            }
            command.current_dir(dir).env("SITEKEEP_DATA_DIR", &data).env("HOME", dir);
        };
        let mut setup = Command::new(&program);
        ours(&mut setup);
        let password_file = dir.join("password");
        write_private(&password_file, &Secret::new(chance::word(16)))?;
        setup.args(["setup", "--email", ADMINISTRATOR, "--token-out"]).arg(&token_file).arg("--password-file").arg(&password_file);
        let done = setup.output()?;
        if !done.status.success() {
            return Err(Error::internal(format!("setting up: {}", String::from_utf8_lossy(&done.stderr).trim())));
        }
        let listen = format!("127.0.0.1:{}", free_port(8080)?);
        let mut serve = Command::new(&program);
        ours(&mut serve);
        let mut server = serve.arg("serve").env("SITEKEEP_LISTEN", &listen).stdout(Stdio::piped()).spawn()?;
        let out = server.stdout.take().ok_or_else(|| Error::internal("the server has no output"))?;
        let mut line = String::new();
        let mut out = BufReader::new(out);
        out.read_line(&mut line)?;
        // Read to its end: nobody may block on a full pipe.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        if line.is_empty() {
            return Err(Error::internal("the server did not start; what it said stands above"));
        }
        Ok(Self {
            sites,
            garden,
            url: format!("http://{listen}"),
            token_file,
            password_file,
            dir: dir.to_owned(),
            program,
            server,
            runtime,
        })
    }

    /// Runs a command of the CLI, shown as people would type it.
    pub(super) fn cli(&mut self, arguments: &[&str]) -> Result<String> {
        let shown: Vec<String> = arguments.iter().map(|a| if a.contains(' ') { format!("'{a}'") } else { (*a).to_owned() }).collect();
        println!("  $ sitekeep {}", shown.join(" "));
        let done = Command::new(&self.program)
            .env("SITEKEEP_URL", &self.url)
            .env("SITEKEEP_TOKEN_FILE", &self.token_file)
            .args(arguments)
            .stdin(Stdio::null())
            .output()?;
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        for line in err.lines().chain(out.lines()) {
            println!("    {line}");
        }
        match done.status.success() {
            true => Ok(out.into_owned()),
            false => Err(Error::permanent(format!("`sitekeep {}` failed with {}", shown.join(" "), done.status))),
        }
    }

    /// The tenant `demo` with the site `garden` and its three environments.
    pub(super) fn add_sites(&mut self) -> Result<()> {
        self.cli(&["tenant:create", "demo"])?;
        for name in garden::ENVIRONMENTS {
            let root = self.sites.join(name).display().to_string();
            let url = format!("{}/{name}/", self.garden);
            let options = [
                "--env",
                name,
                "--path",
                &root,
                "--files",
                "public=uploads",
                "--database-engine",
                "sqlite",
                "--database-name",
                "garden.sqlite3",
            ];
            let mut arguments = vec!["site:add", "demo/garden"];
            arguments.extend(options);
            arguments.extend(["--site-url", &url, "--expect", "The Garden"]);
            self.cli(&arguments)?;
        }
        self.take_key()
    }

    /// Takes the site's recovery key away and enters it, as its owner would: until then it is shown as unprotected.
    fn take_key(&mut self) -> Result<()> {
        let file = self.dir.join("garden.key").display().to_string();
        println!("Taking the recovery key of demo/garden away, and showing that it arrived");
        println!("  $ sitekeep recovery:key demo/garden --out {file}");
        let mut tool = Command::new(&self.program);
        tool.env_clear().env("LANG", "C.UTF-8").env("SITEKEEP_LOG", "warn").env("SITEKEEP_DATA_DIR", self.dir.join("data"));
        let done = tool.args(["recovery:key", "demo/garden", "--out", &file]).current_dir(&self.dir).output()?;
        if !done.status.success() {
            return Err(Error::internal(format!("taking the recovery key: {}", String::from_utf8_lossy(&done.stderr).trim())));
        }
        self.cli(&["recovery:confirm", "demo/garden", "--file", &file]).map(drop)
    }

    pub(super) fn show_commands(&self) {
        let token = std::fs::read_to_string(&self.token_file).unwrap_or_default();
        println!("\nSitekeep is at {} and the site it keeps at {}/live/", self.url, self.garden);
        let password = std::fs::read_to_string(&self.password_file).unwrap_or_default();
        println!("Sign in at {} as {ADMINISTRATOR} with the password {}", self.url, password.trim());
        println!("The password and a token for the command line lie in {}", self.dir.display());
        println!("\nThree commands to try, in another terminal:\n");
        println!("  export SITEKEEP_URL={} SITEKEEP_TOKEN_FILE={}", self.url, self.token_file.display());
        let program = self.program.display();
        println!("  {program} backup:list garden.live");
        println!("  rm {}/live/uploads/*.bmp && {program} backup:restore garden.live --element=files", self.sites.display());
        println!("  {program} backup:undo garden.live\n");
        debug_assert!(token.starts_with("skt_"));
    }

    pub(super) fn serve_until_interrupted(&mut self) -> Result<()> {
        println!("Ctrl-C ends it; everything lies in {}", self.dir.display());
        // SIGTERM too: a demo that is ended otherwise would leave its server behind.
        self.runtime.block_on(async {
            let mut stop = crate::queue::until_signal()?;
            while !*stop.borrow_and_update() && stop.changed().await.is_ok() {}
            Ok(())
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.server.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.server.wait();
    }
}

fn serve_garden(runtime: &tokio::runtime::Runtime, sites: &Path) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context(|| "finding a port for the garden")?;
    listener.set_nonblocking(true)?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = garden::router(sites.to_owned());
    runtime.spawn(async move {
        if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
            let _ = axum::serve(listener, router).await;
        }
    });
    Ok(url)
}

/// The wanted port where it is free, or another one.
fn free_port(wanted: u16) -> Result<u16> {
    let listener =
        TcpListener::bind(("127.0.0.1", wanted)).or_else(|_| TcpListener::bind("127.0.0.1:0")).context(|| "finding a free port")?;
    Ok(listener.local_addr()?.port())
}
