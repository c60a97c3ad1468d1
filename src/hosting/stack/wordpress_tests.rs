use super::super::php_agrees::NASTY;
use super::super::{detect, stack};
use super::*;
use crate::base::error::Class;
use crate::base::secret::Secret;
use crate::domain::site::{Account, Endpoint};
use crate::hosting::host::testing::{Scratch, give, owner};

const USUAL: &str = "<?php\n/** The name of the database */\ndefine( 'DB_NAME', 'shop' );\ndefine( 'DB_USER', 'shop_u' );\ndefine( 'DB_PASSWORD', 'it\\'s \"so\"' );\n\
define( 'DB_HOST', '127.0.0.1:3307' );\ndefine( 'DB_CHARSET', 'utf8mb4' );\n$table_prefix = 'wp_';\nif ( ! defined( 'ABSPATH' ) ) {\n\tdefine( 'ABSPATH', __DIR__ . '/' );\n}\n\
require_once ABSPATH . 'wp-settings.php';\n";

fn account(at: Endpoint, database: &str, user: &str, prefix: &str) -> DatabaseAddress {
    DatabaseAddress::Mysql(Account { at, database: database.into(), user: user.into(), prefix: prefix.into() })
}
fn tcp(host: &str, port: u16) -> Endpoint {
    Endpoint::Tcp { host: host.into(), port }
}
fn read(text: &str) -> Result<Option<Access>> {
    Wordpress.read(text.as_bytes())
}

#[test]
fn a_usual_wp_config_is_read() {
    let access = read(USUAL).unwrap().unwrap();
    assert_eq!(access.address, account(tcp("127.0.0.1", 3307), "shop", "shop_u", "wp_"));
    assert_eq!(access.password.expose(), "it's \"so\"");
}

#[test]
fn odd_spellings_mean_what_php_takes_them_for() {
    let d = "define('DB_NAME','n');define('DB_USER','u');define('DB_PASSWORD','p');";
    let good = [
        format!("<?php {d}"),
        format!("<?php {d} /* define('DB_NAME','other'); */ // define('DB_USER','x');\n# define('DB_PASSWORD','x');"),
        "<?php DEFINE (\n'DB_NAME' ,\n\"n\"\n); \\define('DB_USER', 'u', true); const DB_PASSWORD = 'p';".to_owned(),
        format!("<?php $s = \"define('DB_NAME','x')\"; $h = <<<X\ndefine('DB_NAME','y');\nX;\n{d}"),
        format!("<?php if (!defined('DB_NAME')) {d} else {d}"),
        format!("some html <?php {d} ?> define('DB_NAME', 'html'); <?php exit;"),
        format!("<?php {d} __halt_compiler(); define('DB_NAME', 'late');"),
        format!("<?php {d} $o->define('DB_NAME', 'method'); X::define('DB_USER', 'static'); function define($a) {{}}"),
        format!("<?php {d} // ?><?php // define('DB_NAME','no');"),
    ];
    for text in good {
        let access = read(&text).unwrap_or_else(|e| panic!("{text}: {e}")).unwrap();
        let a = access.address.account().unwrap();
        assert_eq!((a.database.as_str(), a.user.as_str(), access.password.expose()), ("n", "u", "p"), "{text}");
    }
    assert!(read("<?php require 'other.php';").unwrap().is_none());
}

