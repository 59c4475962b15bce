//! Trees of every kind, packed.

#![expect(clippy::disallowed_methods, reason = "tests write files")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

struct Place {
    home: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    }

    fn mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.at(name), PermissionsExt::from_mode(mode)).unwrap();
    }

    /// Packed into a cache of its own.
    fn pack(&self, artifact: &str) -> Package {
        let cache = tempfile::tempdir_in(self.home.path()).unwrap();
        Package::of(&self.tree(artifact), cache.path()).unwrap()
    }

    fn tree(&self, artifact: &str) -> Tree {
        Tree::read(&self.at(artifact), &[]).unwrap()
    }

    fn error(&self, artifact: &str, more: &[&str]) -> String {
        let more: Vec<_> = more.iter().map(|name| self.at(name)).collect();
        let more: Vec<_> = more.iter().map(PathBuf::as_path).collect();
        let text = Tree::read(&self.at(artifact), &more)
            .unwrap_err()
            .to_string();
        text.replace(self.home.path().to_str().unwrap(), "…")
    }
}

/// Name, kind and mode, and contents as text; by Python's own `zipfile`.
fn listing(package: &Package) -> String {
    let script = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    for one in archive.infolist():
        assert one.date_time == (1980, 1, 1, 0, 0, 0) and not one.comment and not one.extra, one
        text = archive.read(one).decode()
        print(f'{one.filename} {one.external_attr >> 16:o} {text if len(text) < 40 else len(text)}'.rstrip())
";
    let mut command = crate::clients::process::command("python3");
    command
        .args(["-I", "-X", "utf8", "-c", script])
        .arg(package.path());
    String::from_utf8(crate::clients::process::output(&mut command).unwrap()).unwrap()
}

#[test]
fn a_zip_holds_the_tree_and_nothing_else() {
    let place = Place::new();
    place.write("a/app.py", "import b\n");
    place.write("a/b/__init__.py", "");
    place.write("a/b/tool", "#!/bin/sh\n");
    place.mode("a/b/tool", 0o700);
    place.write("a/Grüße/日本.txt", "hej");
    place.write("a/b/__pycache__/x.cpython-313.pyc", "x");
    place.write("a/gone/__pycache__/x.cpython-313.pyc", "x");
    place.write("a/old.pyc", "x");
    place.write("a/.git/HEAD", "ref: x");
    place.write("a/.DS_Store", "x");
    place.write("a/long.txt", "0123456789".repeat(100));
    std::fs::create_dir(place.at("a/empty")).unwrap();
    symlink("b/tool", place.at("a/link")).unwrap();
    symlink("../Grüße", place.at("a/b/words")).unwrap();
    let package = place.pack("a");
    assert_eq!(
        listing(&package),
        "Grüße/日本.txt 100644 hej\n\
         app.py 100644 import b\n\n\
         b/__init__.py 100644\n\
         b/tool 100755 #!/bin/sh\n\n\
         b/words/日本.txt 100644 hej\n\
         empty/ 40755\n\
         link 100755 #!/bin/sh\n\n\
         long.txt 100644 1000\n"
            .replace("\n\n", "\n")
            .as_str()
    );
    assert_eq!(package.unpacked(), 9 + 10 + 3 + 3 + 10 + 1000);
    assert_eq!(package.largest()[0].name, "long.txt");
    assert_eq!(package.largest().len(), 8);
    let bytes = package.bytes().unwrap();
    assert_eq!(bytes.len() as u64, package.size());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    assert_eq!(package.code_sha256(), STANDARD.encode(digest.as_ref()));
    assert_eq!(
        package.sha256_hex(),
        crate::clients::source::hex(digest.as_ref())
    );
    assert_eq!(package.part(2, 4).unwrap(), bytes[2..6]);
    assert_eq!(package.part(package.size() - 1, 4).unwrap().len(), 1);
}
