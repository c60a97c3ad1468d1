//! `/api/v1`: the JSON twin of the product. The whole table is on this screen; `tests/access.rs` walks it by role.

mod alarms;
mod backups;
mod browse;
mod downloads;
mod drills;
mod installation;
mod jobs;
mod links;
mod restores;
mod retention;
mod schedules;
mod sites;

use crate::app::App;
use axum::Router;
use axum::routing::{MethodRouter, delete, get, patch, post};

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
    "/tenants/{id}/plan" ["GET", "PUT"] get(installation::plan).put(installation::set_plan);
    "/tenants/{id}/alarms" ["GET"] get(alarms::list);
    "/tenants/{id}/recipients" ["GET", "PUT"] get(alarms::recipients).put(alarms::set_recipients);
    "/tenants/{id}/webhooks" ["GET", "POST"] get(alarms::webhooks).post(alarms::add_webhook);
    "/webhooks/{id}" ["DELETE"] delete(alarms::remove_webhook);
    "/webhooks/{id}/test" ["POST"] post(alarms::test_webhook);
    "/tenants/{id}/schedule" ["GET", "PATCH"] get(schedules::of_tenant).patch(schedules::change_of_tenant);
    "/schedules" ["GET"] get(schedules::list);
    "/freeze" ["GET", "POST"] get(schedules::frozen).post(schedules::freeze);
    "/thaw" ["POST"] post(schedules::thaw);
    "/accounts" ["POST"] post(installation::create_account);
    "/tokens" ["POST"] post(installation::create_token);
    "/servers" ["GET", "POST"] get(installation::servers).post(installation::add_server);
    "/servers/{id}" ["PATCH"] patch(installation::change_server);
    "/detections" ["POST"] post(sites::detect);
    "/sites" ["GET", "POST"] get(sites::list).post(sites::add);
    "/environments" ["GET"] get(sites::environment_named);
    "/environments/{id}" ["GET"] get(sites::environment);
    "/environments/{id}/backups" ["GET", "POST"] get(backups::log).post(backups::create);
    "/environments/{id}/versions" ["GET"] get(browse::versions);
    "/environments/{id}/schedule" ["GET", "PATCH"] get(schedules::find).patch(schedules::change);
    "/environments/{id}/schedule/run" ["POST"] post(schedules::run);
    "/environments/{id}/slots" ["GET"] get(schedules::slots);
    "/environments/{id}/restores" ["GET", "POST"] get(restores::log).post(restores::create);
    "/environments/{id}/drills" ["GET", "POST"] get(drills::log).post(drills::create);
    "/environments/{id}/retention" ["GET", "PUT"] get(retention::info).put(retention::set);
    "/environments/{id}/retention/simulation" ["POST"] post(retention::simulate);
    "/tenants/{id}/retention" ["GET", "PUT"] get(retention::info_of_tenant).put(retention::set_of_tenant);
    "/tenants/{id}/retention/simulation" ["POST"] post(retention::simulate_tenant);
    "/backups/{id}" ["GET", "PATCH"] get(backups::find).patch(backups::edit);
    "/backups/{id}/verify" ["POST"] post(backups::verify);
    "/backups/{id}/browse" ["GET"] get(browse::list);
    "/backups/{id}/search" ["GET"] get(browse::search);
    "/backups/{id}/compare" ["GET"] get(browse::compare);
    "/backups/{id}/links" ["GET", "POST"] get(links::list).post(links::create);
    "/backups/{id}/downloads" ["GET", "POST"] get(downloads::list).post(downloads::prepare);
    "/downloads/{id}" ["GET", "DELETE"] get(downloads::find).delete(downloads::remove);
    "/archives/{id}/links" ["POST"] post(downloads::link);
    "/links/{id}/revoke" ["POST"] post(links::revoke);
    "/links/{id}/renew" ["POST"] post(links::renew);
    "/links/{id}/uses" ["GET"] get(links::uses);
    "/drills/{id}" ["GET"] get(drills::find);
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
