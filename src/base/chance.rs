//! Randomness: ids, tokens and passwords come from here and from nowhere else.

use rand::Rng;

/// `n` bytes from the operating system's generator.
#[allow(clippy::disallowed_methods)] // the one place that asks for chance
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0u8; N];
    rand::rng().fill_bytes(&mut out);
    out
}

/// `len` characters of `0-9a-z` without the four that people confuse (i, l, o, u): five bits each.
pub fn word(len: usize) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    (0..len).map(|_| ALPHABET[(bytes::<1>()[0] & 31) as usize] as char).collect()
}

/// A password of 160 bits that no quoting rule of a shell, an URL, PHP, SQL or an env file can trip over.
pub fn password() -> crate::base::secret::Secret {
    crate::base::secret::Secret::new(word(32))
}
