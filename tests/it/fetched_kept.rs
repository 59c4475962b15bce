//! `squad deploy <name>` from a repository that is fetched: what is kept of it on this machine, whatever happened to it.

use std::path::PathBuf;
use std::time::Duration;

use snapbox::str;

use crate::fetched::{Remote, with_slow_build};
use crate::support::journey::{appears, live};
use crate::support::{Home, wait_for};

/// The work tree that is kept; there is one.
fn tree(home: &Home) -> PathBuf {
    let all = home.path().join(".cache/squad/repositories");
    let mut places = std::fs::read_dir(all).expect("something was fetched");
    let place = places.next().expect("a repository").expect("an entry");
    assert!(places.next().is_none(), "more than one repository");
    place.path().join("tree")
}

#[test]
fn whatever_happened_to_what_is_kept_the_newest_commit_is_deployed() {
    let mut remote = Remote::new();
    remote.deploy().success();
    let kept = tree(&remote.home);
    // Somebody works in it, and a build left something.
    remote.home.write(kept.join("stray.py"), "");
    remote
        .home
        .write(kept.join("serve.py"), "raise SystemExit\n");
    remote
        .home
        .write(kept.join("nested/.git/HEAD"), "ref: refs/heads/main\n");
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› from acme/payments: branch main, commit [HASH], fetched now
› payments → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
    assert!(!kept.join("stray.py").exists() && !kept.join("nested").exists());
    // Its history is written anew.
    let main = &remote.service.directory;
    remote.home.git(main, ["checkout", "-q", "--orphan", "new"]);
    remote.home.git(main, ["branch", "-D", "-q", "main"]);
    remote.home.git(main, ["branch", "-m", "main"]);
    remote.version("2");
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› payments → local (this machine)
› from acme/payments: branch main, commit [HASH], fetched now
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 2  Ana Example
›   1 change that is live goes away:
›     Serve version 1  Ana Example
›   undo at any time: `squad rollback payments --env local`
›
› ✔ recorded         operation [ID], acme/local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 2, ready
› ✔ live             all traffic on revision 2
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
2
[exit 0]

"#]]);
    // A git was killed there, and the disk lost something.
    remote.home.write(kept.join(".git/index.lock"), "");
    remote
        .home
        .write(kept.join(".git/refs/squad/main.lock"), "");
    remote.version("3");
    remote.deploy().success();
    assert_eq!(remote.answer(), "version 3\n");
    for broken in ["index", "HEAD", "config", "refs/squad/main"] {
        remote.home.write(kept.join(".git").join(broken), "broken");
        let version = format!("4, {broken}");
        remote.version(&version);
        remote.deploy().success();
        assert_eq!(remote.answer(), format!("version {version}\n"));
    }
    std::fs::remove_dir_all(kept.join(".git/objects")).expect("it was there");
    remote.version("5");
    remote.deploy().success();
    assert_eq!(remote.answer(), "version 5\n");
    // The main branch has another name, and one below it.
    let main = &remote.service.directory;
    remote.home.git(main, ["branch", "-m", "trunk/main"]);
    remote
        .home
        .git(main, ["push", "-q", "origin", "trunk/main:trunk"]);
    let head = |name: &str| {
        let arguments = ["symbolic-ref", "HEAD", name];
        remote.home.git(remote.bare(), arguments);
    };
    head("refs/heads/trunk");
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› from acme/payments: branch trunk, commit [HASH], fetched now
› payments → local: revision 8 already is exactly this (same sources, same configuration). Nothing to do.
8
[exit 0]

"#]]);
    remote.home.git(remote.bare(), ["branch", "-D", "main"]);
    head("refs/heads/main");
    remote
        .home
        .git(main, ["push", "-q", "origin", ":trunk", "trunk/main"]);
    head("refs/heads/trunk/main");
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› from acme/payments: branch trunk/main, commit [HASH], fetched now
› payments → local: revision 8 already is exactly this (same sources, same configuration). Nothing to do.
8
[exit 0]

"#]]);
    // What is kept can be thrown away.
    std::fs::remove_dir_all(remote.home.path().join(".cache")).expect("it was there");
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› from acme/payments: branch trunk/main, commit [HASH], fetched now
› payments → local: revision 8 already is exactly this (same sources, same configuration). Nothing to do.
8
[exit 0]

"#]]);
}

