//! The commands of README.md and docs/contributing.md that install: `install.sh` itself runs, with a build that is there.

use std::os::unix::fs::PermissionsExt;

use snapbox::str;

use super::block::{Page, Stage};
use crate::support::{Home, SQUAD, repository, skip};

/// The commands that cannot run inside of a test, and why.
const ELSEWHERE: [(&str, &str); 3] = [
    (
        "./install.sh --demo",
        "builds the release; the demo is a test of its own",
    ),
    ("tests/run", "is what runs this"),
    ("tests/run deploy", "is what runs this"),
];

/// What the pages say to type at the top of the checkout, in order.
fn commands() -> Vec<String> {
    let mut readme = Page::open("README.md");
    let mut commands = readme.commands();
    // Both parts of the tour are run by `tour.rs`.
    let _tour = (readme.commands(), readme.commands());
    commands.append(&mut readme.commands());
    commands.append(&mut Page::open("docs/contributing.md").commands());
    commands
}

#[test]
fn what_installs_is_run_or_named() {
    let commands = commands();
    assert_eq!(commands.len(), 7, "{commands:?}");
    let (elsewhere, here): (Vec<_>, Vec<_>) = commands
        .into_iter()
        .partition(|command| ELSEWHERE.iter().any(|(one, _)| one == command));
    assert_eq!(here, ["./install.sh", "./install.sh"]);
    assert_eq!(elsewhere.len(), 5);
    let why: Vec<String> = ELSEWHERE
        .iter()
        .map(|(command, reason)| format!("`{command}` {reason}"))
        .collect();
    skip(
        "docs::installing::what_installs_is_run_or_named",
        &why.join("; "),
    );
}

#[test]
fn install_sh_installs_the_binary_its_completions_and_its_pages() {
    let home = Home::new();
    // The build is not what is looked at: `cargo` finds it done.
    let target = home.root().join("target");
    std::fs::create_dir_all(target.join("release")).expect("a directory");
    std::fs::copy(SQUAD, target.join("release/squad")).expect("a copy");
    let cargo = home.write("tools/cargo", "#!/bin/sh\necho \"cargo $1 $2 $3\" >&2\n");
    std::fs::set_permissions(&cargo, PermissionsExt::from_mode(0o755)).expect("mode");
    let mut stage = Stage::new(&home);
    stage.enter(repository());
    stage.begin_with(&format!(
        "export CARGO_TARGET_DIR='{}' PATH='{}':/usr/bin:/bin",
        target.display(),
        home.work().join("tools").display()
    ));
    stage.run("./install.sh").success().assert(str![[r#"
› building the release binary (a first build takes a few minutes)
› cargo build --release --locked
› installed [HOME]/.local/bin/squad (squad 0.1.0)
› installed completions: [HOME]/.local/share/bash-completion/completions/squad
›                        [HOME]/.local/share/zsh/site-functions/_squad
›                        [HOME]/.local/share/fish/vendor_completions.d/squad.fish
› installed 55 manual pages: [HOME]/.local/share/man/man1
› add it to PATH: export PATH="[HOME]/.local/bin:$PATH"
› try it: squad demo
[exit 0]

"#]]);
    let installed = home.path().join(".local/bin/squad");
    let version = home
        .run(home.program(&installed).arg("--version"))
        .success();
    assert_eq!(version.stdout, home.squad(["--version"]).stdout);
}
