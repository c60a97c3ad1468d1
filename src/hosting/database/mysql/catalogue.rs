//! What is in a database: its tables, what cannot be read of it, what has to be said about it.

use super::session::{Session, name, text, unhex};
use crate::base::error::{Class, Result};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    /// `BASE TABLE`, `SEQUENCE`, `SYSTEM VERSIONED`, `VIEW`.
    pub kind: String,
    pub engine: String,
    pub bytes: u64,
    /// A view that names something that is not there, or that the account may not read: no tool can dump it.
    pub broken: bool,
}

impl Table {
    pub fn is_table(&self) -> bool {
        matches!(self.kind.as_str(), "BASE TABLE" | "SYSTEM VERSIONED")
    }
    pub fn is_sequence(&self) -> bool {
        self.kind == "SEQUENCE"
    }
}

/// What was found in a database.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    pub tables: Vec<Table>,
    /// Tables that are no part of the site: a restore left them beside the live ones, or they are another site's.
    pub hidden: Vec<String>,
    /// Beginnings of the names of other sites' tables in the same database.
    pub others: Vec<String>,
    /// Routines whose text the account may not read.
    pub unreadable: Vec<String>,
    /// The account may read events.
    pub events: bool,
    /// `table.column`.
    pub floats: Vec<String>,
    prefix: String,
}

impl Catalogue {
    /// Tables alone: what the switch and the counts need.
    pub fn tables(session: &Session) -> Result<Self> {
        let rows = session.ask(
            "select hex(table_name), table_type, hex(coalesce(engine,'')), coalesce(data_length,0)+coalesce(index_length,0), \
             table_type='VIEW' and table_comment<>'VIEW' from information_schema.tables where table_schema=database() order by table_name;",
            None,
        )?;
        let all = rows.iter().filter(|r| r.len() == 5).map(|r| Table {
            name: unhex(&r[0]),
            kind: r[1].clone(),
            engine: unhex(&r[2]),
            bytes: r[3].parse().unwrap_or(0),
            broken: r[4] == "1",
        });
        Ok(Self::sorted(all.collect(), &session.account.prefix))
    }

    fn sorted(all: Vec<Table>, prefix: &str) -> Self {
        let beside: Vec<String> = all.iter().filter_map(|t| beside_prefix(&t.name)).map(str::to_owned).collect();
        let others = other_sites(&all, prefix);
        let owner = |t: &Table| others.iter().filter(|p| t.name.starts_with(p.as_str())).map(String::len).max();
        let of_others = |t: &Table| owner(t).is_some_and(|n| !t.name.starts_with(prefix) || n > prefix.len());
        let is_hidden = |t: &Table| of_others(t) || beside.iter().any(|p| t.name.starts_with(p.as_str()));
        let (hidden, tables): (Vec<Table>, Vec<Table>) = all.iter().cloned().partition(is_hidden);
        let hidden = hidden.into_iter().map(|t| t.name).collect();
        Self { tables, hidden, others, prefix: prefix.to_owned(), ..Self::default() }
    }

    /// Nothing, and nothing to say about it: the account of a server, which has no database in use.
    pub fn without_database() -> Self {
        Self { events: true, ..Self::default() }
    }

    /// Everything that a dump has to know.
    pub fn read(session: &Session) -> Result<Self> {
        let mut found = Self::tables(session)?;
        found.floats = floats(session, &found)?;
        found.unreadable = unreadable(session)?;
        found.events = match session.ask("show events;", None) {
            Ok(_) => true,
            Err(e) if e.class() == Class::Permanent && e.to_string().contains("1044") => false,
            Err(e) => return Err(e),
        };
        Ok(found)
    }

    /// What the dump tool has to leave alone.
    pub fn ignored(&self) -> impl Iterator<Item = &str> {
        self.hidden.iter().map(String::as_str).chain(self.tables.iter().filter(|t| t.broken).map(|t| t.name.as_str()))
    }

    /// What a reader of the backup should know, in words.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let list =
            |tables: Vec<&str>| format!("{}{}", tables[..tables.len().min(10)].join(", "), if tables.len() > 10 { ", …" } else { "" });
        let of = |rule: &dyn Fn(&Table) -> bool| self.tables.iter().filter(|t| rule(t)).map(|t| t.name.as_str()).collect::<Vec<_>>();
        let loose = of(&|t| t.is_table() && !matches!(t.engine.to_ascii_lowercase().as_str(), "innodb" | "rocksdb" | "tokudb" | ""));
        if !loose.is_empty() {
            warnings.push(format!(
                "these tables are not transactional, so that what was written to them during the dump may be there in part: {}",
                list(loose)
            ));
        }
        let versioned = of(&|t| t.kind == "SYSTEM VERSIONED");
        if !versioned.is_empty() {
            warnings.push(format!("these tables keep a history of their rows, which a dump leaves out: {}", list(versioned)));
        }
        let broken = of(&|t| t.broken);
        if !broken.is_empty() {
            warnings.push(format!("these views are broken (they name what is not there) and cannot be dumped: {}", list(broken)));
        }
        let others = of(&|t| !self.prefix.is_empty() && !t.name.starts_with(&self.prefix));
        if !others.is_empty() {
            warnings.push(format!(
                "these tables do not begin with {}, and are taken to belong to this site all the same: {}",
                self.prefix,
                list(others)
            ));
        }
        if !self.others.is_empty() {
            warnings.push(format!(
                "tables that begin with {} belong to another site in the same database, and are left out",
                self.others.join(", ")
            ));
        }
        if !self.events {
            warnings.push("the site's database user may not see events: if there are any, they are not in the dump".to_owned());
        }
        warnings
    }

    /// Rows of each base table, all in one view of the data.
    pub fn count(session: &Session, tables: &[(String, String)]) -> Result<BTreeMap<String, u64>> {
        let mut sql =
            String::from("set session transaction isolation level repeatable read;\nstart transaction with consistent snapshot;\n");
        for (at, table) in tables.iter().enumerate() {
            sql += &format!("select {at}, count(*) from {};\n", name(&table.0));
        }
        let rows = session.ask(&(sql + "commit;"), None)?;
        let mut counts = BTreeMap::new();
        for row in rows {
            if let [at, count] = row.as_slice()
                && let (Ok(at), Ok(count)) = (at.parse::<usize>(), count.parse())
            {
                counts.insert(tables[at].1.clone(), count);
            }
        }
        if counts.len() != tables.len() {
            return Err(crate::base::error::Error::transient("the server did not count every table"));
        }
        Ok(counts)
    }
}

