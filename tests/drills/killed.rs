//! Attempts that are killed, or cancelled, with everything made for them.

use crate::support::mariadb::Mariadb;
use crate::support::panel::Panel;
use crate::support::write;
use sitekeep::domain::drill::DrillState;
use sitekeep::domain::view::Drill;
use std::process::Output;

const ENV: &str = "acme/shop.live";

struct Shop {
    panel: Panel,
    aside: Mariadb,
}

/// A site on MariaDB, backed up, and a server set aside.
fn shop() -> Shop {
    let (live, aside) = (Mariadb::shared(), Mariadb::start());
    let panel = Panel::start_armed_and_impatient(None);
    let db = live.create("killed");
    live.sql(&db.name, "create table posts (id int primary key); insert into posts values (1), (2)");
    let root = panel.scratch.join("shop");
    write(root.join("index.html"), "<h1>here</h1>");
    write(root.join("uploads/a"), "a");
    let secret = |name: &str, value: &str| {
        write(panel.scratch.join(name), value);
        panel.scratch.join(name).display().to_string()
    };
    let (password, port) = (secret("db-password", &db.password), db.port.to_string());
    let at = ["--database-engine", "mysql", "--database-host", "127.0.0.1", "--database-port", &port, "--files", "public=uploads"];
    let who = ["--database-name", &db.name, "--database-user", &db.user, "--database-password-file", &password];
    panel.add_site("shop", "live", &root, &[&at[..], &who].concat());
    let (password, port) = (secret("server-password", &aside.administrator.password), aside.port.to_string());
    let by = ["--user", &aside.administrator.user, "--password-file", &password];
    panel.must(&[&["server:add", "drills", "--engine", "mysql", "--host", "127.0.0.1", "--port", &port][..], &by].concat());
    panel.must(&["server:change", "drills", "--for-drills"]);
    panel.back_up(ENV, &[]);
    Shop { panel, aside }
}

impl Shop {
    fn drill(&self) -> Output {
        self.panel.cli(&["backup:drill", ENV])
    }
    fn last(&self) -> Drill {
        let all: Vec<Drill> = self.panel.get(&format!("/environments/{}/drills", self.panel.environment(ENV).id));
        all.into_iter().next().expect("there is one")
    }
    #[track_caller]
    fn assert_nothing_is_left(&self, when: &str) {
        let folder = self.panel.server.data.with_extension("drills");
        let left: Vec<_> = std::fs::read_dir(folder).map(|dir| dir.flatten().map(|e| e.path()).collect()).unwrap_or_default();
        assert!(left.is_empty(), "{when}: {left:?}");
        let made = "show databases like 'sk\\_drill%'; select user from mysql.user where user like 'sk\\_drill%'";
        assert_eq!(self.aside.sql("mysql", made), "", "{when}");
    }
}

#[test]
fn an_attempt_that_is_killed_at_any_point_leaves_nothing_after_the_next() {
    let shop = shop();
    for point in super::POINTS {
        write(shop.panel.scratch.join("points").join(point), "kill");
        let out = shop.drill();
        assert!(out.status.success(), "{point}: {}", String::from_utf8_lossy(&out.stderr));
        assert!(shop.panel.scratch.join("points").join(format!("{point}.hit")).exists(), "{point} was not passed");
        assert_eq!(shop.last().state, DrillState::Passed, "{point}");
        shop.assert_nothing_is_left(point);
    }
}

#[test]
fn a_drill_that_is_cancelled_in_the_middle_clears_away_what_it_made() {
    let shop = shop();
    shop.panel.hold("drill.database.made");
    shop.panel.must(&["backup:drill", ENV, "--no-wait"]);
    shop.panel.wait_for_hold("drill.database.made");
    assert_ne!(shop.aside.sql("mysql", "show databases like 'sk\\_drill%'"), "");
    let job = shop.last().job.expect("it has one");
    shop.panel.must(&["job:cancel", &job]);
    std::thread::sleep(std::time::Duration::from_secs(2)); // the wish reaches the attempt
    shop.panel.let_go("drill.database.made");
    crate::support::wait_for("the end of the drill", std::time::Duration::from_secs(30), || shop.last().finished.is_some());
    assert_eq!(shop.last().state, DrillState::Cancelled);
    shop.assert_nothing_is_left("cancelled");
}
