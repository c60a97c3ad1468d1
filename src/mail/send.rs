//! How letters leave: one SMTP conversation for each, with time limits, over a server that an URL names.

use super::Written;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::secret::Secret;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(60);
/// Refusals that are about our own account at the server, not about the letter: mending the settings mends them.
const OF_OUR_ACCOUNT: [u16; 4] = [530, 534, 535, 538];

/// A mail server and the address we write from. Cloning shares it; it shows neither user nor password.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    whole: Duration,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailer(from {})", self.from)
    }
}

impl Mailer {
    /// `url` is like `smtps://user:password@host`, `smtp://host:25` or `smtp://user:password@host?tls=required`.
    ///
    /// # Errors
    /// `Invalid` for an URL or a sender that cannot be used; what they hold is not repeated.
    pub fn new(url: &Secret, from: &str) -> Result<Self> {
        Self::with_limits(url, from, CONNECT, WHOLE)
    }

    /// The same with other time limits: for connecting, and for the whole conversation.
    pub fn with_limits(url: &Secret, from: &str, connect: Duration, whole: Duration) -> Result<Self> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose()).map_err(|_| {
            Error::invalid("the URL of the mail server cannot be used").hint(
                "SITEKEEP_SMTP_URL is like smtps://user:password@host or smtp://user:password@host?tls=required; write signs in the password as %XX",
            )
        })?;
        let from = from.parse().map_err(|_| {
            Error::invalid(format!("{from:?} is no address to write from"))
                .hint("SITEKEEP_MAIL_FROM is like sitekeep@example.com or Sitekeep <sitekeep@example.com>")
        })?;
        Ok(Self { transport: builder.timeout(Some(connect)).build(), from, whole })
    }

    /// Sends a letter and gives the server's answer. `id` names the letter: sent again, it is the same message.
    ///
    /// # Errors
    /// `Transient` when another try may go well; `Permanent`, with the server's words, when it will not; `Invalid` when
    /// it is no letter that could be sent to anybody.
    pub async fn send(&self, id: &str, at: Millis, letter: &Written) -> Result<String> {
        let message = self.message(id, at, letter)?;
        match tokio::time::timeout(self.whole, self.transport.send(message)).await {
            Ok(Ok(answer)) => Ok(format!("{} {}", answer.code(), answer.message().collect::<Vec<_>>().join(" "))),
            Ok(Err(e)) => Err(refused(&e)),
            Err(_) => Err(Error::transient(format!("the mail server took longer than {} seconds", self.whole.as_secs()))),
        }
    }

    /// Greets the server and says good-bye, as whoever sends letters does.
    ///
    /// # Errors
    /// As [`Mailer::send`].
    pub async fn knock(&self) -> Result<()> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::transient("the mail server hung up").hint("does it take mail from this host?")),
            Err(e) => Err(refused(&e)),
        }
    }

    fn message(&self, id: &str, at: Millis, letter: &Written) -> Result<Message> {
        let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or_default());
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address(&letter.to)?))
            .subject(letter.subject.as_str())
            .date(at)
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .raw_header(automatic)
            .multipart(MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone()))
            .map_err(|e| Error::invalid(format!("the letter cannot be put together: {e}")))
    }
}

/// Parses an address; nothing but one address passes.
///
/// # Errors
/// `Invalid` when it is none.
pub fn address(text: &str) -> Result<Address> {
    // The second reading is that of a header: it knows no numbers in brackets in the place of a host.
    let read = text.parse::<Address>().ok().filter(|_| text.parse::<Mailbox>().is_ok());
    read.ok_or_else(|| Error::invalid(format!("{text:?} is not an e-mail address that mail can be sent to")))
}

