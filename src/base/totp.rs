//! The second factor: codes of six digits that change every thirty seconds (RFC 6238).

use super::chance;
use super::clock::Millis;
use super::error::{Error, Result};
use super::secret::Secret;
use totp_rs::{Builder, Totp};

const STEP: u64 = 30;

/// A new key of 160 bits, in base 32, as people type it where no picture can be read.
pub fn fresh() -> Secret {
    Secret::new(totp_rs::Secret::new_stack(chance::bytes()).to_base32())
}

/// The address that an authenticator app reads.
pub fn url(key: &Secret, email: &str) -> Result<Secret> {
    of(key, email)?.to_url().map(Secret::new).map_err(internal)
}

/// The same as a picture to point a camera at: `data:image/png;base64,…`.
pub fn picture(key: &Secret, email: &str) -> Result<Secret> {
    let png = of(key, email)?.to_qr_base64().map_err(internal)?;
    Ok(Secret::new(format!("data:image/png;base64,{png}")))
}

/// The step to which a code belongs: this one, the one before or the one after. Whoever asks keeps it, so that no code
/// is good twice.
pub fn check(key: &Secret, code: &str, now: Millis) -> Result<Option<i64>> {
    let step = of(key, "")?.check(code, seconds(now));
    Ok(step.and_then(|step| i64::try_from(step).ok()))
}

/// The code of a moment, as an app would show it.
pub fn code(key: &Secret, at: Millis) -> Result<String> {
    Ok(of(key, "")?.generate(seconds(at)).to_string())
}

fn seconds(at: Millis) -> u64 {
    u64::try_from(at.0 / Millis::SECOND).unwrap_or_default()
}

fn of(key: &Secret, email: &str) -> Result<Totp> {
    let bytes =
        totp_rs::Secret::try_from_base32(key.expose()).map_err(|_| Error::damaged("the key of the second factor is not base 32"))?;
    // A colon separates the two in the address; an e-mail address may hold one between quotation marks.
    let name = email.replace(':', "");
    Builder::new()
        .with_secret(bytes)
        .with_step_duration(STEP)
        .with_issuer(Some("Sitekeep"))
        .with_account_name(name)
        .build()
        .map_err(internal)
}

/// Its own words may hold the address, and with it the key.
fn internal(_: totp_rs::TotpError) -> Error {
    Error::internal("the second factor's key cannot be used")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_one_step_early_or_late_and_no_further() {
        let (key, now) = (fresh(), Millis(1_795_230_015_000));
        let step = now.0 / 30_000;
        for (shift, good) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let code = code(&key, now.plus(shift * 30_000)).unwrap();
            assert_eq!(check(&key, &code, now).unwrap(), good.then_some(step + shift), "{shift}");
        }
        for bad in ["", "12345", "1234567", "+12345", "abcdef", "٠١٢٣٤٥"] {
            assert_eq!(check(&key, bad, now).unwrap(), None, "{bad}");
        }
    }

    #[test]
    fn the_codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, the last six digits.
        let key = Secret::new(totp_rs::Secret::new_stack(*b"12345678901234567890").to_base32());
        assert_eq!(code(&key, Millis(59_000)).unwrap(), "287082");
        assert_eq!(code(&key, Millis(1_111_111_109_000)).unwrap(), "081804");
    }

    #[test]
    fn an_app_reads_who_it_is_for() {
        let key = fresh();
        let url = url(&key, "ann@example.test").unwrap();
        assert!(url.expose().starts_with("otpauth://totp/Sitekeep:ann%40example.test?"), "{}", url.expose());
        assert!(url.expose().contains(key.expose()));
        assert!(picture(&key, "ann@example.test").unwrap().expose().starts_with("data:image/png;base64,iVBOR"));
    }
}
