//! Words: enumerations that are stored and shown as one word each.

/// Makes enumerations with `word()`, `parse()`, `ALL`, `Display` and serde's form, from one table.
///
/// `parse` is `Invalid` for an unknown word, and names those that it knows.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
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

/// A text as a part of a query: everything but letters, digits and `-._~/` as `%XX`.
pub fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
