//! The pages. The whole table is on this screen; `tests/pages.rs` walks it by role.
//!
//! A handler reads a form, calls one verb of `app`, and answers: a page after GET, the way to another page (303) after POST.

pub mod account;
pub mod admin;
pub mod alarms;
pub mod backups;
pub mod browse;
pub mod compare;
pub mod downloads;
pub mod drills;
pub mod environments;
pub mod events;
pub mod fleet;
pub mod jobs;
pub mod one_time;
pub mod recovery;
pub mod restores;
pub mod retention;
pub mod schedules;
pub mod signing_in;
pub mod tenants;

use crate::app::App;
use axum::Router;
use axum::middleware;
use axum::routing::{MethodRouter, get, post};

/// One path with its methods.
#[derive(Clone, Copy)]
pub struct Route {
    pub path: &'static str,
    pub methods: &'static [&'static str],
    /// Seen without signing in.
    pub public: bool,
    handlers: fn() -> MethodRouter<App>,
}

macro_rules! table {
    ($($path:literal $who:ident [$($method:literal),*] $handlers:expr;)*) => {
        /// Every page.
        pub const ROUTES: &[Route] =
            &[$(Route { path: $path, methods: &[$($method),*], public: is_public(stringify!($who)), handlers: || $handlers },)*];
    };
}

const fn is_public(who: &str) -> bool {
    who.as_bytes()[0] == b'p'
}

