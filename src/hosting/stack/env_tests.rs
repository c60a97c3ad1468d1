use super::*;
use crate::base::secret::Secret;
use crate::domain::site::Account;

fn get(text: &str) -> Access {
    read(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}")).unwrap_or_else(|| panic!("{text}: nothing"))
}
fn tcp(host: &str, port: u16) -> Endpoint {
    Endpoint::Tcp { host: host.into(), port }
}

#[test]
fn a_database_is_read_from_a_url_or_from_a_group_of_keys() {
    let pg = address::postgres(tcp("h", 5433), "n".into(), "u".into(), String::new(), "p w#x".into());
    for text in [
        "DATABASE_URL=postgres://u:p%20w%23x@h:5433/n",
        "# comment\n\nexport DATABASE_URL=\"postgres://u:p%20w%23x@h:5433/n\" # more\nDEBUG=1\r\n",
        "DB_ENGINE=django.db.backends.postgresql\nDB_NAME=n\nDB_USER = u\nDB_PASSWORD='p w#x'\nDB_HOST=h\nDB_PORT=5433\n",
        "POSTGRES_DB=n\nPOSTGRES_USER=u\nPOSTGRES_PASSWORD=\"p w#x\"\nPOSTGRES_HOST=h\nPOSTGRES_PORT=5433",
        "MYSQL_PORT=3306\nSQL_ENGINE=pgsql\nSQL_DATABASE=n\nSQL_USER=u # who\nSQL_PASSWORD='p w#x'\nSQL_HOST=h\nSQL_PORT=5433",
        "DATABASE_URL=\nPGDATABASE=n\nPGUSER=u\nPGPASSWORD='p w#x'\nPGHOST=h\nPGPORT=5433\nMULTI=\"a\nb=c\n\"\n",
    ] {
        assert_eq!(get(text), pg, "{text}");
    }
    let my = get("MYSQL_DATABASE=n\nMYSQL_USER=u\nMYSQL_PASSWORD=p#w\nMYSQL_HOST=localhost");
    assert_eq!((my.address.engine(), my.password.expose()), ("mysql", "p#w"));
    assert!(read(b"DEBUG=1\n").unwrap().is_none());
}

#[test]
fn what_reads_differently_in_different_programs_is_refused() {
    for text in [
        "POSTGRES_DB=n\nPOSTGRES_USER=u\nPOSTGRES_PASSWORD=a$b",
        "POSTGRES_DB=n\nPOSTGRES_USER=u\nPOSTGRES_PASSWORD=\"${SECRET}\"",
        "POSTGRES_DB=n\nPOSTGRES_USER=u\nPOSTGRES_PASSWORD='a\\'",
        "POSTGRES_DB=n\nPOSTGRES_USER=u\nPOSTGRES_PASSWORD=a\\b",
        "POSTGRES_DB=n\nPOSTGRES_DB=m\nPOSTGRES_USER=u\nPOSTGRES_PASSWORD=x",
        "DB_NAME=n\nDB_USER=u\nDB_PASSWORD=p\nDB_HOST=h",
        "just text",
        "KEY='open",
        "A='b' c",
    ] {
        assert!(read(text.as_bytes()).is_err(), "{text:?} was accepted");
    }
    assert!(!is_env(b"import os\nDATABASES = {\n}\n") && is_env(b"A=1\n# x\nexport B='2'"));
}

#[test]
fn a_rewrite_changes_the_values_and_nothing_else() {
    for text in [
        "# my site\nexport DATABASE_URL=\"postgres://u:p@h:5433/n?sslmode=disable\" # the database\r\nSECRET='it''s'\n"
            .replace("'it''s'", "'its'"),
        "DB_ENGINE=postgresql\nDB_NAME=\"n\"\nDB_USER='u'\nDB_PASSWORD=p # here\nDB_HOST=h\nDB_PORT=5433\nX=$DB_NAME\n".to_owned(),
    ] {
        let old = get(&text);
        assert_eq!(rewrite(text.as_bytes(), &old).unwrap(), text.as_bytes());
        let new = address::postgres(tcp("h", 5433), "n2".into(), "u2".into(), String::new(), "x1y2".into());
        let written = rewrite(text.as_bytes(), &new).unwrap();
        assert_eq!(read(&written).unwrap().unwrap(), new, "{text}");
        assert_eq!(String::from_utf8(rewrite(&written, &old).unwrap()).unwrap(), text);
        let moved = address::postgres(tcp("10.0.0.9", 5499), "n".into(), "u".into(), String::new(), "p".into());
        assert_eq!(read(&rewrite(text.as_bytes(), &moved).unwrap()).unwrap().unwrap(), moved);
    }
}

#[test]
fn a_value_that_such_a_file_cannot_hold_is_refused_unless_a_url_can() {
    let group = "POSTGRES_DB=n\nPOSTGRES_USER=u\nPOSTGRES_PASSWORD=p\nPOSTGRES_HOST=h\n";
    let url = "DATABASE_URL=postgres://u:p@h/n\n";
    let DatabaseAddress::Postgres(account) = get(group).address else { panic!() };
    for value in super::super::php_agrees::NASTY {
        let new = Access { address: DatabaseAddress::Postgres(Account { ..account.clone() }), password: Secret::new(*value) };
        match rewrite(group.as_bytes(), &new) {
            Ok(written) => assert_eq!(read(&written).unwrap().unwrap(), new),
            Err(e) => assert!(!e.to_string().contains(value) || *value == " ", "{e}"),
        }
        assert_eq!(read(&rewrite(url.as_bytes(), &new).unwrap()).unwrap().unwrap(), new, "a URL holds everything");
    }
}
