use super::super::php_agrees::NASTY;
use super::super::{detect, stack};
use super::*;
use crate::base::secret::Secret;
use crate::domain::site::{Account, Endpoint};
use crate::hosting::host::testing::{Scratch, give, owner};
use std::process::Command;

fn read(text: &str) -> Result<Option<Access>> {
    Drupal.read(text.as_bytes())
}
fn account(at: Endpoint, database: &str, user: &str, prefix: &str) -> Account {
    Account { at, database: database.into(), user: user.into(), prefix: prefix.into() }
}
fn tcp(host: &str, port: u16) -> Endpoint {
    Endpoint::Tcp { host: host.into(), port }
}

const INNER: &str = "'database' => 'shop', 'username' => 'shop_u', 'password' => 'p\\'w', 'host' => 'db', 'port' => '3307', 'driver' => 'mysql', 'prefix' => 'd_'";

/// The ways in which the same database is written.
fn spellings() -> Vec<String> {
    let keys = ["database", "username", "password", "host", "port", "driver", "prefix"];
    let values = ["shop", "shop_u", "p\\'w", "db", "3307", "mysql", "d_"];
    let lines: String = keys.iter().zip(values).map(|(k, v)| format!("$databases['default']['default']['{k}'] = '{v}';\n")).collect();
    vec![
        format!("<?php\n$databases['default']['default'] = array({INNER});\n"),
        format!("<?php\n$databases['default']['default'] = [{INNER},];\n"),
        format!("<?php\n$databases = array('default' => array('default' => array({INNER})));\n"),
        format!("<?php\n$databases = [];\n$databases[\"default\"] = ['default' => [{INNER}], 'replica' => [['database' => 'other']]];\n"),
        format!("<?php\n{lines}"),
        format!("<?php\n/**\n * @code\n * $databases['default']['default'] = array('database' => 'example');\n * @endcode\n */\n$databases['default']['default'] = [\n  {INNER},\n];\n# $databases['default']['default']['database'] = 'no';\n"),
        format!("<?php\n$databases['default']['default'] = ['database' => 'shop'] + [];\n$databases['default']['default'] = [{INNER}];\n"),
        format!("<?php\n$databases['migrate']['default'] = ['database' => 'old'];\n$databases['default']['default'] = [{INNER}, 'init_commands' => ['a' => 'SET x'], 'pdo' => [1001 => true]];\n"),
        "<?php\n$databases['default']['default'] = ['database' => 'shop', 'username' => 'shop_u', 'password' => \"p'w\", 'host' => 'db', 'port' => 3307, 'driver' => 'mysql', 'prefix' => array('default' => 'd_', 'users' => 'shared_')];".to_owned(),
    ]
}

#[test]
fn the_ways_to_write_a_database_read_the_same() {
    for (i, text) in spellings().iter().enumerate() {
        let read = read(text);
        if i == 6 {
            assert!(read.unwrap_err().to_string().contains("computed"), "an array that is added up is computed");
            continue;
        }
        let access = read.unwrap_or_else(|e| panic!("{text}: {e}")).unwrap();
        let DatabaseAddress::Mysql(a) = &access.address else { panic!("{text}") };
        assert_eq!(*a, account(tcp("db", 3307), "shop", "shop_u", "d_"), "{text}");
        assert_eq!(access.password.expose(), "p'w", "{text}");
    }
}

#[test]
fn a_rewrite_changes_the_values_and_nothing_else() {
    for (i, text) in spellings().iter().enumerate().filter(|(i, _)| *i != 6) {
        let old = read(text).unwrap().unwrap();
        assert_eq!(Drupal.rewrite(text.as_bytes(), &old).unwrap(), text.as_bytes(), "nothing to change");
        for value in NASTY {
            let a = account(tcp("db", 3307), value, value, "d_");
            let new = Access { address: DatabaseAddress::Mysql(a), password: Secret::new(*value) };
            let written = Drupal.rewrite(text.as_bytes(), &new).unwrap();
            assert_eq!(Drupal.read(&written).unwrap().unwrap(), new, "{text}");
            let back = Drupal.rewrite(&written, &old).unwrap();
            assert_eq!(Drupal.read(&back).unwrap().unwrap(), old);
            if i < 4 {
                assert_eq!(String::from_utf8(back).unwrap(), *text);
            }
        }
    }
}

