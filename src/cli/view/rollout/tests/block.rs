//! The block of `squad rollout status`, and its line.

use snapbox::{assert_data_eq, str};

use super::{aborted, actor, holding, promoted};
use crate::cli::view::rollout::block::block;
use crate::cli::view::rollout::{Screen, going, one_line};
use crate::domain::rollout::{Phase, Waiting};
use crate::env::Env;
use crate::ops::rollout::snapshot::{Driver, Snapshot};
use crate::output::{Color, Format, Output, Place, Settings};

fn output(color: Color, variables: &[(&str, &str)]) -> Output {
    let settings = Settings {
        format: Format::Text,
        color,
        verbosity: 0,
        no_input: true,
    };
    Output::new(settings, &Env::of(variables), Place::default())
}

/// The block, checked: no line is wider than the screen, and without colour there is no escape sequence.
pub(super) fn shown(snapshot: &Snapshot, width: usize) -> String {
    let text = block(
        &output(Color::Never, &[("LANG", "C.UTF-8")]),
        snapshot,
        width,
    );
    for line in text.lines() {
        assert!(console::measure_text_width(line) <= width, "{line}");
        assert_eq!(line, line.trim_end());
    }
    assert!(!text.contains('\u{1b}'), "{text}");
    text
}

#[test]
fn at_40_columns() {
    assert_data_eq!(
        shown(&holding().snapshot(), 40),
        str![[r#"
payments 41 → 42 · prod · holding at 5
  to 25 % · driven by ana@acme.example
  on laptop
  started 24 Nov 14:41 UTC by
    ana@acme.example on laptop
  because: limit refunds for each
    customer (#812)
  last: as healthy as revision 41: GET
    /charges/{id}

  POST /charges/{id}/refund at 5 %
    new: 0 bad of 126, old: 4 bad of
      2,394 · new/old 0.0 (≤ 0.5)
    against it ░░░░░░░░░░ · pass, ready
    1 in 20 requests of POST
      /charges/{id}/refund goes to the
      new version; 126 handled, 0 failed
      or slow, about as many as before;
      6 more handled, 0 failed or slow
      while it warmed up, not judged

  GET /charges/{id} at 25 %
    new: 10 bad of 2,385, old: 30 bad of
      16,515 · new/old 2.3 (≤ 5.1)
    against it ░░░░░░░░░░
    pass, 4 min of about 10 min
    1 in 4 requests of GET /charges/{id}
      goes to the new version; 2,385
      handled, 10 failed or slow, about
      as many as before; 45 more
      handled, 1 failed or slow while it
      warmed up, not judged

  everything else at 0 %
    with the promotion

  bad share, last 22 looks, up to 2.0 %
  new ██▁▁█▁▁▁▁▁▁▁▁▁▃▁▁▁▆▆▁▃
  old ▁▁▁▂▁▁▂▁▁▂▁▁▂▂▁▁▂▂▃▃▁▂
  next: 25 % with the next pass · stop:
    `squad stop payments --env prod`

"#]]
    );
}

#[test]
fn at_80_columns() {
    assert_data_eq!(
        shown(&holding().snapshot(), 80),
        str![[r#"
payments 41 → 42 · prod · holding at 5 to 25 % · driven by ana@acme.example on
  laptop
  started 24 Nov 14:41 UTC by ana@acme.example on laptop
  because: limit refunds for each customer (#812)
  last: as healthy as revision 41: GET /charges/{id}

  POST /charges/{id}/refund at 5 %
    new: 0 bad of 126, old: 4 bad of 2,394 · new/old 0.0 (≤ 0.5)
    against it ░░░░░░░░░░ · pass, ready
    1 in 20 requests of POST /charges/{id}/refund goes to the new version; 126
      handled, 0 failed or slow, about as many as before; 6 more handled, 0
      failed or slow while it warmed up, not judged

  GET /charges/{id} at 25 %
    new: 10 bad of 2,385, old: 30 bad of 16,515 · new/old 2.3 (≤ 5.1)
    against it ░░░░░░░░░░ · pass, 4 min of about 10 min
    1 in 4 requests of GET /charges/{id} goes to the new version; 2,385 handled,
      10 failed or slow, about as many as before; 45 more handled, 1 failed or
      slow while it warmed up, not judged

  everything else at 0 %
    with the promotion

  bad share, last 22 looks, up to 2.0 %
  new ██▁▁█▁▁▁▁▁▁▁▁▁▃▁▁▁▆▆▁▃
  old ▁▁▁▂▁▁▂▁▁▂▁▁▂▂▁▁▂▂▃▃▁▂
  next: 25 % with the next pass · stop: `squad stop payments --env prod`

"#]]
    );
}

#[test]
fn at_120_columns() {
    assert_data_eq!(
        shown(&holding().snapshot(), 120),
        str![[r#"
payments 41 → 42 · prod · holding at 5 to 25 % · driven by ana@acme.example on laptop
  started 24 Nov 14:41 UTC by ana@acme.example on laptop
  because: limit refunds for each customer (#812)
  last: as healthy as revision 41: GET /charges/{id}

                             weight    new  bad     old  bad      new/old  against it  verdict  at this weight
  POST /charges/{id}/refund     5 %    126    0   2,394    4  0.0 (≤ 0.5)  ░░░░░░░░░░  pass     ready
  GET /charges/{id}            25 %  2,385   10  16,515   30  2.3 (≤ 5.1)  ░░░░░░░░░░  pass     4 min of about 10 min
  everything else               0 %      -    -       -    -            -  -           -        with the promotion

  bad share, last 22 looks, up to 2.0 %   new ██▁▁█▁▁▁▁▁▁▁▁▁▃▁▁▁▆▆▁▃   old ▁▁▁▂▁▁▂▁▁▂▁▁▂▂▁▁▂▂▃▃▁▂
  1 in 20 requests of POST /charges/{id}/refund goes to the new version; 126 handled, 0 failed or slow, about as many as
    before; 6 more handled, 0 failed or slow while it warmed up, not judged
  1 in 4 requests of GET /charges/{id} goes to the new version; 2,385 handled, 10 failed or slow, about as many as
    before; 45 more handled, 1 failed or slow while it warmed up, not judged
  next: 25 % with the next pass · stop: `squad stop payments --env prod`

"#]]
    );
}

#[test]
fn at_200_columns() {
    assert_data_eq!(
        shown(&holding().snapshot(), 200),
        str![[r#"
payments 41 → 42 · prod · holding at 5 to 25 % · driven by ana@acme.example on laptop
  started 24 Nov 14:41 UTC by ana@acme.example on laptop
  because: limit refunds for each customer (#812)
  last: as healthy as revision 41: GET /charges/{id}

                             weight  new: requests  bad  old: requests  bad      new/old  against it  verdict  at this weight
  POST /charges/{id}/refund     5 %            126    0          2,394    4  0.0 (≤ 0.5)  ░░░░░░░░░░  pass     ready
  GET /charges/{id}            25 %          2,385   10         16,515   30  2.3 (≤ 5.1)  ░░░░░░░░░░  pass     4 min of about 10 min
  everything else               0 %              -    -              -    -            -  -           -        with the promotion

  bad share, last 22 looks, up to 2.0 %   new ██▁▁█▁▁▁▁▁▁▁▁▁▃▁▁▁▆▆▁▃   old ▁▁▁▂▁▁▂▁▁▂▁▁▂▂▁▁▂▂▃▃▁▂
  1 in 20 requests of POST /charges/{id}/refund goes to the new version; 126 handled, 0 failed or slow, about as many as before; 6 more handled, 0 failed or slow while it warmed up, not judged
  1 in 4 requests of GET /charges/{id} goes to the new version; 2,385 handled, 10 failed or slow, about as many as before; 45 more handled, 1 failed or slow while it warmed up, not judged
  next: 25 % with the next pass · stop: `squad stop payments --env prod`

"#]]
    );
}

#[test]
fn without_utf8_everything_is_ascii() {
    let mut snapshot = holding().snapshot();
    snapshot.driver = Driver::Nobody {
        since: Some("2026-11-24T14:52:08Z".parse().unwrap()),
    };
    for width in [40, 160] {
        let text = block(&output(Color::Never, &[("LANG", "C")]), &snapshot, width);
        assert!(text.is_ascii(), "{text}");
    }
    let text = block(&output(Color::Never, &[("LANG", "C")]), &snapshot, 160);
    assert_data_eq!(
        text,
        str![[r#"
payments 41 -> 42 - prod - holding at 5 to 25 % - unattended since 14:52:08 UTC
  started 24 Nov 14:41 UTC by ana@acme.example on laptop
  because: limit refunds for each customer (#812)
  last: as healthy as revision 41: GET /charges/{id}

                             weight  new: requests  bad  old: requests  bad       new/old  against it  verdict  at this weight
  POST /charges/{id}/refund     5 %            126    0          2,394    4  0.0 (<= 0.5)  ..........  pass     ready
  GET /charges/{id}            25 %          2,385   10         16,515   30  2.3 (<= 5.1)  ..........  pass     4 min of about 10 min
  everything else               0 %              -    -              -    -             -  -           -        with the promotion

  bad share, last 22 looks, up to 2.0 %   new ##__#_________:___++_:   old ___.__.__.__..__..::_.
  1 in 20 requests of POST /charges/{id}/refund goes to the new version; 126 handled, 0 failed or slow, about as many as before; 6 more handled, 0 failed or
    slow while it warmed up, not judged
  1 in 4 requests of GET /charges/{id} goes to the new version; 2,385 handled, 10 failed or slow, about as many as before; 45 more handled, 1 failed or slow
    while it warmed up, not judged
  next: 25 % with the next pass - stop: `squad stop payments --env prod`
  nobody drives it, so it stays as it is; take it up: `squad rollout drive payments --env prod`

"#]]
    );
}

#[test]
fn colour_changes_no_word() {
    for snapshot in [
        holding().snapshot(),
        aborted().snapshot(),
        promoted().snapshot(),
    ] {
        for width in [40, 80, 120, 200] {
            let painted = block(
                &output(Color::Always, &[("LANG", "C.UTF-8")]),
                &snapshot,
                width,
            );
            assert_eq!(console::strip_ansi_codes(&painted), shown(&snapshot, width));
        }
    }
}

#[test]
fn an_aborted_and_a_promoted_rollout() {
    assert_data_eq!(
        shown(&aborted().snapshot(), 140),
        str![[r#"
payments 41 → 42 · prod · aborted
  started 24 Nov 14:41 UTC by ana@acme.example on laptop
  because: limit refunds for each customer (#812)
  last: POST /charges/{id}/refund: worse than revision 41

                             weight  new: requests  bad  old: requests  bad        new/old  against it  verdict  at this weight
  POST /charges/{id}/refund     0 %            144   13          2,736    7  35.3 (≤ 71.1)  ██████████  fail     -
  GET /charges/{id}             0 %          3,060   10         18,540   40    1.5 (≤ 3.5)  ░░░░░░░░░░  pass     -
  everything else               0 %              -    -              -    -              -  -           -        -

  bad share, last 25 looks, up to 2.2 %   new ▇▇▁▁▇▁▁▁▁▁▁▁▁▁▅▄▅▂█▅▂▅▁▁▁   old ▁▁▁▂▁▁▂▁▁▂▁▁▂▂▁▁▂▂▃▃▁▂▃▃▂
  no request of POST /charges/{id}/refund goes to the new version; 144 handled, 13 failed or slow, more than before; 6 more handled, 0
    failed or slow while it warmed up, not judged
  no request of GET /charges/{id} goes to the new version; 3,060 handled, 10 failed or slow, about as many as before; 45 more handled, 1
    failed or slow while it warmed up, not judged

"#]]
    );
    assert_data_eq!(
        shown(&promoted().snapshot(), 140),
        str![[r#"
payments 41 → 42 · prod · succeeded
  started 24 Nov 14:41 UTC by ana@acme.example on laptop
  because: limit refunds for each customer (#812)
  last: revision 42 serves all requests, and the watch is over

                             weight  new: requests  bad  old: requests  bad      new/old  against it  verdict       at this weight
  POST /charges/{id}/refund   100 %          7,200   26          7,332   23  1.2 (≤ 3.8)  ░░░░░░░░░░  pass          -
  GET /charges/{id}           100 %         54,000  158         45,990  124  1.1 (≤ 1.8)  ░░░░░░░░░░  pass          -
  everything else             100 %              -    -              -    -            -  ░░░░░░░░░░  not told yet  -

  bad share, last 60 looks, up to 0.7 %   new ▃▃▂▂▇▃▅▄▇▆▅▇▃▃▅▄▁▄▂▁▄▇▃▃▅▆▄▂▄▄▇▆▃▅▃▃▆▃▄▇▃█▃▂▃▄▄▂▃▅▄▄▄▆▁▄▃▄█▃
  all requests of POST /charges/{id}/refund go to the new version; 7,200 handled, 26 failed or slow since the promotion, about as many as
    before
  all requests of GET /charges/{id} go to the new version; 54,000 handled, 158 failed or slow since the promotion, about as many as before
  all other requests go to the new version; 0 handled, 0 failed or slow since the promotion, no requests, so there is nothing to tell by

"#]]
    );
}

#[test]
fn somebody_has_to_decide_and_the_counters_are_gone() {
    let mut log = holding();
    log.missing(2, 30, "no answer within 10 s");
    let mut snapshot = log.snapshot();
    snapshot.state.phase = Phase::Paused;
    snapshot.driver = Driver::Nobody { since: None };
    assert_data_eq!(
        shown(&snapshot, 100),
        str![[r#"
payments 41 → 42 · prod · paused at 5 to 25 % · unattended
  started 24 Nov 14:41 UTC by ana@acme.example on laptop
  because: limit refunds for each customer (#812)
  last: as healthy as revision 41: GET /charges/{id}
  the counters cannot be read: no answer within 10 s

  POST /charges/{id}/refund at 5 %
    new: 0 bad of 126, old: 4 bad of 2,394 · new/old 0.0 (≤ 0.5) · against it ░░░░░░░░░░
    not told yet, 12 min, no end known
    1 in 20 requests of POST /charges/{id}/refund goes to the new version; 126 handled, 0 failed or
      slow, not known while the counters cannot be read; 6 more handled, 0 failed or slow while it
      warmed up, not judged

  GET /charges/{id} at 25 %
    new: 10 bad of 2,385, old: 30 bad of 16,515 · new/old 2.3 (≤ 5.1) · against it ░░░░░░░░░░
    not told yet, 5 min of about 10 min
    1 in 4 requests of GET /charges/{id} goes to the new version; 2,385 handled, 10 failed or slow,
      not known while the counters cannot be read; 45 more handled, 1 failed or slow while it warmed
      up, not judged

  everything else at 0 %
    with the promotion

  bad share, last 22 looks, up to 2.0 %   new ██▁▁█▁▁▁▁▁▁▁▁▁▃▁▁▁▆▆▁▃   old ▁▁▁▂▁▁▂▁▁▂▁▁▂▂▁▁▂▂▃▃▁▂
  next: somebody has to decide · stop: `squad stop payments --env prod`
  go on: `squad rollout resume payments --env prod`, then `squad rollout drive payments --env prod`

"#]]
    );
    snapshot.state.phase = Phase::Drifted;
    let text = shown(&snapshot, 100);
    assert!(
        text.contains("squad rollout rebase payments --env prod"),
        "{text}"
    );
}

#[test]
fn what_others_wrote_moves_no_cursor() {
    let mut log = holding();
    log.plan.reason = Some("a\u{1b}[2Jb\nc".to_owned());
    log.who = actor("\u{1b}[1A", "host");
    for width in [40, 200] {
        shown(&log.snapshot(), width);
    }
    assert!(!one_line(&log.snapshot()).contains('\u{1b}'));
}

#[test]
fn one_line_has_all_of_it() {
    let line = "payments 41 → 42 · prod · holding at 5 to 25 % · driven by ana@acme.example on laptop \
                · refund 5 %: 126 handled, 0 bad, pass · get-charge 25 %: 2,385 handled, 10 bad, pass";
    assert_eq!(one_line(&holding().snapshot()), line);
    let mut log = holding();
    log.missing(1, 30, "no answer within 10 s");
    let line = line.replace(", pass", ", inconclusive");
    assert_eq!(
        one_line(&log.snapshot()),
        format!("{line} · the counters cannot be read: no answer within 10 s")
    );
}

#[test]
fn what_is_waited_for_is_said_in_plain_words() {
    let snapshot = holding().snapshot();
    let said = |waiting| {
        let (what, detail) = going(&snapshot, &waiting);
        format!("{what}: {detail}")
    };
    let all = [
        Waiting::Canary,
        Waiting::Traffic,
        Waiting::Person,
        Waiting::Attendance { weight: 25 },
        Waiting::Watch,
        Waiting::Evidence,
    ];
    let lines: Vec<String> = all.into_iter().map(said).collect();
    assert_data_eq!(
        lines.join("\n"),
        str![[r#"
preparing: revision 42 is not ready yet
shifting: the new weights are not in force yet
waiting: holding; somebody has to decide
waiting: 25 % is more than nobody may attend; drive it without --once
watching: revision 42 serves all requests; it can still go back for 26 min
holding: 1 in 20 requests of POST /charges/{id}/refund goes to the new version; 126 handled, 0 failed or slow, about as many as before; 6 more handled, 0 failed or slow while it warmed up, not judged · 1 in 4 requests of GET /charges/{id} goes to the new version; 2,385 handled, 10 failed or slow, about as many as before; 45 more handled, 1 failed or slow while it warmed up, not judged
"#]]
    );
    let mut log = holding();
    log.missing(1, 30, "no answer within 10 s");
    let (_, detail) = going(&log.snapshot(), &Waiting::Evidence);
    assert_eq!(detail, "the counters cannot be read: no answer within 10 s");
}

/// What a terminal of 20 rows shows after some bytes, its cursor at the end of them.
fn terminal(bytes: &str) -> (Vec<String>, usize) {
    let mut rows: Vec<String> = vec![String::new()];
    let (mut row, mut column) = (0_usize, 0_usize);
    let mut rest = bytes;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                column = 0;
                if rows.len() <= row {
                    rows.push(String::new());
                }
            }
            '\u{1b}' => {
                let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                let (parameter, command) = (&rest[1..end], &rest[end..=end]);
                rest = &rest[end + 1..];
                match command {
                    "A" => row -= parameter.parse::<usize>().unwrap(),
                    "K" => rows[row] = rows[row].chars().take(column).collect(),
                    "J" => {
                        rows.truncate(row + 1);
                        rows[row] = rows[row].chars().take(column).collect();
                    }
                    other => panic!("{other}"),
                }
            }
            c => {
                let mut line: Vec<char> = rows[row].chars().collect();
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                rows[row] = line.into_iter().collect();
                column += 1;
            }
        }
    }
    (rows, row)
}

#[test]
fn a_redraw_replaces_the_old_block_and_scrolls_nothing() {
    let mut screen = Screen::default();
    let mut bytes = String::new();
    let texts = ["one\ntwo\nthree is long\n", "ONE\nTWO\n", "1\n2\n3\n4\n"];
    for text in texts {
        bytes.push_str(&screen.redraw(text, (80, 20)));
        let (rows, row) = terminal(&bytes);
        let shown: Vec<&str> = text.lines().collect();
        assert_eq!(rows[..row], shown);
        assert_eq!(rows[row], "", "the cursor is on an empty line below");
    }
    assert!(
        !bytes.contains("?25l") && !bytes.contains("?1049h"),
        "nothing is left to undo"
    );
}

#[test]
fn a_block_that_is_higher_than_the_screen_is_cut() {
    let text: String = (1..=30).map(|line| format!("line {line}\n")).collect();
    let mut screen = Screen::default();
    let bytes = screen.redraw(&text, (80, 20)) + &screen.redraw(&text, (80, 20));
    let (rows, row) = terminal(&bytes);
    assert_eq!(row, 19, "the last of 20 rows");
    assert_eq!(rows[18], "(12 more lines)");
}
