//! A function that is deployed by its name alone, from the repository that the org names.

use snapbox::str;

use super::Cloud;
use super::deploy::sources;

#[test]
fn a_function_is_deployed_from_its_repository() {
    let cloud = Cloud::with_function(2);
    let home = &cloud.home;
    let directory = sources(&cloud, "ours");
    let commit = home.commit_all(&directory, "Receipts for all");
    let bare = home.root().join("git/receipts").display().to_string();
    home.git(
        home.root(),
        [
            "clone",
            "-q",
            "--bare",
            &directory.display().to_string(),
            &bare,
        ],
    );
    std::fs::remove_dir_all(&directory).expect("it was there");
    let org = home.work().join("org/org.toml");
    let text = std::fs::read_to_string(&org).expect("it is there");
    let service = format!("[service.receipts]\nrepository = \"{bare}\"\n");
    home.write(&org, &format!("{text}{service}"));
    cloud
        .squad(&["deploy", "receipts", "--dry-run"])
        .success()
        .assert(str![[r#"
› fetching [ROOT]/git/receipts
› receipts → cloud (lambda, account [HASH])
› from [ROOT]/git/receipts: branch main, commit [HASH], fetched now
›
›   replaces what is live (revision 2, somebody outside squad, [AGO])
›   function.role arn:aws:iam::[HASH]:role/stand-in → arn:aws:iam::[HASH]:role/receipts
›   function.runtime python3.12 → python3.13
›   function.timeout_seconds 3 → 5
›   run.env.GREETING is new: #032bb7
›   undo at any time: `squad rollback receipts --env cloud`
›
[exit 0]

"#]]);
    assert_eq!(cloud.squad(&["deploy", "receipts"]).success().line(), "3");
    assert_eq!(cloud.sole(), "3");
    let again = cloud.squad(&["deploy", "receipts", "-o", "json"]).success();
    let wire = again.json();
    assert_eq!(wire["outcome"], "unchanged");
    assert_eq!(wire["fetched"]["repository"], bare);
    assert_eq!(wire["fetched"]["branch"], "main");
    assert_eq!(wire["fetched"]["commit"], commit);
    cloud.is_quiet();
}
