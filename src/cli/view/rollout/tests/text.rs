//! The report as lines.

use snapbox::{assert_data_eq, str};

use super::{Log, aborted, promoted};
use crate::cli::view::rollout::report_lines;

fn lines(log: &Log, width: Option<usize>) -> String {
    let lines = report_lines(&log.row(), &log.entries, width);
    for line in &lines {
        if let Some(width) = width {
            assert!(console::measure_text_width(line) <= width, "{line}");
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn an_aborted_rollout_on_a_wide_screen() {
    assert_data_eq!(
        lines(&aborted(), Some(140)),
        str![[r#"
payments 41 → 42: aborted
  rollout 01KB3R5Y7TQ4V0ZJ3N8M6W2XCE, started 2026-11-24 14:41:00 UTC by ana@acme.example on laptop
  because: limit refunds for each customer (#812)
  Revision 41 serves all requests again, 13 min after the first look. Why: POST /charges/{id}/refund: worse than revision 41.

  1 in 20 requests of POST /charges/{id}/refund went to the new version: 144 handled, 13 failed or slow (9.0 %), more than before (old
    version: 0.26 % of 2,736); 6 more handled, 0 failed or slow while it warmed up, not judged.
  Up to 1 in 4 requests of GET /charges/{id} went to the new version: 3,060 handled, 10 failed or slow (0.33 %), about as many as before
    (old version: 0.22 % of 18,540); 45 more handled, 1 failed or slow while it warmed up, not judged.
  All other requests stayed on the old version.

2026-11-24 (UTC)
14:41:00  getting ready
          started, ana@acme.example on laptop
14:41:08  0 → 5 %: POST /charges/{id}/refund, GET /charges/{id}
          revision 42 is ready, ana@acme.example on laptop
14:41:08  holding
          the new weights are in force, ana@acme.example on laptop
14:48:08  5 → 25 %: GET /charges/{id}
          as healthy as revision 41: GET /charges/{id}, ana@acme.example on laptop
          ROUTE                          NEW: BAD               OLD: BAD            NEW/OLD       RISE AT MOST      E-VALUE  VERDICT
          POST                      0 of 78 (0 %)    3 of 1,482 (0.20 %)  0.0 (at most 0.5)  2.00 (limit 4.00)  0.61 of 200  pass
          /charges/{id}/refund
          GET /charges/{id}     2 of 585 (0.34 %)  15 of 11,115 (0.13 %)  2.5 (at most 5.6)  2.21 (limit 4.00)  0.61 of 200  pass
14:48:08  holding
          the new weights are in force, ana@acme.example on laptop
14:53:38  all requests to revision 41
          POST /charges/{id}/refund: worse than revision 41, ana@acme.example on laptop
          ROUTE                             NEW: BAD               OLD: BAD              NEW/OLD        RISE AT MOST      E-VALUE  VERDICT
          POST                     13 of 144 (9.0 %)    7 of 2,736 (0.26 %)  35.3 (at most 71.1)  10.77 (limit 4.00)   403 of 200  fail
          /charges/{id}/refund
          GET /charges/{id}     10 of 3,060 (0.33 %)  40 of 18,540 (0.22 %)    1.5 (at most 3.5)   1.11 (limit 2.00)  0.61 of 200  pass
14:53:38  aborted
          all traffic is there, read again, ana@acme.example on laptop

"#]]
    );
}

#[test]
fn an_aborted_rollout_on_a_narrow_screen() {
    assert_data_eq!(
        lines(&aborted(), Some(60)),
        str![[r#"
payments 41 → 42: aborted
  rollout 01KB3R5Y7TQ4V0ZJ3N8M6W2XCE, started 2026-11-24
    14:41:00 UTC by ana@acme.example on laptop
  because: limit refunds for each customer (#812)
  Revision 41 serves all requests again, 13 min after the
    first look. Why: POST /charges/{id}/refund: worse than
    revision 41.

  1 in 20 requests of POST /charges/{id}/refund went to the
    new version: 144 handled, 13 failed or slow (9.0 %),
    more than before (old version: 0.26 % of 2,736); 6 more
    handled, 0 failed or slow while it warmed up, not
    judged.
  Up to 1 in 4 requests of GET /charges/{id} went to the new
    version: 3,060 handled, 10 failed or slow (0.33 %),
    about as many as before (old version: 0.22 % of 18,540);
    45 more handled, 1 failed or slow while it warmed up,
    not judged.
  All other requests stayed on the old version.

2026-11-24 (UTC)
14:41:00  getting ready
          started, ana@acme.example on laptop
14:41:08  0 → 5 %: POST /charges/{id}/refund, GET
            /charges/{id}
          revision 42 is ready, ana@acme.example on laptop
14:41:08  holding
          the new weights are in force, ana@acme.example on
            laptop
14:48:08  5 → 25 %: GET /charges/{id}
          as healthy as revision 41: GET /charges/{id},
            ana@acme.example on laptop
          POST /charges/{id}/refund
            new: bad      0 of 78 (0 %)
            old: bad      3 of 1,482 (0.20 %)
            new/old       0.0 (at most 0.5)
            rise at most  2.00 (limit 4.00)
            e-value       0.61 of 200
            verdict       pass
          GET /charges/{id}
            new: bad      2 of 585 (0.34 %)
            old: bad      15 of 11,115 (0.13 %)
            new/old       2.5 (at most 5.6)
            rise at most  2.21 (limit 4.00)
            e-value       0.61 of 200
            verdict       pass
14:48:08  holding
          the new weights are in force, ana@acme.example on
            laptop
14:53:38  all requests to revision 41
          POST /charges/{id}/refund: worse than revision 41,
            ana@acme.example on laptop
          POST /charges/{id}/refund
            new: bad      13 of 144 (9.0 %)
            old: bad      7 of 2,736 (0.26 %)
            new/old       35.3 (at most 71.1)
            rise at most  10.77 (limit 4.00)
            e-value       403 of 200
            verdict       fail
          GET /charges/{id}
            new: bad      10 of 3,060 (0.33 %)
            old: bad      40 of 18,540 (0.22 %)
            new/old       1.5 (at most 3.5)
            rise at most  1.11 (limit 2.00)
            e-value       0.61 of 200
            verdict       pass
14:53:38  aborted
          all traffic is there, read again, ana@acme.example
            on laptop

"#]]
    );
}

#[test]
fn a_promoted_rollout_in_a_file() {
    assert_data_eq!(
        lines(&promoted(), None),
        str![[r#"
payments 41 → 42: succeeded
  rollout 01KB3R5Y7TQ4V0ZJ3N8M6W2XCE, started 2026-11-24 14:41:00 UTC by ana@acme.example on laptop
  because: limit refunds for each customer (#812)
  Revision 42 serves all requests, in place of revision 41. From the first look to the end of the watch it took 72 min.

  Up to 1 in 2 requests of POST /charges/{id}/refund went to the new version: 2,028 handled, 6 failed or slow (0.30 %), about as many as before (old version: 0.31 % of 7,332); 6 more handled, 0 failed or slow while it warmed up, not judged. Since it serves all of them: 7,200 handled, 26 failed or slow (0.36 %).
  Up to 1 in 2 requests of GET /charges/{id} went to the new version: 24,210 handled, 60 failed or slow (0.25 %), about as many as before (old version: 0.27 % of 45,990); 45 more handled, 1 failed or slow while it warmed up, not judged. Since it serves all of them: 54,000 handled, 158 failed or slow (0.29 %).
  All other requests followed with the promotion, without steps of their own.

2026-11-24 (UTC)
14:41:00  getting ready
          started, ana@acme.example on laptop
14:41:08  0 → 5 %: POST /charges/{id}/refund, GET /charges/{id}
          revision 42 is ready, ana@acme.example on laptop
14:41:08  holding
          the new weights are in force, ana@acme.example on laptop
14:48:08  5 → 25 %: GET /charges/{id}
          as healthy as revision 41: GET /charges/{id}, ana@acme.example on laptop
          ROUTE                               NEW: BAD               OLD: BAD            NEW/OLD       RISE AT MOST      E-VALUE  VERDICT
          POST /charges/{id}/refund      0 of 78 (0 %)    3 of 1,482 (0.20 %)  0.0 (at most 0.5)  2.00 (limit 4.00)  0.61 of 200  pass
          GET /charges/{id}          2 of 585 (0.34 %)  15 of 11,115 (0.13 %)  2.5 (at most 5.6)  2.21 (limit 4.00)  0.61 of 200  pass
14:48:08  holding
          the new weights are in force, ana@acme.example on laptop
14:58:08  5 → 25 %: POST /charges/{id}/refund
          as healthy as revision 41: POST /charges/{id}/refund, ana@acme.example on laptop; it never came into force
          ROUTE                                  NEW: BAD               OLD: BAD            NEW/OLD       RISE AT MOST      E-VALUE  VERDICT
          POST /charges/{id}/refund        0 of 174 (0 %)   10 of 3,306 (0.30 %)  0.0 (at most 0.5)  2.00 (limit 4.00)  0.61 of 200  pass
          GET /charges/{id}          16 of 4,185 (0.38 %)  54 of 21,915 (0.25 %)  1.6 (at most 3.6)  1.14 (limit 2.00)  0.61 of 200  pass
14:58:08  paused
          paused by hand, rui@acme.example on desk: “lunch, back at 15:10”
15:01:08  holding
          resumed by hand, rui@acme.example on desk
          ROUTE                                  NEW: BAD               OLD: BAD            NEW/OLD       RISE AT MOST      E-VALUE  VERDICT
          POST /charges/{id}/refund     1 of 210 (0.48 %)   11 of 3,990 (0.28 %)  1.7 (at most 4.0)  2.20 (limit 4.00)  0.61 of 200  pass
          GET /charges/{id}          21 of 5,535 (0.38 %)  64 of 25,965 (0.25 %)  1.5 (at most 3.6)  1.13 (limit 2.00)  0.61 of 200  pass
15:01:38  taken over by ci run 991 on runner-7
15:02:38  5 → 25 %: POST /charges/{id}/refund; 25 → 50 %: GET /charges/{id}
          as healthy as revision 41: POST /charges/{id}/refund, GET /charges/{id}, ci run 991 on runner-7
          ROUTE                                  NEW: BAD               OLD: BAD            NEW/OLD       RISE AT MOST      E-VALUE  VERDICT
          POST /charges/{id}/refund     1 of 228 (0.44 %)   12 of 4,332 (0.28 %)  1.6 (at most 3.7)  2.16 (limit 4.00)  0.61 of 200  pass
          GET /charges/{id}          21 of 6,210 (0.34 %)  68 of 27,990 (0.24 %)  1.4 (at most 3.3)  1.10 (limit 2.00)  0.61 of 200  pass
15:02:38  holding
          the new weights are in force, ci run 991 on runner-7
15:12:38  25 → 50 %: POST /charges/{id}/refund
          as healthy as revision 41: POST /charges/{id}/refund, ci run 991 on runner-7
          ROUTE                                   NEW: BAD               OLD: BAD            NEW/OLD       RISE AT MOST      E-VALUE  VERDICT
          POST /charges/{id}/refund      3 of 828 (0.36 %)   18 of 6,132 (0.29 %)  1.2 (at most 3.0)  1.07 (limit 2.00)  0.61 of 200  pass
          GET /charges/{id}          45 of 15,210 (0.30 %)  95 of 36,990 (0.26 %)  1.2 (at most 2.8)  0.54 (limit 1.00)  0.61 of 200  pass
15:12:38  holding
          the new weights are in force, ci run 991 on runner-7
15:22:38  all requests to revision 42
          all passed: as healthy as revision 41, ci run 991 on runner-7
          ROUTE                                   NEW: BAD                OLD: BAD            NEW/OLD       RISE AT MOST      E-VALUE  VERDICT
          POST /charges/{id}/refund    6 of 2,028 (0.30 %)    23 of 7,332 (0.31 %)  0.9 (at most 2.4)  0.50 (limit 1.00)  0.61 of 200  pass
          GET /charges/{id}          60 of 24,210 (0.25 %)  124 of 45,990 (0.27 %)  0.9 (at most 2.3)  0.50 (limit 1.00)  0.61 of 200  pass
15:22:38  watching after the promotion
          all traffic is there, read again, ci run 991 on runner-7
15:52:38  succeeded
          revision 42 serves all requests, and the watch is over, ci run 991 on runner-7

"#]]
    );
}
