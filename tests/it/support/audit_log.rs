//! Writes audit logs by the format of `docs/audit.md`, with no code of the product: what it writes, `squad audit
//! verify` must accept, and what a test changes in it, it must find.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

type Hash = [u8; 32];

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    digest(&SHA256, bytes)
        .as_ref()
        .try_into()
        .expect("32 bytes")
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |digit: u8| char::from_digit(digit.into(), 16).expect("a digit");
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// A key of a device that writes.
pub(crate) struct Key {
    name: String,
    id: [u8; 4],
    pair: Ed25519KeyPair,
}

impl Key {
    /// The key that this seed makes.
    pub(crate) fn new(name: &str, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a key");
        let mut bytes = format!("{name}\n").into_bytes();
        bytes.push(0x01);
        bytes.extend_from_slice(pair.public_key().as_ref());
        Self {
            name: name.to_owned(),
            id: sha256(&bytes)[..4].try_into().expect("4 bytes"),
            pair,
        }
    }

    /// 8 hexadecimal digits.
    pub(crate) fn id(&self) -> String {
        hex(&self.id)
    }

    /// As a C2SP verifier key.
    pub(crate) fn verifier(&self) -> String {
        let mut bytes = vec![0x01];
        bytes.extend_from_slice(self.pair.public_key().as_ref());
        format!("{}+{}+{}", self.name, self.id(), STANDARD.encode(bytes))
    }

    /// The lines below a text that is signed.
    pub(crate) fn note(&self, text: &str) -> String {
        let mut bytes = self.id.to_vec();
        bytes.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        format!("{text}\n— {} {}\n", self.name, STANDARD.encode(bytes))
    }
}

/// A log that is being written.
pub(crate) struct Log {
    directory: PathBuf,
    name: String,
    /// Number of the next commit.
    pub(crate) commits: u64,
    /// Events so far.
    pub(crate) size: u64,
    peaks: Vec<Hash>,
    last: Option<Hash>,
}

impl Log {
    /// An empty log, such as `local/local`, below the root of a store.
    pub(crate) fn new(store: &Path, name: &str) -> Self {
        let directory = store.join(format!("audit/{name}/commit"));
        std::fs::create_dir_all(&directory).expect("a directory");
        Self {
            directory,
            name: name.to_owned(),
            commits: 0,
            size: 0,
            peaks: Vec::new(),
            last: None,
        }
    }

    /// The file of a commit.
    pub(crate) fn path(&self, n: u64) -> PathBuf {
        self.directory.join(format!("{n:020}"))
    }

    /// The root of the tree, by the peaks.
    fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for peak in self.peaks.iter().rev() {
            root = Some(root.map_or(*peak, |right| node(peak, &right)));
        }
        root.unwrap_or_else(|| sha256(b""))
    }

    fn leaf(&mut self, bytes: &[u8]) {
        let mut prefixed = vec![0x00];
        prefixed.extend_from_slice(bytes);
        let mut hash = sha256(&prefixed);
        let mut size = self.size;
        while size % 2 == 1 {
            hash = node(&self.peaks.pop().expect("a peak"), &hash);
            size /= 2;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Appends a commit of these events.
    pub(crate) fn commit(&mut self, key: &Key, events: &[String]) {
        let first = self.first_event(key);
        self.commit_raw(key, &first, events);
    }

    /// What the first event of the next commit is.
    pub(crate) fn first_event(&self, key: &Key) -> String {
        let prev = self
            .last
            .map_or_else(String::new, |last| format!(r#""prev":"{}","#, hex(&last)));
        let (n, log) = (self.commits, &self.name);
        format!(
            r#"{{"data":{{"key":"{}","n":{n},{prev}"writer":"{}"}},"datacontenttype":"application/json","id":"{}","source":"squad:{log}","specversion":"1.0","subject":"commit/{n}","time":"{}","type":"squad.log.committed.v1"}}"#,
            key.verifier(),
            key.id(),
            ulid(900_000 + n),
            time(n),
        )
    }

    /// Appends a commit with any first event.
    pub(crate) fn commit_raw(&mut self, key: &Key, first: &str, events: &[String]) {
        let mut bytes = format!(
            "squad-commit/v1\nstart {}\nn {}\n",
            self.size,
            events.len() + 1
        )
        .into_bytes();
        for event in std::iter::once(first).chain(events.iter().map(String::as_str)) {
            bytes.extend_from_slice(format!("{} {event}\n", event.len()).as_bytes());
            self.leaf(event.as_bytes());
        }
        let peaks: Vec<String> = self
            .peaks
            .iter()
            .map(|peak| STANDARD.encode(peak))
            .collect();
        let peaks = peaks.join(" ");
        let checkpoint = format!(
            "squad.dev/{}\n{}\n{}\n",
            self.name,
            self.size,
            STANDARD.encode(self.root())
        );
        bytes.extend_from_slice(format!("peaks {peaks}\n\n{}", key.note(&checkpoint)).as_bytes());
        std::fs::write(self.path(self.commits), &bytes).expect("a commit");
        self.last = Some(sha256(&bytes));
        self.commits += 1;
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = vec![0x01];
    bytes.extend_from_slice(left);
    bytes.extend_from_slice(right);
    sha256(&bytes)
}

/// A ULID of 2026 that ends with `n`.
pub(crate) fn ulid(n: u64) -> String {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut text = b"01M24BB8G10000000000000000".to_vec();
    let mut rest = n;
    for place in (10..26).rev() {
        text[place] = DIGITS[usize::try_from(rest % 32).expect("small")];
        rest /= 32;
    }
    String::from_utf8(text).expect("ASCII")
}

fn time(n: u64) -> String {
    format!(
        "2026-09-14T{:02}:{:02}:{:02}Z",
        n / 3600 % 24,
        n / 60 % 60,
        n % 60
    )
}

/// An event of about 500 bytes: the intent (`planned`) or the outcome of operation `n`.
pub(crate) fn event(planned: bool, n: u64, service: &str, pad: usize) -> String {
    let (kind, outcome, id) = if planned {
        ("planned", "", 2 * n)
    } else {
        ("finished", r#""outcome":"succeeded","#, 2 * n + 1)
    };
    let pad = if pad == 0 {
        String::new()
    } else {
        format!(r#""reason":"{}","#, "x".repeat(pad))
    };
    format!(
        r#"{{"data":{{"actor":{{"host":"laptop","key":"9f3a12cd","name":"ana@acme.example"}},"after":{{"revision":"{n}"}},"environment":"local",{outcome}{pad}"service":"{service}"}},"datacontenttype":"application/json","id":"{}","operation":"{}","source":"squad:local/local","specversion":"1.0","subject":"service/{service}","time":"{}","type":"squad.deploy.{kind}.v1"}}"#,
        ulid(id),
        ulid(1_000_000_000 + n),
        time(n),
    )
}
