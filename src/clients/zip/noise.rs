//! Whether contents shrink when they are packed: shared objects and models often hold what is packed already, and trying
//! costs more time than all the rest.
//!
//! Depends on the bytes alone, never on how they were read: the same tree gives the same zip everywhere.

use std::io::{self, Write};

/// Of each stretch of so many bytes …
const STRETCH: u64 = 128 * 1024;
/// … so many are looked at.
const LOOKED_AT: u64 = 4 * 1024;
/// Smaller contents are packed whatever they are: that takes no time.
const SMALLEST: u64 = 32 * 1024;

/// Takes contents, and counts how often each byte is among those that are looked at.
pub(super) struct Sample {
    offset: u64,
    counts: [u64; 256],
}

impl Sample {
    pub(super) fn new() -> Self {
        Self {
            offset: 0,
            counts: [0; 256],
        }
    }

    /// Whether every byte is about as frequent as every other one: then Huffman's codes save nothing, and what else deflate
    /// finds in it is little. Of n such bytes the sum of the squares of all counts is expected to be n²/256 + n; text has
    /// ten times as much, machine code more. In whole numbers, so that no machine rounds otherwise.
    pub(super) fn is_noise(&self) -> bool {
        if self.offset < SMALLEST {
            return false;
        }
        let total: u64 = self.counts.iter().sum();
        let squares: u64 = self.counts.iter().map(|count| count * count).sum();
        256 * squares <= total * total / 50 * 51 + 512 * total
    }

    fn count(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(count) = self.counts.get_mut(usize::from(*byte)) {
                *count += 1;
            }
        }
    }
}

impl Write for Sample {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let place = self.offset % STRETCH;
            let (end, is_looked_at) = if place < LOOKED_AT {
                (LOOKED_AT, true)
            } else {
                (STRETCH, false)
            };
            let length = usize::try_from(end - place)
                .unwrap_or(rest.len())
                .min(rest.len());
            let (now, later) = rest.split_at(length);
            if is_looked_at {
                self.count(now);
            }
            self.offset += now.len() as u64;
            rest = later;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without a pattern (xorshift64, Marsaglia 2003).
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .flatten()
        .take(length)
        .collect()
    }

    fn is_noise(bytes: &[u8], chunk: usize) -> bool {
        let mut sample = Sample::new();
        for part in bytes.chunks(chunk) {
            sample.write_all(part).unwrap();
        }
        sample.is_noise()
    }

    #[test]
    fn only_what_has_no_pattern_is_noise_however_it_is_read() {
        for length in [32 * 1024, 131_073, 700_000] {
            let noise = noise(length);
            for chunk in [1000, 4096, 128 * 1024, length] {
                assert!(is_noise(&noise, chunk), "{length} in {chunk}");
            }
            // As base64 it shrinks by a quarter, as half of a file by a half.
            let text: Vec<u8> = noise.iter().map(|byte| byte % 64 + b'0').collect();
            assert!(!is_noise(&text, 4096), "{length}");
            let zeros: Vec<u8> = noise
                .iter()
                .enumerate()
                .map(|(place, byte)| if place % 2 == 0 { 0 } else { *byte })
                .collect();
            assert!(!is_noise(&zeros, 4096), "{length}");
        }
        assert!(!is_noise(&noise(32 * 1024 - 1), 4096));
        assert!(!is_noise(&[], 1));
        assert!(!is_noise(
            "def handler(event, context):\n".repeat(9000).as_bytes(),
            777
        ));
    }
}