/// What the server or the way to it said, as a sentence.
fn refused(e: &lettre::transport::smtp::Error) -> Error {
    let said = std::error::Error::source(e).map_or_else(|| e.to_string(), ToString::to_string);
    let said = said.split(" (os error").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    match e.status().map(|code| code.to_string()) {
        Some(code) if OF_OUR_ACCOUNT.iter().any(|c| c.to_string() == code) => {
            Error::transient(format!("the mail server did not let us in: {code} {said}"))
                .hint("are user and password in SITEKEEP_SMTP_URL right, and does the server want tls=required?")
        }
        Some(code) => {
            let class = if e.is_permanent() { Class::Permanent } else { Class::Transient };
            Error::new(class, format!("the mail server said: {code} {said}"))
        }
        None if e.is_tls() => Error::transient(format!("no safe connection to the mail server: {said}"))
            .hint("smtps:// is for port 465, smtp://…?tls=required for port 587; the certificate must be for the server's name"),
        // A server that cannot take a letter as it is (no UTF-8 in addresses) says so to its client.
        None if e.is_client() => Error::permanent(format!("the mail server cannot take the letter: {said}")),
        None => Error::transient(format!("the mail server cannot be reached: {said}")).hint("does it run, and is SITEKEEP_SMTP_URL right?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer() -> Mailer {
        let url = Secret::new("smtp://keep:canary@127.0.0.1:2525?tls=required");
        Mailer::new(&url, "Sitekeep <keep@example.test>").unwrap()
    }

    fn letter(to: &str, subject: &str) -> Written {
        Written { to: to.into(), subject: subject.into(), text: "text".into(), html: "<p>text</p>".into() }
    }

    #[test]
    fn a_mailer_shows_no_password_also_when_its_url_is_wrong() {
        assert_eq!(format!("{:?}", mailer()), "Mailer(from Sitekeep <keep@example.test>)");
        for url in ["gopher://keep:canary@host", "smtp://keep:canary@host?tls=perhaps", "keep:canary@host"] {
            let e = Mailer::new(&Secret::new(url), "keep@example.test").unwrap_err();
            assert!(!e.to_string().contains("canary") && e.class() == Class::Invalid, "{e}");
        }
    }

    #[test]
    fn no_address_and_no_subject_can_add_a_header() {
        for to in [
            "a@example.test\r\nBcc: b@example.test",
            "a@example.test, b@example.test",
            "a@example.test\n",
            "A <a@example.test>",
            "a@[127.0.0.1]",
            "",
        ] {
            assert!(mailer().message("let_1", Millis(0), &letter(to, "x")).is_err(), "{to:?}");
        }
        for subject in ["x\r\nBcc: b@example.test", "x\nBcc: b", "x\rBcc: b", "ü\r\nBcc: b", "x\r\n\r\nbody"] {
            let raw =
                String::from_utf8(mailer().message("let_1", Millis(0), &letter("a@example.test", subject)).unwrap().formatted()).unwrap();
            let head = raw.split("\r\n\r\n").next().unwrap();
            assert!(!head.lines().any(|l| l.starts_with("Bcc")), "{subject:?}: {head}");
            assert!(!head.replace("\r\n", "").contains(['\r', '\n']) && head.contains("Content-Type: multipart/alternative"), "{head}");
        }
    }

    #[test]
    fn a_letter_that_is_sent_again_is_the_same_message() {
        let raw = || String::from_utf8(mailer().message("let_1", Millis(0), &letter("a@example.test", "x")).unwrap().formatted()).unwrap();
        let named = |text: &str| text.lines().find(|l| l.starts_with("Message-ID:")).unwrap().to_owned();
        assert_eq!(named(&raw()), "Message-ID: <let_1@example.test>");
        assert_eq!(named(&raw()), named(&raw()));
        assert!(raw().contains("Auto-Submitted: auto-generated\r\n") && raw().contains("Date: Thu, 01 Jan 1970 00:00:00"));
    }

    #[test]
    fn senders_on_hosts_without_a_domain_are_addresses_too() {
        for from in ["sitekeep@localhost", "sitekeep@keep.example.test"] {
            let mailer = Mailer::new(&Secret::new("smtp://localhost:25"), from).unwrap();
            let raw = mailer.message("let_1", Millis(0), &letter("a@example.test", "x")).unwrap().formatted();
            assert!(String::from_utf8(raw).unwrap().contains(&format!("From: {from}\r\n")), "{from}");
        }
    }
}
