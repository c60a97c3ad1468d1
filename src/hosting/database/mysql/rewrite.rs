//! What is changed in a dump on its way out and on its way in, so that it says nothing of the account and the database
//! that it came from.

use super::script::{Edit, Editor};
use super::tokens::{Kind, Token, Tokens, replaced};
use crate::base::error::{Error, Result};

/// What a statement is about, as far as the editors have to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Set,
    CreateTable,
    DropTable,
    CreateSequence,
    DropSequence,
    /// `DO SETVAL(…)`, `SELECT SETVAL(…)`.
    SetSequence,
    /// `ALTER TABLE … DISABLE KEYS`, `… ENABLE KEYS`.
    Keys,
    LockTables,
    Use,
    CreateDatabase,
    AlterDatabase,
    /// A view, trigger, routine, event or package, created or dropped.
    Program,
    Transaction,
    Other,
}

/// Names the kinds of objects that are not tables.
const PROGRAMS: [&str; 6] = ["view", "trigger", "procedure", "function", "event", "package"];

/// What this statement is about.
pub fn verb(tokens: &[Token]) -> Verb {
    let word = |n: usize| tokens.get(n).filter(|t| t.kind == Kind::Word);
    let is = |n: usize, w: &str| word(n).is_some_and(|t| t.is(w));
    let Some(first) = word(0) else { return Verb::Other };
    let object = || tokens.iter().take(24).skip(1).find(|t| t.is_any(&PROGRAMS) || t.is_any(&["table", "sequence", "database", "schema"]));
    match String::from_utf8_lossy(first.text).to_ascii_lowercase().as_str() {
        "set" => Verb::Set,
        "use" => Verb::Use,
        "lock" | "unlock" => Verb::LockTables,
        "commit" | "begin" => Verb::Transaction,
        "start" if is(1, "transaction") => Verb::Transaction,
        "do" | "select" if is(1, "setval") => Verb::SetSequence,
        "alter" if is(1, "database") || is(1, "schema") => Verb::AlterDatabase,
        "alter" if is(1, "table") && tokens.last().is_some_and(|t| t.is("keys")) => Verb::Keys,
        "create" | "drop" => match object() {
            Some(t) if t.is("table") && first.is("create") => Verb::CreateTable,
            Some(t) if t.is("table") => Verb::DropTable,
            Some(t) if t.is("sequence") && first.is("create") => Verb::CreateSequence,
            Some(t) if t.is("sequence") => Verb::DropSequence,
            Some(t) if t.is("database") || t.is("schema") => Verb::CreateDatabase,
            Some(_) => Verb::Program,
            None => Verb::Other,
        },
        _ => Verb::Other,
    }
}

/// The statement without `DEFINER=…`: the account that imports it becomes its owner.
fn definer(tokens: &[Token]) -> Option<std::ops::Range<usize>> {
    // Only the head of a statement can hold one; a body behind the object's kind is nobody's business.
    let end = tokens.iter().position(|t| t.is_any(&PROGRAMS)).unwrap_or(0);
    let at = tokens[..end].iter().position(|t| t.is("definer"))?;
    if !tokens.get(at + 1)?.is_sign(b'=') {
        return None;
    }
    let mut last = at + 2;
    let follows = |n: usize, sign: u8| tokens.get(n).is_some_and(|t| t.is_sign(sign));
    if follows(last + 1, b'@') || (follows(last + 1, b'(') && follows(last + 2, b')')) {
        last += 2;
    }
    Some(tokens[at].start..tokens.get(last)?.end)
}

/// Where the name of the database the dump came from stands before a dot, in a place where nothing else can be meant.
fn qualifiers(tokens: &[Token], database: &str) -> Vec<std::ops::Range<usize>> {
    const BEFORE: [&str; 10] = ["from", "join", "into", "update", "call", "references", "on", "table", "exists", "view"];
    tokens
        .windows(4)
        .filter(|w| {
            let named = matches!(w[1].kind, Kind::Name | Kind::Word) && w[1].name().as_deref() == Some(database);
            let called = w[0].is_sign(b'(') && matches!(w[3].kind, Kind::Name | Kind::Word);
            let before = w[0].is_any(&BEFORE) || w[0].is_any(&PROGRAMS) || called_sequence(tokens, w[0].start) && called;
            named && w[2].is_sign(b'.') && before
        })
        .map(|w| w[1].start..w[2].end)
        .collect()
}

/// Is the parenthesis at `at` that of `nextval(`, `lastval(` or `setval(`?
fn called_sequence(tokens: &[Token], at: usize) -> bool {
    tokens
        .iter()
        .position(|t| t.start == at)
        .and_then(|n| n.checked_sub(1))
        .is_some_and(|n| tokens[n].is_any(&["nextval", "lastval", "setval"]))
}

