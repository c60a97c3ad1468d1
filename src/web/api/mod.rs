//! `/api/v1`: the JSON twin of the product. The whole table is on this screen; `tests/access.rs` walks it by role.

mod alarms;
mod backups;
mod browse;
mod describe;
mod downloads;
mod drills;
mod installation;
mod jobs;
mod links;
mod openapi;
mod recovery;
mod restores;
mod retention;
mod schedules;
mod sites;

use crate::app::App;
use axum::Router;
use axum::routing::{MethodFilter, MethodRouter, get, on};
use describe::{Operation, describe};

/// One path with its methods.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub path: &'static str,
    pub methods: &'static [&'static str],
    operations: &'static [Method],
}

/// What one method of a path does.
#[derive(Clone, Copy)]
struct Method {
    method: &'static str,
    /// The handler, as it is called here: `backups::find`.
    name: &'static str,
    summary: &'static str,
    handler: fn() -> MethodRouter<App>,
    describe: fn(&mut Operation<'_>),
}

macro_rules! table {
    ($($path:literal { $($method:ident $handler:path, $summary:literal;)+ })+) => {
        /// Every route of the API.
        pub const ROUTES: &[Route] = &[$(Route {
            path: $path,
            methods: &[$(stringify!($method)),+],
            operations: &[$(Method {
                method: stringify!($method),
                name: stringify!($handler),
                summary: $summary,
                handler: || on(MethodFilter::$method, $handler),
                describe: |operation| describe($handler, operation),
            }),+],
        }),+];
    };
}

table! {
    "/whoami" { GET installation::whoami, "Who the token acts for"; }
    "/tenants" {
        GET installation::tenants, "Tenants";
        POST installation::create_tenant, "Add a tenant";
    }
    "/tenants/{id}/plan" {
        GET installation::plan, "A tenant's plan";
        PUT installation::set_plan, "Set a tenant's plan, as a whole";
    }
    "/tenants/{id}/alarms" { GET alarms::list, "What is wrong, and what was"; }
    "/tenants/{id}/recipients" {
        GET alarms::recipients, "For each site who gets its letters";
        PUT alarms::set_recipients, "Choose who gets a site's letters";
    }
    "/tenants/{id}/webhooks" {
        GET alarms::webhooks, "Webhooks and heartbeats";
        POST alarms::add_webhook, "Add a webhook, or the heartbeat of an environment";
    }
    "/webhooks/{id}" { DELETE alarms::remove_webhook, "Remove a webhook"; }
    "/webhooks/{id}/test" { POST alarms::test_webhook, "Call a webhook now"; }
    "/tenants/{id}/schedule" {
        GET schedules::of_tenant, "The schedule of a tenant's environments that have none of their own";
        PATCH schedules::change_of_tenant, "Change a tenant's schedule: what is not given stays";
    }
    "/schedules" { GET schedules::list, "Schedules, each with its next run"; }
    "/freeze" {
        GET schedules::frozen, "Why all schedules rest, or null";
        POST schedules::freeze, "Let all schedules rest";
    }
    "/thaw" { POST schedules::thaw, "Let schedules run again"; }
    "/accounts" { POST installation::create_account, "Add an account, or make one a member"; }
    "/tokens" { POST installation::create_token, "Make a token, which is told this once"; }
    "/servers" {
        GET installation::servers, "Database servers";
        POST installation::add_server, "Add a database server, after it was tried";
    }
    "/servers/{id}" { PATCH installation::change_server, "Set a server aside for drills, or not"; }
    "/detections" { POST sites::detect, "What would be found at a path; nothing is added"; }
    "/sites" {
        GET sites::list, "Sites with their environments";
        POST sites::add, "Add a site or an environment";
    }
    "/sites/{id}/recovery-key/confirm" { POST recovery::confirm, "Show that a site's recovery key arrived"; }
    "/environments" { GET sites::environment_named, "An environment by its name"; }
    "/environments/{id}" { GET sites::environment, "An environment"; }
    "/environments/{id}/backups" {
        GET backups::log, "Backups, newest first";
        POST backups::create, "Back up";
    }
    "/environments/{id}/versions" { GET browse::versions, "Versions of one file"; }
    "/environments/{id}/schedule" {
        GET schedules::find, "A schedule with its next five runs";
        PATCH schedules::change, "Change a schedule: what is not given stays";
    }
    "/environments/{id}/schedule/run" { POST schedules::run, "Run the schedule now"; }
    "/environments/{id}/slots" { GET schedules::slots, "When backups were due, and what became of each"; }
    "/environments/{id}/restores" {
        GET restores::log, "Restores, newest first";
        POST restores::create, "Restore, or say what a restore would do";
    }
    "/environments/{id}/drills" {
        GET drills::log, "Drills, newest first";
        POST drills::create, "Prove a backup by restoring it beside the site";
    }
    "/environments/{id}/retention" {
        GET retention::info, "What is kept, and by which rules";
        PUT retention::set, "Set the rules of what is kept";
    }
    "/environments/{id}/retention/simulation" { POST retention::simulate, "What rules would do to the backups there are; nothing is changed"; }
    "/tenants/{id}/retention" {
        GET retention::info_of_tenant, "A tenant's rules of what is kept";
        PUT retention::set_of_tenant, "Set a tenant's rules";
    }
    "/tenants/{id}/retention/simulation" { POST retention::simulate_tenant, "What rules would do in a tenant's environments; nothing is changed"; }
    "/backups/{id}" {
        GET backups::find, "A backup";
        PATCH backups::edit, "Change the note, or pin";
    }
    "/backups/{id}/verify" { POST backups::verify, "Read all of a backup back, as a job"; }
    "/backups/{id}/browse" { GET browse::list, "What lies in a folder of a backup"; }
    "/backups/{id}/search" { GET browse::search, "Search a backup for names"; }
    "/backups/{id}/compare" { GET browse::compare, "What changed since another backup, or beside the live site"; }
    "/backups/{id}/links" {
        GET links::list, "Download links";
        POST links::create, "Make a download link";
    }
    "/backups/{id}/downloads" {
        GET downloads::list, "What was prepared for download";
        POST downloads::prepare, "Prepare archives for download";
    }
    "/downloads/{id}" {
        GET downloads::find, "A prepared download with its archives";
        DELETE downloads::remove, "Remove what was prepared";
    }
    "/archives/{id}/links" { POST downloads::link, "Make a link to a prepared archive"; }
    "/links/{id}/revoke" { POST links::revoke, "Take a link back"; }
    "/links/{id}/renew" { POST links::renew, "Make a new link to the same"; }
    "/links/{id}/uses" { GET links::uses, "Uses of a link"; }
    "/drills/{id}" { GET drills::find, "A drill with its evidence"; }
    "/restores/{id}" { GET restores::find, "A restore with its steps"; }
    "/restores/{id}/undo" { POST restores::undo, "Undo a restore"; }
    "/jobs" { GET jobs::list, "Jobs, newest first"; }
    "/jobs/{id}" { GET jobs::find, "A job: its progress, and what it waits for"; }
    "/jobs/{id}/cancel" { POST jobs::cancel, "Cancel a job"; }
    "/jobs/{id}/log" { GET jobs::log, "What a job said"; }
}

/// The table as a router, with its description.
pub fn router() -> Router<App> {
    let operations = ROUTES.iter().flat_map(|route| route.operations.iter().map(move |operation| (route.path, operation.handler)));
    operations.fold(Router::new().route("/openapi.json", get(openapi::show)), |router, (path, handler)| router.route(path, handler()))
}

impl std::fmt::Debug for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.name)
    }
}
