//! `squad rollout status --watch` on a real terminal.

use std::time::Duration;

use super::{Traffic, live, wait_for_phase};
use crate::support::journey::{begin, end};
use crate::support::{Home, Terminal, wait_for};

#[test]
fn the_live_view_draws_in_place_and_leaves_the_terminal_as_it_was() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    service.toml(
        &home,
        &super::ROLLOUT.replace("hold = \"2s\"", "hold = \"20s\""),
    );
    let driver = begin(&home, &service.directory, ["deploy", "--canary"]);
    let _phase = wait_for_phase(&home, "holding");
    for columns in [60, 140] {
        let arguments = ["rollout", "status", "payments", "--watch"];
        let mut terminal = Terminal::start(&home, columns, arguments);
        terminal.expect("POST /charges/{id}/refund");
        // A second block is drawn over the first one: the cursor goes up, and nothing else.
        wait_for("the second block", Duration::from_secs(30), || {
            let raw = terminal.raw();
            raw.matches("payments 1 → 2").nth(1).map(|_| ())
        });
        let raw = terminal.raw();
        let lines = raw
            .split("\u{1b}[J")
            .next()
            .expect("a block")
            .matches('\n')
            .count();
        assert!(raw.contains(&format!("\r\u{1b}[{lines}A")), "{raw:?}");
        for sequence in ["\u{1b}[2J", "\u{1b}[H", "\u{1b}[?25l", "\u{1b}[?1049h"] {
            assert!(!raw.contains(sequence), "{raw:?}");
        }
        for line in console::strip_ansi_codes(&raw).lines() {
            let line = line.trim_start_matches('\r');
            assert!(
                console::measure_text_width(line) <= usize::from(columns),
                "{line:?}"
            );
        }
        terminal.interrupt();
        let (code, text) = terminal.finish();
        assert_eq!(code, 8, "{text}");
    }
    home.squad(["stop", "payments"]).success();
    let _ended = end(&home, driver);
    traffic.stop_without_failures();
}