/// A statement that says nothing of the account and the database that it came from; None when nothing was to change.
pub fn neutral(sql: &[u8], tokens: &[Token], verb: Verb, database: &str) -> Option<Vec<u8>> {
    let mut edits = Vec::new();
    match verb {
        Verb::Program => {
            edits.extend(definer(tokens).map(|r| (r, Vec::new())));
            edits.extend(qualifiers(tokens, database).into_iter().map(|r| (r, Vec::new())));
        }
        Verb::CreateTable => edits.extend(qualifiers(tokens, database).into_iter().map(|r| (r, Vec::new()))),
        // `ALTER DATABASE name CHARACTER SET …` stands around programs made under another collation; without a name
        // it means the database that is in use.
        Verb::AlterDatabase => {
            let name = tokens.get(2).filter(|t| t.kind == Kind::Name)?;
            edits.push((name.start..name.end, Vec::new()));
        }
        _ => return None,
    }
    if edits.is_empty() { None } else { Some(replaced(sql, edits)) }
}

/// On the way out: neutral statements, the count of tables, and whether the mark that ends a dump was seen at its end.
pub struct Outward {
    database: String,
    pub tables: u64,
    pub complete: bool,
}

impl Outward {
    pub fn new(database: &str) -> Self {
        Self { database: database.to_owned(), tables: 0, complete: false }
    }
}

impl Editor for Outward {
    fn statement(&mut self, sql: &[u8], _: &[u8]) -> Result<Edit> {
        self.complete = false;
        let tokens: Vec<Token> = Tokens::new(sql).collect();
        let verb = verb(&tokens);
        if verb == Verb::CreateTable {
            self.tables += 1;
        }
        Ok(neutral(sql, &tokens, verb, &self.database).map_or(Edit::Keep, Edit::Replace))
    }
    fn insert(&mut self, _: &[u8]) -> Result<Edit> {
        self.complete = false;
        Ok(Edit::Keep)
    }
    fn between(&mut self, text: &[u8]) {
        const MARK: &[u8] = b"-- Dump completed";
        if text.starts_with(MARK) || memchr::memmem::find(text, b"\n-- Dump completed").is_some() {
            self.complete = true;
        }
    }
}

/// On the way into a database of its own: neutral statements; what names a database or the server is left out.
pub struct Inward {
    database: String,
    used: Option<String>,
}

impl Inward {
    /// `database` is the one that the dump came from.
    pub fn new(database: &str) -> Self {
        Self { database: database.to_owned(), used: None }
    }

    /// A dump may name one database, whatever that is; what it holds goes where we say.
    fn use_database(&mut self, tokens: &[Token]) -> Result<Edit> {
        let name = tokens.get(1).and_then(Token::name).unwrap_or_default();
        if self.used.as_ref().is_some_and(|used| *used != name) {
            return Err(Error::damaged("the dump holds more than one database").hint("take a dump of the site's database alone"));
        }
        self.used = Some(name);
        Ok(Edit::Drop)
    }
}

impl Editor for Inward {
    fn statement(&mut self, sql: &[u8], _: &[u8]) -> Result<Edit> {
        let tokens: Vec<Token> = Tokens::new(sql).collect();
        let verb = verb(&tokens);
        match verb {
            Verb::Use => self.use_database(&tokens),
            Verb::CreateDatabase | Verb::LockTables => Ok(Edit::Drop),
            Verb::Set if is_server_setting(&tokens) => Ok(Edit::Drop),
            _ => Ok(neutral(sql, &tokens, verb, &self.database).map_or(Edit::Keep, Edit::Replace)),
        }
    }
    fn insert(&mut self, _: &[u8]) -> Result<Edit> {
        Ok(Edit::Keep)
    }
}

/// Settings of replication that some dumps carry and a site's account may not set.
pub fn is_server_setting(tokens: &[Token]) -> bool {
    tokens.iter().any(|t| t.is_any(&["sql_log_bin", "gtid_purged"])) || tokens.iter().any(|t| t.is("mysqldump_temp_log_bin"))
}

#[cfg(test)]
mod tests {
    use super::super::script::Script;
    use super::*;
    use std::io::Read;

