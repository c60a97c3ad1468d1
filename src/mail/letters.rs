//! What letters say. Every time in them names its zone, every name is one line, and every link is one of ours.

use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::base::units;
use crate::domain::alarm::Cause;
use crate::domain::rights::Role;
use crate::domain::state::{BackupState, RestoreState};
use askama::Template;
use chrono_tz::Tz;

/// One letter to one person. Links that let somebody in are secrets; links to pages are not.
#[derive(Clone, Debug)]
pub enum Letter {
    Invitation {
        to: String,
        tenant: String,
        inviter: String,
        role: Role,
        url: Secret,
        expires: Millis,
    },
    Reset {
        to: String,
        url: Secret,
        expires: Millis,
    },
    /// `address`: from where it was changed.
    PasswordChanged {
        to: String,
        address: String,
    },
    SecondFactorChanged {
        to: String,
        on: bool,
    },
    /// A backup that failed or is incomplete.
    BackupEnded {
        to: String,
        environment: String,
        state: BackupState,
        reason: String,
        message: Option<String>,
        hint: Option<String>,
        url: String,
    },
    RestoreEnded {
        to: String,
        environment: String,
        undo: bool,
        state: RestoreState,
        initiator: String,
        url: String,
        undo_until: Option<Millis>,
    },
    /// Something is wrong with an environment, and no other letter tells it.
    Alarm {
        to: String,
        environment: String,
        cause: Cause,
        message: String,
        hint: Option<String>,
        url: String,
    },
    /// How the environments of a tenant stand, once a day.
    Digest {
        to: String,
        tenant: String,
        environments: Vec<Standing>,
        url: String,
    },
    DownloadUsed {
        to: String,
        environment: String,
        element: String,
        filename: String,
        address: String,
        at: Millis,
        url: String,
    },
    LinksReady {
        to: String,
        environment: String,
        links: Vec<Link>,
        expires: Millis,
        /// Where further links are made.
        url: String,
    },
    /// Fewer backups are made from now on, or none.
    ScheduleThinned {
        to: String,
        environment: String,
        by: String,
        before: String,
        after: String,
        url: String,
    },
    /// What lies in a tenant's trash and is purged soon.
    PurgeAhead {
        to: String,
        tenant: String,
        purges: Vec<Purge>,
        /// How many more there are than it names.
        more: usize,
        url: String,
    },
    /// A rule of retention was changed; what it keeps less goes later.
    RulesChanged {
        to: String,
        what: String,
        who: String,
        words: String,
        effective: Option<Millis>,
        url: String,
    },
    /// A rule would have taken most good backups of an environment at once.
    RetentionHeld {
        to: String,
        environment: String,
        going: usize,
        all: usize,
        until: Millis,
        url: String,
    },
    /// Sitekeep's own catalogue was not copied in time. `newest`: the copy there is.
    CatalogueLate {
        to: String,
        newest: Option<Millis>,
        failed: Option<String>,
        url: String,
    },
    Test {
        to: String,
    },
}

/// An environment in the daily letter.
#[derive(Clone, Debug)]
pub struct Standing {
    /// `site.environment`
    pub environment: String,
    pub last_good: Option<Millis>,
    pub alarms: i64,
}

impl Standing {
    /// It needs somebody.
    pub fn is_bad(&self) -> bool {
        self.last_good.is_none() || self.alarms > 0
    }
}

fn digest(tenant: &str, environments: &[Standing]) -> String {
    match environments.iter().filter(|e| e.is_bad()).count() {
        0 => format!("{tenant}: {} protected", units::count(environments.len() as u64, "environment")),
        bad => format!("{tenant}: {bad} of {} not right", units::count(environments.len() as u64, "environment")),
    }
}

/// A backup that is purged, and when.
#[derive(Clone, Debug)]
pub struct Purge {
    pub environment: String,
    pub reason: String,
    pub created: Millis,
    /// Who threw it away: a person, or a rule.
    pub by: String,
    pub on: Millis,
    /// Why it stays beyond that time for now.
    pub held: Option<String>,
}

