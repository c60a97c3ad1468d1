//! `/api/v1`: the JSON twin of the product. The whole table is on this screen; `tests/access.rs` walks it by role.

mod backups;
mod installation;
mod jobs;
mod links;
mod restores;
mod sites;

use crate::app::App;
use axum::Router;
use axum::routing::{MethodRouter, get, post};

/// One path with its methods.
#[derive(Clone, Copy)]
pub struct Route {
    pub path: &'static str,
    pub methods: &'static [&'static str],
    handlers: fn() -> MethodRouter<App>,
}

macro_rules! table {
    ($($path:literal [$($method:literal),*] $handlers:expr;)*) => {
        /// Every route of the API.
        pub const ROUTES: &[Route] = &[$(Route { path: $path, methods: &[$($method),*], handlers: || $handlers },)*];
    };
}

table! {
    "/whoami" ["GET"] get(installation::whoami);
    "/tenants" ["GET", "POST"] get(installation::tenants).post(installation::create_tenant);
    "/accounts" ["POST"] post(installation::create_account);
    "/tokens" ["POST"] post(installation::create_token);
    "/servers" ["GET", "POST"] get(installation::servers).post(installation::add_server);
    "/detections" ["POST"] post(sites::detect);
    "/sites" ["GET", "POST"] get(sites::list).post(sites::add);
    "/environments" ["GET"] get(sites::environment_named);
    "/environments/{id}" ["GET"] get(sites::environment);
    "/environments/{id}/backups" ["GET", "POST"] get(backups::log).post(backups::create);
    "/environments/{id}/restores" ["GET", "POST"] get(restores::log).post(restores::create);
    "/backups/{id}" ["GET", "PATCH"] get(backups::find).patch(backups::edit);
    "/backups/{id}/verify" ["POST"] post(backups::verify);
    "/backups/{id}/links" ["GET", "POST"] get(links::list).post(links::create);
    "/links/{id}/revoke" ["POST"] post(links::revoke);
    "/links/{id}/renew" ["POST"] post(links::renew);
    "/links/{id}/uses" ["GET"] get(links::uses);
    "/restores/{id}" ["GET"] get(restores::find);
    "/restores/{id}/undo" ["POST"] post(restores::undo);
    "/jobs" ["GET"] get(jobs::list);
    "/jobs/{id}" ["GET"] get(jobs::find);
    "/jobs/{id}/cancel" ["POST"] post(jobs::cancel);
    "/jobs/{id}/log" ["GET"] get(jobs::log);
}

/// The table as a router.
pub fn router() -> Router<App> {
    ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, (route.handlers)()))
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.path, self.methods)
    }
}
