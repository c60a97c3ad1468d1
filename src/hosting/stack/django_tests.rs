use super::super::php_agrees::NASTY;
use super::super::{detect, stack};
use super::*;
use crate::base::secret::Secret;
use crate::domain::site::{Account, Endpoint};
use crate::hosting::host::testing::{Scratch, give, owner};

const MANAGE: &str = "#!/usr/bin/env python\n\"\"\"Django's command-line utility.\"\"\"\nimport os\n\ndef main():\n    os.environ.setdefault(\"DJANGO_SETTINGS_MODULE\", \"shop.settings\")\n";
const DATABASES: &str = "DATABASES = {\n    'default': {\n        'ENGINE': 'django.db.backends.postgresql',  # it's\n        'NAME': 'n',\n        'USER': \"u\",\n        'PASSWORD': 'p',\n        'HOST': '127.0.0.1',\n        'PORT': 5433,\n    },\n}\n";

fn read(text: &str) -> Result<Option<Access>> {
    Django.read(text.as_bytes())
}
fn postgres(database: &str, user: &str, password: &str) -> Access {
    let at = Endpoint::Tcp { host: "127.0.0.1".into(), port: 5433 };
    let account = Account { at, database: database.into(), user: user.into(), prefix: String::new() };
    Access { address: DatabaseAddress::Postgres(account), password: Secret::new(password) }
}

/// The ways in which the same database is written.
fn spellings() -> Vec<String> {
    let flat =
        "'ENGINE': 'django.db.backends.postgresql', 'NAME': 'n', 'USER': u'u', 'PASSWORD': r'p', 'HOST': '127.0.0.1', 'PORT': '5433'";
    vec![
        format!("import os\n{DATABASES}"),
        format!(
            "DEBUG = True; DATABASES = {{\"default\": {{{flat}}}, 'old': {{'ENGINE': os.environ['X']}}}}\nif DEBUG:\n    x = f\"{{a[\"b\"]}} 'c'\"\n"
        ),
        format!("DATABASES = {{}}\nDATABASES['default'] = {{{flat}}}\n"),
        format!("DATABASES: dict = {{'default': {{{}}}}}\nDATABASES['default']['PASSWORD'] = 'p'\n", flat.replace("r'p'", "'other'")),
        format!("'''doc\nDATABASES = {{'default': {{'NAME': 'doc'}}}}\n'''\nDATABASES = ({{'default': {{{flat}}}}})  # DATABASES = 1\n"),
        format!("DATABASES = {{ \\\n 'default': {{{}}} }}\n", flat.replace("'127.0.0.1'", "'127.0' \".0.1\"")),
    ]
}

#[test]
fn the_ways_to_write_a_database_read_the_same() {
    for text in spellings() {
        assert_eq!(read(&text).unwrap_or_else(|e| panic!("{text}: {e}")).unwrap(), postgres("n", "u", "p"), "{text}");
    }
    assert!(read("DEBUG = False\n").unwrap().is_none());
}

#[test]
fn a_rewrite_changes_the_values_and_nothing_else_and_python_reads_them() {
    let s = Scratch::new();
    for (i, text) in spellings().iter().enumerate() {
        let old = read(text).unwrap().unwrap();
        assert_eq!(Django.rewrite(text.as_bytes(), &old).unwrap(), text.as_bytes());
        for value in NASTY {
            let new = postgres(value, value, value);
            let written = Django.rewrite(text.as_bytes(), &new).unwrap();
            assert_eq!(Django.read(&written).unwrap().unwrap(), new, "{text}");
            let back = Django.rewrite(&written, &old).unwrap();
            assert_eq!(Django.read(&back).unwrap().unwrap(), old);
            if i == 0 {
                assert_eq!(String::from_utf8(back).unwrap(), *text);
                let path = s.file("settings.py", [&written[..], b"\nprint(DATABASES['default']['PASSWORD'].encode().hex())"].concat());
                if let Ok(out) = std::process::Command::new("python3").arg(path).output() {
                    let hex: String = value.bytes().map(|b| format!("{b:02x}")).collect();
                    assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), hex, "{}", String::from_utf8_lossy(&out.stderr));
                }
            }
        }
    }
}

