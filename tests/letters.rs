//! Letters, from the fact that they tell to a real mail server: what they say, to whom, and what becomes of them when
//! the server is slow, full, down or says no.

use crate::support::app::Installation;
use crate::support::panel::Panel;
use crate::support::smtp::Smtp;
use crate::support::{wait_for, write};
use sitekeep::app::App;
use sitekeep::app::letters::{self, Letter, Link, Purge};
use sitekeep::app::outbox;
use sitekeep::base::clock::{Clock, Millis};
use sitekeep::base::error::Class;
use sitekeep::base::secret::{Sealer, Secret};
use sitekeep::base::sql::{Kind, Pool};
use sitekeep::domain::alarm::Cause;
use sitekeep::domain::rights::Role;
use sitekeep::domain::state::{BackupState, RestoreState};
use sitekeep::domain::view;
use sitekeep::mail::{Mailer, Standing};
use sitekeep::queue::Shutdown;
use std::collections::HashSet;
use std::time::Duration;
use tokio::sync::watch;

const NOW: Millis = Millis(1_795_230_000_000);
const MINUTE: i64 = 60 * Millis::SECOND;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// An installation whose clock stands still, and a mail server.
async fn with_clock() -> (Installation, Clock) {
    let clock = Clock::fixed(NOW);
    (Installation::with_clock(Kind::Sqlite, clock.clone()).await, clock)
}

fn mailer(smtp: &Smtp) -> Mailer {
    Mailer::new(&Secret::new(smtp.url()), "Sitekeep <keep@sitekeep.test>").unwrap()
}

fn never() -> (watch::Sender<bool>, Shutdown) {
    watch::channel(false)
}

async fn queue(app: &App, letter: &Letter) {
    let (now, mut tx) = (app.pool.now().await.unwrap(), app.pool.begin().await.unwrap());
    letters::send(&mut tx, app, now, None, letter, None).await.unwrap();
    tx.commit().await.unwrap();
}

async fn round(app: &App, mailer: &Mailer) -> usize {
    let (_tell, shutdown) = never();
    outbox::send_due(app, Some(mailer), &shutdown).await.unwrap()
}

