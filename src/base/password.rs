//! Passwords that people choose: what is good enough, and how it is kept (argon2id, 19 MiB, two passes).
//!
//! A verification takes 35 ms and 19 MiB, so two run at once and a few wait; whoever comes when the line is full is sent
//! away, because guessing must not take the machine from everybody else.

use super::chance;
use super::error::{Error, Result};
use super::secret::Secret;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use tokio::sync::Semaphore;

const SHORTEST: usize = 10;
const LONGEST: usize = 200;

/// How many are hashed at once, and how many more may wait for it.
static RUNNING: Semaphore = Semaphore::const_new(2);
static WAITING: Semaphore = Semaphore::const_new(100);

/// What is compared with when there is nothing to compare with, so that it takes as long.
static DUMMY: LazyLock<Result<String>> = LazyLock::new(|| make(&chance::password()));

/// The most common passwords that are long enough; compared without case, and without digits and signs at the end.
const COMMON: &[&str] = &[
    "password",
    "passwordpassword",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "1234567890",
    "12345678910",
    "123456789012",
    "1234512345",
    "1234554321",
    "0123456789",
    "0987654321",
    "9876543210",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "qwertyuiop",
    "qwerty12345",
    "qwerty123456",
    "qwertyqwerty",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "asdfghjkl;",
    "zxcvbnm,./",
    "abcdefghij",
    "abcdefghijkl",
    "abcd123456",
    "abc1234567",
    "iloveyou",
    "iloveyouforever",
    "administrator",
    "adminadmin",
    "letmeinplease",
    "letmein",
    "admin",
    "root",
    "backup",
    "test",
    "login",
    "access",
    "master",
    "hello",
    "secret",
    "qwerty",
    "qwertz",
    "azerty",
    "asdf",
    "abcd",
    "abc",
    "monkey",
    "dragon",
    "shadow",
    "michael",
    "summer",
    "winter",
    "spring",
    "autumn",
    "welcome",
    "changeme",
    "changemenow",
    "secretsecret",
    "superman",
    "basketball",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "starwars",
    "trustno",
    "correcthorsebatterystaple",
    "correct horse battery staple",
    "sitekeep",
    "sitekeepsitekeep",
    "backupbackup",
];

/// Is this password good enough for the account of `email`?
///
/// # Errors
/// `Invalid`, with a hint that says what would be better.
pub fn check(password: &Secret, email: &str) -> Result<()> {
    let text = password.expose();
    let length = text.chars().count();
    if length < SHORTEST {
        return Err(Error::invalid(format!("this password is too short: it has {length} characters"))
            .hint(format!("choose at least {SHORTEST}; four or five words that do not belong together are easy to remember")));
    }
    if length > LONGEST {
        return Err(
            Error::invalid(format!("this password is too long: it has {length} characters")).hint(format!("choose at most {LONGEST}"))
        );
    }
    let user = email.split('@').next().unwrap_or_default();
    let bare = bare(text);
    if COMMON.iter().any(|c| *c == text.to_lowercase() || *c == bare) || text.eq_ignore_ascii_case(email) || bare == user.to_lowercase() {
        return Err(Error::invalid("this password is among the first that anybody would guess")
            .hint("choose one that nobody else has: a password manager makes one, or take four or five words at random"));
    }
    let signs: BTreeSet<char> = text.chars().collect();
    if signs.len() < 4 || (length < 16 && signs.iter().all(char::is_ascii_digit)) {
        return Err(Error::invalid("this password has too few different characters").hint("take four or five words at random"));
    }
    Ok(())
}

/// In lower case, without the digits and signs that people put at the end.
fn bare(text: &str) -> String {
    text.to_lowercase().trim_end_matches(|c: char| !c.is_alphabetic()).to_owned()
}

/// The hash to keep.
pub async fn hash(password: &Secret) -> Result<String> {
    let password = password.clone();
    in_line(move || make(&password)).await?
}

/// Is it the password of this hash? Without one (an unknown account, one without a password) the work is the same and
/// the answer no.
pub async fn verify(password: &Secret, hash: Option<&str>) -> Result<bool> {
    let (password, hash) = (password.clone(), hash.map(str::to_owned));
    in_line(move || {
        let dummy = DUMMY.as_ref().map_err(Clone::clone)?;
        let kept = hash.as_deref().unwrap_or(dummy);
        let kept = PasswordHash::new(kept).map_err(|e| Error::internal(format!("a stored password hash cannot be read: {e}")))?;
        let same = settings()?.verify_password(password.expose().as_bytes(), &kept).is_ok();
        Ok(same && hash.is_some())
    })
    .await?
}

async fn in_line<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let _waits = WAITING.try_acquire().map_err(|_| Error::too_many("too many people are signing in at this moment", 5))?;
    let _runs = RUNNING.acquire().await.map_err(|e| Error::internal(e.to_string()))?;
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal(format!("hashing a password: {e}")))
}

fn settings() -> Result<Argon2<'static>> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|e| Error::internal(e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn make(password: &Secret) -> Result<String> {
    let salt = chance::bytes::<16>();
    let hash = settings()?.hash_password_with_salt(password.expose().as_bytes(), &salt).map_err(|e| Error::internal(e.to_string()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_anybody_would_guess_is_refused_with_a_hint() {
        for bad in [
            "short",
            "Password2026!",
            "1234567890",
            "aaaaaaaaaaaa",
            "ababababab",
            "8351907264",
            "ann.example12",
            "QWERTYUIOP",
            &"x".repeat(201),
        ] {
            let e = check(&Secret::new(bad), "ann.example@example.test").unwrap_err();
            assert!(e.hint_text().is_some() && !e.to_string().contains("Password2026"), "{bad}: {e}");
        }
        for good in ["tram lamp owl seven", "größer-als-zehn", &"wxyz".repeat(50), "password of a dog"] {
            check(&Secret::new(good), "ann@example.test").unwrap();
        }
    }

    #[tokio::test]
    async fn a_hash_knows_its_password_and_no_other() {
        let (right, wrong) = (Secret::new("tram lamp owl seven"), Secret::new("tram lamp owl eight"));
        let kept = hash(&right).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(verify(&right, Some(&kept)).await.unwrap());
        assert!(!verify(&wrong, Some(&kept)).await.unwrap());
        assert!(!verify(&right, None).await.unwrap(), "nobody has this password");
        assert_ne!(kept, hash(&right).await.unwrap(), "the salt differs");
    }
}