#[test]
fn a_lost_commit_of_the_history_is_brought_again() {
    let remote = Remote::new();
    let home = &remote.home;
    let first = home.git(&remote.service.directory, ["rev-parse", "HEAD"]);
    home.commit_all(&remote.service.directory, "More");
    remote.push();
    remote.deploy().success();
    let kept = tree(home);
    let pack = kept.join(".git/objects/pack");
    for file in crate::support::files_below(&pack, "pack") {
        let moved = home.work().join("pack");
        std::fs::rename(&file, &moved).expect("it was there");
        let mut unpack = home.program("git");
        unpack.args(["unpack-objects", "-q"]).current_dir(&kept);
        unpack.stdin(std::fs::File::open(&moved).expect("a pack"));
        home.run(&mut unpack).success();
    }
    let (start, rest) = first.split_at(2);
    let lost = kept.join(".git/objects").join(start).join(rest);
    std::fs::remove_file(lost).expect("it was there");
    remote.deploy().success();
    home.git(&kept, ["log", "--format=%s", &first]);
}

/// The files themselves are elsewhere: what would go out are pointers.
#[test]
fn files_in_git_lfs_are_not_shipped_as_pointers() {
    let remote = Remote::new();
    let home = &remote.home;
    let root = &remote.service.directory;
    home.write(
        root.join("model.bin"),
        "version https://git-lfs.github.com/spec/v1\n",
    );
    home.write(root.join(".gitattributes"), "*.bin filter=lfs -text\n");
    home.commit_all(root, "A model");
    remote.push();
    remote.deploy().failure(1).assert(str![[r#"
› fetching acme/payments
› error: cannot deploy `payments`: acme/payments keeps files in Git LFS (`model.bin`), and `git-lfs` is not set up here
› live: `payments` is not live here, and takes no traffic
› hint: install `git-lfs`, run `git lfs install`, then run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/program-missing.md
[exit 1]

"#]]);
    // Whoever has it set up gets them.
    let filter = ["config", "--global", "filter.lfs.smudge", "echo the model"];
    home.git(home.root(), filter);
    std::fs::remove_dir_all(home.path().join(".cache")).expect("it was there");
    remote.deploy().success();
    let model = std::fs::read_to_string(tree(home).join("model.bin"));
    assert_eq!(model.expect("it is there"), "the model\n");
}

/// What goes on in the background is what the plan was shown of, whatever is pushed meanwhile.
#[test]
fn in_the_background_it_is_the_commit_that_was_agreed_to() {
    let mut remote = Remote::new();
    let (building, goes) = with_slow_build(&mut remote);
    let main = &remote.service.directory;
    let agreed = remote.home.git(main, ["rev-parse", "HEAD"]);
    let mut alone = vec!["deploy", "payments", "--env", "local", "--no-wait"];
    alone.extend(["-o", "json"]);
    let begun = remote.home.squad(alone).success().json();
    assert_eq!(begun["fetched"]["commit"], agreed.as_str());
    appears(&building);
    let handed_over = format!("--fetched-commit={agreed}");
    let processes = remote.home.processes();
    let is_told = processes
        .iter()
        .any(|one| one.command.contains(&handed_over));
    assert!(is_told, "{processes:?}");
    std::fs::remove_file(&goes).expect("it was there");
    wait_for("it is live", Duration::from_secs(30), || {
        live(&remote.home, "payments")
    });
    remote.version("2");
    let deploy = ["deploy", "payments", "--env", "local", &handed_over];
    remote.home.squad(deploy).success().assert(str![[r#"
› fetching acme/payments
› from acme/payments: branch main, commit [HASH], fetched now
› payments → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
    let unknown = format!("--fetched-commit={}", "0".repeat(40));
    let deploy = ["deploy", "payments", "--env", "local", &unknown];
    remote.home.squad(deploy).failure(1).assert(str![[r#"
› fetching acme/payments
› error: cannot deploy `payments`: cannot fetch acme/payments: commit [HASH] is not there any more
› live: revision 1 serves all traffic
› hint: deploy the newest commit by the service's name alone
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/repository-not-fetched.md
[exit 1]

"#]]);
    remote.deploy().success();
    assert_eq!(remote.answer(), "version 2\n");
}

/// Which hash a new repository has by the person's own habits says nothing about the remote.
#[test]
fn the_kind_of_ids_is_that_of_the_remote() {
    let mut remote = Remote::new();
    remote.home.set("GIT_DEFAULT_HASH", "sha256");
    remote.deploy().success();
    // The same address is another repository now, with longer ids.
    std::fs::remove_dir_all(remote.bare()).expect("it was there");
    std::fs::remove_dir_all(remote.service.directory.join(".git")).expect("it was there");
    remote.service.version(&remote.home, "2");
    let arguments = ["clone", "-q", "--bare", "h/w/payments", "git/acme/payments"];
    remote.home.git(remote.home.root(), arguments);
    remote.deploy().success();
    assert_eq!(remote.answer(), "version 2\n");
}
