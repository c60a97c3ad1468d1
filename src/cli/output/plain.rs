//! Text that cannot speak to the terminal.
//!
//! What comes from a site (names of files, notes, messages of its database) may hold escape sequences that clear the
//! screen or rename the window, line ends that fake a line of ours, and characters that turn the reading direction.

pub use crate::base::words::is_hostile;

/// One line, with every such character as `\n`, `\t`, `\r` or `\u{1b}`.
pub fn line(text: &str) -> String {
    if !text.chars().any(is_hostile) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 8), |mut out, c| {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_hostile(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_speak_to_a_terminal_is_shown_instead() {
        assert_eq!(line("\u{1b}]0;pwned\u{7}.txt"), "\\u{1b}]0;pwned\\u{7}.txt");
        assert_eq!(line("a\nError: b\r\t\u{9b}31m\u{7f}"), "a\\nError: b\\r\\t\\u{9b}31m\\u{7f}");
        assert_eq!(line("photo\u{202e}gpj.exe"), "photo\\u{202e}gpj.exe");
        assert_eq!(line("Füße 图片 🎉"), "Füße 图片 🎉");
    }
}