/// A prepared download.
#[derive(Clone, Debug)]
pub struct Link {
    pub element: String,
    pub filename: String,
    pub size: u64,
    pub sha256: String,
    pub url: Secret,
}

/// On what a letter is written: our own address, the moment, and the zone in which its reader thinks.
#[derive(Clone, Copy, Debug)]
pub struct Sheet<'a> {
    /// The configured origin, never one that a request brought.
    pub origin: &'a str,
    pub now: Millis,
    pub zone: Tz,
}

/// A letter as it leaves. It holds links that let somebody in: what is kept of it is sealed.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Written {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Written({:?} to {:?})", self.subject, self.to)
    }
}

#[derive(Template)]
#[template(path = "frame.txt")]
struct Text<'a> {
    letter: &'a Letter,
    sheet: Sheet<'a>,
}

#[derive(Template)]
#[template(path = "frame.html")]
struct Html<'a> {
    letter: &'a Letter,
    sheet: Sheet<'a>,
}

/// What both forms say alike.
trait Words {
    fn zone(&self) -> Tz;
    fn at(&self, at: &Millis) -> String {
        in_zone(*at, self.zone())
    }
    fn line(&self, text: &str) -> String {
        line(text)
    }
    fn size(&self, bytes: &u64) -> String {
        units::size(*bytes)
    }
}

impl Words for Text<'_> {
    fn zone(&self) -> Tz {
        self.sheet.zone
    }
}

impl Words for Html<'_> {
    fn zone(&self) -> Tz {
        self.sheet.zone
    }
}

impl Letter {
    pub fn to(&self) -> &str {
        match self {
            Self::Invitation { to, .. }
            | Self::Reset { to, .. }
            | Self::PasswordChanged { to, .. }
            | Self::SecondFactorChanged { to, .. }
            | Self::BackupEnded { to, .. }
            | Self::RestoreEnded { to, .. }
            | Self::Alarm { to, .. }
            | Self::Digest { to, .. }
            | Self::DownloadUsed { to, .. }
            | Self::LinksReady { to, .. }
            | Self::ScheduleThinned { to, .. }
            | Self::PurgeAhead { to, .. }
            | Self::RulesChanged { to, .. }
            | Self::RetentionHeld { to, .. }
            | Self::CatalogueLate { to, .. }
            | Self::Test { to } => to,
        }
    }

    /// The word for it in the catalogue.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invitation { .. } => "invitation",
            Self::Reset { .. } => "reset",
            Self::PasswordChanged { .. } => "password_changed",
            Self::SecondFactorChanged { .. } => "second_factor_changed",
            Self::BackupEnded { .. } => "backup_ended",
            Self::RestoreEnded { .. } => "restore_ended",
            Self::Alarm { .. } => "alarm",
            Self::Digest { .. } => "digest",
            Self::DownloadUsed { .. } => "download_used",
            Self::LinksReady { .. } => "links_ready",
            Self::ScheduleThinned { .. } => "schedule_thinned",
            Self::PurgeAhead { .. } => "purge_ahead",
            Self::RulesChanged { .. } => "rules_changed",
            Self::RetentionHeld { .. } => "retention_held",
            Self::CatalogueLate { .. } => "catalogue_late",
            Self::Test { .. } => "test",
        }
    }

    /// Which site, and what happened.
    pub fn subject(&self) -> String {
        line(&match self {
            Self::Invitation { tenant, inviter, .. } => format!("{inviter} invites you to {tenant} on Sitekeep"),
            Self::Reset { .. } => "Choose a new password for Sitekeep".into(),
            Self::PasswordChanged { .. } => "Your password for Sitekeep was changed".into(),
            Self::SecondFactorChanged { on: true, .. } => "Your second factor for Sitekeep was set up".into(),
            Self::SecondFactorChanged { on: false, .. } => "Your second factor for Sitekeep was switched off".into(),
            Self::BackupEnded { environment, state, .. } => format!("{environment}: the backup {}", backup_ended(*state)),
            Self::RestoreEnded { environment, undo, state, .. } => {
                format!("{environment}: the {} {}", if *undo { "undo" } else { "restore" }, restore_ended(*state))
            }
            Self::Alarm { environment, cause, .. } => format!("{environment}: {}", cause.title()),
            Self::Digest { tenant, environments, .. } => digest(tenant, environments),
            Self::DownloadUsed { environment, element, .. } => format!("{environment}: the {element} was downloaded"),
            Self::LinksReady { environment, .. } => format!("{environment}: your download is ready"),
            Self::ScheduleThinned { environment, .. } => format!("{environment}: fewer backups are made from now on"),
            Self::PurgeAhead { tenant, purges, more, .. } => {
                format!("{tenant}: {} will be gone for good", units::count((purges.len() + more) as u64, "backup"))
            }
            Self::RulesChanged { what, .. } => format!("{what}: the rules of what is kept were changed"),
            Self::RetentionHeld { environment, .. } => format!("{environment}: most backups would go at once"),
            Self::CatalogueLate { .. } => "Sitekeep: its own catalogue is not being copied".into(),
            Self::Test { .. } => "Sitekeep: a letter arrives".into(),
        })
    }

    /// The letter in both forms.
    ///
    /// # Errors
    /// `Invalid` when the address is none.
    pub fn write(&self, sheet: Sheet<'_>) -> Result<Written> {
        super::address(self.to())?;
        let failed = |e: askama::Error| Error::internal(format!("the letter `{}` cannot be written: {e}", self.kind()));
        let text = Text { letter: self, sheet }.render().map_err(failed)?;
        let html = Html { letter: self, sheet }.render().map_err(failed)?;
        Ok(Written { to: self.to().to_owned(), subject: self.subject(), text, html })
    }
}

