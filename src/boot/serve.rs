//! The server: the API, and a worker inside unless told not to.

use super::wiring::{self, Tuning};
use super::{block_on, upkeep, work};
use crate::app::{App, downloads, one_time_links, outbox, sessions};
use crate::base::error::{Context, Error, Result};
use crate::{queue, web};
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;
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
        let router = web::router_until(app.clone(), web::Stop::new(shutdown.clone()));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let server = axum::serve(listener, service)
            .with_graceful_shutdown(async move { while !*stop.borrow_and_update() && stop.changed().await.is_ok() {} });
        let asked_to_end = shutdown.clone();
        let server = async {
            tokio::select! { served = server => served.context(|| "serving"), () = out_of_patience(asked_to_end) => Ok(()) }
        };
        tokio::spawn(tidy(app.clone()));
        let letters = outbox::deliver(&app, app.mailer.as_ref(), shutdown.clone());
        let upkeep = upkeep::run(&app, shutdown.clone());
        if options.no_worker {
            return tokio::try_join!(server, letters, upkeep).map(drop);
        }
        let worker = async {
            let ended = work::run(&app, &config, &tuning, options.worker.slots, shutdown.clone()).await;
            if *shutdown.borrow() { ended } else { Err(work::unexpected(ended)) }
        };
        tokio::try_join!(server, worker, letters, upkeep).map(drop)
    })
}

/// Answers that have begun are ended in peace, but a download may take hours: it is stopped, so that whoever takes it sees
/// that it broke off. Who does not even listen is left alone in the end.
async fn out_of_patience(mut shutdown: queue::Shutdown) {
    while !*shutdown.borrow_and_update() && shutdown.changed().await.is_ok() {}
    tokio::time::sleep(Duration::from_secs(10)).await;
    downloads::stop_all();
    tokio::time::sleep(Duration::from_secs(3)).await;
}

/// Says where it listens, and how the first administrator gets in while there is none.
async fn say_hello(app: &App, public_url: &str, at: SocketAddr) -> Result<()> {
    let mut text = format!("Sitekeep listens on http://{at} (for people: {public_url})\n");
    if let Some(secret) = one_time_links::first_link(app).await? {
        text.push_str(&format!(
            "Nobody can sign in as an administrator yet. This link makes the first one; it works once, within a day:\n\n  {public_url}/first/{}\n\n",
            secret.expose()
        ));
    }
    // Whoever started the server may have closed its output; that is no reason to stop.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(())
}

/// What the server forgets and learns by itself. Several at once do no harm, and a failure is tried again the next time.
async fn tidy(app: App) {
    loop {
        if let Err(e) = sessions::tidy(&app).await {
            tracing::warn!("forgetting what has expired: {e}");
        }
        if let Err(e) = app.pool.learn().await {
            tracing::warn!("looking at how the catalogue is filled: {e}");
        }
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
}
