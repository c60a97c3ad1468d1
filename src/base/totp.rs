//! The second factor: codes of six digits that change every thirty seconds (RFC 6238).

use super::chance;
use super::clock::Millis;
use super::error::{Error, Result};
use super::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qrcodegen::{QrCode, QrCodeEcc};
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

/// The same as a picture to point a camera at: `data:image/svg+xml;base64,…`.
pub fn picture(key: &Secret, email: &str) -> Result<Secret> {
    let code = QrCode::encode_text(url(key, email)?.expose(), QrCodeEcc::Medium)
        .map_err(|_| Error::internal("the second factor's key is too long for a picture"))?;
    Ok(Secret::new(format!("data:image/svg+xml;base64,{}", STANDARD.encode(drawn(&code)))))
}

/// A square for each dark module, and the quiet zone of four modules around them that cameras want (ISO/IEC 18004).
fn drawn(code: &QrCode) -> String {
    const QUIET: i32 = 4;
    let (size, mut path) = (code.size(), String::new());
    for (y, x) in (0..size).flat_map(|y| (0..size).map(move |x| (y, x))).filter(|(y, x)| code.get_module(*x, *y)) {
        path.push_str(&format!("M{},{}h1v1h-1z", x + QUIET, y + QUIET));
    }
    let side = size + 2 * QUIET;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0,0h{side}v{side}h-{side}z\"/><path d=\"{path}\"/></svg>"
    )
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
    }

    #[test]
    fn the_picture_is_a_square_with_a_quiet_zone_and_the_three_corners_that_cameras_look_for() {
        let picture = picture(&fresh(), "ann@example.test").unwrap();
        let bytes = STANDARD.decode(picture.expose().strip_prefix("data:image/svg+xml;base64,").unwrap()).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let side: i32 = text.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let dark = |x: i32, y: i32| text.contains(&format!("M{x},{y}h1v1h-1z"));
        for (left, top) in [(4, 4), (side - 11, 4), (4, side - 11)] {
            for n in 0..7 {
                assert!(dark(left + n, top) && dark(left + n, top + 6) && dark(left, top + n) && dark(left + 6, top + n));
            }
            assert!(dark(left + 3, top + 3) && !dark(left + 1, top + 1));
        }
        for n in 0..side {
            assert!((0..4).all(|edge| !dark(n, edge) && !dark(edge, n) && !dark(n, side - 1 - edge) && !dark(side - 1 - edge, n)));
        }
    }
}
