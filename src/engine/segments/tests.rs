use super::*;

/// Gives one byte at a time: every place where a row, a name or a keyword can be torn is torn.
struct OneByte(io::Cursor<Vec<u8>>);

impl Read for OneByte {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let one = buffer.len().min(1);
        self.0.read(&mut buffer[..one])
    }
}

fn split(syntax: Syntax, dump: &[u8]) -> io::Result<Vec<Segment>> {
    let mut splitter = splitter(syntax, Box::new(OneByte(io::Cursor::new(dump.to_vec()))));
    let mut all = Vec::new();
    while let Some(segment) = splitter.next()? {
        all.push(segment);
    }
    Ok(all)
}

fn joined(segments: &[Segment]) -> String {
    String::from_utf8(segments.iter().flat_map(|s| s.content.clone()).collect()).unwrap()
}

fn folders(segments: &[Segment]) -> Vec<&str> {
    let mut all: Vec<&str> = segments.iter().map(|s| s.folder.as_str()).collect();
    all.dedup();
    all
}

fn mysql_rows(rows: impl Iterator<Item = String>) -> Vec<u8> {
    let rows: Vec<String> = rows.collect();
    let mut out = b"CREATE TABLE `t` (\n  `id` int\n);\n".to_vec();
    for statement in rows.chunks(700) {
        out.extend_from_slice(format!("INSERT INTO `t` VALUES {};\n", statement.join(",")).as_bytes());
    }
    out
}

fn filler(n: u64) -> String {
    (0..20).map(|i| format!("{:016x}", h64(&(n * 100 + i).to_le_bytes()))).collect()
}

#[test]
fn the_hash_is_what_it_was_when_the_format_was_made() {
    assert_eq!(h64(b""), 0);
    let known = [h64(b"a"), h64(b"12345678"), h64(b"(1,'one row of a table')")];
    assert_eq!(known, [4_301_231_829_635_837_981, 9_057_943_612_913_331_624, 14_704_079_177_758_715_108]);
}

#[test]
fn mysql_strings_column_names_and_triggers_do_not_mislead_the_cutter() {
    let dump = b"-- head\nCREATE TABLE `a` (\n x int\n);\nINSERT INTO `a` (`x VALUES`,`y`) VALUES (1,'it''s),(\\'\\\\'),\n(2,');\n\
        INSERT INTO `z` VALUES (1)'), (3,_binary 'x\\\\');\nUNLOCK TABLES;\nDELIMITER ;;\nCREATE TRIGGER t BEGIN\n\
        INSERT INTO `q` VALUES (NEW.id);\nEND ;;\nDELIMITER ;\nINSERT INTO `q` VALUES (1,(2));\n";
    let segments = split(Syntax::Mysql, dump).unwrap();
    let text = joined(&segments);
    assert!(text.contains("VALUES\n(1,'it''s),(\\'\\\\'),\n(2,');\nINSERT INTO `z` VALUES (1)'),\n(3,_binary 'x\\\\');\nUNLOCK TABLES;\n"));
    assert!(text.ends_with("INSERT INTO `q` VALUES (NEW.id);\nEND ;;\nDELIMITER ;\nINSERT INTO `q` VALUES\n(1,(2));\n"));
    assert_eq!(folders(&segments), ["00000-head", "00001-a", "00002-q"]);
}

#[test]
fn a_mysql_dump_that_ends_inside_a_row_is_broken() {
    for torn in ["INSERT INTO `a` VALUES (1,'x", "INSERT INTO `a` VALUES (1)", "INSERT INTO `a` VALUES (1),", "INSERT INTO `a` VALUES x"] {
        assert!(split(Syntax::Mysql, torn.as_bytes()).is_err(), "{torn} was accepted");
    }
}

