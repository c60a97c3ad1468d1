//! Where a command reads and writes: data on standard output, everything else on standard error, questions only to people.
//!
//! Every line that is written here is made harmless for terminals first.

use super::output::plain;
use crate::base::error::{Context, Error, Result};
use crate::base::secret::Secret;
use rustix::termios::{self, LocalModes, OptionalActions};
use std::io::{self, BufRead, ErrorKind, Write};

/// The three streams, and what is known about them.
pub struct Console {
    pub out: Box<dyn Write>,
    pub err: Box<dyn Write>,
    pub input: Box<dyn BufRead>,
    /// Somebody can be asked: standard input is a terminal, and `--no-interaction` was not given.
    pub asks: bool,
    /// Standard error is a terminal that can rewrite a line.
    pub live: bool,
    pub colour_out: bool,
    /// Columns of the terminal that standard output is.
    pub width: Option<usize>,
    pub colour_err: bool,
    /// A line stands there that is to be rewritten.
    pub standing: bool,
    /// `--quiet`: notices are left out; warnings and errors are not.
    pub quiet: bool,
}

impl Console {
    /// The process's own streams.
    pub fn of_process(no_color: bool, no_interaction: bool, quiet: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let plain = no_color || dumb || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let (out_terminal, err_terminal) = (termios::isatty(io::stdout()), termios::isatty(io::stderr()));
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            input: Box::new(io::stdin().lock()),
            asks: !no_interaction && termios::isatty(io::stdin()),
            live: err_terminal && !dumb && !quiet,
            standing: false,
            colour_out: out_terminal && !plain,
            width: out_terminal.then(|| termios::tcgetwinsize(io::stdout()).ok()).flatten().map(|s| s.ws_col.into()).filter(|w| *w > 0),
            colour_err: err_terminal && !plain,
            quiet,
        }
    }

    /// Data: on standard output, as it is. A reader that has gone away is no failure of ours (`| head`).
    ///
    /// # Errors
    /// What writing says, a full disk for instance.
    pub fn data(&mut self, text: &str) -> Result<()> {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        match written {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other.context(|| "writing the output"),
        }
    }

    /// What happened, for people.
    pub fn notice(&mut self, text: &str) {
        if !self.quiet {
            self.line("", "", text);
        }
    }
    pub fn warn(&mut self, text: &str) {
        self.line("Warning: ", "33", text);
    }
    pub fn error(&mut self, text: &str) {
        self.line("Error: ", "31", text);
    }
    pub fn hint(&mut self, text: &str) {
        self.line("Hint: ", "36", text);
    }

    /// Standard error is the last resort: when it cannot be written, there is nobody left to tell.
    fn line(&mut self, before: &str, colour: &str, text: &str) {
        self.rewrite("");
        let before = if self.colour_err && !before.is_empty() { format!("\u{1b}[{colour};1m{before}\u{1b}[0m") } else { before.to_owned() };
        let _ = writeln!(self.err, "{before}{}", plain::line(text));
    }

    /// Rewrites the line that stands at the bottom of the terminal; an empty text clears it.
    pub fn rewrite(&mut self, text: &str) {
        if self.live && (self.standing || !text.is_empty()) {
            // A terminal that does not know its width says 0.
            let width = termios::tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
            let width = if width == 0 { 80 } else { width };
            let _ = write!(self.err, "\r{}\u{1b}[K", cut(&plain::line(text), width - 1));
            let _ = self.err.flush();
            self.standing = !text.is_empty();
        }
    }

    /// A question whose answer is yes or no; anything but yes is no.
    ///
    /// # Errors
    /// `Invalid` when nobody can be asked.
    pub fn confirm(&mut self, question: &str) -> Result<bool> {
        let answer = self.ask(&format!("{question} (yes/no) [no]: "))?;
        Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
    }

    /// A question that is answered with a line.
    ///
    /// # Errors
    /// `Invalid` when nobody can be asked.
    pub fn ask(&mut self, question: &str) -> Result<String> {
        if !self.asks {
            let question = question.split_once('?').map_or(question, |(before, _)| before);
            return Err(Error::invalid(format!("nobody can be asked here: {question}?")).hint("--yes answers it"));
        }
        let _ = write!(self.err, "{}", plain::line(question));
        let _ = self.err.flush();
        self.read_line()
    }

    fn read_line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.input.read_line(&mut line).context(|| "reading standard input")?;
        Ok(line.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// A secret: typed without being shown where standard input is a terminal, otherwise its first line.
    ///
    /// # Errors
    /// `Invalid` when there is nothing.
    pub fn secret(&mut self, what: &str) -> Result<Secret> {
        let line = if self.asks {
            let _ = write!(self.err, "{what}: ");
            let _ = self.err.flush();
            let hidden = Hidden::start();
            let line = self.read_line();
            drop(hidden);
            let _ = writeln!(self.err);
            line?
        } else {
            self.read_line()?
        };
        if line.is_empty() {
            return Err(
                Error::invalid(format!("no {} was given", what.to_lowercase())).hint("it is read from standard input, or from a file")
            );
        }
        Ok(Secret::new(line))
    }
}

/// The longest beginning that fits.
fn cut(text: &str, width: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|c| {
            used += unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
            used <= width
        })
        .collect()
}

/// While it lives, the terminal does not show what is typed.
struct Hidden(Option<termios::Termios>);

impl Hidden {
    fn start() -> Self {
        let Ok(before) = termios::tcgetattr(io::stdin()) else { return Self(None) };
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        Self(termios::tcsetattr(io::stdin(), OptionalActions::Flush, &silent).is_ok().then_some(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Flush, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_by_width_and_not_by_bytes() {
        assert_eq!(cut("图片图片", 5), "图片");
        assert_eq!(cut("abc", 5), "abc");
    }
}