#[test]
fn a_server_at_another_place_is_written_with_the_keys_that_it_needs() {
    let text = "<?php $databases['default']['default'] = ['database' => 'n', 'username' => 'u', 'password' => 'p', 'unix_socket' => '/tmp/a.sock', 'driver' => 'mysql'];";
    let new = Access { address: DatabaseAddress::Mysql(account(tcp("10.0.0.1", 3309), "n", "u", "")), password: Secret::new("p") };
    let written = Drupal.rewrite(text.as_bytes(), &new).unwrap();
    assert_eq!(Drupal.read(&written).unwrap().unwrap(), new);
    assert_eq!(
        String::from_utf8(written).unwrap(),
        "<?php $databases['default']['default'] = ['database' => 'n', 'host' => '10.0.0.1', 'port' => '3309', 'username' => 'u', 'password' => 'p', 'unix_socket' => NULL, 'driver' => 'mysql'];"
    );
    let pg = "<?php $databases['default']['default'] = ['database' => 'n', 'username' => 'u', 'password' => 'p', 'host' => '/run/pg', 'driver' => 'pgsql'];";
    let old = read(pg).unwrap().unwrap();
    assert_eq!(old.address.account().unwrap().at, Endpoint::Socket { path: "/run/pg".into(), port: None });
    let new = Access { address: DatabaseAddress::Postgres(account(tcp("h", 5433), "n", "u", "")), password: Secret::new("p") };
    assert_eq!(Drupal.read(&Drupal.rewrite(pg.as_bytes(), &new).unwrap()).unwrap().unwrap(), new);
    assert!(Drupal.rewrite(text.as_bytes(), &new).unwrap_err().to_string().contains("another kind"));
}

