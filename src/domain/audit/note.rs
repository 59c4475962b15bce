//! C2SP signed notes (c2sp.org/signed-note) and checkpoints (c2sp.org/tlog-checkpoint) with Ed25519 keys.
//!
//! Making a signature needs a private key and is not done here (`clients::device_key`).

use std::fmt;

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Hash, hex, sha256};

/// The signature type of Ed25519 in key ids and key encodings (signed-note, "Signature types").
pub(crate) const ED25519_TYPE: u8 = 0x01;

/// The public half of a key that signs commits, with its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct VerifierKey {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

impl VerifierKey {
    /// A key with this name; none when the name is empty or holds a space or a plus, which signed-note forbids.
    pub(crate) fn new(name: &str, public: [u8; 32]) -> Option<Self> {
        let good = !name.is_empty() && !name.contains('+') && !name.contains(char::is_whitespace);
        good.then(|| Self {
            name: name.to_owned(),
            id: key_id(name, &public),
            public,
        })
    }

    /// Reads `<name>+<id>+<base64 of type and key>`; none when it is not such a text or the id is not the key's.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (name, id, encoded) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = STANDARD.decode(encoded).ok()?;
        let (kind, public) = bytes.split_first()?;
        let key = Self::new(name, public.try_into().ok()?)?;
        (*kind == ED25519_TYPE && key.id() == id).then_some(key)
    }

    /// 8 hexadecimal digits.
    pub(crate) fn id(&self) -> String {
        hex(&self.id)
    }

    /// The device's name, as it was when the key was made.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The key prepared for many checks.
    pub(crate) fn verifier(&self) -> Option<Verifier> {
        let parsed = ParsedPublicKey::new(&ED25519, self.public).ok()?;
        Some(Verifier {
            key: self.clone(),
            parsed,
        })
    }

    /// The line that a signature by this key is in a note.
    pub(crate) fn signature_line(&self, signature: &[u8; 64]) -> String {
        let mut bytes = self.id.to_vec();
        bytes.extend_from_slice(signature);
        format!("— {} {}\n", self.name, STANDARD.encode(bytes))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519_TYPE];
        bytes.extend_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, self.id(), STANDARD.encode(bytes))
    }
}

/// A [`VerifierKey`] prepared for many checks.
#[derive(Debug, Clone)]
pub(crate) struct Verifier {
    /// The key.
    pub(crate) key: VerifierKey,
    parsed: ParsedPublicKey,
}

impl Verifier {
    /// Whether `signature` is this key's over `text`.
    pub(crate) fn verifies(&self, text: &[u8], signature: &[u8; 64]) -> bool {
        self.parsed.verify_sig(text, signature).is_ok()
    }
}

/// SHA-256(name ‖ 0x0A ‖ type ‖ public key), the first four bytes (signed-note, "Ed25519").
fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let mut bytes = name.as_bytes().to_vec();
    bytes.extend_from_slice(&[b'\n', ED25519_TYPE]);
    bytes.extend_from_slice(public);
    let hash = sha256(&bytes);
    let mut id = [0; 4];
    id.copy_from_slice(hash.split_at(4).0);
    id
}

/// How many events a log has, and the root of the tree over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// The log's name in the world, such as `squad.dev/acme/prod`.
    pub(crate) origin: String,
    /// Events.
    pub(crate) size: u64,
    /// The root of the tree.
    pub(crate) root: Hash,
}

impl Checkpoint {
    /// The text that is signed: three lines.
    pub(crate) fn to_text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root)
        )
    }

    /// Reads the text of a note; none unless it is exactly the three lines that [`Self::to_text`] writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let checkpoint = Self {
            origin: lines.next()?.to_owned(),
            size: lines.next()?.parse().ok()?,
            root: STANDARD.decode(lines.next()?).ok()?.try_into().ok()?,
        };
        (checkpoint.to_text() == text && !checkpoint.origin.is_empty()).then_some(checkpoint)
    }
}

/// A text with the signatures below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignedNote<'a> {
    /// What is signed, with its last newline.
    pub(crate) text: &'a str,
    /// At least one.
    pub(crate) signatures: Vec<Signature<'a>>,
}

/// One line of signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature<'a> {
    /// The key's name.
    pub(crate) name: &'a str,
    /// The key's id: 8 hexadecimal digits.
    pub(crate) id: String,
    /// The bytes after the id; 64 for Ed25519.
    pub(crate) bytes: Vec<u8>,
}

impl<'a> SignedNote<'a> {
    /// Reads a note; none when it is not one.
    pub(crate) fn parse(note: &'a str) -> Option<Self> {
        let at = note.rfind("\n\n")?;
        let (text, rest) = note.split_at(at + 1);
        let lines = rest.strip_prefix('\n')?.strip_suffix('\n')?;
        let signatures = lines
            .split('\n')
            .map(|line| {
                let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
                let bytes = STANDARD.decode(encoded).ok()?;
                let (id, bytes) = bytes.split_at_checked(4)?;
                Some(Signature {
                    name,
                    id: hex(id),
                    bytes: bytes.to_vec(),
                })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self { text, signatures })
    }

    /// The signature that says it is by this key.
    pub(crate) fn by(&self, key: &VerifierKey) -> Option<[u8; 64]> {
        self.signatures
            .iter()
            .find(|signature| signature.name == key.name() && signature.id == key.id())
            .and_then(|signature| signature.bytes.as_slice().try_into().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and note of the documentation of golang.org/x/mod/sumdb/note.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn verifies_a_note_that_other_software_signed() {
        let key = VerifierKey::parse(KEY).unwrap();
        assert_eq!(
            (key.name(), key.id().as_str()),
            ("PeterNeumann", "c74f20a3")
        );
        assert_eq!(key.to_string(), KEY);
        let note = SignedNote::parse(NOTE).unwrap();
        let signature = note.by(&key).unwrap();
        let verifier = key.verifier().unwrap();
        assert!(verifier.verifies(note.text.as_bytes(), &signature));
        assert!(!verifier.verifies(b"If you think otherwise\n", &signature));
        assert_eq!(
            format!("{}\n{}", note.text, key.signature_line(&signature)),
            NOTE
        );
    }

    #[test]
    fn reads_only_well_formed_keys_notes_and_checkpoints() {
        for bad in [
            "",
            "a+b",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+AhpcARpc",
        ] {
            assert_eq!(VerifierKey::parse(bad), None, "{bad}");
        }
        for bad in [
            "",
            "text\n",
            "text\n\n",
            "text\n\n— name\n",
            "text\n\n— name !!\n",
        ] {
            assert_eq!(SignedNote::parse(bad), None, "{bad:?}");
        }
        let checkpoint = Checkpoint {
            origin: "squad.dev/acme/prod".into(),
            size: 17,
            root: sha256(b""),
        };
        assert_eq!(Checkpoint::parse(&checkpoint.to_text()), Some(checkpoint));
        for bad in [
            "",
            "o\n1\n",
            "o\n01\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
            "o\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nmore\n",
            "\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        ] {
            assert_eq!(Checkpoint::parse(bad), None, "{bad:?}");
        }
    }
}
