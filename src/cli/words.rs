//! Cuts `systemctl reload "php 8.2-fpm"` into a program and its arguments. No shell is asked, so nothing is expanded:
//! no variables, no globs, no substitutions, no pipes.

use crate::base::error::{Error, Result};

/// The words: separated by spaces, joined by `'…'` or `"…"`; a backslash takes the next character as it is (in `'…'` it
/// is a character like any other).
///
/// # Errors
/// `Invalid` for a quote that does not end, or no word at all.
pub fn words(text: &str) -> Result<Vec<String>> {
    let wrong = |why: &str| {
        Error::invalid(format!("`{text}` is not a command: {why}"))
            .hint("write a program and its arguments: \"systemctl reload php8.2-fpm\"")
    };
    let (mut all, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => {
                let next = rest.next().ok_or_else(|| wrong("it ends in a backslash"))?;
                word.get_or_insert_default().push(next);
            }
            (None, c) if c.is_whitespace() => all.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(wrong("a quote does not end"));
    }
    all.extend(word);
    if all.first().is_none_or(String::is_empty) {
        return Err(wrong("it names no program"));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_a_shell_would_and_nothing_is_expanded() {
        let table: [(&str, &[&str]); 7] = [
            ("systemctl reload php8.2-fpm", &["systemctl", "reload", "php8.2-fpm"]),
            ("  drush   cr ", &["drush", "cr"]),
            ("touch 'a b' \"c d\"", &["touch", "a b", "c d"]),
            ("x a\\ b \"q\\\"q\" 'w\\w'", &["x", "a b", "q\"q", "w\\w"]),
            ("x '' \"\"", &["x", "", ""]),
            ("x --a='b c'd", &["x", "--a=b cd"]),
            ("x $HOME `id` * | y; z", &["x", "$HOME", "`id`", "*", "|", "y;", "z"]),
        ];
        for (text, cut) in table {
            assert_eq!(words(text).unwrap(), cut, "{text}");
        }
        for bad in ["", "   ", "x 'y", "x \"y", "x \\", "''"] {
            assert!(words(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
