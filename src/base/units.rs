//! Sizes and durations as people read them: one way everywhere.

/// `0 B`, `999 B`, `1.0 kB`, `12.3 MB`: decimal units with one digit after the point.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `850 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`, `4 days`.
pub fn duration(millis: i64) -> String {
    let s = millis / 1000;
    match millis {
        ..1000 => format!("{} ms", millis.max(0)),
        1000..60_000 => format!("{s} s"),
        60_000..3_600_000 => format!("{} min {} s", s / 60, s % 60),
        3_600_000..172_800_000 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} days", s / 86_400),
    }
}

/// `1 file`, `2 files`.
pub fn count(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_form() {
        let table = [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"), (4_000_000_000, "4.0 GB")];
        for (n, text) in table {
            assert_eq!(size(n), text);
        }
    }

    #[test]
    fn durations_have_one_form() {
        let table =
            [(-5, "0 ms"), (850, "850 ms"), (12_000, "12 s"), (200_000, "3 min 20 s"), (7_500_000, "2 h 5 min"), (345_600_000, "4 days")];
        for (n, text) in table {
            assert_eq!(duration(n), text);
        }
    }
}
