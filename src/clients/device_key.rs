//! This machine's Ed25519 key: made once, kept in a file that only its owner can read, signs commits of audit logs.
//!
//! The file holds one line in the encoding of signed-note's best known implementation (golang.org/x/mod/sumdb/note):
//! `PRIVATE+KEY+<name>+<id>+<base64 of type and seed>`.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::audit::note::{Checkpoint, ED25519_TYPE, VerifierKey};
use crate::fs;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file or its directory.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// The file is not a key.
    #[error("`{}` does not hold a key", .0.display())]
    Damaged(PathBuf),
    /// Others than its owner can read the file.
    #[error("others than its owner can read `{}`", .0.display())]
    Exposed(PathBuf),
    /// The system gives no random numbers.
    #[error("no random numbers")]
    Random,
}

/// The machine's key.
#[derive(Debug)]
pub(crate) struct DeviceKey {
    pair: Ed25519KeyPair,
    public: VerifierKey,
}

impl DeviceKey {
    /// Reads the key, or makes it where there is none. When several processes make it at once, all end with the
    /// same one. `host` becomes the key's name.
    pub(crate) fn load_or_create(path: &Path, host: &str) -> Result<Self, Error> {
        if let Some(key) = Self::load(path)? {
            return Ok(key);
        }
        let directory = path.parent().unwrap_or_else(|| Path::new("."));
        fs::create_private_dir(directory)?;
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| Error::Random)?;
        let key = Self::of(&name_of(host), &seed).ok_or(Error::Random)?;
        let line = key.secret_line(&seed);
        // A whole, synced file appears under the name, or the one of another process already has it.
        let mut file = tempfile::Builder::new()
            .prefix(".device")
            .tempfile_in(directory)
            .map_err(fs::at("create", directory))?;
        file.write_all(line.as_bytes())
            .and_then(|()| file.as_file().sync_all())
            .map_err(fs::at("write", path))?;
        let made = match file.persist_noclobber(path) {
            Ok(_) => Some(key),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => None,
            Err(error) => return Err(fs::at("create", path)(error.error).into()),
        };
        fs::sync_dir(directory)?;
        if let Some(above) = directory.parent() {
            fs::sync_dir(above)?;
        }
        match made {
            Some(key) => Ok(key),
            None => Self::load(path)?.ok_or_else(|| Error::Damaged(path.to_owned())),
        }
    }

    /// The key of the file; none when there is no file.
    fn load(path: &Path) -> Result<Option<Self>, Error> {
        let Some(text) = fs::read_if_there(path)? else {
            return Ok(None);
        };
        let mode = std::fs::metadata(path)
            .map_err(fs::at("read", path))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(Error::Exposed(path.to_owned()));
        }
        Self::read(text.trim_end())
            .map(Some)
            .ok_or_else(|| Error::Damaged(path.to_owned()))
    }

    /// The public half of the key in a file, whoever can read that; none where there is no key that can be read.
    pub(crate) fn public_of(path: &Path) -> Option<VerifierKey> {
        let text = fs::read_if_there(path).ok()??;
        Self::read(text.trim_end()).map(|key| key.public)
    }

    fn read(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("PRIVATE+KEY+")?;
        let mut parts = rest.splitn(3, '+');
        let (name, id, encoded) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = STANDARD.decode(encoded).ok()?;
        let (kind, seed) = bytes.split_first()?;
        let key = Self::of(name, seed.try_into().ok()?)?;
        (*kind == ED25519_TYPE && key.public.id() == id).then_some(key)
    }

    fn of(name: &str, seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = VerifierKey::new(name, pair.public_key().as_ref().try_into().ok()?)?;
        Some(Self { pair, public })
    }

    fn secret_line(&self, seed: &[u8; 32]) -> String {
        let mut bytes = vec![ED25519_TYPE];
        bytes.extend_from_slice(seed);
        let (name, id) = (self.public.name(), self.public.id());
        format!("PRIVATE+KEY+{name}+{id}+{}\n", STANDARD.encode(bytes))
    }

    /// The public half.
    pub(crate) fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// A signed note that says how long the log is and what is in it.
    pub(crate) fn sign(&self, checkpoint: &Checkpoint) -> String {
        let text = checkpoint.to_text();
        let signature = self.pair.sign(text.as_bytes());
        let mut bytes = [0; 64];
        bytes.copy_from_slice(signature.as_ref());
        format!("{text}\n{}", self.public.signature_line(&bytes))
    }
}

/// A host's name as the name of a key, in which signed-note allows no space and no plus.
fn name_of(host: &str) -> String {
    let name: String = host
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => c,
            _ => '-',
        })
        .take(100)
        .collect();
    if name.is_empty() {
        "unnamed".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::note::SignedNote;
    use crate::domain::audit::sha256;

    #[test]
    fn everybody_who_makes_the_key_at_once_ends_with_the_same_one() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("keys/device.ed25519");
        let ids: Vec<String> = std::thread::scope(|scope| {
            let make = || {
                DeviceKey::load_or_create(&path, "my host+1")
                    .unwrap()
                    .public()
                    .to_string()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert!(ids[0].starts_with("my-host-1+"));
        let directory = std::fs::read_dir(home.path().join("keys")).unwrap();
        assert_eq!(directory.count(), 1);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn signatures_are_verified_by_the_public_half() {
        let home = tempfile::tempdir().unwrap();
        let key = DeviceKey::load_or_create(&home.path().join("k"), "host").unwrap();
        let checkpoint = Checkpoint {
            origin: "squad.dev/acme/prod".into(),
            size: 3,
            root: sha256(b""),
        };
        let note = key.sign(&checkpoint);
        let note = SignedNote::parse(&note).unwrap();
        let verifier = key.public().verifier().unwrap();
        let signature = note.by(key.public()).unwrap();
        assert!(verifier.verifies(note.text.as_bytes(), &signature));
    }

    #[test]
    fn a_damaged_or_exposed_key_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("k");
        fs::write_durably(&path, b"PRIVATE+KEY+host+00000000+AAAA\n", 0o600).unwrap();
        let damaged = DeviceKey::load_or_create(&path, "host");
        assert!(matches!(damaged, Err(Error::Damaged(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let exposed = DeviceKey::load_or_create(&path, "host");
        assert!(matches!(exposed, Err(Error::Exposed(_))));
    }
}
