//! Against a real server: see `server` for how it is started, `sites` for what is in it.

mod beside;
mod faults;
mod fresh;
mod hostile;
mod server;
mod sites;
