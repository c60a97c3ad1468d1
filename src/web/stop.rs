//! The end of the server, for answers that would go on for ever.

use std::time::Duration;
use tokio::sync::watch;

/// Becomes true when the server is asked to stop.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    pub fn new(shutdown: watch::Receiver<bool>) -> Self {
        Self(shutdown)
    }
    /// One that never comes.
    pub fn never() -> Self {
        let (tell, stop) = watch::channel(false);
        // Kept for as long as the process lives: a sender that is gone would look like the end.
        std::mem::forget(tell);
        Self(stop)
    }
    /// Waits for so long, or until the server stops; is it the end?
    pub async fn wait(&mut self, time: Duration) -> bool {
        if *self.0.borrow() {
            return true;
        }
        tokio::select! {
            changed = self.0.changed() => changed.is_err() || *self.0.borrow(),
            () = tokio::time::sleep(time) => false,
        }
    }
}
