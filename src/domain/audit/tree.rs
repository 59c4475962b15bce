//! The Merkle tree of RFC 6962, section 2.1: roots from a compact range, and proofs.

use super::{Hash, sha256};

/// The hash of a leaf: SHA-256(0x00 ‖ bytes).
pub(crate) fn leaf_hash(bytes: &[u8]) -> Hash {
    leaf_hash_in(&mut Vec::with_capacity(bytes.len() + 1), bytes)
}

/// The same with a buffer that is used again: a check hashes millions of leaves.
pub(crate) fn leaf_hash_in(buffer: &mut Vec<u8>, bytes: &[u8]) -> Hash {
    buffer.clear();
    buffer.push(0x00);
    buffer.extend_from_slice(bytes);
    sha256(buffer)
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [0x01; 65];
    let (_, hashes) = bytes.split_at_mut(1);
    let (first, second) = hashes.split_at_mut(32);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    sha256(&bytes)
}

/// What is enough of a tree to append to it: the roots of its perfect subtrees, the largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CompactRange {
    size: u64,
    peaks: Vec<Hash>,
}

impl CompactRange {
    /// A tree of `size` leaves with these peaks; none when the number of peaks is not that of a tree of this size.
    pub(crate) fn new(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (usize::try_from(size.count_ones()).ok()? == peaks.len()).then_some(Self { size, peaks })
    }

    /// Leaves.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, the largest first.
    pub(crate) fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf.
    pub(crate) fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // Each one at the end of the size in binary is a subtree as large as the one to be added.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree; of no leaves, the hash of nothing.
    pub(crate) fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        peaks.next().map_or_else(
            || sha256(b""),
            |last| peaks.fold(*last, |right, left| node_hash(left, &right)),
        )
    }
}

