//! Trees of every kind, packed.

#![expect(clippy::disallowed_methods, reason = "tests write files")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

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
        let cache = tempfile::tempdir_in(self.home.path()).unwrap().keep();
        Package::of(&self.tree(artifact), &cache).unwrap()
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
        text = archive.read(one).decode('utf-8', 'replace')
        print(f'{one.filename} {one.external_attr >> 16:o} {text if len(text) < 40 else len(text)}'.rstrip())
";
    let mut command = crate::clients::process::command("python3");
    command
        .args(["-I", "-X", "utf8", "-c", script])
        .arg(package.path());
    String::from_utf8(crate::clients::process::output(&mut command).unwrap()).unwrap()
}

/// The same tree as a copy of the listed files alone.
#[test]
fn only_what_is_listed_is_in_the_tree() {
    let place = Place::new();
    for directory in ["whole", "copy"] {
        place.write(&format!("{directory}/app.py"), "import b\n");
        place.write(&format!("{directory}/b/__init__.py"), "");
        place.write(&format!("{directory}/b/old.pyc"), "x");
        place.write(&format!("{directory}/c/d/words.txt"), "hej");
        symlink("c/d", place.at(&format!("{directory}/link"))).unwrap();
    }
    place.write("whole/left.log", "x");
    place.write("whole/c/d/left.log", "x");
    place.write("whole/e/left.log", "x");
    std::fs::create_dir(place.at("whole/empty")).unwrap();
    let whole = place.at("whole");
    let names = [
        "app.py",
        "b/__init__.py",
        "b/old.pyc",
        "c/d/words.txt",
        "link",
    ];
    let mut paths: Vec<_> = names.iter().map(|name| whole.join(name)).collect();
    paths.push(place.at("elsewhere"));
    let read = |paths: &[PathBuf]| {
        let listed = Listed::below(&whole, paths).unwrap();
        Tree::read_listed(&whole, Some(&listed), &[])
    };
    assert_eq!(
        read(&paths).unwrap().digest().hex(),
        place.tree("copy").digest().hex()
    );
    // A symlink to what is not listed leads nowhere.
    paths.retain(|path| !path.ends_with("words.txt"));
    let error = read(&paths).unwrap_err().to_string();
    assert_eq!(
        error,
        "`link` is a symlink to `c/d`, which git does not track"
    );
    assert_eq!(Listed::below(&place.at("copy"), &paths), None);
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

#[test]
fn the_same_tree_gives_the_same_bytes_from_anywhere() {
    let place = Place::new();
    for (root, names, mode) in [
        ("one", ["a/x.py", "b.py", "bin/run"], 0o644),
        ("deep/two", ["bin/run", "b.py", "a/x.py"], 0o600),
    ] {
        for name in names {
            let path = place.write(&format!("{root}/{name}"), name.repeat(500));
            let mode = if name == "bin/run" {
                mode | 0o100
            } else {
                mode
            };
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        }
    }
    let early = std::time::UNIX_EPOCH + std::time::Duration::from_hours(24);
    File::open(place.at("one/b.py"))
        .unwrap()
        .set_modified(early)
        .unwrap();
    let (one, two) = (place.pack("one"), place.pack("deep/two"));
    assert_eq!(one.tree(), two.tree());
    assert_eq!(one.bytes().unwrap(), two.bytes().unwrap());
}

#[test]
fn the_digest_of_a_tree_is_what_its_definition_says() {
    let place = Place::new();
    place.write("a/run", "hello");
    place.mode("a/run", 0o755);
    place.write("a/lib/x", "");
    std::fs::create_dir(place.at("a/tmp")).unwrap();
    let sha = |bytes: &[u8]| {
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes)
            .as_ref()
            .to_vec()
    };
    let mut text = b"squad-tree/1\n".to_vec();
    text.extend(b"f\0\0\0\0\0\0\0\x05lib/x");
    text.extend(sha(b""));
    text.extend(b"x\0\0\0\0\0\0\0\x03run");
    text.extend(sha(b"hello"));
    text.extend(b"d\0\0\0\0\0\0\0\x03tmp");
    let tree = place.tree("a");
    assert_eq!(
        tree.digest().hex(),
        crate::clients::source::hex(&sha(&text))
    );
    assert_eq!(
        tree.digest().base64url(),
        URL_SAFE_NO_PAD.encode(sha(&text))
    );
    assert_eq!(tree.is_executable("run"), Some(true));
    assert_eq!(tree.is_executable("lib/x"), Some(false));
    assert_eq!(tree.is_executable("lib"), None);
}

