//! No password shows anywhere: no argument or environment of a process, no log, no error, no file that is not sealed.

use crate::support::canary::{Among, Canary, grep};
use crate::support::gallery::{self, damage};
use crate::support::keep::{Keep, text};
use crate::support::mariadb::Mariadb;

/// The password that the settings name now: of the account that a restore made.
fn password_in_use(site: &crate::support::drupal::Drupal) -> String {
    let settings = String::from_utf8(gallery::settings(site).0).expect("settings are text");
    let entry = settings.rsplit("'password' =>").next().expect("the settings name a password");
    entry.split('\'').nth(1).expect("it is quoted").to_owned()
}

#[test]
fn no_password_shows_in_a_process_a_log_an_error_or_a_file() {
    let keep = Keep::start();
    let mariadb = Mariadb::shared();
    let server_password = mariadb.administrator.password.clone();
    let token = std::fs::read_to_string(&keep.server.token_file).expect("the token can be read").trim().to_owned();
    let watched = [server_password.as_str(), token.as_str()];
    let everybody = Canary::watch(Among::Everybody, &watched);
    keep.add_server(mariadb);
    let site = gallery::kept(&keep, &["--server=maria", "--expect", "Gallery"]);
    let password = site.database.password.clone();
    let family = Canary::watch(Among::Everybody, &[&password]);
    keep.back_up("gallery.live", &[]);
    damage(&site);
    let restore = keep.restore("gallery.live", &[]);
    let fresh = password_in_use(&site);
    assert!(fresh != password && fresh.len() > 15, "a restore makes a password of its own");
    let newcomer = Canary::watch(Among::Everybody, &[&fresh]);
    keep.back_up("gallery.live", &[]);
    let undo = keep.undo(&restore);
    keep.undo(&undo);
    // Errors of every kind.
    let mut said = Vec::new();
    gallery::sql(&site, "update node_field_data set title = 'x'");
    let user = site.server.sql(
        "mysql",
        &format!("select distinct user from mysql.db where db = '{}'", gallery::database_in_use(&site).replace('_', "\\\\_")),
    );
    for user in user.lines().chain([site.database.user.as_str()]) {
        for host in ["localhost", "127.0.0.1"] {
            let _ = site.server.try_sql("mysql", &format!("alter user '{user}'@'{host}' identified by 'something else'"));
        }
    }
    said.push(format!("{:?}", keep.refused(&["backup:create", "gallery.live"])));
    said.push(format!("{:?}", keep.refused(&["backup:restore", "gallery.live", "--yes"])));
    let wrong = keep.secret("wrong", "a-wrong-canary-90210");
    let port = mariadb.port.to_string();
    said.push(format!(
        "{:?}",
        keep.refused(&[
            "server:add",
            "other",
            "--engine=mysql",
            "--host=127.0.0.1",
            "--port",
            &port,
            "--user=keeper",
            "--password-file",
            &wrong
        ])
    ));
    for watch in [everybody, family, newcomer] {
        assert_eq!(watch.stop(), Vec::<String>::new());
    }
    // What people read.
    for job in keep.data(&["job:list"]).as_array().expect("a list of jobs") {
        said.push(keep.must(&["job:log", &text(&job["id"])]));
        said.push(keep.must(&["job:info", &text(&job["id"]), "--format=json"]));
    }
    for command in ["backup:list", "restore:list", "env:info"] {
        said.push(keep.must(&[command, "gallery.live", "--format=json"]));
    }
    said.push(keep.must(&["server:list", "--format=json"]));
    said.push(keep.must(&["restore:info", &text(&restore["id"]), "--format=json"]));
    let (_, repository) = keep.repository();
    let secrets = [server_password, password, fresh, repository, token, "a-wrong-canary-90210".to_owned()];
    for (n, secret) in secrets.iter().enumerate() {
        assert!(!said.iter().any(|text| text.contains(secret.as_str())), "secret {n} was said");
        // The data directory holds the catalogue and the repositories; beside it lies what the server said.
        for place in [keep.server.data.clone(), keep.server.data.with_extension("log")] {
            assert_eq!(grep(&place, secret), Vec::<std::path::PathBuf>::new(), "secret {n}");
        }
    }
    // The search finds what is no secret: otherwise it would prove nothing.
    assert!(!grep(&keep.server.data, &site.database.user).is_empty());
    assert!(said.iter().any(|text| text.contains("Read the database")), "{said:#?}");
}