#[test]
fn what_the_site_computes_is_refused_with_its_line_and_the_option_to_give() {
    let with =
        |line: &str| format!("<?php\ndefine('DB_NAME', 'n');\ndefine('DB_USER', 'u');\n{line}\ndefine('DB_PASSWORD', 'secret-value');");
    for (line, what, option) in [
        ("define('DB_NAME', getenv('N'));", "DB_NAME in line 4", "--database-name"),
        ("define('DB_USER', 'a' . 'b');", "DB_USER in line 4", "--database-user"),
        ("define('DB_PASSWORD', $_ENV['P'] ?? 'secret-value');", "DB_PASSWORD in line 4", "--database-password"),
        ("define('DB_HOST', <<<X\nh\nX);", "DB_HOST in line 4", "--database-host"),
        ("$table_prefix = getenv('P') ?: 'wp_';", "$table_prefix in line 4", "--database-prefix"),
        ("define('DB_PASSWORD', 'another-secret');", "more than once", "--database-password"),
        ("define('DB_HOST', 'x:y');", "DB_HOST is neither", "--database-host"),
    ] {
        let e = read(&with(line)).unwrap_err();
        assert_eq!(e.class(), Class::Invalid);
        assert!(e.to_string().contains(what) && e.to_string().contains(option), "{line}: {e}");
        assert!(!e.to_string().contains("secret"), "a password came into a message: {e}");
    }
    assert!(read("<?php define('DB_NAME', 'n');").unwrap_err().to_string().contains("does not define DB_USER"));
}

#[test]
fn a_rewrite_changes_the_values_and_nothing_else() {
    for (i, value) in NASTY.iter().enumerate() {
        let at = if i % 2 == 0 { tcp("127.0.0.1", 3307) } else { Endpoint::Socket { path: "/tmp/x.sock".into(), port: None } };
        let new = Access { address: account(at, value, value, if i % 3 == 0 { "wp_" } else { "o'x_" }), password: Secret::new(*value) };
        let text = Wordpress.rewrite(USUAL.as_bytes(), &new).unwrap();
        assert_eq!(Wordpress.read(&text).unwrap().unwrap(), new);
        // Written back, every byte is what it was: nothing else was touched on the way.
        let old = read(USUAL).unwrap().unwrap();
        let back = Wordpress.rewrite(&text, &old).unwrap();
        assert_eq!(String::from_utf8(back).unwrap(), USUAL);
    }
    let old = read(USUAL).unwrap().unwrap();
    assert_eq!(Wordpress.rewrite(USUAL.as_bytes(), &old).unwrap(), USUAL.as_bytes());
    let odd = "<?php const DB_NAME=\"a\\x41\";define('DB_USER','\\u');define('DB_PASSWORD',\"\\\\\");";
    let same = read(odd).unwrap().unwrap();
    assert_eq!(Wordpress.rewrite(odd.as_bytes(), &same).unwrap(), odd.as_bytes(), "a value that stays keeps its spelling");
    let e = Wordpress.rewrite(b"<?php define('DB_NAME','n');define('DB_USER','u');define('DB_PASSWORD',getenv('P'));", &old).unwrap_err();
    assert!(e.to_string().contains("computed"), "{e}");
}

/// A WordPress as far as it is looked at.
fn site(s: &Scratch, config: Option<&str>) -> PathBuf {
    s.file("home/www/wp-load.php", "<?php");
    s.file("home/www/wp-settings.php", "<?php");
    s.file("home/www/wp-includes/version.php", "<?php\n/** @global string $wp_version */\n$wp_version = '6.1.1';\n");
    s.file("home/www/wp-content/uploads/a.jpg", "a");
    if let Some(config) = config {
        s.file("home/www/wp-config.php", config);
    }
    give(&s.path().join("home"), &owner());
    s.path().join("home/www")
}

#[test]
fn a_wordpress_is_found_with_its_uploads_and_its_address() {
    let s = Scratch::new();
    let root = site(&s, Some(&format!("{USUAL}define('WP_HOME', 'https://shop.example.org');\ninclude 'local.php';")));
    s.dir("home/www/wp-content/blogs.dir");
    let found = detect(&root, &owner()).unwrap();
    let d = &found.definition;
    assert_eq!((d.stack, d.root.clone(), d.settings.clone()), (StackKind::Wordpress, root.clone(), Some(root.join("wp-config.php"))));
    let files: Vec<(&str, PathBuf)> = d.files.iter().map(|f| (f.name.as_str(), f.path.clone())).collect();
    assert_eq!(files, [("public", root.join("wp-content/uploads")), ("blogs", root.join("wp-content/blogs.dir"))]);
    assert_eq!(d.url.as_deref(), Some("https://shop.example.org"));
    assert_eq!(found.password.unwrap().expose(), "it's \"so\"");
    assert!(found.lines.iter().any(|l| l.contains("WordPress 6.1.1")) && !found.lines.concat().contains("so\""), "{:?}", found.lines);
    assert!(found.warnings.iter().any(|w| w.contains("line 14") && w.contains("local.php")), "{:?}", found.warnings);
}