/// Other WordPress sites in the same database, which is common where a host gives but one: each has its own options,
/// posts and users. The blogs of one network share their users, and so are one site.
fn other_sites(all: &[Table], prefix: &str) -> Vec<String> {
    if prefix.is_empty() {
        return Vec::new();
    }
    let has = |name: String| all.iter().any(|t| t.name == name);
    let candidates = all.iter().filter_map(|t| t.name.strip_suffix("usermeta")).filter(|p| !p.is_empty() && *p != prefix);
    candidates.filter(|p| has(format!("{p}options")) && has(format!("{p}posts")) && has(format!("{p}users"))).map(str::to_owned).collect()
}

/// The beginning of the names of a restore's tables, when `table` is the one where a restore keeps its notes.
pub fn beside_prefix(table: &str) -> Option<&str> {
    let prefix = table.strip_suffix("0").filter(|p| p.ends_with('_'))?;
    let ticket = prefix[..prefix.len() - 1]
        .strip_prefix("sko")
        .filter(|t| t.len() == 8)
        .or_else(|| prefix[..prefix.len() - 1].strip_prefix("sk"))?;
    let ours = ticket.len() == 8 && ticket.chars().all(|c| c.is_ascii_digit() || (c.is_ascii_lowercase() && !"ilou".contains(c)));
    ours.then_some(prefix)
}

fn floats(session: &Session, found: &Catalogue) -> Result<Vec<String>> {
    let rows = session.ask(
        "select hex(table_name), hex(column_name) from information_schema.columns \
         where table_schema=database() and data_type='float' order by table_name, ordinal_position;",
        None,
    )?;
    let is_ours = |table: &String| found.tables.iter().any(|t| t.name == *table && t.is_table());
    Ok(rows.iter().filter(|r| r.len() == 2 && is_ours(&unhex(&r[0]))).map(|r| format!("{}.{}", unhex(&r[0]), unhex(&r[1]))).collect())
}

/// Routines whose text is hidden from the account: they belong to another one.
fn unreadable(session: &Session) -> Result<Vec<String>> {
    let rows = session.ask(
        "select routine_type, hex(routine_name) from information_schema.routines \
         where routine_schema=database() and routine_definition is null order by 1, 2;",
        None,
    )?;
    Ok(rows.iter().filter(|r| r.len() == 2).map(|r| format!("{} {}", r[0].to_ascii_lowercase(), unhex(&r[1]))).collect())
}

/// Is there a table of this name?
pub fn exists(session: &Session, table: &str) -> Result<bool> {
    let sql = format!("select count(*) from information_schema.tables where table_schema=database() and table_name={};", text(table));
    Ok(session.ask(&sql, None)?.first().and_then(|r| r.first()).is_some_and(|n| n != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_site_in_the_same_database_is_left_alone_and_the_blogs_of_one_network_are_not() {
        let tables = |names: &str| {
            let table = |n: &str| Table { name: n.into(), kind: "BASE TABLE".into(), engine: "InnoDB".into(), bytes: 0, broken: false };
            names.split(' ').map(table).collect::<Vec<_>>()
        };
        let all = "wp_options wp_posts wp_users wp_usermeta wp_2_options wp_2_posts plugin wp_b_options wp_b_posts wp_b_users wp_b_usermeta wp_b_x";
        let names = |c: &Catalogue| c.tables.iter().map(|t| t.name.clone()).collect::<Vec<_>>().join(" ");
        let ours = Catalogue::sorted(tables(all), "wp_");
        assert_eq!(
            (names(&ours).as_str(), ours.others.as_slice()),
            ("wp_options wp_posts wp_users wp_usermeta wp_2_options wp_2_posts plugin", &["wp_b_".to_owned()][..])
        );
        let theirs = Catalogue::sorted(tables(all), "wp_b_");
        assert_eq!(names(&theirs), "plugin wp_b_options wp_b_posts wp_b_users wp_b_usermeta wp_b_x");
        assert_eq!(Catalogue::sorted(tables(all), "").tables.len(), 12);
    }

    #[test]
    fn only_a_restores_notes_tell_which_tables_lie_beside_the_live_ones() {
        assert_eq!(beside_prefix("sk0a1b2c3d_0"), Some("sk0a1b2c3d_"));
        assert_eq!(beside_prefix("sko0a1b2c3d_0"), Some("sko0a1b2c3d_"));
        for table in ["skeletons_0", "sk_users", "wp_0", "sk0a1b2c3d_users", "skoletons1_0", "sko_0"] {
            assert_eq!(beside_prefix(table), None, "{table}");
        }
    }
}
