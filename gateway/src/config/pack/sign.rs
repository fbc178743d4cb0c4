//! Ed25519 signatures of packs, as hex: of the bytes of the file, nothing else, so that other tools can check and make them.

use std::fmt::Write as _;

use ed25519_compact::{KeyPair, Seed, Signature};

pub(super) use ed25519_compact::PublicKey;

/// Bytes of a secret key (a seed) and of a public one.
pub const KEY: usize = 32;

/// A public key out of its 64 hex digits.
pub(super) fn public(hex: &str) -> Option<PublicKey> {
    PublicKey::from_slice(&unhex(hex)?).ok()
}

/// Whether these are the 64 hex digits of a key.
pub fn is_key(hex: &str) -> bool {
    public(hex).is_some()
}

/// Whether `signature` is of these bytes, by this key.
pub(super) fn verifies(key: &PublicKey, bytes: &[u8], signature: &str) -> bool {
    let signature = unhex(signature).and_then(|signature| Signature::from_slice(&signature).ok());
    signature.is_some_and(|signature| key.verify(bytes, &signature).is_ok())
}

/// The same with a key as it is written in `[packs] trust`.
pub fn is_by(key: &str, bytes: &[u8], signature: &str) -> bool {
    public(key).is_some_and(|key| verifies(&key, bytes, signature.trim()))
}

/// A key out of its seed.
#[derive(Debug)]
pub struct Signer(KeyPair);

impl Signer {
    pub fn of_seed(seed: [u8; KEY]) -> Self {
        Self(KeyPair::from_seed(Seed::new(seed)))
    }

    /// Reads the 64 hex digits of a key file.
    pub fn read(hex: &[u8]) -> Option<Self> {
        let seed = unhex(std::str::from_utf8(hex).ok()?.trim())?;
        Some(Self::of_seed(seed.try_into().ok()?))
    }

    /// What a key file holds.
    pub fn seed(&self) -> String {
        hex(self.0.sk.seed().as_ref())
    }

    /// For `[packs] trust`.
    pub fn public(&self) -> String {
        hex(self.0.pk.as_ref())
    }

    pub fn sign(&self, bytes: &[u8]) -> String {
        hex(self.0.sk.sign(bytes, None).as_ref())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    const PACK: &[u8] = b"[pack]\nname = \"water-supply\"\n";

    /// RFC 8032, 7.1, test 2: a message of one byte.
    #[test]
    fn a_signature_is_that_of_the_standard() {
        let signer =
            Signer::read(b"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb\n").expect("a seed");
        assert_eq!(signer.public(), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(signer.sign(&[0x72]), signature);
        assert!(is_by(&signer.public(), &[0x72], signature));
        assert!(!is_by(&signer.public(), &[0x73], signature));
        let other = Signer::of_seed([7; KEY]);
        assert!(!is_by(&other.public(), &[0x72], signature));
        for nonsense in ["", "9", "zz", &"00".repeat(64), &"ff".repeat(64)] {
            assert!(!is_by(&signer.public(), &[0x72], nonsense), "{nonsense}");
        }
        // A key of small order would believe anything.
        assert!(!is_by(&format!("01{}", "00".repeat(31)), &[0x72], &format!("01{}", "00".repeat(63))));
    }

    proptest! {
        #[test]
        fn any_signature_and_key_are_survived(
            key in "([0-9a-f]{64}|\\PC{0,70})",
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            signature in "([0-9a-fA-F]{128}|[0-9a-f]{0,130}|\\PC{0,130})",
        ) {
            prop_assert!(!is_by(&key, &bytes, &signature), "nobody has signed that");
            let _ = Signer::read(key.as_bytes());
            let _ = Signer::read(&bytes);
        }

        #[test]
        fn a_mutated_signature_is_survived_and_not_believed(
            (at, byte) in (any::<Index>(), any::<u8>()),
            of_the_bytes in any::<bool>(),
        ) {
            static SIGNED: LazyLock<(String, String)> = LazyLock::new(|| {
                let signer = Signer::of_seed([7; KEY]);
                (signer.public(), signer.sign(PACK))
            });
            let (public, signature) = &*SIGNED;
            let (mut bytes, mut damaged) = (PACK.to_vec(), signature.clone().into_bytes());
            let part = if of_the_bytes { &mut bytes } else { &mut damaged };
            let at = at.index(part.len());
            part[at] = byte;
            let damaged = String::from_utf8_lossy(&damaged);
            let same = bytes == PACK && damaged.trim().eq_ignore_ascii_case(signature);
            prop_assert_eq!(is_by(public, &bytes, &damaged), same);
        }
    }
}