#[test]
fn settings_one_directory_up_and_uploads_elsewhere_are_found() {
    let s = Scratch::new();
    let root = site(&s, None);
    assert!(detect(&root, &owner()).unwrap_err().to_string().contains("no wp-config.php"));
    s.file(
        "home/wp-config.php",
        USUAL.replace("$table_prefix = 'wp_';", "$table_prefix = 'wp_'; define('WP_CONTENT_DIR', __DIR__ . '/www/content');"),
    );
    s.file("home/www/content/uploads/x", "x");
    give(&s.path().join("home"), &owner());
    let found = detect(&root, &owner()).unwrap();
    assert_eq!(found.definition.settings, Some(s.path().join("home/wp-config.php")));
    assert_eq!(found.definition.files[0].path, root.join("content/uploads"));
    let patterns = stack(StackKind::Wordpress).left_out(&found.definition, Element::Code);
    assert!(patterns.iter().any(|(p, _)| p == "/content/cache/") && patterns.iter().any(|(p, _)| p == ".sitekeep-*"), "{patterns:?}");
}

#[test]
fn a_link_that_leads_to_somebody_elses_directory_is_not_taken() {
    let s = Scratch::new();
    let root = site(&s, Some(USUAL));
    std::fs::remove_dir_all(root.join("wp-content/uploads")).unwrap();
    let theirs = s.dir("theirs");
    let link = root.join("wp-content/uploads");
    std::os::unix::fs::symlink(&theirs, &link).unwrap();
    let found = detect(&root, &owner()).unwrap();
    if crate::base::identity::Identity::of_process().is_root() {
        assert!(
            found.definition.files.is_empty() && found.warnings.iter().any(|w| w.contains("does not belong to its owner")),
            "{found:?}"
        );
    }
    give(&theirs, &owner());
    assert_eq!(detect(&root, &owner()).unwrap().definition.files[0].path, theirs, "the owner's own directory is, by its real path");
}

#[test]
fn a_wordpress_on_sqlite_is_found_and_needs_no_rewrite() {
    let s = Scratch::new();
    let root = site(&s, Some("<?php define('DB_NAME','x'); define('DB_DIR', ABSPATH . 'data/'); define('DB_FILE', 'shop.sqlite');"));
    s.file("home/www/wp-content/db.php", "<?php // SQLite integration (Drop-in)");
    s.file("home/www/data/shop.sqlite", "");
    give(&root, &owner());
    let found = detect(&root, &owner()).unwrap();
    assert_eq!(found.definition.database, Some(DatabaseAddress::Sqlite { path: root.join("data/shop.sqlite") }));
    assert!(found.password.is_none());
    let access = Access { address: found.definition.database.unwrap(), password: Secret::new("") };
    assert_eq!(Wordpress.rewrite(b"<?php anything", &access).unwrap(), b"<?php anything");
}

#[test]
fn wordpress_itself_would_believe_the_maintenance_file() {
    let definition = super::super::look::found(StackKind::Wordpress, Path::new("/srv")).definition;
    let Maintenance::Flag { file, bytes } = Wordpress.maintenance(&definition) else { panic!("a flag") };
    assert_eq!(file, Path::new(".maintenance"));
    let s = Scratch::new();
    // the condition in wp_is_maintenance_mode()
    let path = s.file("m.php", [&bytes[..], b"echo time() - $upgrading >= 10 * 60 ? 'off' : 'on';"].concat());
    let out = std::process::Command::new("php").arg("-n").arg(path).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), "on");
}