#[test]
fn what_no_package_can_hold_is_refused() {
    let place = Place::new();
    place.write("outside", "secret");
    for (name, target) in [
        ("out", "../outside"),
        ("passwd", "/etc/passwd"),
        ("none", "nowhere"),
        ("up", "."),
        ("self", "link"),
    ] {
        place.write(&format!("{name}/a/file"), "x");
        symlink(target, place.at(&format!("{name}/link"))).unwrap();
    }
    place.write("circle/a/file", "x");
    symlink("../a", place.at("circle/a/back")).unwrap();
    std::fs::create_dir_all(place.at("nothing/empty")).unwrap();
    place.write("text", "no zip");
    place.write("a/x/y", "1");
    place.write("b/x", "2");
    place.write("c/x/y", "3");
    let errors = [
        place.error("out", &[]),
        place.error("passwd", &[]),
        place.error("none", &[]),
        place.error("up", &[]),
        place.error("self", &[]),
        place.error("circle", &[]),
        place.error("nothing", &[]),
        place.error("text", &[]),
        place.error("a", &["b"]),
        place.error("b", &["a"]),
        place.error("a", &["c"]),
    ];
    snapbox::assert_data_eq!(
        errors.join("\n"),
        snapbox::str![[r"
`link` is a symlink to `../outside`, which is outside of the artifact
`link` is a symlink to `/etc/passwd`, which is outside of the artifact
`link` is a symlink to `nowhere`, which is not there
`link` is a symlink to `.`, a directory that it is in
`link` is a symlink to `link`, which cannot be followed: Too many levels of symbolic links (os error 40)
`a/back` is a symlink to `../a`, a directory that it is in
there is no file in `…/nothing`
cannot read the archive `…/text`: invalid Zip archive: Could not find EOCD
`x` is both in `…/b` and in `…/a`
`x` is both in `…/b` and in `…/a`
`x/y` is both in `…/a` and in `…/c`
"]]
    );
}

#[test]
fn a_tree_that_is_too_large_names_its_largest_files() {
    let place = Place::new();
    place.write("a/app.py", "x");
    let path = place.write("a/lib/huge.so", "");
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(UNPACKED_LIMIT)
        .unwrap();
    let Err(Error::TooLarge { bytes, largest }) = Tree::read(&place.at("a"), &[]) else {
        panic!("it was not refused");
    };
    let named: Vec<_> = largest
        .iter()
        .map(|file| (file.name.as_str(), file.bytes))
        .collect();
    assert_eq!(bytes, UNPACKED_LIMIT + 1);
    assert_eq!(named, [("lib/huge.so", UNPACKED_LIMIT), ("app.py", 1)]);
}

#[test]
fn two_parts_become_one_tree() {
    let place = Place::new();
    place.write("app/app.py", "import six");
    place.write("app/google/own.py", "1");
    std::fs::create_dir_all(place.at("app/six")).unwrap();
    place.write("deps/six/__init__.py", "2");
    place.write("deps/google/cloud.py", "3");
    std::fs::create_dir_all(place.at("deps/google/none")).unwrap();
    let tree =
        |artifact: &str, more: &str| Tree::read(&place.at(artifact), &[&place.at(more)]).unwrap();
    let names: Vec<_> = tree("app", "deps")
        .entries()
        .iter()
        .map(|e| e.name.clone())
        .collect();
    let wanted = [
        "app.py",
        "google/cloud.py",
        "google/none",
        "google/own.py",
        "six/__init__.py",
    ];
    assert_eq!(names, wanted);
    assert_eq!(tree("app", "deps").digest(), tree("deps", "app").digest());
}

/// A zip as Python's `zipfile` makes it from these calls.
fn foreign(place: &Place, name: &str, script: &str) -> PathBuf {
    let path = place.at(name);
    let text = format!(
        "import sys, zipfile\nfrom zipfile import ZipInfo\nz = zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED)\n\
         def put(name, text, mode=0o100644, at=(2026, 11, 26, 10, 0, 0)):\n    i = ZipInfo(name, at); \
         i.external_attr = mode << 16; i.compress_type = zipfile.ZIP_DEFLATED; z.writestr(i, text)\n{script}\nz.close()\n"
    );
    let mut command = crate::clients::process::command("python3");
    command.args(["-I", "-W", "ignore", "-c", &text]).arg(&path);
    crate::clients::process::output(&mut command).unwrap();
    path
}

#[test]
fn a_zip_that_a_build_made_becomes_the_zip_of_its_tree() {
    let place = Place::new();
    let built = "put('lib/', '', 0o40755)\nput('lib/a.jar', 'PK')\nput('bootstrap', 'go', 0o100755)\nput('empty/', '', 0o40755)\nput('so', 'lib/a.jar', 0o120777)";
    foreign(&place, "one.zip", built);
    foreign(
        &place,
        "two.zip",
        "z.comment = b'at noon'\nput('bootstrap', 'go', 0o100700)\nput('so', 'lib/a.jar', 0o120777)\nput('lib/a.jar', 'PK', at=(1999, 1, 1, 0, 0, 0))\nput('empty/', '')",
    );
    let (one, two) = (place.pack("one.zip"), place.pack("two.zip"));
    assert_eq!(one.bytes().unwrap(), two.bytes().unwrap());
    assert_eq!(
        listing(&one),
        "bootstrap 100755 go\nempty/ 40755\nlib/a.jar 100644 PK\nso 120777 lib/a.jar\n"
    );
    place.write("same/bootstrap", "go");
    place.mode("same/bootstrap", 0o755);
    place.write("same/lib/a.jar", "PK");
    std::fs::create_dir(place.at("same/empty")).unwrap();
    foreign(
        &place,
        "three.zip",
        "put('bootstrap', 'go', 0o100755)\nput('lib/a.jar', 'PK')\nput('empty/', '')",
    );
    assert_eq!(
        place.tree("same").digest(),
        place.tree("three.zip").digest()
    );
}

#[test]
fn a_zip_that_leads_out_of_itself_is_refused() {
    let place = Place::new();
    for (name, script) in [
        ("up.zip", "put('../x', '1')"),
        ("root.zip", "put('/x', '1')"),
        ("dot.zip", "put('a/./x', '1')"),
        ("link.zip", "put('a/x', '../../etc/passwd', 0o120777)"),
        ("abs.zip", "put('x', '/etc/passwd', 0o120777)"),
        ("twice.zip", "put('x', '1'); put('x', '2')"),
        ("both.zip", "put('x', '1'); put('x/y', '2')"),
    ] {
        foreign(&place, name, script);
    }
    let errors = [
        "up.zip",
        "root.zip",
        "dot.zip",
        "link.zip",
        "abs.zip",
        "twice.zip",
        "both.zip",
    ]
    .map(|name| place.error(name, &[]));
    snapbox::assert_data_eq!(
        errors.join("\n"),
        snapbox::str![[r"
cannot read the archive `…/up.zip`: `../x` is not a name inside of it
cannot read the archive `…/root.zip`: `/x` is not a name inside of it
cannot read the archive `…/dot.zip`: `a/./x` is not a name inside of it
`a/x` is a symlink to `../../etc/passwd`, which is outside of the artifact
`x` is a symlink to `/etc/passwd`, which is outside of the artifact
cannot read the archive `…/twice.zip`: it has the same name twice
`x` is there twice
"]]
    );
    let good = foreign(&place, "cut.zip", "put('x', 'y' * 100000)");
    let bytes = std::fs::read(&good).unwrap();
    std::fs::write(&good, &bytes[..bytes.len() / 2]).unwrap();
    assert!(
        place
            .error("cut.zip", &[])
            .starts_with("cannot read the archive `…/cut.zip`: ")
    );
}

#[test]
fn a_zip_in_the_cache_is_used_while_it_is_whole() {
    let place = Place::new();
    place.write("a/app.py", "print()\n".repeat(100));
    let cache = place.at("cache");
    let first = Package::of(&place.tree("a"), &cache).unwrap();
    let inode =
        |package: &Package| std::os::unix::fs::MetadataExt::ino(&package.file.metadata().unwrap());
    let second = Package::of(&place.tree("a"), &cache).unwrap();
    assert_eq!(inode(&first), inode(&second));
    let bytes = first.bytes().unwrap();
    std::fs::write(first.path(), &bytes[..10]).unwrap();
    let third = Package::of(&place.tree("a"), &cache).unwrap();
    assert_eq!(third.bytes().unwrap(), bytes);
    let mut kept: Vec<_> = std::fs::read_dir(cache.join("packages"))
        .unwrap()
        .map(|item| item.unwrap().path().extension().unwrap().to_owned())
        .collect();
    kept.sort_unstable();
    assert_eq!(kept, ["list", "zip"]);
    std::fs::remove_dir_all(&cache).unwrap();
    assert_eq!(third.bytes().unwrap(), bytes, "it stays open");
}

/// What is taken over from the package of before is byte for byte what packing makes.
#[test]
fn a_change_gives_the_same_bytes_with_a_package_of_before_and_without() {
    let place = Place::new();
    for number in 0..40 {
        let text = format!("value = {number}\n").repeat(200 + number);
        place.write(&format!("a/m{number:02}/é{number}.py"), text);
    }
    place.write("a/empty", "");
    place.write("a/photo.png", "stored as it is");
    std::fs::create_dir_all(place.at("a/nothing")).unwrap();
    place.write("a/bin/run", "#!/bin/sh\n".repeat(100));
    place.mode("a/bin/run", 0o755);
    let cache = place.at("cache");
    let pack = |cache: &Path| {
        let package = Package::of(&place.tree("a"), cache).unwrap();
        (package.code_sha256(), package.bytes().unwrap())
    };
    let first = pack(&cache);
    for change in 0..4 {
        match change {
            0 => drop(place.write("a/m07/é7.py", "changed = True\n")),
            1 => std::fs::remove_file(place.at("a/m00/é0.py")).unwrap(),
            // The same contents under other names and modes are other entries.
            2 => std::fs::rename(place.at("a/m09"), place.at("a/m99")).unwrap(),
            _ => place.mode("a/bin/run", 0o644),
        }
        let with = pack(&cache);
        let without = pack(&place.at(&format!("cache-{change}")));
        assert_ne!(with, first, "{change}");
        assert_eq!(with, without, "{change}");
    }
}

/// A list or a zip of before that is not whole is as if it were not there.
#[test]
fn a_damaged_package_of_before_is_not_used() {
    let place = Place::new();
    place.write("a/one.py", "one = 1\n".repeat(500));
    place.write("a/two.py", "two = 2\n".repeat(500));
    for (number, ending) in ["list", "zip"].into_iter().enumerate() {
        let cache = place.at(&format!("cache-{ending}"));
        place.write("a/three.py", format!("three = {number}\n"));
        let _first = Package::of(&place.tree("a"), &cache).unwrap();
        let damaged: Vec<_> = std::fs::read_dir(cache.join("packages"))
            .unwrap()
            .map(|item| item.unwrap().path())
            .filter(|path| path.extension().is_some_and(|found| found == ending))
            .collect();
        let [damaged] = damaged.as_slice() else {
            panic!("{damaged:?}")
        };
        let mut bytes = std::fs::read(damaged).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(damaged, bytes).unwrap();
        place.write("a/three.py", "three = 3\n");
        let with = Package::of(&place.tree("a"), &cache).unwrap();
        let without = Package::of(&place.tree("a"), &place.at("fresh")).unwrap();
        assert_eq!(with.code_sha256(), without.code_sha256(), "{ending}");
    }
}

#[test]
fn a_file_that_changes_while_it_is_packed_is_an_error() {
    let place = Place::new();
    place.write("a/app.py", "one");
    let tree = place.tree("a");
    for text in ["two", "three", ""] {
        place.write("a/app.py", text);
        let error = Package::of(&tree, &place.at("cache")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`app.py` was changed while it was packed"
        );
    }
    let left = std::fs::read_dir(place.at("cache/packages")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn sixty_megabytes_in_large_and_small_files() {
    let place = Place::new();
    // Half noise, half zeros, again and again: something to compress, and not all of it.
    let mut state = 7_u64;
    let block: Vec<u8> = (0..70 << 10)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            if state >> 63 == 0 {
                0
            } else {
                (state >> 40).to_le_bytes()[0]
            }
        })
        .collect();
    let noise = |length: usize| -> Vec<u8> { block.iter().copied().cycle().take(length).collect() };
    place.write("a/lib/large.so", noise(20 << 20));
    place.write("a/lib/stored.jar", noise(9 << 20));
    place.write("a/last.bin", noise(10 << 20));
    for number in 0..300 {
        place.write(&format!("a/m{}/f{number}.py", number % 7), noise(70 << 10));
    }
    let one = place.pack("a");
    assert_eq!(one.unpacked(), (39 << 20) + 300 * (70 << 10));
    assert_eq!(listing(&one).lines().count(), 303);
    let again = place.pack("a");
    assert_eq!(one.code_sha256(), again.code_sha256());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn order_times_and_modes_do_not_matter(
        files in proptest::collection::btree_map("[a-cé]{1,2}(/[a-c]{1,2}){0,2}\\.[a-z]{2}", ("[ -~]{0,60}", any::<bool>()), 1..12),
        seed in any::<u64>(),
    ) {
        let place = Place::new();
        let mut order: Vec<_> = files.iter().collect();
        for (root, turn) in [("one", 0), ("two", seed % 12)] {
            let turn = usize::try_from(turn).unwrap() % order.len();
            order.rotate_left(turn);
            for (name, (contents, executable)) in &order {
                let path = place.write(&format!("{root}/{name}"), contents);
                let noise = u32::try_from((seed >> 8) & 0o077).unwrap();
                let noise = if turn == 0 { 0o044 } else { noise };
                let mode = 0o400 | noise | if *executable { 0o100 } else { 0 };
                let file = File::open(&path).unwrap();
                file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seed >> 32)).unwrap();
                std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            }
        }
        let (one, two) = (place.pack("one"), place.pack("two"));
        prop_assert_eq!(one.tree(), two.tree());
        prop_assert_eq!(one.bytes().unwrap(), two.bytes().unwrap());
        let mut reader = ::zip::ZipArchive::new(std::io::Cursor::new(one.bytes().unwrap())).unwrap();
        prop_assert_eq!(reader.len(), files.len());
        for (index, (name, (contents, executable))) in files.iter().enumerate() {
            let mut file = reader.by_index(index).unwrap();
            let mut text = String::new();
            std::io::Read::read_to_string(&mut file, &mut text).unwrap();
            prop_assert_eq!(&text, contents);
            prop_assert_eq!(file.name().unwrap().into_owned(), name.clone());
            prop_assert_eq!(file.unix_mode(), Some(if *executable { 0o100_755 } else { 0o100_644 }));
        }
    }
}
