//! Several statements as one question: an answer from a server costs more than most of what it is asked.

use super::sql::{Conn, Kind};

/// Statements about different tables. They share their binds, and none of them sees what another one does: PostgreSQL carries
/// them out at once, SQLite one after the other. The answer says only that all of them were.
pub struct Together {
    pub(crate) folded: &'static str,
    pub(crate) apart: &'static str,
}

impl Together {
    /// As the database of this connection wants it.
    pub fn text(&self, conn: &Conn) -> &'static str {
        match Kind::of(conn) {
            Kind::Sqlite => self.apart,
            Kind::Postgres => self.folded,
        }
    }
}

/// Makes a [`Together`] of statements, each with a name.
macro_rules! together {
    ($first:ident: $statement:expr, $($name:ident: $next:expr),+ $(,)?) => {
        $crate::base::together::Together {
            folded: concat!("with ", stringify!($first), " as (", $statement, ")", $(", ", stringify!($name), " as (", $next, ")",)+ " select 1"),
            apart: concat!($statement, $("; ", $next),+),
        }
    };
}
pub(crate) use together;