#[test]
fn every_mysql_segment_of_rows_is_a_statement_and_one_changed_row_changes_one_segment() {
    let row = |n: u64, more: &str| format!("({n},'{}{more}')", filler(n));
    let before = split(Syntax::Mysql, &mysql_rows((0..12_000).map(|n| row(n, "")))).unwrap();
    let after = split(Syntax::Mysql, &mysql_rows((0..12_000).map(|n| row(n, if n == 5000 { "longer" } else { "" })))).unwrap();
    let rows: Vec<&Segment> = before.iter().skip_while(|s| !s.content.starts_with(b"INSERT")).collect();
    assert!(rows.len() > 15, "{} segments", rows.len());
    for segment in &rows {
        assert!(segment.content.starts_with(b"INSERT INTO `t` VALUES\n(") && segment.content.ends_with(b");\n"));
        assert!(segment.content.len() <= MOST);
    }
    let fresh = after.iter().filter(|s| !before.iter().any(|b| b.content == s.content)).count();
    assert!(fresh <= 2, "{fresh} segments changed with one row");
    let count = joined(&before).matches(",\n(").count() + rows.len();
    assert_eq!(count, 12_000, "no row is lost");
}

const POSTGRES: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict it's\n\nSET x = 'a;b';\nCREATE FUNCTION public.f() RETURNS text AS $_$\n\
    COPY public.no FROM stdin;\n'unclosed $$ -- \n$_$;\n/* COPY /* nested */\nCOPY public.no FROM stdin;\n*/\n\
    COMMENT ON TABLE t IS E'it''s \\\\';\nCOPY public.a (id, \"odd\nname\") FROM stdin;\n1\tx'y\n2\t\\N\n\\.\n\n\n\
    --\n-- Data for Name: b\n--\n\nCOPY public.b (id) FROM stdin;\n\\.\n\n\nSELECT pg_catalog.setval('s', 1, false);\n\
    ALTER TABLE ONLY public.a ADD CONSTRAINT k PRIMARY KEY (id);\n-- PostgreSQL database dump complete\n";

#[test]
fn a_small_postgres_dump_comes_back_byte_for_byte_with_its_tables_in_folders() {
    let segments = split(Syntax::Postgres, POSTGRES.as_bytes()).unwrap();
    assert_eq!(joined(&segments), POSTGRES);
    assert_eq!(folders(&segments), ["00000-head", "00001-public.a", "00002-public.b", "00003-after.data"]);
    assert!(segments[1].content.starts_with(b"COPY public.a") && segments[1].content.ends_with(b"\\.\n"));
}

#[test]
fn a_postgres_dump_that_ends_inside_data_is_broken() {
    assert!(split(Syntax::Postgres, b"COPY a (b) FROM stdin;\n1\n2").is_err());
    assert!(split(Syntax::Postgres, b"COPY a (b) FROM stdin;\n1\n").is_err());
}

#[test]
fn every_postgres_segment_of_rows_is_complete_and_one_changed_row_changes_one_segment() {
    let dump = |changed: Option<u64>| {
        let mut out = String::from("COPY public.t (id, text) FROM stdin;\n");
        for n in 0..12_000 {
            out.push_str(&format!("{n}\t{}{}\n", filler(n), if changed == Some(n) { "longer" } else { "" }));
        }
        out + "\\.\n"
    };
    let before = split(Syntax::Postgres, dump(None).as_bytes()).unwrap();
    let after = split(Syntax::Postgres, dump(Some(7000)).as_bytes()).unwrap();
    assert!(before.len() > 15, "{} segments", before.len());
    for segment in &before {
        assert!(segment.content.starts_with(b"COPY public.t (id, text) FROM stdin;\n") && segment.content.ends_with(b"\n\\.\n"));
    }
    let fresh = after.iter().filter(|s| !before.iter().any(|b| b.content == s.content)).count();
    assert!(fresh <= 2, "{fresh} segments changed with one row");
    let rows = joined(&before).lines().filter(|l| !l.starts_with("COPY") && *l != "\\.").count();
    assert_eq!(rows, 12_000, "no row is lost");
}

#[test]
fn a_row_longer_than_a_segment_stands_alone() {
    let long = "x".repeat(3 * MOST);
    let mysql = split(Syntax::Mysql, format!("INSERT INTO `t` VALUES (1),('{long}'),(3);\n").as_bytes()).unwrap();
    assert_eq!(mysql.len(), 3);
    let postgres = split(Syntax::Postgres, format!("COPY t FROM stdin;\n1\n{long}\n3\n\\.\n").as_bytes()).unwrap();
    assert_eq!(postgres.len(), 3);
    assert!(postgres.iter().all(|s| s.content.starts_with(b"COPY t FROM stdin;\n") && s.content.ends_with(b"\\.\n")));
}

#[test]
fn names_that_no_folder_can_have_are_escaped() {
    let dump = b"CREATE TABLE `../../x y` (\n a int\n);\nINSERT INTO `../../x y` VALUES (1);\n";
    assert_eq!(folders(&split(Syntax::Mysql, dump).unwrap()), ["00001-..%2f..%2fx%20y"]);
}

fn sums_of(syntax: Syntax, dump: &str) -> Sums {
    sums(syntax, Box::new(OneByte(io::Cursor::new(dump.as_bytes().to_vec()))), &Watch::new()).unwrap()
}

#[test]
fn a_table_comes_to_the_same_however_its_rows_are_packed_and_ordered_and_whatever_else_is_said() {
    let rows: Vec<String> = (0..300).map(|n| format!("({n},'it''s; {}',NULL)", filler(n))).collect();
    let packed = |rows: &[String], each: usize, between: &str, head: &str| {
        let statements =
            rows.chunks(each).map(|some| format!("INSERT INTO `t`{head} VALUES{between}{};\n", some.join(&format!(",{between}"))));
        format!("-- {each}\nCREATE TABLE `t` (\n x int\n);\n{}INSERT INTO `u` VALUES (1);\n", statements.collect::<String>())
    };
    let usual = sums_of(Syntax::Mysql, &packed(&rows, 100, " ", ""));
    assert_eq!(usual.keys().collect::<Vec<_>>(), ["t", "u"]);
    for (each, between, head) in [(1, " ", ""), (7, "\n", ""), (300, "\n", " (`a`, `b VALUES`, `c`)")] {
        assert_eq!(sums_of(Syntax::Mysql, &packed(&rows, each, between, head)), usual, "{each}");
    }
    let backwards: Vec<String> = rows.iter().rev().cloned().collect();
    assert_eq!(sums_of(Syntax::Mysql, &packed(&backwards, 9, " ", "")), usual);
    let segments = split(Syntax::Mysql, packed(&rows, 100, " ", "").as_bytes()).unwrap();
    assert_eq!(sums_of(Syntax::Mysql, &joined(&segments)), usual, "what the repository gives back comes to the same");
    let mut other = rows.clone();
    other[150] = other[150].replace("it''s", "it`s");
    let differs = sums_of(Syntax::Mysql, &packed(&other, 100, " ", ""));
    assert!(differs["t"] != usual["t"] && differs["u"] == usual["u"]);
}

#[test]
fn sums_have_the_names_that_people_know_and_rows_inside_programs_are_none() {
    let mysql = "INSERT INTO `a``b` VALUES (1);\nINSERT INTO `a``c` (`x`) VALUES (1);\nINSERT INTO `e` VALUES\n(1);\nDELIMITER ;;\n\
        CREATE TRIGGER t BEGIN\nINSERT INTO `q` VALUES (NEW.id);\nEND ;;\nDELIMITER ;\n";
    assert_eq!(sums_of(Syntax::Mysql, mysql).keys().collect::<Vec<_>>(), ["a`b", "a`c", "e"]);
    let postgres = "SELECT 1;\nCOPY public.t (a) FROM stdin;\n1\n\\.\nCOPY hard.\"Odd (; \"\"name\"\"\" (a) FROM stdin;\n1\n\\.\nCOPY public.none (a) FROM stdin;\n\\.\n\
        BEGIN;\nSELECT pg_catalog.lo_open('16400', 131072);\nSELECT pg_catalog.lowrite(0, '\\x00');\nSELECT pg_catalog.lo_close(0);\nCOMMIT;\n";
    let sums = sums_of(Syntax::Postgres, postgres);
    assert_eq!(sums.keys().collect::<Vec<_>>(), ["hard.Odd (; \"name\"", "large objects", "t"]);
    let other = sums_of(Syntax::Postgres, &postgres.replace("\\x00", "\\x01"));
    assert!(other["large objects"] != sums["large objects"] && other["t"] == sums["t"]);
    assert!(sums_of(Syntax::Postgres, POSTGRES).keys().eq(["a"]), "{:?}", sums_of(Syntax::Postgres, POSTGRES));
}

#[test]
fn what_is_no_whole_dump_has_no_sums() {
    let torn = sums(Syntax::Mysql, Box::new(io::Cursor::new(b"INSERT INTO `a` VALUES (1,'x".to_vec())), &Watch::new());
    assert_eq!(torn.unwrap_err().class(), crate::base::error::Class::Damaged);
}
