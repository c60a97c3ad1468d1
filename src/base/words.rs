//! Words: enumerations that are stored and shown as one word each.

/// Makes enumerations with `word()`, `parse()`, `ALL`, `Display` and serde's form, from one table.
///
/// `parse` is `Invalid` for an unknown word, and names those that it knows.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The word that is stored and shown.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
            /// # Errors
            /// `Invalid` for an unknown word.
            pub fn parse(word: &str) -> $crate::base::error::Result<Self> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => {
                        let known: Vec<&str> = Self::ALL.iter().map(|w| w.word()).collect();
                        Err($crate::base::error::Error::invalid(format!("`{word}` is not known here"))
                            .hint(format!("it is one of {}", known.join(", "))))
                    }
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    )*};
}

pub(crate) use words;

/// Is it a character that must be shown escaped, since it would fake an end of a line, or turn the reading direction?
pub fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || ('\u{e0000}'..='\u{e007f}').contains(&c)
}

/// The name of a file for people: what is not text, and what would not look like what it is, as `\xff`, `\n`, `\u{202e}`.
pub fn shown(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_hostile(c) { out.extend(c.escape_default()) } else { out.push(c) }
        }
        chunk.invalid().iter().for_each(|b| out.push_str(&format!("\\x{b:02x}")));
    }
    out
}

/// Bytes as a part of a query, as [`percent`] has it for text.
pub fn percent_bytes(bytes: &[u8]) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    bytes.iter().fold(String::with_capacity(bytes.len() + 16), |mut out, b| {
        if plain(*b) {
            out.push(char::from(*b))
        } else {
            out.push_str(&format!("%{b:02X}"))
        }
        out
    })
}

/// Reads what [`percent_bytes`] wrote, and `+` as a space, as forms write it. A `%` that begins nothing is itself.
pub fn unpercent(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).filter(|d| first == b'%' && d.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok());
        out.push(byte.unwrap_or(if first == b'+' { b' ' } else { first }));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    out
}

/// A text as a part of a query: everything but letters, digits and `-._~/` as `%XX`.
pub fn percent(text: &str) -> String {
    percent_bytes(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_shown_as_what_it_is_and_comes_back_out_of_a_query() {
        let names: [(&[u8], &str); 5] = [
            (b"a b.txt", "a b.txt"),
            (b"new\nline", "new\\nline"),
            (b"\xff\xfe text", "\\xff\\xfe text"),
            ("photo\u{202e}gpj.exe".as_bytes(), "photo\\u{202e}gpj.exe"),
            ("Füße 100% +1".as_bytes(), "Füße 100% +1"),
        ];
        for (name, shown) in names {
            assert_eq!(super::shown(name), shown);
            assert_eq!(unpercent(&percent_bytes(name)), name);
        }
        assert_eq!(unpercent("100%+%4"), b"100% %4");
    }
}
