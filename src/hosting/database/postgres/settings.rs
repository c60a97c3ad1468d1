//! Settings that were given to a database or to a role (`alter role … set …`), which no dump holds.

use super::session::{ident, literal};

/// Settings whose value is a list of names; any other value is one text.
const LISTS: [&str; 6] = [
    "search_path",
    "temp_tablespaces",
    "local_preload_libraries",
    "session_preload_libraries",
    "shared_preload_libraries",
    "unix_socket_directories",
];

/// `alter … set` for a setting as the catalogue has it (`name=value`); None when it cannot be read.
pub fn statement(what: &str, setting: &str) -> Option<String> {
    let (name, value) = setting.split_once('=')?;
    let value = if LISTS.contains(&name) { names(value).iter().map(|n| literal(n)).collect::<Vec<_>>().join(", ") } else { literal(value) };
    let name = name.split('.').map(ident).collect::<Vec<_>>().join(".");
    Some(format!("alter {what} set {name} to {};", if value.is_empty() { "''".to_owned() } else { value }))
}

/// The names of `"$user", public`.
fn names(list: &str) -> Vec<String> {
    let (mut all, mut name, mut quoted, mut chars) = (Vec::new(), String::new(), false, list.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => name.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut name)),
            c if c.is_whitespace() && !quoted => {}
            c => name.push(c),
        }
    }
    all.push(name);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_given_on_as_they_are_and_nothing_in_them_is_sql() {
        for (setting, expected) in [
            ("search_path=\"$user\", public", "alter role r set \"search_path\" to '$user', 'public';"),
            ("search_path=\"a, \"\"b\"", "alter role r set \"search_path\" to 'a, \"b';"),
            ("search_path=\"\"", "alter role r set \"search_path\" to '';"),
            ("TimeZone=Europe/Berlin", "alter role r set \"TimeZone\" to 'Europe/Berlin';"),
            ("my.x=it's; drop", "alter role r set \"my\".\"x\" to 'it''s; drop';"),
        ] {
            assert_eq!(statement("role r", setting).as_deref(), Some(expected));
        }
        assert_eq!(statement("role r", "nothing"), None);
    }
}
