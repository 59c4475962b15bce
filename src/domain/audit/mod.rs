//! The audit log as values: events, their bytes, the tree over them, and what a check finds.
//!
//! An event is RFC 8785 canonical JSON ([`json`]); its bytes are a leaf of an RFC 6962 Merkle tree ([`tree`]);
//! leaves travel in numbered commits ([`frame`]), each with a C2SP checkpoint ([`note`]) that the writer's
//! device signed. [`check`] holds one commit against the state of the log before it. Nothing here reads or
//! writes anything.

pub(crate) mod check;
pub(crate) mod event;
pub(crate) mod frame;
pub(crate) mod json;
pub(crate) mod note;
pub(crate) mod tree;
pub(crate) mod verdict;

/// A SHA-256 hash.
pub(crate) type Hash = [u8; 32];

/// Hashes bytes as they are.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// A hash as 64 lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    /// Names a test that could not run here, for the closing line of `tests/run`.
    pub(super) fn skipped(line: &str) {
        eprintln!("skipped: {line}");
        let Some(path) = std::env::var_os("SQUAD_TEST_SKIPS") else {
            return;
        };
        let opened = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path);
        let line = format!("skipped: {line}\n");
        std::io::Write::write_all(&mut opened.unwrap(), line.as_bytes()).unwrap();
    }
}
