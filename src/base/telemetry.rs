//! The program's own log: to standard error, for the administrator. People read the task log instead.

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error; `SITEKEEP_LOG` chooses what (`info` by default). Safe to call twice.
pub fn start() {
    let filter = EnvFilter::try_from_env("SITEKEEP_LOG").unwrap_or_else(|_| EnvFilter::new("info,rustic_core=error,sqlx=warn"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .try_init();
}