/// The only letter there is.
async fn state(at: &Installation) -> view::Letter {
    let mut all = letters::log(&at.app, &at.admin, 10).await.unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn test_letter(to: &str) -> Letter {
    Letter::Test { to: to.into() }
}

/// One of each kind, with `name` wherever somebody chose a name.
fn one_of_each(app: &App, name: &str) -> Vec<(Letter, &'static str, Vec<&'static str>)> {
    let page = |path: &str| format!("{}/{path}", app.public_url);
    let to = |who: &str| format!("{who}@example.test");
    let env = format!("{name}.live");
    let link = Link {
        element: "files".into(),
        filename: name.into(),
        size: 12_345_678,
        sha256: "5eaf".into(),
        url: Secret::new(page("d/secret-4")),
    };
    vec![
        (
            Letter::Invitation {
                to: to("invitation"),
                tenant: name.into(),
                inviter: name.into(),
                role: Role::Developer,
                url: letters::invitation_url(app, &Secret::new("secret-1")),
                expires: NOW.plus(Millis::DAY),
            },
            "{} invites you to {} on Sitekeep",
            vec!["as developer", "/invitation/secret-1", "until 2026-11-22 03:00:00 UTC"],
        ),
        (
            Letter::Reset { to: to("reset"), url: letters::reset_url(app, &Secret::new("secret-2")), expires: NOW.plus(60 * MINUTE) },
            "Choose a new password for Sitekeep",
            vec!["/reset/secret-2", "until 2026-11-21 04:00:00 UTC"],
        ),
        (
            Letter::PasswordChanged { to: to("password"), address: "192.0.2.7".into() },
            "Your password for Sitekeep was changed",
            vec!["192.0.2.7"],
        ),
        (
            Letter::SecondFactorChanged { to: to("factor"), on: false },
            "Your second factor for Sitekeep was switched off",
            vec!["switched off just now"],
        ),
        (
            Letter::BackupEnded {
                to: to("backup"),
                environment: env.clone(),
                state: BackupState::Failed,
                reason: "Nightly backup".into(),
                message: Some(format!("the disk of {name} is full")),
                hint: Some("make room".into()),
                url: page("backups/bak_1"),
            },
            "{}.live: the backup failed",
            vec!["Nightly backup", "is full", "make room", "/backups/bak_1"],
        ),
        (
            Letter::RestoreEnded {
                to: to("restore"),
                environment: env.clone(),
                undo: false,
                state: RestoreState::Succeeded,
                initiator: name.into(),
                url: page("restores/rst_1"),
                undo_until: Some(NOW.plus(7 * Millis::DAY)),
            },
            "{}.live: the restore succeeded",
            vec!["undone until 2026-11-28 03:00:00 UTC", "/restores/rst_1"],
        ),
        (
            Letter::DownloadUsed {
                to: to("download"),
                environment: env.clone(),
                element: "database".into(),
                filename: name.into(),
                address: "2001:db8::7".into(),
                at: NOW,
                url: page("backups/bak_1"),
            },
            "{}.live: the database was downloaded",
            vec!["2001:db8::7", "2026-11-21 03:00:00 UTC", "/backups/bak_1"],
        ),
        (
            Letter::Alarm {
                to: to("alarm"),
                environment: env.clone(),
                cause: Cause::Overdue,
                message: name.into(),
                hint: Some(name.into()),
                url: page("environments/env_1"),
            },
            "{}.live: No good backup in time",
            vec!["No further letter is sent about this", "/environments/env_1"],
        ),
        (
            Letter::Digest {
                to: to("digest"),
                tenant: name.into(),
                environments: vec![
                    Standing { environment: env.clone(), last_good: None, alarms: 1 },
                    Standing { environment: env.clone(), last_good: Some(NOW), alarms: 0 },
                ],
                url: page("tenants/ten_1/alarms"),
            },
            "{}: 1 of 2 environments not right",
            vec!["last good backup 2026-11-21 03:00:00 UTC", "with an alarm", "/tenants/ten_1/alarms"],
        ),
        (
            Letter::ScheduleThinned {
                to: to("schedule"),
                environment: env.clone(),
                by: "ann@example.test".into(),
                before: "every night at 03:07 (UTC), the weekly backup on Sundays".into(),
                after: "by hand alone (switched off: every Sunday at 03:07 (UTC))".into(),
                url: page("environments/env_1/schedule"),
            },
            "{}.live: fewer backups are made from now on",
            vec!["Before: every night at 03:07 (UTC)", "Now: by hand alone", "/environments/env_1/schedule"],
        ),
        (
            Letter::PurgeAhead {
                to: to("purge"),
                tenant: name.into(),
                purges: vec![Purge {
                    environment: env.clone(),
                    reason: name.into(),
                    created: NOW,
                    by: "the rule to keep the last 3".into(),
                    on: NOW.plus(Millis::DAY),
                    held: Some("that alarm is open".into()),
                }],
                more: 1,
                url: page(""),
            },
            "{}: 2 backups will be gone for good",
            vec!["the rule to keep the last 3", "goes 2026-11-22 03:00:00 UTC", "stays longer: that alarm is open", "And 1 more"],
        ),
        (
            Letter::RulesChanged {
                to: to("rules"),
                what: env.clone(),
                who: name.into(),
                words: "scheduled: keep the last 3".into(),
                effective: Some(NOW.plus(Millis::DAY)),
                url: page("environments/env_1/retention"),
            },
            "{}.live: the rules of what is kept were changed",
            vec!["keep the last 3", "stays until 2026-11-22 03:00:00 UTC", "/environments/env_1/retention"],
        ),
        (
            Letter::RetentionHeld {
                to: to("held"),
                environment: env.clone(),
                going: 7,
                all: 9,
                until: NOW.plus(Millis::DAY),
                url: page("environments/env_1/retention"),
            },
            "{}.live: most backups would go at once",
            vec!["7 of the 9", "until 2026-11-22 03:00:00 UTC", "/environments/env_1/retention"],
        ),
        (
            Letter::LinksReady {
                to: to("links"),
                environment: env,
                links: vec![link],
                expires: NOW.plus(Millis::DAY),
                url: page("backups/bak_2"),
            },
            "{}.live: your download is ready",
            vec!["12.3 MB", "/d/secret-4", "5eaf", "until 2026-11-22 03:00:00 UTC", "/backups/bak_2"],
        ),
        (
            Letter::CatalogueLate {
                to: to("late"),
                newest: Some(NOW.plus(-3 * Millis::DAY)),
                failed: Some("the disk is full".into()),
                url: page("admin/stores"),
            },
            "Sitekeep: its own catalogue is not being copied",
            vec!["was made on 2026-11-18 03:00:00 UTC", "Why the last one failed: the disk is full", "catalogue:backup", "/admin/stores"],
        ),
        (test_letter("test@example.test"), "Sitekeep: a letter arrives", vec!["They do."]),
    ]
}

#[test]
fn each_letter_arrives_as_text_and_html_with_its_subject_and_links_to_our_own_address() {
    block_on(async {
        let (smtp, (at, _)) = (Smtp::start(), with_clock().await);
        let all = one_of_each(&at.app, "Bäckerei 北");
        for (letter, _, _) in &all {
            queue(&at.app, letter).await;
        }
        assert_eq!(round(&at.app, &mailer(&smtp)).await, all.len());
        let mut ids = HashSet::new();
        for (letter, subject, says) in &all {
            let arrived = smtp.to(letter.to());
            assert_eq!(arrived.len(), 1, "{letter:?}");
            let m = &arrived[0];
            assert_eq!(m.header("Subject"), subject.replace("{}", "Bäckerei 北"));
            assert_eq!((m.header("To"), m.header("From")), (letter.to(), "Sitekeep <keep@sitekeep.test>"));
            assert_eq!((m.header("X-Envelope-From"), m.header("Auto-Submitted")), ("keep@sitekeep.test", "auto-generated"));
            assert_eq!(m.header("Date"), "Sat, 21 Nov 2026 03:00:00 +0000");
            assert!(ids.insert(m.header("Message-ID").to_owned()) && m.header("Message-ID").ends_with("@sitekeep.test>"));
            for words in says {
                assert!(m.text.contains(words) && m.html.contains(words), "{words:?}:\n{}\n{}", m.text, m.html);
            }
            assert!(m.html.contains("<html lang=\"en\">") && m.text.contains("Written 2026-11-21 03:00:00 UTC"));
            assert!(!m.text.contains('<') && !m.text.contains("\n\n\n"), "{}", m.text);
            for link in m.html.split("href=\"").skip(1) {
                assert!(link.starts_with("http://sitekeep.test"), "{link}");
            }
            assert_eq!(m.text.matches("http").count(), m.text.matches("http://sitekeep.test").count(), "{}", m.text);
        }
    });
}

#[test]
fn a_name_with_markup_is_escaped_in_html_and_stands_as_it_is_in_text() {
    block_on(async {
        let (smtp, (at, _)) = (Smtp::start(), with_clock().await);
        let name = "<a href=\"http://evil.test\">Ann & 'Co'</a>";
        let all = one_of_each(&at.app, name);
        for (letter, _, _) in &all {
            queue(&at.app, letter).await;
        }
        round(&at.app, &mailer(&smtp)).await;
        for (letter, subject, _) in all.iter().filter(|(_, subject, _)| subject.contains("{}")) {
            let m = smtp.to(letter.to()).remove(0);
            assert_eq!(m.header("Subject"), subject.replace("{}", name));
            assert!(m.text.contains(name), "{}", m.text);
            assert!(!m.html.contains("<a href=\"http://evil") && !m.html.contains("evil.test\""), "{}", m.html);
            assert!(m.html.contains("&#60;a href=&#34;http://evil.test&#34;&#62;Ann &#38; &#39;Co&#39;&#60;/a&#62;"), "{}", m.html);
        }
    });
}

#[test]
fn a_name_with_line_ends_adds_no_header_no_recipient_and_no_line() {
    block_on(async {
        let (smtp, (at, _)) = (Smtp::start(), with_clock().await);
        let names = [
            "x\r\nBcc: evil@example.test\r\n\r\nhello",
            "x\nBcc: evil@example.test",
            "x\rBcc: evil@example.test",
            "é\u{2028}Bcc: e\u{202e}x\0",
        ];
        for (i, name) in names.iter().enumerate() {
            for (letter, _, _) in one_of_each(&at.app, name) {
                queue(&at.app, &letter).await;
            }
            round(&at.app, &mailer(&smtp)).await;
            assert_eq!(smtp.messages().len(), one_of_each(&at.app, name).len() * (i + 1));
        }
        for m in smtp.messages() {
            assert!(!m.header("X-Envelope-To").contains("evil") && !m.header("X-Envelope-To").contains(','));
            let known = [
                "X-Envelope-Helo",
                "X-Envelope-From",
                "X-Envelope-To",
                "From",
                "To",
                "Subject",
                "Date",
                "Message-ID",
                "Auto-Submitted",
                "MIME-Version",
                "Content-Type",
            ];
            let unknown: Vec<_> = m.headers.iter().filter(|(n, _)| !known.iter().any(|k| k.eq_ignore_ascii_case(n))).collect();
            assert!(unknown.is_empty(), "{unknown:?}");
            assert!(!m.text.lines().any(|l| l.starts_with("Bcc") || l == "hello"), "{}", m.text);
            assert!(!m.text.contains(['\u{202e}', '\u{2028}', '\0']));
        }
    });
}

#[test]
fn a_server_that_says_later_is_asked_again_and_gets_the_same_message() {
    block_on(async {
        let (smtp, (at, clock)) = (Smtp::start(), with_clock().await);
        let mailer = mailer(&smtp);
        queue(&at.app, &test_letter("defer-ann@example.test")).await;
        assert_eq!(round(&at.app, &mailer).await, 1);
        let waits = state(&at).await;
        assert_eq!((waits.state.as_str(), waits.tries), ("queued", 1));
        assert_eq!(waits.error.as_deref(), Some("the mail server said: 451 4.7.1 Come back a little later"));
        assert_eq!(round(&at.app, &mailer).await, 0, "not at once");
        clock.advance(MINUTE);
        assert_eq!(round(&at.app, &mailer).await, 1);
        clock.advance(MINUTE);
        assert_eq!(round(&at.app, &mailer).await, 0, "the pauses grow");
        clock.advance(MINUTE);
        assert_eq!(round(&at.app, &mailer).await, 1);
        let sent = state(&at).await;
        assert_eq!((sent.state.as_str(), sent.tries, sent.error), ("sent", 3, None));
        let arrived = smtp.messages();
        assert_eq!(arrived.len(), 1);
        assert_eq!(arrived[0].header("Message-ID"), format!("<{}@sitekeep.test>", sent.id));
        assert_eq!(arrived[0].header("Date"), "Sat, 21 Nov 2026 03:00:00 +0000", "of its writing, not of the last try");
    });
}

#[test]
fn a_server_that_says_no_is_not_asked_again_and_its_words_are_kept() {
    block_on(async {
        let (smtp, (at, clock)) = (Smtp::start(), with_clock().await);
        queue(&at.app, &test_letter("reject-ann@example.test")).await;
        assert_eq!(round(&at.app, &mailer(&smtp)).await, 1);
        let failed = state(&at).await;
        assert_eq!((failed.state.as_str(), failed.tries), ("failed", 1));
        assert_eq!(failed.error.as_deref(), Some("the mail server said: 550 5.1.1 Nobody of that name lives here"));
        clock.advance(Millis::DAY);
        assert_eq!(round(&at.app, &mailer(&smtp)).await, 0);
    });
}

#[test]
fn a_server_that_is_down_costs_nothing_but_time_and_after_a_day_the_letter() {
    block_on(async {
        let (mut smtp, (at, clock)) = (Smtp::down(), with_clock().await);
        let mailer = mailer(&smtp);
        queue(&at.app, &test_letter("ann@example.test")).await;
        assert_eq!(round(&at.app, &mailer).await, 1);
        let waits = state(&at).await;
        assert!(waits.state == "queued" && waits.error.as_deref().unwrap().starts_with("the mail server cannot be reached"), "{waits:?}");
        smtp.up();
        clock.advance(MINUTE);
        assert_eq!(round(&at.app, &mailer).await, 1);
        assert_eq!((state(&at).await.state.as_str(), smtp.messages().len()), ("sent", 1));
        smtp.stop();
        let (at, clock) = with_clock().await;
        queue(&at.app, &test_letter("ben@example.test")).await;
        let mut rounds = 0;
        while state(&at).await.state == "queued" {
            rounds += round(&at.app, &mailer).await;
            clock.advance(MINUTE * 60);
        }
        assert!(rounds > 20, "{rounds} tries");
        assert!(state(&at).await.error.unwrap().starts_with("the mail server cannot be reached"));
    });
}

#[test]
fn a_server_that_dawdles_is_left_and_asked_again() {
    block_on(async {
        let (smtp, (at, _)) = (Smtp::start(), with_clock().await);
        let second = Duration::from_secs(1);
        let mailer = Mailer::with_limits(&Secret::new(smtp.url()), "keep@sitekeep.test", second, second).unwrap();
        queue(&at.app, &test_letter("slow-ann@example.test")).await;
        assert_eq!(round(&at.app, &mailer).await, 1);
        let waits = state(&at).await;
        assert_eq!((waits.state.as_str(), waits.error.as_deref()), ("queued", Some("the mail server took longer than 1 seconds")));
    });
}

#[test]
fn without_a_mail_server_letters_wait_a_day_and_leave_when_there_is_one() {
    block_on(async {
        let (at, clock) = with_clock().await;
        let (_tell, shutdown) = never();
        queue(&at.app, &test_letter("ann@example.test")).await;
        clock.advance(Millis::DAY - 1);
        outbox::send_due(&at.app, None, &shutdown).await.unwrap();
        let waits = state(&at).await;
        assert_eq!((waits.state.as_str(), waits.tries, waits.error), ("queued", 0, None));
        let smtp = Smtp::start();
        assert_eq!(round(&at.app, &mailer(&smtp)).await, 1);
        assert_eq!(state(&at).await.state, "sent");
        let (at, clock) = with_clock().await;
        queue(&at.app, &test_letter("ann@example.test")).await;
        clock.advance(Millis::DAY);
        outbox::send_due(&at.app, None, &shutdown).await.unwrap();
        let given_up = state(&at).await;
        assert_eq!((given_up.state.as_str(), given_up.error.as_deref()), ("failed", Some("no mail server is configured")));
    });
}

#[test]
fn what_a_letter_says_cannot_be_read_in_the_catalogue_nor_sent_to_another_address_by_changing_it() {
    block_on(async {
        let (smtp, (at, _)) = (Smtp::start(), with_clock().await);
        let url = letters::reset_url(&at.app, &Secret::new("canary-of-the-link"));
        queue(&at.app, &Letter::Reset { to: "ann@example.test".into(), url, expires: NOW }).await;
        let raw = |name: &str| std::fs::read(at.scratch.join(name)).unwrap_or_default();
        let all = [raw("catalogue.db"), raw("catalogue.db-wal")].concat();
        let holds = |what: &str| all.windows(what.len()).any(|w| w == what.as_bytes());
        assert!(holds("ann@example.test") && !holds("canary-of-the-link") && !holds("Somebody, most likely you"));
        let mut conn = at.app.pool.get().await.unwrap();
        sqlx::query("update letters set to_address = 'evil@example.test'").execute(&mut *conn).await.unwrap();
        drop(conn);
        round(&at.app, &mailer(&smtp)).await;
        let arrived = smtp.messages();
        assert_eq!((arrived.len(), arrived[0].header("X-Envelope-To")), (1, "ann@example.test"));
        assert!(arrived[0].text.contains("http://sitekeep.test/reset/canary-of-the-link"));
    });
}

#[test]
fn an_administrator_gets_the_servers_answer_to_a_test_letter() {
    block_on(async {
        let (smtp, (mut at, _)) = (Smtp::start(), with_clock().await);
        let none = letters::test(&at.app, &at.admin, "ann@example.test").await.unwrap_err();
        assert!(none.class() == Class::Conflict && none.to_string().contains("SITEKEEP_SMTP_URL"), "{none}");
        at.app.mailer = Some(mailer(&smtp));
        let answer = letters::test(&at.app, &at.admin, "ann@example.test").await.unwrap();
        assert_eq!((answer.as_str(), smtp.to("ann@example.test").len()), ("250 OK kept as 0001", 1));
        let refused = letters::test(&at.app, &at.admin, "reject@example.test").await.unwrap_err();
        assert!(refused.sentence().contains("550 5.1.1 Nobody of that name lives here"), "{refused}");
        assert_eq!(letters::test(&at.app, &at.admin, "no address").await.unwrap_err().class(), Class::Invalid);
        let owner = at.member("owner@example.test", &[]).await;
        assert_eq!(letters::test(&at.app, &owner, "ann@example.test").await.unwrap_err().class(), Class::NotFound);
    });
}

#[test]
fn the_loop_ends_when_it_is_told_to_also_in_the_middle_of_a_conversation() {
    block_on(async {
        let (smtp, (at, _)) = (Smtp::start(), with_clock().await);
        let (tell, shutdown) = never();
        queue(&at.app, &test_letter("slow-ann@example.test")).await;
        let (app, mailer) = (at.app.clone(), mailer(&smtp));
        let running = tokio::spawn(async move { outbox::deliver(&app, Some(&mailer), shutdown).await });
        tokio::time::sleep(Duration::from_millis(500)).await;
        tell.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(8), running).await.expect("it ends").unwrap().unwrap();
        assert_eq!((state(&at).await.state.as_str(), smtp.messages().len()), ("sent", 1), "three seconds are waited for");
    });
}