#[test]
fn python_and_our_reader_take_the_same_value_from_every_spelling() {
    let spellings = [
        r#"'a'"#,
        r#""it's""#,
        r#"'it\'s'"#,
        r#"'\n\t\\\x41\u00e9\101\q'"#,
        r#"r'\n\''"#,
        r#"R"\x""#,
        r#"'''tri'ple"'''"#,
        "\"\"\"two\nlines\"\"\"",
        "'con' \"cat\" r'\\e'",
        "u'é😀'",
        "'a\\\nb'",
        r#"'\U0001F600'"#,
        "'#no' # comment",
        "''",
        r#"'\0\08'"#,
        "\"\"\"a\\\"\"\"\"",
    ];
    let s = Scratch::new();
    let mut text = String::new();
    for (i, spelling) in spellings.iter().enumerate() {
        text.push_str(&format!("C{i} = {spelling}\n"));
    }
    let path = s.file("judge.py", format!("{text}for i in range({}): print(globals()[f'C{{i}}'].encode().hex())\n", spellings.len()));
    let out = std::process::Command::new("python3")
        .args(["-W", "ignore"])
        .arg(path)
        .output()
        .expect("Python is installed: apt-get install python3");
    let printed = String::from_utf8(out.stdout).unwrap();
    let lines = python::lines(text.as_bytes()).unwrap();
    assert_eq!((lines.len(), printed.lines().count()), (spellings.len(), spellings.len()), "{}", String::from_utf8_lossy(&out.stderr));
    for ((line, expected), spelling) in lines.iter().zip(printed.lines()).zip(spellings) {
        let python::Statement::Assign { value, .. } = python::statement(&line.tokens) else { panic!("{spelling}") };
        let python::Value::Text(text) = python::value(value, 0).value else { panic!("{spelling}") };
        assert_eq!(text.bytes().map(|b| format!("{b:02x}")).collect::<String>(), expected, "{spelling}");
    }
}

#[test]
fn what_the_site_computes_is_refused() {
    let with = |value: &str| DATABASES.replace("'p'", value);
    for text in [
        with("os.environ['PASSWORD']"),
        with("os.environ.get('P', 'p')"),
        with("f'{x}'"),
        with("b'p'"),
        with("'\\N{BULLET}'"),
        with("'a' + 'b'"),
        with("'%s' % x"),
        format!("{DATABASES}DATABASES['default'].update(PASSWORD='x')\n"),
        format!("{DATABASES}if x:\n    DATABASES['default']['PASSWORD'] = 'other'\n"),
        format!("{DATABASES}DATABASES['default'] = dj_database_url.config()\n"),
        "DATABASES = {'default': env.db()}\n".to_owned(),
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.oracle', 'NAME': 'x'}}\n".to_owned(),
        "X = 'open\n".to_owned(),
        "import os\nX = (1\n".to_owned(),
    ] {
        assert!(read(&text).is_err(), "{text} was accepted");
    }
}

fn site(s: &Scratch, settings: &str) -> PathBuf {
    s.file("home/site/manage.py", MANAGE);
    s.file("home/site/shop/settings.py", settings);
    s.file("home/site/media/a.jpg", "a");
    give(&s.path().join("home"), &owner());
    s.path().join("home/site")
}

const HEAD: &str = "from pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent.parent\nMEDIA_ROOT = BASE_DIR / 'media'\nSTATIC_ROOT = '/var/static/'\n";

#[test]
fn a_django_with_literal_settings_is_found_and_an_env_file_beside_them_does_not_count() {
    let s = Scratch::new();
    let root = site(&s, &format!("{HEAD}{DATABASES}"));
    s.file("home/site/.env", "POSTGRES_DB=container\nPOSTGRES_USER=c\nPOSTGRES_PASSWORD=c\n");
    let found = detect(&root, &owner()).unwrap();
    let d = &found.definition;
    assert_eq!((d.stack, d.settings.clone()), (StackKind::Django, Some(root.join("shop/settings.py"))));
    assert_eq!(d.database.as_ref(), Some(&postgres("n", "u", "p").address));
    assert_eq!((d.files[0].name.as_str(), d.files[0].path.clone()), ("media", root.join("media")));
    assert!(found.lines.iter().any(|l| l.contains("/var/static")), "{:?}", found.lines);
    assert_eq!(stack(StackKind::Django).caches(d), [root.join("media/CACHE")]);
}

