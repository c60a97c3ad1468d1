//! The inside of PHP's strings: what an escape means, and how a value is spelled.

/// What a backslash and what follows it are.
#[derive(Clone, Copy)]
pub(super) enum Escape {
    /// The backslash stands for itself.
    None,
    /// So many bytes of source.
    Bytes(usize),
    /// PHP does not read such a file.
    Refused,
}

/// One escape of a double-quoted string and, in `out`, its value.
pub(super) fn escape(text: &[u8], quote: u8, out: &mut Vec<u8>) -> Escape {
    let digits = |from: usize, most: usize, good: fn(&u8) -> bool| text[from..].iter().take(most).take_while(|b| good(b)).count();
    let simple = |b: u8, out: &mut Vec<u8>| {
        out.push(b);
        Escape::Bytes(2)
    };
    match text.get(1).copied().unwrap_or(0) {
        b'n' => simple(b'\n', out),
        b't' => simple(b'\t', out),
        b'r' => simple(b'\r', out),
        b'v' => simple(0x0b, out),
        b'e' => simple(0x1b, out),
        b'f' => simple(0x0c, out),
        b @ (b'\\' | b'$') => simple(b, out),
        b if b == quote => simple(b, out),
        b'0'..=b'7' => {
            let n = digits(1, 3, |b| (b'0'..=b'7').contains(b));
            let value = text[1..=n].iter().fold(0u32, |sum, b| sum * 8 + u32::from(b - b'0'));
            out.push((value & 0xff) as u8);
            Escape::Bytes(1 + n)
        }
        b'x' | b'X' => {
            let n = digits(2, 2, u8::is_ascii_hexdigit);
            if n == 0 {
                return Escape::None;
            }
            out.push(hex(&text[2..2 + n]) as u8);
            Escape::Bytes(2 + n)
        }
        b'u' if text.get(2) == Some(&b'{') => {
            let n = digits(3, 64, u8::is_ascii_hexdigit);
            let c = (n > 0 && n < 9 && text.get(3 + n) == Some(&b'}')).then(|| hex(&text[3..3 + n])).and_then(char::from_u32);
            let Some(c) = c else { return Escape::Refused };
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            Escape::Bytes(4 + n)
        }
        _ => Escape::None,
    }
}

fn hex(digits: &[u8]) -> u32 {
    digits.iter().fold(0u32, |sum, b| (sum << 4) | char::from(*b).to_digit(16).unwrap_or(0))
}

/// A string literal with this value, in the quotes that the old one had.
pub(super) fn quoted(value: &[u8], double: bool) -> Vec<u8> {
    let mut out = vec![if double { b'"' } else { b'\'' }];
    for b in value {
        match b {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\'' if !double => out.extend_from_slice(b"\\'"),
            b'"' | b'$' if double => out.extend_from_slice(&[b'\\', *b]),
            b'\r' if double => out.extend_from_slice(b"\\r"),
            b'\n' if double => out.extend_from_slice(b"\\n"),
            other => out.push(*other),
        }
    }
    out.push(out[0]);
    out
}
