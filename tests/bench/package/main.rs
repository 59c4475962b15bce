//! What the bench of packages runs inside the process: a tree becomes a zip in a cache.
//!
//! ```text
//! package-bench <artifact> <cache>      one line: milliseconds, bytes, CodeSha256, digest of the tree
//! ```
//! It is made of the library's own files and is built only with `--features bench`, so nothing of it is shipped.
#![allow(
    warnings,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "the library's files are linted with the library; this is a measurement"
)]

#[path = "../../../src/clients/mod.rs"]
mod clients;
#[path = "../../../src/clock.rs"]
mod clock;
#[path = "../../../src/domain/mod.rs"]
mod domain;
#[path = "../../../src/env.rs"]
mod env;
#[path = "../../../src/fs.rs"]
mod fs;

use std::path::Path;
use std::time::Instant;

use crate::clients::zip::{Package, Tree};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let started = Instant::now();
    let tree = Tree::read(Path::new(&arguments[0]), &[]).expect("a tree");
    let package = Package::of(&tree, Path::new(&arguments[1])).expect("a package");
    // A deploy hands all of it on, as the body of one request.
    let bytes = package.bytes().expect("its bytes");
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    println!(
        "{milliseconds:.3} {} {} {}",
        bytes.len(),
        package.code_sha256(),
        package.tree().hex()
    );
}
