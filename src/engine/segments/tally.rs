//! What the rows of each table come to: a sum by which a table that was imported is compared with the one that was dumped.
//!
//! Rows are hashed one by one, as they stand in the dump, and the hashes are added up: neither how rows are packed into
//! statements nor their order makes a difference, nor does anything that a tool or a server says of itself. How often a
//! row stands there does. What a table is like (its columns, its keys) is no part of the sum.
//!
//! [`hash`] is fixed for ever: the sums are kept with the backups. Not for secrets, and nobody's proof against somebody who
//! means to deceive: the repository's own hashes are that.

use std::collections::BTreeMap;

/// By the names of the tables, as the counts of rows have them; a table without rows has none.
pub type Sums = BTreeMap<String, String>;

/// Adds up while a dump passes.
#[derive(Default)]
pub(super) struct Tally {
    done: BTreeMap<String, u128>,
    table: String,
    sum: u128,
    rows: u64,
}

impl Tally {
    /// The rows that follow are of this table.
    pub fn enter(&mut self, table: String) {
        if self.table != table {
            self.leave();
            self.table = table;
        }
    }

    pub fn row(&mut self, row: &[u8]) {
        self.sum = self.sum.wrapping_add(hash(row));
        self.rows += 1;
    }

    fn leave(&mut self) {
        let sum = std::mem::take(&mut self.sum);
        if std::mem::take(&mut self.rows) > 0 {
            let before = self.done.entry(std::mem::take(&mut self.table)).or_default();
            *before = before.wrapping_add(sum);
        }
    }

    /// What everything came to until now.
    pub fn sums(&mut self) -> Sums {
        self.leave();
        std::mem::take(&mut self.done).into_iter().map(|(table, sum)| (table, shown(sum))).collect()
    }
}

/// The sum of one stream, whatever portions it comes in.
#[derive(Default)]
pub(in crate::engine) struct Whole {
    block: Vec<u8>,
    sum: u128,
}

/// How much of a stream is hashed at once.
const BLOCK: usize = 64 << 10;

impl Whole {
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let part = bytes.len().min(BLOCK - self.block.len());
            self.block.extend_from_slice(&bytes[..part]);
            bytes = &bytes[part..];
            if self.block.len() == BLOCK {
                self.fold();
            }
        }
    }

    fn fold(&mut self) {
        self.sum = mix(self.sum, hash(&self.block).to_le_bytes());
        self.block.clear();
    }

    pub fn sum(mut self) -> String {
        self.fold();
        shown(self.sum)
    }
}

fn shown(sum: u128) -> String {
    format!("{sum:032x}")
}

const K: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;

/// Every step is one to one, in what was there and in what is added: two rows that differ in one place differ in their hash.
fn mix(h: u128, word: [u8; 16]) -> u128 {
    let h = (h ^ u128::from_le_bytes(word)).wrapping_mul(K);
    h ^ (h >> 71)
}

fn hash(bytes: &[u8]) -> u128 {
    let (words, rest) = bytes.as_chunks::<16>();
    let h = words.iter().fold(K ^ bytes.len() as u128, |h, word| mix(h, *word));
    let mut last = [0u8; 16];
    last[..rest.len()].copy_from_slice(rest);
    let end = K.to_be_bytes();
    mix(mix(mix(h, last), end), end)
}

/// A name in quotes that are doubled inside it, at the start; and what is behind it.
pub(super) fn quoted(text: &[u8], quote: u8) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(&[quote])?;
    let mut name = Vec::new();
    loop {
        let at = memchr::memchr(quote, rest)?;
        name.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix(&[quote]) {
            Some(more) => {
                name.push(quote);
                rest = more;
            }
            None => return Some((name, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_what_it_was_when_sums_were_first_kept() {
        let known = ["", "a", "0123456789abcdef", "(1,'one row of a table')"].map(|text| shown(hash(text.as_bytes())));
        let then = [
            "2b75c81d6646f3f60fc0aa014cc9fb52",
            "3db96b5c2d51c1a6fe03207b9942ce1e",
            "73ae77542e0fdca1b2897dd8e960ae93",
            "b10108dbb7611adfe24bfbb27df7edf0",
        ];
        assert_eq!(known, then);
    }

    #[test]
    fn every_bit_of_a_row_and_how_often_it_stands_there_counts() {
        let row = b"(17,'a row that is longer than one step of the hash',NULL,0xDEADBEEF)".to_vec();
        let mut seen = std::collections::BTreeSet::from([hash(&row)]);
        for bit in 0..row.len() * 8 {
            let mut other = row.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(hash(&other)), "bit {bit}");
        }
        assert!((0..row.len()).all(|n| seen.insert(hash(&row[..n]))), "where it ends counts");
        let sum = |rows: &[&[u8]]| {
            let mut tally = Tally::default();
            tally.enter("t".into());
            rows.iter().for_each(|row| tally.row(row));
            tally.sums()
        };
        assert_eq!(sum(&[b"1", b"2", b"2"]), sum(&[b"2", b"1", b"2"]));
        assert_ne!(sum(&[b"1", b"2"]), sum(&[b"1", b"2", b"2"]));
        assert_ne!(sum(&[b"1", b"1", b"2"]), sum(&[b"1", b"2", b"2"]));
        assert!(sum(&[]).is_empty());
    }

    #[test]
    fn a_stream_has_one_sum_whatever_portions_it_comes_in() {
        let bytes: Vec<u8> = (0..3 * BLOCK + 5).map(|n| (n * n % 251) as u8).collect();
        let sum = |portion: usize| {
            let mut whole = Whole::default();
            bytes.chunks(portion).for_each(|part| whole.push(part));
            whole.sum()
        };
        assert!([1, 7, BLOCK, BLOCK + 1, bytes.len()].map(sum).iter().all(|s| *s == sum(4096)));
        let mut other = Whole::default();
        other.push(&bytes[..bytes.len() - 1]);
        assert_ne!(other.sum(), sum(9));
    }
}
