//! The server: the API, and a worker inside unless told not to.

use super::wiring::{self, Tuning};
use super::{block_on, work};
use crate::base::error::{Context, Error, Result};
use crate::{db, queue, web};
use std::io::Write;
use std::net::SocketAddr;
use tokio::net::TcpListener;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Options {
    /// Answer requests only; jobs are left to `sitekeep work`
    #[arg(long)]
    no_worker: bool,
    #[command(flatten)]
    worker: work::Options,
}

pub(super) fn main(options: &Options) -> Result<()> {
    let config = wiring::configured()?;
    let tuning = Tuning::load()?;
    block_on(async {
        let app = wiring::app(&config, &tuning, 12).await?;
        let listener = TcpListener::bind(&config.listen).await.map_err(Error::from).map_err(|e| {
            e.hint("choose another address with SITEKEEP_LISTEN=host:port").context(format!("listening on {}", config.listen))
        })?;
        let at = listener.local_addr().context(|| "listening")?;
        say_hello(&app, &config.public_url, at).await?;
        let shutdown = queue::until_signal()?;
        let mut stop = shutdown.clone();
        let service = web::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let server = axum::serve(listener, service)
            .with_graceful_shutdown(async move { while !*stop.borrow_and_update() && stop.changed().await.is_ok() {} });
        let server = async { server.await.context(|| "serving") };
        if options.no_worker {
            return server.await;
        }
        let worker = async {
            let ended = work::run(&app, &config, &tuning, options.worker.slots, shutdown.clone()).await;
            if *shutdown.borrow() { ended } else { Err(work::unexpected(ended)) }
        };
        tokio::try_join!(server, worker).map(drop)
    })
}

async fn say_hello(app: &crate::app::App, public_url: &str, at: SocketAddr) -> Result<()> {
    let mut text = format!("Sitekeep listens on http://{at} (for people: {public_url})\n");
    if db::tenants::list(&mut *app.pool.get().await?).await?.is_empty() {
        text.push_str(
            "No tenant yet. `sitekeep setup --email you@example.com` makes the first administrator, `sitekeep tenant:create` a tenant.\n",
        );
    }
    // Whoever started the server may have closed its output; that is no reason to stop.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(())
}
