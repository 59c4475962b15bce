//! Wheels of every kind, made here, for runtimes that this machine need not have.

#![expect(clippy::disallowed_methods, reason = "tests write files")]

use std::path::Path;

use super::*;

/// Makes wheels below `home/index`, and prints `name==1.0 --hash=…` for each.
const MAKE: &str = r##"
import base64, hashlib, os, sys, zipfile
index = sys.argv[1]
os.makedirs(index, exist_ok=True)
def make(name, tag, files, needs=()):
    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + "".join(f"Requires-Dist: {one}\n" for one in needs)
    info = f"{name}-1.0.dist-info"
    files = {**files, f"{info}/METADATA": meta, f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n", f"{info}/RECORD": ""}
    path = os.path.join(index, f"{name}-1.0-{tag}.whl")
    with zipfile.ZipFile(path, "w") as z:
        for one, text in files.items():
            z.writestr(one, text)
    return "--hash=sha256:" + hashlib.sha256(open(path, "rb").read()).hexdigest()
pure = make("pure", "py3-none-any", {"pure.py": "import native\n", "pure-1.0.data/scripts/tool": "#!python", "pure-1.0.data/purelib/extra/x.py": "x"}, ["native", "only-old; python_version < '3.12'", "fast; extra == 'speed'"])
hashes = [make("native", f"cp{v}-cp{v}-manylinux_2_{g}_{m}", {f"native.{m}.so": f"{v} {g}"})
          for v, g, m in [(313, 28, "aarch64"), (313, 17, "x86_64"), (313, 35, "x86_64"), (311, 17, "x86_64")]]
old = make("only_old", "py3-none-any", {"only_old.py": ""})
print("pure==1.0 " + pure)
print("native==1.0 ; sys_platform == 'linux' " + " ".join(hashes))
print("only-old==1.0 ; python_full_version < '3.12' " + old)
print("pure[speed]==1.0 " + pure)
"##;

struct Place {
    home: tempfile::TempDir,
    /// The lines that [`MAKE`] prints.
    lines: Vec<String>,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = process::command("python3");
        command
            .args(["-I", "-c", MAKE])
            .arg(home.path().join("index"));
        let text = String::from_utf8(process::output(&mut command).unwrap()).unwrap();
        Self {
            lines: text.lines().map(str::to_owned).collect(),
            home,
        }
    }

    /// The names of the files for a lock file of these lines.
    fn files(&self, runtime: &str, architecture: &str, lines: &[&str]) -> String {
        match self.directory(runtime, architecture, lines, &|| ()) {
            Ok(Some(path)) => listing(&path),
            Ok(None) => "nothing".to_owned(),
            Err(error) => {
                let more = match &error {
                    Error::Incomplete { missing, .. } => format!(": {}", missing.join("; ")),
                    Error::Fetch { output, .. } => format!(": {}", output.last().unwrap()),
                    _ => String::new(),
                };
                format!("{error}{more}").replace(self.home.path().to_str().unwrap(), "…")
            }
        }
    }

    fn directory(
        &self,
        runtime: &str,
        architecture: &str,
        lines: &[&str],
        on_make: &dyn Fn(),
    ) -> Result<Option<PathBuf>, Error> {
        let lock = self.lock(lines);
        self.made_of(&lock, runtime, architecture, on_make)
    }

    fn lock(&self, lines: &[&str]) -> PathBuf {
        let lock = self.home.path().join("requirements.lock");
        let head = "--no-index\n--find-links ./index\n";
        let head = if lines.is_empty() {
            "# nothing\n\n"
        } else {
            head
        };
        std::fs::write(&lock, format!("{head}{}\n", lines.join("\n"))).unwrap();
        lock
    }

    fn made_of(
        &self,
        lock: &Path,
        runtime: &str,
        architecture: &str,
        on_make: &dyn Fn(),
    ) -> Result<Option<PathBuf>, Error> {
        directory(
            &self.home.path().join("cache"),
            &Wanted {
                lock,
                runtime,
                architecture,
                children: &process::Children::default(),
            },
            on_make,
        )
    }

    fn line(&self, index: usize) -> &str {
        &self.lines[index]
    }
}

