//! What belongs to another tenant: every page that takes an id is asked with every kind of id of the other tenant, in its
//! path, in its query and in its forms. The answer must be the one for an id that names nothing, to the byte.

use super::roles::request;
use super::world::{CANARY, World, mark, steady, token_id};
use crate::support::app::Things;
use crate::support::http::{Reply, form};
use sitekeep::app::one_time_links;
use sitekeep::domain::rights::Role;
use sitekeep::web::pages::ROUTES;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Ids of each kind: one of the other tenant, and one that names nothing.
struct Ids(Vec<(&'static str, String, String)>);

impl Ids {
    fn new(world: &World, theirs: &Things) -> Self {
        let stranger = world.actors["stranger"].account.clone();
        let (token, invited) = world.runtime.block_on(async {
            let admin = &world.at.admin;
            let email = format!("{CANARY}-new@example.test");
            let invited = one_time_links::invite(&world.at.app, admin, &world.other, &email, Role::Viewer).await.unwrap();
            (token_id(world, &stranger).await, invited.link.expect("an administrator sees it"))
        });
        let one = |sql: &str| world.db().query_row(sql, [world.other.as_str()], |r| r.get::<_, String>(0)).unwrap();
        let session = world.db().query_row("select id from sessions where account_id = ?1", [stranger.as_str()], |r| r.get(0)).unwrap();
        let real = [
            ("environment", theirs.environment.0.clone()),
            ("backup", theirs.backup.0.clone()),
            ("bare backup", theirs.bare.0.clone()),
            ("restore", theirs.restore.0.clone()),
            ("drill", theirs.drill.0.clone()),
            ("link", theirs.link.0.clone()),
            ("download", theirs.download.0.clone()),
            ("archive", theirs.archive.0.clone()),
            ("job", theirs.job.0.clone()),
            ("tenant", world.other.0.clone()),
            ("site", one("select id from sites where tenant_id = ?1")),
            ("repository", one("select id from repositories where tenant_id = ?1")),
            ("account", stranger.0.clone()),
            ("session", session),
            ("token", token),
            ("invitation", one("select id from one_time_links where tenant_id = ?1")),
            ("secret", invited.expose().to_owned()),
        ];
        Self(real.into_iter().map(|(kind, id)| (kind, like(&id), id)).map(|(kind, random, id)| (kind, id, random)).collect())
    }
}

/// The text next to it that names nothing. It differs in its last sign alone, so that both have one shape (an id of digits can be
/// read where digits are wanted, and so can this) and one place in every order, and whoever looks for a part of an id finds
/// nothing either.
fn like(id: &str) -> String {
    let last = if id.ends_with('a') { 'b' } else { 'a' };
    let mut text = id.to_owned();
    text.pop();
    text.push(last);
    text
}

/// A question in which `ID` stands for the id.
#[derive(Clone, Debug)]
struct Case {
    who: &'static str,
    method: &'static str,
    path: String,
    body: String,
    /// The id is what the page is about, or what it acts on: the answer is 404, or 400 where it is no id at all.
    essential: bool,
}

/// In the place of each id of a path.
fn in_paths(world: &World, mine: &Things) -> Vec<Case> {
    let mut cases = Vec::new();
    for route in ROUTES.iter().filter(|r| r.path.contains('{') && !r.public && r.path != "/admin/accounts/{id}/{act}") {
        for method in route.methods {
            let (path, body) = request(world, method, route.path, mine);
            let rest = path.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"));
            let parts: Vec<(&str, &str)> = route.path.split('/').zip(path.split(['?']).next().unwrap_or_default().split('/')).collect();
            for (place, _) in parts.iter().enumerate().filter(|(_, (name, _))| name.starts_with('{')) {
                let put = |(i, (_, own)): (usize, &(&str, &str))| if i == place { "ID".to_owned() } else { (*own).to_owned() };
                let path = parts.iter().enumerate().map(put).collect::<Vec<_>>().join("/") + &rest;
                for who in ["viewer", "developer", "owner"] {
                    // Whoever may not even do it to his own learns that first, whatever the id in the middle is.
                    cases.push(Case {
                        who,
                        method,
                        path: path.clone(),
                        body: body.clone(),
                        essential: place == 2 || route.path.starts_with("/account"),
                    });
                }
            }
        }
    }
    cases
}

const FIELDS: [&str; 12] = ["after", "element", "backup", "to", "from", "link", "q", "state", "tenant", "environment", "until", "how"];
const TOPICS: [&str; 9] = ["job:ID", "backup:ID", "restore:ID", "drill:ID", "environment:ID", "jobs:ID", "tenant:ID", "ID", "ID:"];

/// In each field of a query, of the pages that are one's own.
fn in_queries(world: &World, mine: &Things) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |path: String, essential: bool| {
        cases.push(Case { who: "owner", method: "GET", path, body: String::new(), essential });
    };
    for route in ROUTES.iter().filter(|r| r.methods.contains(&"GET") && !r.public && r.path != "/events" && !r.path.starts_with("/admin")) {
        let (path, _) = request(world, "GET", route.path, mine);
        let joint = if path.contains('?') { '&' } else { '?' };
        FIELDS.iter().for_each(|field| add(format!("{path}{joint}{field}=ID"), false));
    }
    TOPICS.iter().filter(|t| !t.starts_with("jobs")).for_each(|topic| add(format!("/events?of={topic}"), true));
    let (environment, backup) = (&mine.environment, &mine.backup);
    add(format!("/environments/{environment}/restore?backup=ID"), true);
    add(format!("/environments/{environment}/restore?backup=ID&choose=tables"), true);
    add(format!("/environments/{environment}/restore?backup={backup}&choose=tables&to=ID"), true);
    add(format!("/environments/{environment}/restore/preview?backup=ID&element=code"), true);
    add(format!("/environments/{environment}/restore/preview?backup=ID&table=code"), true);
    add(format!("/environments/{environment}/restore/preview?backup={backup}&element=code&to=ID"), true);
    add(format!("/environments/{environment}?after=ID"), true);
    add("/jobs?after=ID".into(), true);
    cases
}

/// In each field of a form about one's own things.
fn in_forms(mine: &Things) -> Vec<Case> {
    let (environment, backup) = (&mine.environment, &mine.backup);
    let restores = format!("/environments/{environment}/restores");
    let mut forms = vec![
        (restores.clone(), form(&[("backup", "ID"), ("element", "code")])),
        (restores.clone(), form(&[("backup", "ID"), ("element", "code"), ("from", environment.as_str())])),
        (restores.clone(), form(&[("backup", backup.as_str()), ("element", "ID"), ("from", "ID")])),
        (restores, form(&[("backup", "ID"), ("element", "code"), ("from", "ID"), ("to", "ID"), ("confirm", "ID")])),
        (format!("/environments/{environment}/drills"), form(&[("backup", "ID")])),
        (format!("/environments/{environment}/backups"), form(&[("element", "ID")])),
        (format!("/backups/{backup}/links?element=ID"), String::new()),
    ];
    forms.push((format!("/backups/{}/links?element=ID", mine.bare), String::new()));
    let of = |who: &'static str| {
        forms.clone().into_iter().map(move |(path, body)| Case { who, method: "POST", path, body, essential: true }).collect::<Vec<_>>()
    };
    [of("owner"), of("developer")].concat()
}

