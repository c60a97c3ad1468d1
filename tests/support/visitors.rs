//! Visitors who ask for a page all the time, while something happens to the site: what did they see?

use super::digest::{Page, page};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub struct Visitors {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Page>>>,
    thread: Option<JoinHandle<()>>,
}

impl Visitors {
    /// Asks for `url` until it is stopped, with 20 ms between an answer and the next question.
    pub fn at(url: &str) -> Self {
        let (stop, seen, url) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())), url.to_owned());
        let (stopping, seeing) = (stop.clone(), seen.clone());
        let thread = std::thread::spawn(move || {
            while !stopping.load(Relaxed) {
                let answer = page(&url);
                let mut seen = held(&seeing);
                if seen.last() != Some(&answer) {
                    seen.push(answer);
                }
                drop(seen);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { stop, seen, thread: Some(thread) }
    }
    /// The latest answer.
    pub fn last(&self) -> Option<Page> {
        held(&self.seen).last().cloned()
    }
    /// The answers in their order; one that repeated the one before it is left out.
    pub fn stop(mut self) -> Vec<Page> {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a visitor does not panic");
        }
        std::mem::take(&mut *held(&self.seen))
    }
}

impl Drop for Visitors {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

fn held(seen: &Mutex<Vec<Page>>) -> MutexGuard<'_, Vec<Page>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
