//! How a webhook proves that it is ours: the headers of the Standard Webhooks specification, for which every language has
//! a verifier. The signature is over id, time and body, so that none of them can be exchanged and a copy grows old.

use crate::base::chance;
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::secret::{Secret, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const PREFIX: &str = "whsec_";

/// The secret that we share with the receiver of a webhook: `whsec_` and 32 bytes in base64.
#[derive(Clone, Debug)]
pub struct Key(Secret);

impl Key {
    pub fn fresh() -> Self {
        Self(Secret::new(format!("{PREFIX}{}", STANDARD.encode(chance::bytes::<32>()))))
    }
    /// # Errors
    /// `Invalid` when it is no such secret.
    pub fn parse(text: Secret) -> Result<Self> {
        Self(text).bytes().map(|(key, _)| key)
    }
    /// As the receiver gets it, once.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
    /// `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    ///
    /// # Errors
    /// None for a key that was parsed.
    pub fn headers(&self, id: &str, at: Millis, body: &str) -> Result<[(&'static str, String); 3]> {
        let seconds = (at.0 / Millis::SECOND).to_string();
        let (_, key) = self.clone().bytes()?;
        let mac = hmac(&key, &[id.as_bytes(), b".", seconds.as_bytes(), b".", body.as_bytes()]);
        let signature = format!("v1,{}", STANDARD.encode(mac));
        Ok([("webhook-id", id.to_owned()), ("webhook-timestamp", seconds), ("webhook-signature", signature)])
    }
    fn bytes(self) -> Result<(Self, Vec<u8>)> {
        let bytes = self.0.expose().strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok()).filter(|b| b.len() >= 24);
        let bytes = bytes.ok_or_else(|| Error::invalid("this is not the secret of a webhook").hint("it begins with whsec_"))?;
        Ok((self, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the specification's own libraries are tested with.
    #[test]
    fn a_message_is_signed_as_the_specification_says() {
        let key = Key::parse(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let headers = key.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", Millis(1_614_265_330_000), "{\"test\": 2432232314}").unwrap();
        assert_eq!(headers[1].1, "1614265330");
        assert_eq!(headers[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_fresh_key_reads_back_and_what_is_none_does_not() {
        let key = Key::fresh();
        assert!(Key::parse(key.secret().clone()).is_ok());
        for wrong in ["", "whsec_", "whsec_AAAA", "secret", "whsec_not base64 at all, but long enough for one"] {
            assert!(Key::parse(Secret::new(wrong)).is_err(), "{wrong}");
        }
    }
}