#[test]
fn what_the_site_computes_is_refused_with_the_option_to_give() {
    for (value, option) in [
        ("'password' => getenv('DB_PASSWORD')", "--database-password"),
        ("'database' => $name", "--database-name"),
        ("'username' => 'a' . 'b'", "--database-user"),
        ("'driver' => 'oracle'", "mysql, pgsql and sqlite"),
    ] {
        let text = format!(
            "<?php $databases['default']['default'] = ['database' => 'n', 'username' => 'u', 'password' => 's3cr3t', 'driver' => 'mysql', {value}];"
        );
        let e = read(&text).unwrap_err().to_string();
        assert!(e.contains(option) && !e.contains("s3cr3t"), "{value}: {e}");
    }
    for text in [
        "<?php $databases = json_decode($x, true);",
        "<?php $databases['default'] = $other;",
        "<?php if ($a) { $databases['default']['default'] = ['database'=>'a','username'=>'u','driver'=>'mysql']; } else { $databases['default']['default'] = ['database'=>'b','username'=>'u','driver'=>'mysql']; }",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    assert!(read("<?php $settings['x'] = 1;").unwrap().is_none());
}

#[test]
fn backdrops_url_is_read_and_rewritten() {
    let text = "<?php\n$database = 'mysql://us%40er:p%2Fw@localhost/shop';\n$database_prefix = 'bd_';\n";
    let old = read(text).unwrap().unwrap();
    let a = old.address.account().unwrap();
    assert_eq!((a.database.as_str(), a.user.as_str(), a.prefix.as_str(), old.password.expose()), ("shop", "us@er", "bd_", "p/w"));
    for value in NASTY {
        let new = Access {
            address: DatabaseAddress::Mysql(Account { database: (*value).into(), user: (*value).into(), ..a.clone() }),
            password: Secret::new(*value),
        };
        let written = Drupal.rewrite(text.as_bytes(), &new).unwrap();
        assert_eq!(Drupal.read(&written).unwrap().unwrap(), new);
        assert!(String::from_utf8_lossy(&written).contains("@localhost/"), "the host stays as it is written");
        assert_eq!(Drupal.rewrite(&written, &old).unwrap(), text.as_bytes());
    }
}

/// A Drupal as far as it is looked at.
fn site(s: &Scratch, settings: &str) -> PathBuf {
    s.file("home/web/core/lib/Drupal.php", "<?php\nclass Drupal {\n  const VERSION = '10.2.3';\n}\n");
    s.file("home/web/sites/default/settings.php", settings);
    s.file("home/web/sites/default/files/a.jpg", "a");
    s.file("home/private/b.pdf", "b");
    give(&s.path().join("home"), &owner());
    s.path().join("home")
}

#[test]
fn a_drupal_is_found_below_its_project_with_public_and_private_files() {
    let s = Scratch::new();
    let settings = format!(
        "<?php\n$databases['default']['default'] = [{INNER}];\n$settings['file_private_path'] = '../private';\n$settings['config_sync_directory'] = '/elsewhere/sync';\nif (file_exists('x')) {{ include __DIR__ . '/settings.ddev.php'; }}\n"
    );
    let root = site(&s, &settings);
    let found = detect(&root, &owner()).unwrap();
    let d = &found.definition;
    assert_eq!(
        (d.stack, d.root.clone(), d.settings.clone()),
        (StackKind::Drupal, root.clone(), Some(root.join("web/sites/default/settings.php")))
    );
    let files: Vec<(&str, PathBuf)> = d.files.iter().map(|f| (f.name.as_str(), f.path.clone())).collect();
    assert_eq!(files, [("public", root.join("web/sites/default/files")), ("private", root.join("private"))]);
    assert!(found.lines[0].contains("Drupal 10.2.3"), "{:?}", found.lines);
    assert!(
        found.warnings.iter().any(|w| w.contains("settings.ddev.php")) && found.warnings.iter().any(|w| w.contains("/elsewhere/sync")),
        "{found:?}"
    );
    assert_eq!(stack(StackKind::Drupal).maintenance(d), Maintenance::SettingsBlock);
    assert!(Drupal.structure_only("d_").contains(&"d_cache_*".to_owned()));
}

#[test]
fn local_settings_that_name_the_database_are_the_ones_that_hold() {
    let s = Scratch::new();
    let root = site(
        &s,
        "<?php\nif (file_exists($app_root . '/' . $site_path . '/settings.local.php')) {\n  include $app_root . '/' . $site_path . '/settings.local.php';\n}\n",
    );
    assert!(detect(&root, &owner()).unwrap_err().to_string().contains("names no database"));
    s.file("home/web/sites/default/settings.local.php", format!("<?php\n$databases['default']['default'] = [{INNER}];\n"));
    give(&root, &owner());
    let found = detect(&root, &owner()).unwrap();
    assert_eq!(found.definition.settings, Some(root.join("web/sites/default/settings.local.php")));
}

#[test]
fn one_of_several_sites_is_not_guessed_and_seven_backdrop_and_sqlite_are_found() {
    let s = Scratch::new();
    s.file("seven/includes/bootstrap.inc", "<?php\ndefine('VERSION', '7.98');\n");
    s.file(
        "seven/sites/a.example.org/settings.php",
        format!("<?php $databases['default']['default'] = [{INNER}]; $conf['file_private_path'] = '/var/none';"),
    );
    give(s.path(), &owner());
    let found = detect(&s.path().join("seven"), &owner()).unwrap();
    assert_eq!(found.definition.files[0].path, s.path().join("seven/sites/a.example.org/files"));
    s.file("seven/sites/b.example.org/settings.php", "<?php");
    assert!(detect(&s.path().join("seven"), &owner()).unwrap_err().to_string().contains("several sites"));

    s.file("bd/core/includes/bootstrap.inc", "<?php\ndefine('BACKDROP_VERSION', '1.27.1');\n");
    s.file("bd/settings.php", "<?php\n$database = 'mysql://u:p@127.0.0.1/n';\n");
    s.file("bd/files/x", "x");
    give(s.path(), &owner());
    let found = detect(&s.path().join("bd"), &owner()).unwrap();
    assert!(found.lines[0].contains("Backdrop 1.27.1"));
    assert_eq!(found.definition.files[0].path, s.path().join("bd/files"));

    let root = site(&s, "<?php $databases['default']['default'] = ['database' => 'sites/default/files/.ht.sqlite', 'driver' => 'sqlite'];");
    s.file("home/web/sites/default/files/.ht.sqlite", "");
    give(&root, &owner());
    let found = detect(&root, &owner()).unwrap();
    assert_eq!(found.definition.database, Some(DatabaseAddress::Sqlite { path: root.join("web/sites/default/files/.ht.sqlite") }));
}

#[test]
fn the_maintenance_block_closes_the_site_but_not_the_command_line_and_goes_without_a_trace() {
    let s = Scratch::new();
    let all = [
        "<?php\n/** doc */\n$x = 'settings ran';\n",
        "<?php\r\n$x = 'settings ran';\r\n",
        "<?php // one line\n$x = 'settings ran';",
        "<?php\ndeclare(strict_types=1);\n\nnamespace Foo;\nuse Bar\\Baz;\n$x = 'settings ran';",
        "<?PHP declare(strict_types = 1); $x = 'settings ran';",
        "#!/usr/bin/php\n<?php\n\n$x = 'settings ran'; ?>\n",
    ];
    for text in all {
        let closed = with_maintenance(text.as_bytes()).unwrap();
        assert_eq!(with_maintenance(&closed).unwrap(), closed, "twice is once");
        assert_eq!(without_maintenance(&closed), text.as_bytes());
        assert_eq!(without_maintenance(text.as_bytes()), text.as_bytes());
        let path = s.file("settings.php", &closed);
        let after = s.file("after.php", format!("<?php require '{}'; echo $x;", path.display()));
        let cli = Command::new("php").arg("-n").arg(&after).output().unwrap();
        assert!(String::from_utf8_lossy(&cli.stdout).contains("settings ran"), "{text}: {}", String::from_utf8_lossy(&cli.stdout));
        // the same code as a web server would run it: the SAPI is not the command line's
        let web = String::from_utf8(closed).unwrap().replace("PHP_SAPI", "'fpm-fcgi'");
        let path = s.file("web.php", web);
        let out = Command::new("php").arg("-n").arg(&path).output().unwrap();
        assert!(String::from_utf8_lossy(&out.stdout).contains("is being restored"), "{text}: {}", String::from_utf8_lossy(&out.stdout));
    }
    assert!(with_maintenance(b"no php").is_err());
    assert!(with_maintenance(b"<?php").is_err());
    assert!(with_maintenance(b"<?php declare(ticks=1) { $a = 1; }").is_err());
}

#[test]
fn the_closed_settings_can_still_be_read_and_rewritten() {
    let text = format!("<?php\n$databases['default']['default'] = [{INNER}];\n");
    let closed = with_maintenance(text.as_bytes()).unwrap();
    let old = Drupal.read(&closed).unwrap().unwrap();
    assert_eq!(Some(&old), read(&text).unwrap().as_ref());
    let new = Access { password: Secret::new("another"), ..old };
    let open = without_maintenance(&Drupal.rewrite(&closed, &new).unwrap());
    assert_eq!(open, Drupal.rewrite(text.as_bytes(), &new).unwrap());
}
