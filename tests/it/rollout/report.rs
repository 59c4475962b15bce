//! `squad rollout report --html` of a real rollout, opened in a real browser.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Traffic, live, status, wait_for_drivers, wait_for_phase};
use crate::support::journey::{begin, end};
use crate::support::{Home, Output, tool, wait_for};

/// The longest that the browser may take for one page.
const LIMIT: Duration = Duration::from_mins(1);

/// What a person could write to break a page.
const EVIL: &str = "<script>document.title='broken'</script><img src=x onerror=alert(1)>\"'";

/// Runs headless Chromium on one page; standard error has what the console says.
fn browse(home: &Home, chromium: &Path, page: &Path, arguments: &[&str]) -> Output {
    // A profile of its own for each run, in the home, so that nothing is shared and nothing is left.
    let profile = tempfile::tempdir_in(home.root())
        .expect("a directory")
        .keep();
    let mut command = home.program(chromium);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()));
    let output = home.run_within(&mut command, LIMIT);
    output.expect("the browser ends in time").success()
}

/// The text of the page as a browser has it, without tags.
fn text(dom: &str) -> String {
    let mut text = String::new();
    let mut rest = dom;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[track_caller]
fn console_is_silent(output: &Output) {
    for word in ["CONSOLE", "Refused", "Content Security Policy", "Uncaught"] {
        assert!(!output.stderr.contains(word), "{}", output.transcript());
    }
}

/// Writes the report of the newest rollout into a file, byte for byte.
fn report(home: &Home, name: &str) -> PathBuf {
    let path = home.work().join(name);
    let status = home
        .command(["rollout", "report", "--service", "payments", "--html"])
        .stdout(std::fs::File::create(&path).expect("a file"))
        .status()
        .expect("it runs");
    assert!(status.success());
    path
}

#[test]
fn the_page_of_a_rollout_opens_in_a_browser() {
    const NAME: &str = "rollout::report::the_page_of_a_rollout_opens_in_a_browser";
    let Some(chromium) = tool(NAME, "chromium") else {
        return;
    };
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    service.toml(
        &home,
        &super::ROLLOUT.replace("hold = \"2s\"", "hold = \"1m\""),
    );
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    wait_for("judged requests", Duration::from_mins(1), || {
        let status = status(&home);
        let units = status["units"].as_array()?.clone();
        let judged = |one: &serde_json::Value| one["canary"]["requests"].as_u64() > Some(30);
        units.iter().take(2).all(judged).then_some(())
    });
    let going_on = report(&home, "live.html");
    home.squad(["stop", "payments", "--reason", EVIL]).success();
    let _ended = end(&home, driver);
    wait_for_drivers(&home);
    traffic.stop_without_failures();
    let over = report(&home, "over.html");

    let dom = browse(&home, &chromium, &going_on, &["--dump-dom"]);
    console_is_silent(&dom);
    let live = text(&dom.stdout);
    assert!(live.contains("; it goes on"), "{live}");
    assert!(
        live.contains("1 in 5 requests of POST /charges/{id}/refund goes to the new version now: "),
        "{live}"
    );

    let dom = browse(&home, &chromium, &over, &["--dump-dom"]);
    console_is_silent(&dom);
    for wanted in [
        "The new version of payments was sent back",
        "1 in 5 requests of GET /charges/{id} went to the new version: ",
        "all requests to revision 1",
        EVIL,
    ] {
        assert!(
            text(&dom.stdout).contains(wanted),
            "{wanted}: {}",
            dom.stdout
        );
    }
    assert!(
        dom.stdout
            .contains("<title>payments 1 → 2: aborted</title>"),
        "no script ran: {}",
        dom.stdout
    );
    assert!(!dom.stdout.contains("<script") && !dom.stdout.contains("<img"));

    let picture = home.work().join("over.png");
    let argument = format!("--screenshot={}", picture.display());
    let shown = browse(
        &home,
        &chromium,
        &over,
        &["--window-size=1100,1600", "--hide-scrollbars", &argument],
    );
    console_is_silent(&shown);
    let bytes = std::fs::read(&picture).expect("a picture");
    assert!(bytes.starts_with(b"\x89PNG"));
    // An empty page of this size is below 10 kB.
    assert!(bytes.len() > 40_000, "{} bytes", bytes.len());
    // The same log is the same page.
    assert_eq!(
        std::fs::read(&over).expect("the page"),
        std::fs::read(report(&home, "again.html")).expect("the page")
    );
}
