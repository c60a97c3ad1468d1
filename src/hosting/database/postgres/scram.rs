//! The form in which a password is given to `create role`: the server keeps a SCRAM verifier, so it is made here, and
//! the password itself never stands in a statement that a server may log.
//!
//! RFC 5802 and RFC 7677; the text form is that of PostgreSQL's `pg_authid.rolpassword`.

use crate::base::secret::Secret;
use sha2::{Digest, Sha256};

const ITERATIONS: u32 = 4096;

/// `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`. The password must be ASCII, as ours are: no SASLprep is done.
pub fn verifier(password: &Secret, salt: [u8; 16]) -> String {
    let salted = pbkdf2(password.expose().as_bytes(), &salt);
    let stored = Sha256::digest(hmac(&salted, &[b"Client Key"]));
    let server = hmac(&salted, &[b"Server Key"]);
    format!("SCRAM-SHA-256${ITERATIONS}:{}${}:{}", base64(&salt), base64(&stored), base64(&server))
}

fn pbkdf2(password: &[u8], salt: &[u8]) -> [u8; 32] {
    let mut block = hmac(password, &[salt, &1u32.to_be_bytes()]);
    let mut sum = block;
    for _ in 1..ITERATIONS {
        block = hmac(password, &[&block]);
        sum.iter_mut().zip(block).for_each(|(s, b)| *s ^= b);
    }
    sum
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut padded = [0u8; 64];
    if key.len() > padded.len() {
        padded[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let hash = |pad: u8, parts: &[&[u8]]| -> [u8; 32] {
        let mut sha = Sha256::new();
        sha.update(padded.map(|b| b ^ pad));
        parts.iter().for_each(|p| sha.update(p));
        sha.finalize().into()
    };
    hash(0x5c, &[&hash(0x36, parts)])
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            out.push(if i <= chunk.len() { ALPHABET[(n >> (18 - 6 * i) & 63) as usize] as char } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::hex;

    #[test]
    fn the_hash_functions_agree_with_their_published_examples() {
        // RFC 4231, case 2
        assert_eq!(
            hex(&hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        // RFC 7677: the password `pencil` with its salt gives the server signature's key; checked by a real server in `tests`
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        let v = verifier(&Secret::new("pencil"), [7; 16]);
        assert!(v.starts_with("SCRAM-SHA-256$4096:BwcHBwcHBwcHBwcHBwcHBw==$") && v.len() == 133, "{v}");
    }
}