table! {
    "/signin" public ["GET", "POST"] get(signing_in::form).post(signing_in::enter);
    "/forgotten" public ["GET", "POST"] get(one_time::forgotten_form).post(one_time::forgotten);
    "/forgotten/sent" public ["GET"] get(one_time::letter_sent);
    "/first/{token}" public ["GET", "POST"] get(one_time::first_form).post(one_time::first);
    "/invitation/{token}" public ["GET", "POST"] get(one_time::invitation_form).post(one_time::invitation);
    "/reset/{token}" public ["GET", "POST"] get(one_time::reset_form).post(one_time::reset);

    "/" reader ["GET"] get(fleet::page);
    "/signout" reader ["POST"] post(signing_in::leave);
    "/events" reader ["GET"] get(events::follow);
    "/environments/{id}" reader ["GET"] get(environments::page);
    "/environments/{id}/backup" reader ["GET"] get(environments::create_form);
    "/environments/{id}/backups" reader ["POST"] post(environments::create);
    "/environments/{id}/schedule" reader ["GET", "POST"] get(schedules::page).post(schedules::save);
    "/environments/{id}/schedule/follow" reader ["POST"] post(schedules::follow);
    "/environments/{id}/schedule/run" reader ["POST"] post(schedules::run);
    "/environments/{id}/restore" reader ["GET"] get(restores::choose);
    "/environments/{id}/restore/preview" reader ["GET"] get(restores::preview);
    "/environments/{id}/restores" reader ["POST"] post(restores::create);
    "/environments/{id}/versions" reader ["GET"] get(browse::versions);
    "/environments/{id}/drills" reader ["POST"] post(drills::run);
    "/environments/{id}/retention" reader ["GET", "POST"] get(retention::page).post(retention::save);
    "/sites/{id}/recovery-key" reader ["GET", "POST"] get(recovery::page).post(recovery::download);
    "/sites/{id}/recovery-key/confirm" reader ["POST"] post(recovery::confirm);
    "/backups/{id}" reader ["GET"] get(backups::page);
    "/backups/{id}/browse" reader ["GET", "POST"] get(browse::page).post(browse::link);
    "/backups/{id}/compare" reader ["GET"] get(compare::page);
    "/backups/{id}/picture" reader ["GET"] get(browse::picture);
    "/backups/{id}/note" reader ["POST"] post(backups::note);
    "/backups/{id}/pin" reader ["POST"] post(backups::pin);
    "/backups/{id}/unpin" reader ["POST"] post(backups::unpin);
    "/backups/{id}/verify" reader ["POST"] post(backups::verify);
    "/backups/{id}/delete" reader ["POST"] post(backups::delete);
    "/backups/{id}/take-back" reader ["POST"] post(backups::take_back);
    "/backups/{id}/links" reader ["POST"] post(backups::link);
    "/backups/{id}/downloads" reader ["POST"] post(downloads::prepare);
    "/downloads/{id}/remove" reader ["POST"] post(downloads::remove);
    "/archives/{id}/links" reader ["POST"] post(downloads::link);
    "/links/{id}/renew" reader ["POST"] post(backups::renew_link);
    "/links/{id}/revoke" reader ["POST"] post(backups::revoke_link);
    "/drills/{id}" reader ["GET"] get(drills::page);
    "/drills/{id}/evidence" reader ["GET"] get(drills::evidence);
    "/restores/{id}" reader ["GET"] get(restores::page);
    "/restores/{id}/undo" reader ["POST"] post(restores::undo);
    "/jobs" reader ["GET"] get(jobs::list);
    "/jobs/{id}" reader ["GET"] get(jobs::page);
    "/jobs/{id}/cancel" reader ["POST"] post(jobs::cancel);
    "/jobs/{id}/retry" reader ["POST"] post(jobs::retry);

    "/admin/tenants" reader ["GET", "POST"] get(admin::tenants::list).post(admin::tenants::create);
    "/admin/tenants/{id}/suspend" reader ["POST"] post(admin::tenants::suspend);
    "/admin/tenants/{id}/activate" reader ["POST"] post(admin::tenants::activate);
    "/admin/tenants/{id}/plan" reader ["GET", "POST"] get(admin::tenants::plan).post(admin::tenants::set_plan);
    "/admin/accounts" reader ["GET"] get(admin::accounts::list);
    "/admin/accounts/invite" reader ["POST"] post(admin::accounts::invite);
    "/admin/accounts/{id}/{act}" reader ["POST"] post(admin::accounts::act);
    "/admin/servers" reader ["GET", "POST"] get(admin::servers::list).post(admin::servers::add);
    "/admin/servers/{id}/change" reader ["GET", "POST"] get(admin::servers::form).post(admin::servers::change);
    "/admin/servers/{id}/test" reader ["POST"] post(admin::servers::test);
    "/admin/servers/{id}/remove" reader ["POST"] post(admin::servers::remove);
    "/admin/stores" reader ["GET"] get(admin::installation::stores);
    "/admin/stores/test" reader ["POST"] post(admin::installation::test_store);
    "/admin/sites" reader ["GET"] get(admin::sites::list);
    "/admin/sites/add" reader ["GET", "POST"] get(admin::sites::form).post(admin::sites::add);
    "/admin/environments/{id}" reader ["GET", "POST"] get(admin::environments::page).post(admin::environments::change);
    "/admin/environments/{id}/test" reader ["POST"] post(admin::environments::test);
    "/admin/environments/{id}/remove" reader ["GET", "POST"] get(admin::environments::removal).post(admin::environments::remove);
    "/admin/queue" reader ["GET"] get(admin::installation::queue);
    "/admin/activity" reader ["GET"] get(admin::activity::page);
    "/admin/activity.csv" reader ["GET"] get(admin::activity::table);
    "/admin/settings" reader ["GET"] get(admin::installation::settings);
    "/admin/settings/freeze" reader ["POST"] post(admin::installation::freeze);
    "/admin/settings/thaw" reader ["POST"] post(admin::installation::thaw);
    "/admin/settings/database" reader ["POST"] post(admin::installation::test_database);
    "/admin/settings/letter" reader ["POST"] post(admin::installation::test_letter);

    "/account" reader ["GET"] get(account::page);
    "/account/profile" reader ["POST"] post(account::profile);
    "/account/password" reader ["POST"] post(account::password);
    "/account/second-factor" reader ["GET", "POST"] get(account::enrolment).post(account::start);
    "/account/second-factor/confirm" reader ["POST"] post(account::confirm);
    "/account/second-factor/codes" reader ["POST"] post(account::codes);
    "/account/second-factor/off" reader ["POST"] post(account::off);
    "/account/sessions/end-others" reader ["POST"] post(account::end_others);
    "/account/sessions/{id}/end" reader ["POST"] post(account::end_session);
    "/account/tokens" reader ["POST"] post(account::create_token);
    "/account/tokens/{id}/revoke" reader ["POST"] post(account::revoke_token);
    "/tenants" reader ["GET"] get(tenants::list);
    "/tenants/{id}" reader ["GET"] get(tenants::page);
    "/tenants/{id}/alarms" reader ["GET"] get(alarms::page);
    "/tenants/{id}/recipients" reader ["POST"] post(alarms::recipients);
    "/tenants/{id}/digest" reader ["POST"] post(alarms::digest);
    "/tenants/{id}/webhooks" reader ["POST"] post(alarms::add);
    "/tenants/{id}/webhooks/{webhook}/test" reader ["POST"] post(alarms::test);
    "/tenants/{id}/webhooks/{webhook}/remove" reader ["POST"] post(alarms::remove);
    "/tenants/{id}/schedule" reader ["GET", "POST"] get(schedules::of_tenant).post(schedules::save_of_tenant);
    "/tenants/{id}/retention" reader ["GET", "POST"] get(retention::tenant_page).post(retention::save_tenant);
    "/tenants/{id}/invitations" reader ["POST"] post(tenants::invite);
    "/tenants/{id}/invitations/{invitation}/revoke" reader ["POST"] post(tenants::revoke);
    "/tenants/{id}/members/{account}/role" reader ["POST"] post(tenants::role);
    "/tenants/{id}/members/{account}/remove" reader ["POST"] post(tenants::remove);
}

/// The table as a router, with what stands before every page.
pub fn router(app: &App) -> Router<App> {
    let of = |public: bool| {
        let routes = ROUTES.iter().filter(|r| r.public == public);
        routes.fold(Router::new(), |router, route| router.route(route.path, (route.handlers)()))
    };
    let guarded = of(false).route_layer(middleware::from_fn_with_state(app.clone(), super::guard::signed_in));
    of(true)
        .merge(guarded)
        .layer(super::session::layer(app))
        .layer(middleware::from_fn_with_state(app.clone(), super::guard::same_origin))
        .layer(middleware::map_response(super::page_error::as_page))
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.path, self.methods)
    }
}