#[test]
fn two_processes_send_each_letter_once_and_a_failed_backup_is_told() {
    let smtp = Smtp::start();
    // The name with which each of the two greets says who brought a letter.
    let [server, beside] = ["server", "beside"].map(|name| format!("{}/{name}.test", smtp.url()));
    let panel = Panel::start_with_mail(&server, r#"{"poll": 50}"#);
    let _worker = panel.worker_with("beside", &[("SITEKEEP_SMTP_URL", &beside)]);
    let site = panel.scratch.join("site");
    write(site.join("index.html"), "<h1>here</h1>");
    write(site.join("uploads/a"), "a");
    panel.add_site("shop", "live", &site, &["--files", "public=uploads"]);
    let data = panel.server.data.clone();
    const LETTERS: usize = 60;
    block_on(async {
        let url = format!("sqlite://{}", data.join("catalogue.db").display());
        let mut at = Installation::with_clock(Kind::Sqlite, Clock::system()).await.app;
        at.pool = Pool::connect(&url, 2, Clock::system()).await.unwrap();
        at.sealer = Sealer::load(&data.join("master.key")).unwrap();
        for i in 0..LETTERS {
            queue(&at, &test_letter(&format!("number-{i}@example.test"))).await;
        }
        at.pool.close().await;
    });
    std::fs::rename(&site, site.with_extension("away")).unwrap();
    panel.cli(&["backup:create", "shop.live"]);
    wait_for("all letters", Duration::from_secs(60), || smtp.messages().len() > LETTERS);
    std::thread::sleep(Duration::from_secs(1));
    let all = smtp.messages();
    let recipients: HashSet<_> = all.iter().map(|m| m.header("X-Envelope-To").to_owned()).collect();
    assert_eq!((all.len(), recipients.len()), (LETTERS + 1, LETTERS + 1));
    let brought: HashSet<_> = all.iter().map(|m| m.header("X-Envelope-Helo").to_owned()).collect();
    assert_eq!(brought, ["server.test", "beside.test"].map(str::to_owned).into(), "both had a part in it");
    let told = smtp.to("admin@example.test").remove(0);
    assert_eq!(told.header("Subject"), "shop.live: the backup failed");
    let id = panel.backups("shop.live")[0].id.clone();
    assert!(told.text.contains(&format!("https://keep.test/backups/{id}\n")), "{}", told.text);
    assert!(told.text.contains("What was said: ") && told.text.contains("Generated on request"), "{}", told.text);
}