/// Whether `proof` shows that `leaf` is at `index` in the tree of `size` leaves with this root
/// (RFC 9162, section 2.1.3.2, which spells out RFC 6962's).
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "proofs of single events are exported by a later command"
    )
)]
pub(crate) fn proves_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> bool {
    if index >= size {
        return false;
    }
    let (mut index, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            hash = node_hash(sibling, &hash);
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `old_size` leaves is the beginning of the one of `new_size` leaves
/// (RFC 9162, section 2.1.4.2). Nothing is shown about an empty tree.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "anchors outside the store come with sessions")
)]
pub(crate) fn proves_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> bool {
    if old_size == 0 || old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    let mut path = proof.iter();
    let first = if old_size.is_power_of_two() {
        old_root
    } else {
        match path.next() {
            Some(first) => first,
            None => return false,
        }
    };
    let (mut old, mut new) = (old_size - 1, new_size - 1);
    while old & 1 == 1 {
        old >>= 1;
        new >>= 1;
    }
    let (mut from_old, mut from_new) = (*first, *first);
    for sibling in path {
        if new == 0 {
            return false;
        }
        if old & 1 == 1 || old == new {
            from_old = node_hash(sibling, &from_old);
            from_new = node_hash(sibling, &from_new);
            while old & 1 == 0 && old != 0 {
                old >>= 1;
                new >>= 1;
            }
        } else {
            from_new = node_hash(&from_new, sibling);
        }
        old >>= 1;
        new >>= 1;
    }
    new == 0 && from_old == *old_root && from_new == *new_root
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    /// RFC 6962, section 2.1, as it is written there.
    fn root_of(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(b""),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len()));
                node_hash(&root_of(left), &root_of(right))
            }
        }
    }

    /// The largest power of two below `count`.
    fn split(count: usize) -> usize {
        count.next_power_of_two() / 2
    }

    /// RFC 6962, section 2.1.1.
    fn inclusion_proof(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() <= 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        let (mut proof, other) = if index < left.len() {
            (inclusion_proof(index, left), right)
        } else {
            (inclusion_proof(index - left.len(), right), left)
        };
        proof.push(root_of(other));
        proof
    }

    /// RFC 6962, section 2.1.2.
    fn consistency_proof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if whole {
                Vec::new()
            } else {
                vec![root_of(leaves)]
            };
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        if old <= left.len() {
            let mut proof = consistency_proof(old, left, whole);
            proof.push(root_of(right));
            proof
        } else {
            let mut proof = consistency_proof(old - left.len(), right, false);
            proof.push(root_of(left));
            proof
        }
    }

    proptest! {
        #[test]
        fn ranges_and_proofs_agree_with_the_definition(count in 1_usize..200, index in 0_usize..200, old in 1_usize..200) {
            let (index, old) = (index % count, 1 + old % count);
            let leaves: Vec<Hash> = (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let mut range = CompactRange::default();
            for leaf in &leaves {
                range.append(*leaf);
            }
            let root = root_of(&leaves);
            prop_assert_eq!(range.root(), root);
            let again = CompactRange::new(range.size(), range.peaks().to_vec()).unwrap();
            prop_assert_eq!(again.root(), root);
            let (size, at) = (count as u64, index as u64);
            let proof = inclusion_proof(index, &leaves);
            prop_assert!(proves_inclusion(at, size, &leaves[index], &proof, &root));
            prop_assert!(!proves_inclusion(at, size, &leaf_hash(b"other"), &proof, &root));
            let proof = consistency_proof(old, &leaves, true);
            let old_root = root_of(&leaves[..old]);
            prop_assert!(proves_consistency(old as u64, &old_root, size, &root, &proof));
            prop_assert!(!proves_consistency(old as u64, &leaf_hash(b"other"), size, &root, &proof));
        }
    }

    /// The roots that Certificate Transparency's own tests have of the first 1 to 8 of these leaves, in every clone.
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn the_roots_of_eight_leaves_are_those_of_certificate_transparency() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let mut range = CompactRange::default();
        for (leaf, wanted) in leaves.into_iter().zip(ROOTS) {
            range.append(leaf_hash(leaf));
            let hex: String = range
                .root()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(hex, wanted);
        }
    }

    /// Every JSON file below the published vectors of this kind; none when they are not beside the project.
    fn vectors(kind: &str) -> Vec<PathBuf> {
        fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .map(|above| above.join("shared/vectors/merkle/testdata").join(kind))
            .find(|path| path.is_dir());
        if let Some(root) = root {
            walk(&root, &mut found);
        } else {
            crate::domain::audit::tests::skipped(&format!(
                "audit::tree: {kind} proofs: the published vectors are not beside the project"
            ));
        }
        found
    }

    /// A hash, or none where the vector deliberately holds something else.
    fn hash(text: &str) -> Option<Hash> {
        STANDARD.decode(text).unwrap().try_into().ok()
    }

    fn hashes(texts: Option<&Vec<String>>) -> Option<Vec<Hash>> {
        texts.into_iter().flatten().map(|text| hash(text)).collect()
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Inclusion {
        leaf_idx: u64,
        tree_size: u64,
        root: String,
        leaf_hash: String,
        proof: Option<Vec<String>>,
        want_err: bool,
    }

    #[test]
    fn inclusion_proofs_are_judged_as_published() {
        for path in vectors("inclusion") {
            let case: Inclusion = serde_json::from_slice(&crate::fs::read(&path).unwrap()).unwrap();
            let proven = (|| {
                Some(proves_inclusion(
                    case.leaf_idx,
                    case.tree_size,
                    &hash(&case.leaf_hash)?,
                    &hashes(case.proof.as_ref())?,
                    &hash(&case.root)?,
                ))
            })();
            assert_eq!(
                proven.unwrap_or(false),
                !case.want_err,
                "{}",
                path.display()
            );
        }
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Consistency {
        size1: u64,
        size2: u64,
        root1: String,
        root2: String,
        proof: Option<Vec<String>>,
        want_err: bool,
    }

    #[test]
    fn consistency_proofs_are_judged_as_published() {
        for path in vectors("consistency") {
            let case: Consistency =
                serde_json::from_slice(&crate::fs::read(&path).unwrap()).unwrap();
            // Some vectors hold texts of another length in place of a root; what is compared is bytes.
            let root = |text: &str| hash(text).unwrap_or_else(|| sha256(text.as_bytes()));
            let proven = hashes(case.proof.as_ref()).is_some_and(|proof| {
                proves_consistency(
                    case.size1,
                    &root(&case.root1),
                    case.size2,
                    &root(&case.root2),
                    &proof,
                )
            });
            assert_eq!(proven, !case.want_err, "{}", path.display());
        }
    }
}
