//! A machine without a network: what is waited for is said, and squad gives up with words.

use snapbox::str;

use crate::support::Home;

use super::home;

fn without_network() -> Home {
    let mut home = home();
    // Nothing listens there.
    home.set("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .set("AWS_ACCESS_KEY_ID", crate::support::aws::KEY)
        .set("AWS_SECRET_ACCESS_KEY", "stand-in-secret-key");
    home
}

#[test]
fn without_a_network_a_read_says_what_it_waits_for_and_gives_up_with_words() {
    let home = without_network();
    // Which of the reads fails first is chance.
    home.squad(["status", "receipts"])
        .failure(1)
        .assert(str![[r#"
› waiting for 127.0.0.1:1: no answer from AWS yet
› error: cannot [..]: AWS cannot be reached
›   caused by: Connection refused (os error 111)
› hint: check the network, a proxy, and `AWS_ENDPOINT_URL` if it is set
› hint: whether AWS answers again: `squad whoami`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/aws-unreachable.md
[exit 1]

"#]]);
}