fn listing(root: &Path) -> String {
    let mut names = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for item in std::fs::read_dir(directory).unwrap().flatten() {
            if item.path().is_dir() {
                open.push(item.path());
            } else if !item.path().to_str().unwrap().contains(".dist-info/") {
                let path = item.path();
                names.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    names.sort_unstable();
    names.join(" ")
}

#[test]
fn packages_are_those_of_the_target() {
    let place = Place::new();
    let all = [place.line(0), place.line(1), place.line(2)];
    for (runtime, architecture, lines, wanted) in [
        (
            "python3.13",
            "arm64",
            &all[..],
            "extra/x.py native.aarch64.so pure.py",
        ),
        (
            "python3.13",
            "x86_64",
            &all,
            "extra/x.py native.x86_64.so pure.py",
        ),
        (
            "python3.11",
            "x86_64",
            &all,
            "extra/x.py native.x86_64.so only_old.py pure.py",
        ),
        (
            "python3.11",
            "arm64",
            &all,
            "pip cannot fetch `…/requirements.lock` for python3.11 on arm64: ERROR: No matching distribution found for native==1.0",
        ),
        ("python3.13", "arm64", &[], "nothing"),
        ("java21", "arm64", &all, "`java21` is no Python runtime"),
        (
            "python3.13",
            "arm64",
            &all[..1],
            "`…/requirements.lock` is not complete: native, which pure needs",
        ),
        (
            "python3.11",
            "x86_64",
            &all[..2],
            "`…/requirements.lock` is not complete: only-old, which pure needs",
        ),
        (
            "python3.13",
            "arm64",
            &[place.line(3), place.line(1)],
            "`…/requirements.lock` is not complete: fast, which pure needs",
        ),
        (
            "python3.13",
            "arm64",
            &["pure==1.0"],
            "cannot use `…/requirements.lock`: `pure==1.0` has no hash",
        ),
        (
            "python3.13",
            "arm64",
            &["-r other.txt"],
            "cannot use `…/requirements.lock`: it includes another file (`-r other.txt`), and a lock file must be whole",
        ),
    ] {
        assert_eq!(
            place.files(runtime, architecture, lines),
            wanted,
            "{runtime} {architecture} {lines:?}"
        );
    }
    let cache = place.home.path().join("cache/lambda-python");
    let left: Vec<_> = std::fs::read_dir(cache)
        .unwrap()
        .flatten()
        .map(|item| item.file_name().into_string().unwrap())
        .filter(|name| name.len() != 24 && name.strip_suffix(".lock").is_none())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn several_at_once_make_it_once() {
    let place = Place::new();
    let made = std::sync::atomic::AtomicUsize::new(0);
    let lines = [place.line(0), place.line(1), place.line(2)];
    let lock = place.lock(&lines);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let count = || {
                    made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                };
                place
                    .made_of(&lock, "python3.13", "arm64", &count)
                    .unwrap()
                    .unwrap();
            });
        }
    });
    assert_eq!(made.into_inner(), 1);
}

#[test]
fn what_a_killed_process_left_is_never_used() {
    let place = Place::new();
    let lines = [place.line(0), place.line(1)];
    let path = place
        .directory("python3.13", "arm64", &lines, &|| ())
        .unwrap()
        .unwrap();
    let whole = listing(&path);
    // As a kill before the rename leaves it: a try with half of the packages.
    let half = PathBuf::from(format!("{}.{}", path.display(), ulid::Ulid::generate()));
    std::fs::rename(&path, &half).unwrap();
    std::fs::remove_file(half.join("pure.py")).unwrap();
    let again = place
        .directory("python3.13", "arm64", &lines, &|| ())
        .unwrap()
        .unwrap();
    assert_eq!((again, listing(&path)), (path, whole));
    assert!(!half.exists());
}
