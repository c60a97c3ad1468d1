//! The text of a link: `ID.EXPIRY.BINDING.SIGNATURE`.
//!
//! The signature is HMAC-SHA-256 over everything before it, so that nothing is looked up for a text that we did not make.
//! The binding says of what: tenant, backup, element and path, which only the row can tell; it is compared once that is there.
//! Both keys are derived from the master key for this one purpose. Nothing is decoded: what is brought is compared with
//! what we would have written, so each link has one spelling.

use crate::base::clock::Millis;
use crate::base::secret::{Sealer, Secret, base64url, hmac};
use crate::db::links::Link;
use crate::domain::ids::LinkId;
use subtle::ConstantTimeEq;

/// Bytes of the binding: as strong as the id of a link is long.
const BINDING: usize = 16;

/// Keys for links.
pub(super) struct Signer {
    signature: [u8; 32],
    binding: [u8; 32],
}

/// What a text says that we signed.
#[derive(Debug)]
pub(super) struct Claim {
    pub id: LinkId,
    expires: String,
    binding: String,
}

impl Signer {
    pub fn of(sealer: &Sealer) -> Self {
        Self { signature: sealer.derive("download link: signature"), binding: sealer.derive("download link: binding") }
    }

    pub fn sign(&self, link: &Link) -> Secret {
        let (expires, binding) = (base36(Millis(link.expires_at)), self.binding(link));
        let signed = [link.id.trim_start_matches("lnk_"), &expires, &binding].join(".");
        Secret::new(format!("{signed}.{}", self.signature(&signed)))
    }

    /// # Errors
    /// `None` for whatever was not made by [`Signer::sign`]; no difference is told.
    pub fn verify(&self, token: &str) -> Option<Claim> {
        if token.len() > 200 {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        if !same(&self.signature(signed), signature) {
            return None;
        }
        let mut parts = signed.split('.');
        let (id, expires, binding) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Claim { id: LinkId(format!("lnk_{id}")), expires: expires.to_owned(), binding: binding.to_owned() })
    }

    /// Is this row the one that the text was made for, as it was made?
    pub fn is_of(&self, claim: &Claim, token: &str, link: &Link) -> bool {
        let hash = Secret::new(token).sha256();
        same(&claim.binding, &self.binding(link)) & same(&claim.expires, &base36(Millis(link.expires_at))) & same(&hash, &link.secret_hash)
    }

    fn signature(&self, signed: &str) -> String {
        base64url(&hmac(&self.signature, &[b"sitekeep download 1\0", signed.as_bytes()]))
    }

    fn binding(&self, link: &Link) -> String {
        // A link to a whole element is bound as it was before there were others: it stays good. No path begins like an archive.
        let archive = link.archive_id.as_ref().map(|id| format!("/archive/{id}"));
        let parts =
            [Some(&link.id), Some(&link.tenant_id), Some(&link.backup_id), Some(&link.element), link.path.as_ref(), archive.as_ref()];
        let bytes: Vec<u8> =
            parts.iter().flatten().flat_map(|part| [&(part.len() as u64).to_be_bytes()[..], part.as_bytes()].concat()).collect();
        base64url(&hmac(&self.binding, &[&bytes, &link.expires_at.to_be_bytes()])[..BINDING])
    }
}

/// In a time that does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