fn ask(world: &World, case: &Case, id: &str) -> Reply {
    world.ask(case.who, case.method, &case.path.replace("ID", id), &case.body.replace("ID", id))
}

/// All of an answer but what differs in every one.
fn whole(reply: &Reply, id: &str) -> String {
    let mut headers: Vec<String> =
        reply.headers.iter().filter(|h| h.0 != "date" && h.0 != "content-length").map(|(n, v)| format!("{n}: {v}\n")).collect();
    headers.sort();
    format!("{} {}\n{}", reply.status, headers.concat(), steady(&reply.body)).replace(id, "ID")
}

/// What is wrong about the answers to a question.
fn wrong(world: &World, case: &Case, (kind, foreign, random): &(&'static str, String, String)) -> Option<String> {
    let mut differ = true;
    // Times are told in minutes: the second of two pages may be of another one.
    for _ in 0..3 {
        let (a, b) = (ask(world, case, foreign), ask(world, case, random));
        let say = |what: &str| Some(format!("{what}: {case:?} with their {kind}: {} {}\n{}", a.status, a.location(), a.body));
        if a.body.contains(CANARY) || a.headers.iter().any(|(_, v)| v.contains(CANARY)) {
            return say("a name of the other tenant shows");
        }
        if case.essential && !matches!(a.status, 400 | 403 | 404) || a.status >= 500 {
            return say("it was answered");
        }
        // Whoever may not do it to his own may be told so before the id is looked at, and the same for any id.
        differ = whole(&a, foreign) != whole(&b, random);
        if !differ {
            return None;
        }
    }
    differ.then(|| format!("it differs from the answer to an id that names nothing: {case:?} with their {kind}"))
}

#[test]
fn what_belongs_to_another_tenant_cannot_be_told_from_what_never_was() {
    let world = World::new();
    let (mine, theirs) = (world.things(&world.shop), world.things(&world.foreign));
    mark(&world, &theirs, CANARY);
    assert!(world.get("stranger", &format!("/backups/{}", theirs.backup)).body.contains(CANARY), "the canary can be seen at all");
    let ids = Ids::new(&world, &theirs);
    let cases = [in_paths(&world, &mine), in_queries(&world, &mine), in_forms(&mine)].concat();
    let before = world.catalogue();
    let all: Vec<(&Case, &(&str, String, String))> = cases.iter().flat_map(|case| ids.0.iter().map(move |id| (case, id))).collect();
    let (next, bad) = (AtomicUsize::new(0), std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                while let Some((case, id)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(what) = wrong(&world, case, id) {
                        bad.lock().unwrap().push(what);
                    }
                }
            });
        }
    });
    let bad = bad.into_inner().unwrap();
    println!("{} cases with ids of the other tenant, {} of them leaked", all.len(), bad.len());
    assert!(bad.is_empty(), "{}\n{} in all", bad[..bad.len().min(20)].join("\n"), bad.len());
    assert!(all.len() >= 2_000, "only {} cases", all.len());
    before.assert_same(&world.catalogue(), "nothing was changed by any of it");
}