fn backup_ended(state: BackupState) -> &'static str {
    match state {
        BackupState::Succeeded => "succeeded",
        BackupState::Incomplete => "is incomplete",
        BackupState::Cancelled => "was cancelled",
        _ => "failed",
    }
}

fn restore_ended(state: RestoreState) -> &'static str {
    match state {
        RestoreState::Succeeded => "succeeded",
        RestoreState::Unwound => "failed and was taken back",
        RestoreState::Stuck => "is stuck",
        RestoreState::Cancelled => "was cancelled",
        _ => "failed",
    }
}

/// One line of what somebody wrote: no control characters, none that end a line, none that turn the direction of
/// writing, so that a name can neither add a line to a letter nor hide a part of one.
fn line(text: &str) -> String {
    let odd = |c: char| {
        c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if odd(c) { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// `2026-11-21 04:00:00 CET (Europe/Vienna)`; UTC by its own name.
fn in_zone(at: Millis, zone: Tz) -> String {
    let utc = chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    if zone == Tz::UTC {
        return at.for_people();
    }
    format!("{} ({})", utc.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z"), zone.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHEET: Sheet<'_> = Sheet { origin: "https://keep.example", now: Millis(1_795_230_000_000), zone: Tz::UTC };

    #[test]
    fn a_time_is_told_in_the_zone_of_the_reader_and_names_it() {
        let letter = Letter::Reset { to: "ann@example.test".into(), url: Secret::new("https://keep.example/reset/x"), expires: SHEET.now };
        let written = letter.write(SHEET).unwrap();
        assert!(written.text.contains("2026-11-21 03:00:00 UTC"), "{}", written.text);
        let there = letter.write(Sheet { zone: Tz::Europe__Vienna, ..SHEET }).unwrap();
        assert!(there.text.contains("2026-11-21 04:00:00 CET (Europe/Vienna)"), "{}", there.text);
        assert!(there.html.contains("2026-11-21 04:00:00 CET (Europe/Vienna)"), "{}", there.html);
    }

    #[test]
    fn a_name_is_one_line_whatever_it_holds() {
        assert_eq!(line("a\r\nBcc: b\u{202e}c\u{2028}d\0"), "a  Bcc: b c d");
    }

    #[test]
    fn a_secret_link_does_not_show_when_a_letter_is_debugged() {
        let letter = Letter::Reset { to: "ann@example.test".into(), url: Secret::new("https://keep.example/canary"), expires: SHEET.now };
        assert!(!format!("{letter:?} {:?}", letter.write(SHEET).unwrap()).contains("canary"));
    }
}
