//! Many small rows as one text. A row costs 25 µs by `sqlx`'s `Any` on SQLite, whatever it holds, and some pages need hundreds:
//! `string_agg(concat(a, '|', b, …), ';')` is one. For ids, numbers and words of our own, which hold neither sign; a null is empty.

use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::QueryAs;

/// The columns of a row, from the left.
pub(super) struct Fields<'a>(std::str::Split<'a, char>);

impl Fields<'_> {
    pub(super) fn text(&mut self) -> Option<String> {
        self.0.next().map(str::to_owned)
    }
    /// `None` for what is no number, `Some(None)` for a null.
    pub(super) fn number(&mut self) -> Option<Option<i64>> {
        match self.0.next()? {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        }
    }
}

/// Asks for such a text, and takes it apart.
pub(super) async fn packed<T>(
    conn: &mut Conn,
    query: QueryAs<'static, Any, (Option<String>,), AnyArguments>,
    read: fn(Fields<'_>) -> Option<T>,
) -> Result<Vec<T>> {
    let (text,) = query.fetch_one(conn).await?;
    unpacked(text.as_deref().unwrap_or_default(), read).ok_or_else(|| Error::internal("a packed row cannot be read"))
}

fn unpacked<T>(text: &str, read: fn(Fields<'_>) -> Option<T>) -> Option<Vec<T>> {
    text.split_terminator(';').map(|row| read(Fields(row.split('|')))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(mut fields: Fields<'_>) -> Option<(String, Option<i64>)> {
        Some((fields.text()?, fields.number()?))
    }

    #[test]
    fn rows_are_taken_apart_and_what_is_none_is_noticed() {
        assert_eq!(unpacked("", pair), Some(vec![]));
        assert_eq!(unpacked("a|1;b|;|-3", pair), Some(vec![("a".into(), Some(1)), ("b".into(), None), (String::new(), Some(-3))]));
        for wrong in ["a", "a|x", "a|1;b", ";"] {
            assert_eq!(unpacked(wrong, pair), None, "{wrong}");
        }
    }
}