fn base36(at: Millis) -> String {
    let (mut rest, mut digits) = (at.0.unsigned_abs(), Vec::new());
    while digits.is_empty() || rest > 0 {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize]);
        rest /= 36;
    }
    digits.into_iter().rev().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::chance;
    use crate::domain::ids::{BackupId, TenantId};

    fn link() -> Link {
        Link {
            id: LinkId::fresh().0,
            tenant_id: TenantId::fresh().0,
            backup_id: BackupId::fresh().0,
            element: "files".into(),
            path: None,
            path_size: None,
            archive_id: None,
            max_uses: None,
            secret_hash: String::new(),
            created_by: String::new(),
            created_by_email: String::new(),
            created_at: 0,
            expires_at: 1_795_230_000_000,
            revoked_at: None,
            revoked_by: None,
            uses: 0,
            last_used_at: None,
        }
    }

    fn signed(signer: &Signer, mut link: Link) -> (String, Link) {
        let token = signer.sign(&link);
        link.secret_hash = token.sha256();
        (token.expose().to_owned(), link)
    }

    /// Accepted in whole: by the signature, and then by the row.
    fn opens(signer: &Signer, token: &str, link: &Link) -> bool {
        signer.verify(token).is_some_and(|claim| claim.id.0 == link.id && signer.is_of(&claim, token, link))
    }

    /// Everything that one could try on a good link, without the key.
    fn mutation(n: usize, token: &str, other: &str) -> Vec<u8> {
        let mut bytes = token.as_bytes().to_vec();
        let at = chance::bytes::<2>();
        let at = usize::from(u16::from_be_bytes(at)) % bytes.len();
        match n % 8 {
            0 => bytes[at] ^= 1 << (chance::bytes::<1>()[0] % 8),
            1 => bytes.truncate(at),
            2 => bytes.insert(at, chance::bytes::<1>()[0]),
            3 => drop(bytes.remove(at)),
            4 => {
                bytes[at] =
                    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=."[usize::from(chance::bytes::<1>()[0]) % 68]
            }
            5 => bytes.extend_from_slice([&b"="[..], b"==", b"A", b".", b"\0", b" ", b"%3D", b"\n"][at % 8]),
            6 => {
                let (mine, theirs): (Vec<_>, Vec<_>) = (token.split('.').collect(), other.split('.').collect());
                let which = 1 + at % 14; // never all of the other's, never all of ours
                return (0..4).map(|i| if which >> i & 1 == 1 { theirs[i] } else { mine[i] }).collect::<Vec<_>>().join(".").into_bytes();
            }
            _ => bytes.make_ascii_uppercase(),
        }
        bytes
    }

    #[test]
    fn of_a_million_altered_links_none_opens() {
        let signer = Signer::of(&Sealer::ephemeral());
        let ((token, row), (other, _)) = (signed(&signer, link()), signed(&signer, link()));
        assert!(opens(&signer, &token, &row) && token.len() < 110);
        let mut tried = 0;
        for n in 0..1_100_000 {
            let bytes = mutation(n, &token, &other);
            let altered = String::from_utf8_lossy(&bytes);
            if altered != token {
                tried += 1;
                assert!(signer.verify(&altered).is_none() || altered == other, "{altered} was accepted for {token}");
            }
        }
        assert!(tried >= 1_000_000, "{tried}");
    }

    #[test]
    fn a_signature_is_for_one_row_one_expiry_one_purpose_and_one_key() {
        let sealer = Sealer::ephemeral();
        let signer = Signer::of(&sealer);
        let (token, row) = signed(&signer, link());
        let changes: [fn(&mut Link); 7] = [
            |l| l.expires_at += 1,
            |l| l.tenant_id = TenantId::fresh().0,
            |l| l.backup_id = BackupId::fresh().0,
            |l| l.element = "code".into(),
            |l| l.path = Some("files/a".into()),
            |l| l.archive_id = Some("arc_x".into()),
            |l| l.secret_hash = Secret::new("x").sha256(),
        ];
        for (n, change) in changes.iter().enumerate() {
            let mut moved = row.clone();
            change(&mut moved);
            assert!(!opens(&signer, &token, &moved), "change {n}");
        }
        // A longer life, signed with what an outsider has: the old signature, or one with another key or purpose.
        let later = Link { expires_at: row.expires_at + 1, ..row.clone() };
        let foreign = [
            Signer::of(&Sealer::ephemeral()),
            Signer { signature: sealer.derive("download link: binding"), binding: sealer.derive("download link: binding") },
            Signer { signature: sealer.derive("password reset"), binding: sealer.derive("download link: binding") },
        ];
        for other in foreign {
            assert!(signer.verify(other.sign(&later).expose()).is_none());
        }
        let (head, tail) = token.split_once('.').unwrap();
        let rest = tail.split_once('.').unwrap().1;
        assert!(signer.verify(&format!("{head}.{}.{rest}", base36(Millis(later.expires_at)))).is_none());
    }

    #[test]
    fn numbers_are_written_in_base_36() {
        assert_eq!((base36(Millis(0)), base36(Millis(35)), base36(Millis(36))), ("0".into(), "z".into(), "10".into()));
    }
}
