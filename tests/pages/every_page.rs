//! A visit to every page with everything that can be asked there, and every act: for who listens to what it causes.

use super::roles::request;
use super::world::World;
use sitekeep::web::pages::ROUTES;

pub fn world() -> World {
    World::new()
}

pub fn visit(world: &World) {
    for who in ["owner", "administrator", "viewer", "stranger"] {
        for route in ROUTES.iter().filter(|r| r.path != "/signout") {
            for method in route.methods {
                let things = world.things(&world.shop);
                let (path, body) = request(world, method, route.path, &things);
                if route.path == "/events" {
                    for topic in [format!("job:{}", things.job), format!("backup:{}", things.backup), format!("restore:{}", things.restore)]
                    {
                        world.follow(who, &topic);
                    }
                    world.follow(who, &format!("drill:{}", things.drill));
                    world.follow(who, &format!("environment:{}", things.environment));
                    world.follow(who, "jobs");
                    continue;
                }
                let reply = world.ask(who, method, &path, &body);
                assert!(reply.status < 500, "{method} {path}");
            }
        }
        let things = world.things(&world.shop);
        let home = format!("/environments/{}", things.environment);
        let asked =
            ["?state=succeeded", "?element=code", "?how=demand", "?how=scheduled", "?q=x", "?from=2026-01-01&until=2027-01-01", "?trash=1"];
        let mut paths: Vec<String> = asked.iter().map(|q| format!("{home}{q}")).collect();
        paths.push(format!("{home}?after={}&state=failed&element=files&q=x", things.backup));
        paths.extend(["protected", "stale", "failed", "unprotected", "running"].map(|s| format!("/?state={s}&q=shop")));
        paths.extend(["/?after=acme/a".to_owned(), format!("/jobs?after={}", things.job), "/jobs?state=queued".into()]);
        paths.iter().for_each(|path| assert!(world.get(who, path).status < 500, "{path}"));
    }
    let cookie = world.sign_in("viewer@example.test");
    world.with(&cookie, "POST", "/signout", "");
    world.post("", "/signin", &[("email", "nobody@example.test"), ("password", "wrong")]);
    world.runtime.block_on(sitekeep::app::sessions::tidy(&world.at.app)).unwrap();
}
