//! The examples of docs/deploying.md and docs/templates.md, on this machine.

use std::path::Path;
use std::time::Duration;

use super::block::{Page, Stage};
use crate::support::journey::port;
use crate::support::{Home, Load, TestService};
use crate::workspace::{edit, workspace};

/// What reads the variables, and says in one line which is not there.
const CONFIG: &str = r#"import os
import sys

try:
    ACQUIRER_URL = os.environ["ACQUIRER_URL"]
except KeyError as error:
    sys.exit(f"app/config.py:12  KeyError: {error}")
"#;

/// The configuration, with the variables that are set.
fn manifest(variables: &str) -> String {
    format!(
        "\n[build]\ncommand = [\"true\"]\n\n[run.env]\nACQUIRER_URL = \"https://acquirer.example\"\n{variables}"
    )
}

/// Commits everything as somebody.
fn commit(home: &Home, directory: &Path, who: &str, subject: &str) {
    home.git(directory, ["config", "user.name", who]);
    let address = format!("{}@acme.example", who.to_lowercase());
    home.git(directory, ["config", "user.email", &address]);
    home.commit_all(directory, subject);
}

/// `payments` with six revisions, the last of them by Rui, and two commits of Ana's after it.
fn payments(home: &Home) -> TestService {
    let mut service = TestService::new(home, "payments");
    home.write(service.directory.join("app/config.py"), CONFIG);
    service.toml(home, &manifest(""));
    let program = service.directory.join("serve.py");
    let text = std::fs::read_to_string(&program).expect("a program");
    let change = |number: u32| {
        let text = format!("from app import config\n{text}# {number}\n");
        std::fs::write(&program, text).expect("a program");
    };
    for number in 1..=6 {
        change(number);
        commit(
            home,
            &service.directory,
            "Rui",
            "Log the acquirer's reference",
        );
        home.squad_in(&service.directory, ["deploy"]).success();
    }
    change(7);
    commit(
        home,
        &service.directory,
        "Ana",
        "Fix rounding of partial refunds (#815)",
    );
    let limit = manifest("REFUND_LIMIT = \"100\"\n");
    let file = service.directory.join("squad.toml");
    let text = std::fs::read_to_string(&file).expect("a file");
    std::fs::write(&file, text.replace(&manifest(""), &limit)).expect("a file");
    commit(
        home,
        &service.directory,
        "Ana",
        "Refund limit per customer (#812)",
    );
    service
}

#[test]
fn deploying_is_as_the_page_shows_it() {
    let home = Home::new();
    let service = payments(&home);
    let mut page = Page::open("docs/deploying.md");
    let mut stage = Stage::new(&home);
    page.says(&mut stage);
    page.says(&mut stage);
    let load = Load::start(port(&home, "payments"), "/", 2, Duration::from_millis(5));
    load.wait_for_more(20);
    let file = service.directory.join("squad.toml");
    let text = std::fs::read_to_string(&file).expect("a file");
    let without = text.replace("ACQUIRER_URL = \"https://acquirer.example\"\n", "");
    std::fs::write(&file, without).expect("a file");
    page.says(&mut stage);
    load.stop_without_failures();
    std::fs::write(&file, text).expect("a file");

    let shop = Home::new();
    let directory = workspace(&shop, &["invoices", "ledger", "payments"]);
    shop.squad_in(&directory, ["deploy", "--all"]).success();
    edit(&directory, "ledger", "VERSION = \"1\"", "sys.exit(1)");
    edit(&directory, "payments", "VERSION = \"1\"", "VERSION = \"2\"");
    let mut all = Stage::new(&shop);
    all.enter("shop");
    page.says(&mut all);

    page.says(&mut stage);
    home.write(service.directory.join("app/limits.py"), "HIGHEST = 100\n");
    home.squad_in(&service.directory, ["deploy"]).success();
    page.says(&mut stage);
}

#[test]
fn a_new_service_is_made_as_the_page_shows_it() {
    let mut home = Home::new();
    home.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[squad.ledger]\n",
    );
    let org = home.work().join("org").display().to_string();
    home.set("SQUAD_ORG", &org);
    Page::open("docs/templates.md").says(&mut Stage::new(&home));
}