#[test]
fn lists_searches_and_errors_show_nothing_of_another_tenant() {
    let world = World::new();
    let (mine, theirs) = (world.things(&world.shop), world.things(&world.foreign));
    mark(&world, &theirs, CANARY);
    let environment = format!("/environments/{}", mine.environment);
    let hidden = [CANARY.to_owned(), theirs.environment.0.clone(), theirs.job.0.clone(), world.other.0.clone()];
    for who in ["owner", "developer", "viewer"] {
        for path in ["/", "/jobs", "/jobs?state=queued", "/?state=protected", "/?state=unprotected", &environment] {
            let page = world.get(who, path);
            assert_eq!(page.status, 200, "{path}");
            assert!(!hidden.iter().any(|h| page.body.contains(h)), "{path} by {who}: {}", page.body);
        }
        // What was searched for is shown again in its field, and nowhere else.
        for path in ["/?q=", "/?after=", &format!("{environment}?q=")] {
            let page = world.get(who, &format!("{path}{CANARY}"));
            assert!(page.status == 200 && page.body.matches(CANARY).count() <= 2, "{path} by {who}: {}", page.body);
            assert!(!page.body.contains(theirs.environment.as_str()) && !page.body.contains(&format!("{CANARY}-site")), "{path}");
        }
    }
    let seen = world.get("stranger", "/").body;
    assert!(seen.contains(CANARY) && !seen.contains("shop"), "the stranger sees what is theirs, and nothing else");
    assert!(world.get("administrator", "/").body.contains(CANARY));
}

/// Whoever is a member of both tenants still carries nothing from one to the other.
#[test]
fn a_member_of_two_tenants_cannot_mix_what_is_theirs() {
    let world = World::new();
    let (mine, theirs) = (world.things(&world.shop), world.things(&world.foreign));
    let owner = world.actors["owner"].account.clone();
    let text = "insert into members (tenant_id, account_id, role, created_at) values (?1, ?2, 'owner', 0)";
    world.db().execute(text, [world.other.as_str(), owner.as_str()]).unwrap();
    assert_eq!(world.get("owner", &format!("/backups/{}", theirs.backup)).status, 200, "both are seen");
    let before = world.catalogue();
    let restores = format!("/environments/{}/restores", mine.environment);
    let fields = [("backup", theirs.backup.as_str()), ("element", "code"), ("from", theirs.environment.as_str())];
    let reply = world.post("owner", &restores, &fields);
    assert!(matches!(reply.status, 400 | 404), "{} {}", reply.status, reply.location());
    let query = form(&[("backup", theirs.backup.as_str()), ("element", "code")]);
    let preview = world.get("owner", &format!("/environments/{}/restore/preview?{query}", mine.environment));
    assert!(matches!(preview.status, 400 | 404), "{}", preview.status);
    let query = form(&[("backup", mine.backup.as_str()), ("element", "code"), ("to", theirs.environment.as_str())]);
    let preview = world.get("owner", &format!("/environments/{}/restore/preview?{query}", mine.environment));
    assert!(matches!(preview.status, 400 | 404), "{}", preview.status);
    before.assert_same(&world.catalogue(), "nothing was changed by any of it");
}