    /// Hands out one byte at a time: no decision may depend on how a stream is cut.
    struct Drops<'a>(&'a [u8]);
    impl Read for Drops<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let n = self.0.len().min(into.len()).min(1);
            into[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn outward(text: &str) -> std::io::Result<(String, bool, u64)> {
        let mut script = Script::new(Drops(text.as_bytes()), Outward::new("shop"));
        let mut out = String::new();
        script.read_to_string(&mut out)?;
        Ok((out, script.editor.complete, script.editor.tables))
    }

    #[test]
    fn definers_go_from_every_form_of_statement_and_from_nothing_else() {
        for (before, after) in [
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`a``b`@`%`*/ /*!50003 TRIGGER t AFTER INSERT ON x FOR EACH ROW SET @a='DEFINER=`x`@`y`' */;",
                "/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER t AFTER INSERT ON x FOR EACH ROW SET @a='DEFINER=`x`@`y`' */;",
            ),
            (
                "CREATE DEFINER=`root`@`localhost` PROCEDURE `p`() SQL SECURITY DEFINER SELECT 1;",
                "CREATE  PROCEDURE `p`() SQL SECURITY DEFINER SELECT 1;",
            ),
            ("create definer = current_user() view v as select 1;", "create  view v as select 1;"),
            (
                "/*!50013 CREATE DEFINER=`u`@`h` SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 1 */;",
                "/*!50013 CREATE  SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 1 */;",
            ),
            ("CREATE DEFINER='r'@'h' EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1;", "CREATE  EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1;"),
            (
                "INSERT INTO `t` VALUES ('CREATE DEFINER=`a`@`b` VIEW v; it''s \\' ; --'),(2);",
                "INSERT INTO `t` VALUES ('CREATE DEFINER=`a`@`b` VIEW v; it''s \\' ; --'),(2);",
            ),
            (
                "CREATE TABLE `definer` (`definer` int COMMENT 'DEFINER=`a`@`b`');",
                "CREATE TABLE `definer` (`definer` int COMMENT 'DEFINER=`a`@`b`');",
            ),
        ] {
            assert_eq!(outward(before).unwrap().0, after);
        }
    }

    #[test]
    fn the_name_of_the_database_goes_where_it_can_mean_nothing_else() {
        let (out, ..) = outward(
            "CREATE TABLE t (id int DEFAULT nextval(`shop`.`s`), CONSTRAINT c FOREIGN KEY (p) REFERENCES `shop`.`q` (id), shop int);\n\
             CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW INSERT INTO shop.log SELECT shop.id FROM other.shop;\nALTER DATABASE `shop` CHARACTER SET latin1;",
        )
        .unwrap();
        assert_eq!(
            out,
            "CREATE TABLE t (id int DEFAULT nextval(`s`), CONSTRAINT c FOREIGN KEY (p) REFERENCES `q` (id), shop int);\n\
             CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW INSERT INTO log SELECT shop.id FROM other.shop;\nALTER DATABASE  CHARACTER SET latin1;"
        );
    }

    #[test]
    fn a_dump_is_complete_when_its_mark_stands_at_the_end_and_not_in_a_row() {
        let head = "-- MariaDB dump\nCREATE TABLE `t` (`a` text);\nINSERT INTO `t` VALUES ('\n-- Dump completed\n');\n";
        assert_eq!((outward(head).unwrap().1, outward(head).unwrap().2), (false, 1));
        assert!(outward(&format!("{head}-- Dump completed\n")).unwrap().1);
        assert!(outward(&format!("{head}-- Dump completed on 2026-11-21  3:00:00")).unwrap().1);
        assert!(!outward(&format!("-- Dump completed\n{head}")).unwrap().1);
    }

    #[test]
    fn a_dump_that_ends_inside_a_statement_is_damaged() {
        for cut in
            ["CREATE TABLE `t` (", "INSERT INTO `t` VALUES (1,'x", "INSERT INTO `t` VALUES (1)", "INSERT INTO", "/* x", "SELECT 'a\\"]
        {
            let error = outward(cut).unwrap_err();
            assert!(error.to_string().contains("ends inside a statement"), "{cut}: {error}");
        }
        assert_eq!(outward("").unwrap().0, "");
    }

    #[test]
    fn a_stream_is_handed_through_byte_by_byte() {
        let text = "/*M!999999\\- enable the sandbox mode */ \n-- it's; a comment\n# another ' one\n/* and; ' this */;\nDELIMITER ;;\nSELECT ';', \";\", `;` -- ;; '\n, 1/2, 3--4 /* ;; */;;\nDELIMITER ;\n\
                    SET sql_mode = 'NO_BACKSLASH_ESCAPES';\nSELECT '\\';\n/*!50003 SET sql_mode              = @saved_sql_mode */ ;\nSELECT '\\';'\n;INSERT INTO `a VALUES` (`x VALUES`,`y`) VALUES (1,'it''s'),(2,0xDE,_binary ');');\nINSERT INTO t SELECT 1;";
        assert_eq!(outward(text).unwrap().0, text);
        let long = format!("INSERT INTO `t` VALUES ('{}');\nSELECT 1;", "\\'x;".repeat(400_000));
        let mut out = String::new();
        Script::new(long.as_bytes(), Outward::new("shop")).read_to_string(&mut out).unwrap();
        assert!(out == long, "rows larger than any chunk are handed through");
    }

    #[test]
    fn a_delimiter_in_the_middle_of_a_statement_is_refused() {
        assert!(outward("SELECT 1 delimiter x\n DROP TABLE t x").is_err());
        assert!(outward("INSERT INTO t VALUES (1) DELIMITER x\n").is_err());
    }
}