#[test]
fn settings_that_read_the_environment_lead_to_the_env_file() {
    let s = Scratch::new();
    let root =
        site(&s, &format!("{HEAD}DATABASES = {{'default': {{'ENGINE': 'django.db.backends.mysql', 'NAME': os.environ['DB_NAME']}}}}\n"));
    let e = detect(&root, &owner()).unwrap_err();
    assert!(e.to_string().contains("NAME of DATABASES in line 5") && e.to_string().contains("--settings"), "{e}");
    s.file("home/site/.env", "DB_ENGINE=mysql\nDB_NAME=n\nDB_USER=u\nDB_PASSWORD=p\nDB_HOST=127.0.0.1\n");
    give(&root, &owner());
    let found = detect(&root, &owner()).unwrap();
    assert_eq!(found.definition.settings, Some(root.join(".env")));
    assert_eq!(found.definition.database.unwrap().engine(), "mysql");
}

#[test]
fn sqlite_is_found_by_the_path_that_the_settings_work_out() {
    let s = Scratch::new();
    let root = site(
        &s,
        &format!("{HEAD}DATABASES = {{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'db.sqlite3'}}}}\n"),
    );
    s.file("home/site/db.sqlite3", "");
    let found = detect(&root, &owner()).unwrap();
    assert_eq!(found.definition.database, Some(DatabaseAddress::Sqlite { path: root.join("db.sqlite3") }));
    assert!(found.password.is_none());
}

#[test]
fn of_several_settings_modules_the_one_with_a_database_that_exists_is_taken_and_said() {
    let s = Scratch::new();
    s.file("home/site/manage.py", MANAGE.replace("shop.settings", "shop.settings.dev"));
    s.file(
        "home/site/shop/settings/base.py",
        "import os\nPROJECT_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))\nBASE_DIR = os.path.dirname(PROJECT_DIR)\n\
DATABASES = {\"default\": {\"ENGINE\": \"django.db.backends.sqlite3\", \"NAME\": os.path.join(BASE_DIR, \"db.sqlite3\")}}\nMEDIA_ROOT = os.path.join(BASE_DIR, \"media\")\n",
    );
    s.file("home/site/shop/settings/dev.py", "from .base import *\n\ntry:\n    from .local import *\nexcept ImportError:\n    pass\n");
    s.file("home/site/shop/settings/production.py", "from .base import *\n");
    s.file("home/site/shop/settings/__init__.py", "");
    let lab = s.file(
        "home/site/shop/settings/lab.py",
        format!("from .base import *\n{DATABASES}MEDIA_ROOT = '{}/home/site/media'\n", s.path().display()),
    );
    s.dir("home/site/media");
    give(&s.path().join("home"), &owner());
    let root = s.path().join("home/site");
    let found = detect(&root, &owner()).unwrap();
    assert_eq!(found.definition.settings, Some(lab));
    assert_eq!(found.definition.database.as_ref(), Some(&postgres("n", "u", "p").address));
    assert_eq!(found.definition.files.len(), 1);
    assert!(found.warnings[0].contains("shop.settings.lab was taken"), "{:?}", found.warnings);
    // once the SQLite file is there, it is what manage.py says, and the other is only mentioned
    s.file("home/site/db.sqlite3", "");
    let found = detect(&root, &owner()).unwrap();
    assert_eq!(found.definition.database.unwrap().engine(), "sqlite");
    assert!(found.warnings.iter().any(|w| w.contains("shop.settings.lab names another database (postgres n)")), "{:?}", found.warnings);
}

#[test]
fn a_directory_of_no_stack_is_generic_and_its_databases_are_pointed_out() {
    let s = Scratch::new();
    s.file("site/index.html", "x");
    s.file("site/data.db", "SQLite format 3\0rest");
    s.file("site/not.db", "something else");
    give(&s.path().join("site"), &owner());
    let found = detect(&s.path().join("site"), &owner()).unwrap();
    assert_eq!(found.definition.stack, StackKind::Generic);
    assert!(found.warnings.iter().any(|w| w.contains("data.db")) && !found.warnings.concat().contains("not.db"), "{found:?}");
    assert!(detect(&s.path().join("none"), &owner()).unwrap_err().to_string().contains("does not exist"));
    let env = b"DATABASE_URL=mysql://u:p@h/n\n";
    assert!(stack(StackKind::Generic).read(env).unwrap().is_some());
    assert!(stack(StackKind::Generic).rewrite(b"<?xml?>", &postgres("n", "u", "p")).is_err());
}
