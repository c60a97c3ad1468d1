//! Parts of a file, as RFC 9110 lets a program ask for them.

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no part was asked for, none that we understand, or one of another file.
    Whole,
    /// From the first byte to the last, both included.
    Part(u64, u64),
    /// What lies beyond the end.
    Beyond,
}

impl Wanted {
    /// `range` and `if_range` as they were sent; `etag` of the file as it is now, in its quotes.
    ///
    /// One part is given; whoever asks for several gets the whole, as they must be ready for. A date in `If-Range` names
    /// nothing that we ever told, so that it is a file of another time.
    pub fn of(range: Option<&str>, if_range: Option<&str>, etag: &str, size: u64) -> Self {
        let Some(range) = range.and_then(|r| strip(r, "bytes=")) else { return Self::Whole };
        if if_range.is_some_and(|tag| tag.trim() != etag) {
            return Self::Whole;
        }
        let Some((first, last)) = range.trim().split_once('-') else { return Self::Whole };
        match (number(first), number(last)) {
            (Number::None, Number::Some(tail)) => Self::between(size.saturating_sub(tail), size.checked_sub(1), tail > 0),
            (Number::Some(first), Number::None) => Self::between(first, size.checked_sub(1), true),
            (Number::Some(first), Number::Some(last)) if first <= last => {
                Self::between(first, size.checked_sub(1).map(|end| end.min(last)), true)
            }
            _ => Self::Whole,
        }
    }

    fn between(first: u64, last: Option<u64>, any: bool) -> Self {
        match last {
            Some(last) if any && first <= last => Self::Part(first, last),
            _ => Self::Beyond,
        }
    }

    /// Where it begins, and how many bytes it has.
    pub fn span(self, size: u64) -> (u64, u64) {
        match self {
            Self::Part(first, last) => (first, last - first + 1),
            Self::Whole => (0, size),
            Self::Beyond => (size, 0),
        }
    }
}

fn strip<'a>(text: &'a str, unit: &str) -> Option<&'a str> {
    let (head, rest) = (text.trim_start().get(..unit.len())?, text.trim_start().get(unit.len()..)?);
    head.eq_ignore_ascii_case(unit).then_some(rest)
}

enum Number {
    None,
    Some(u64),
    Wrong,
}

/// Digits alone; more of them than fit name a place beyond any file.
fn number(text: &str) -> Number {
    let text = text.trim();
    match text {
        "" => Number::None,
        _ if !text.bytes().all(|b| b.is_ascii_digit()) => Number::Wrong,
        _ => Number::Some(text.parse().unwrap_or(u64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Wanted::{Beyond, Part, Whole};

    #[test]
    fn a_range_is_read_as_the_standard_says() {
        let table = [
            ("bytes=0-", Part(0, 99)),
            ("bytes=0-0", Part(0, 0)),
            ("bytes=10-19", Part(10, 19)),
            ("bytes=10-1000", Part(10, 99)),
            ("bytes=99-", Part(99, 99)),
            ("BYTES = 1-2", Whole),
            ("Bytes=1-2", Part(1, 2)),
            ("bytes= 5 - 6 ", Part(5, 6)),
            ("bytes=-1", Part(99, 99)),
            ("bytes=-100", Part(0, 99)),
            ("bytes=-5000", Part(0, 99)),
            ("bytes=-0", Beyond),
            ("bytes=100-", Beyond),
            ("bytes=100-200", Beyond),
            ("bytes=99999999999999999999999-", Beyond),
            ("bytes=-99999999999999999999999", Part(0, 99)),
            ("bytes=5-4", Whole),
            ("bytes=0-1,5-6", Whole),
            ("bytes=", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-", Whole),
            ("bytes=0x1-", Whole),
            ("lines=1-2", Whole),
            ("", Whole),
        ];
        for (range, wanted) in table {
            assert_eq!(Wanted::of(Some(range), None, "\"x\"", 100), wanted, "{range}");
        }
        assert_eq!(Wanted::of(None, Some("\"x\""), "\"x\"", 100), Whole);
    }

    #[test]
    fn a_part_is_given_only_of_the_very_file_that_was_begun() {
        let of = |tag| Wanted::of(Some("bytes=7-"), Some(tag), "\"x\"", 9);
        assert_eq!(of("\"x\""), Part(7, 8));
        for other in ["\"y\"", "x", "W/\"x\"", "", "Sat, 21 Nov 2026 03:00:00 GMT"] {
            assert_eq!(of(other), Whole, "{other}");
        }
    }

    #[test]
    fn an_empty_file_has_no_part_and_a_whole_of_nothing() {
        for range in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(Wanted::of(Some(range), None, "\"x\"", 0), Beyond, "{range}");
        }
        assert_eq!((Whole.span(0), Whole.span(9), Part(2, 4).span(9)), ((0, 0), (0, 9), (2, 3)));
    }
}
