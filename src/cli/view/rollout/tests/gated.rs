//! Routes that only the new revision has, in the block, in one line and in the report.

use snapbox::{assert_data_eq, str};

use super::block::shown;
use super::page::{page, says};
use super::{Log, plan, unit};
use crate::cli::view::rollout::{one_line, report_lines};
use crate::domain::rollout::gate::{By, UnitGate};
use crate::domain::rollout::{Phase, Plan, Unit, Why};
use crate::domain::service::RolloutStep;

/// A route of three requests a second that only the canary has.
fn dispute(by: By) -> Unit {
    let steps = match by {
        By::Buckets => vec![5, 25, 50],
        By::Consumers(_) => vec![100],
    };
    Unit {
        steps: steps
            .into_iter()
            .map(|weight| RolloutStep {
                weight,
                hold_seconds: 300,
            })
            .collect(),
        gate: Some(UnitGate {
            identity: "x-consumer".to_owned(),
            by,
        }),
        ..unit("dispute", "POST", "/charges/{id}/dispute", 3.0)
    }
}

/// One route that is split, and a new one.
fn with(by: By) -> Plan {
    let mut plan = plan();
    plan.units[1] = dispute(by);
    plan
}

fn named() -> By {
    By::Consumers(vec!["mobile".to_owned(), "web".to_owned()])
}

/// In the middle of its second step, or of the only one.
fn holding(by: By) -> Log {
    let mut log = Log::new(with(by));
    log.begin();
    log.looks(13, 30, &[0.003, 0.0]);
    if matches!(
        log.plan.units[1].gate.as_ref().map(|gate| &gate.by),
        Some(By::Buckets)
    ) {
        let both = vec!["refund".to_owned(), "dispute".to_owned()];
        log.shift(&[2, 2, 0], Why::Passed(both));
        log.looks(6, 30, &[0.003, 0.0]);
    }
    log
}

#[test]
fn buckets_in_the_block() {
    let snapshot = holding(By::Buckets).snapshot();
    assert_data_eq!(
        shown(&snapshot, 160),
        str![[r#"
payments 41 → 42 · prod · holding at 25 %, step 2 of 3 · driven by ana@acme.example on laptop
  started 24 Nov 14:41 UTC by ana@acme.example on laptop
  because: limit refunds for each customer (#812)
  last: as healthy as revision 41: POST /charges/{id}/refund; healthy enough for a new route: POST /charges/{id}/dispute

                              weight  new: requests  bad  old: requests  bad      new/old  against it  verdict  at this weight
  POST /charges/{id}/refund     25 %            258    1          2,022    2  3.9 (≤ 8.3)  ░░░░░░░░░░  pass     3 min of about 10 min
  POST /charges/{id}/dispute    25 %            184    0              -    -            -  ░░░░░░░░░░  pass     3 min of about 5 min
  everything else                0 %              -    -              -    -            -  -           -        with the promotion

  bad share, last 20 looks, up to 1.9 %   new ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█▁▁▁   old ▄▁▁▁▁▁▁▄▁▁▁▄▁▁▁▁▁▁▁▁
  1 in 4 requests of POST /charges/{id}/refund goes to the new version; 258 handled, 1 failed or slow, about as many as before; 6 more handled, 0 failed or slow
    while it warmed up, not judged
  POST /charges/{id}/dispute for 25 % of callers goes to the new version; 184 handled, 0 failed or slow, few enough for a new route; 4 more handled, 0 failed or
    slow while it warmed up, not judged
  next: 50 % in about 2 min · stop: `squad stop payments --env prod`

"#]]
    );
    assert_data_eq!(
        shown(&snapshot, 60),
        str![[r#"
payments 41 → 42 · prod · holding at 25 %, step 2 of 3 ·
  driven by ana@acme.example on laptop
  started 24 Nov 14:41 UTC by ana@acme.example on laptop
  because: limit refunds for each customer (#812)
  last: as healthy as revision 41: POST
    /charges/{id}/refund; healthy enough for a new route:
    POST /charges/{id}/dispute

  POST /charges/{id}/refund at 25 %
    new: 1 bad of 258, old: 2 bad of 2,022
    new/old 3.9 (≤ 8.3) · against it ░░░░░░░░░░
    pass, 3 min of about 10 min
    1 in 4 requests of POST /charges/{id}/refund goes to the
      new version; 258 handled, 1 failed or slow, about as
      many as before; 6 more handled, 0 failed or slow while
      it warmed up, not judged

  POST /charges/{id}/dispute for 25 % of callers
    new: 0 bad of 184, old: no requests · new/old -
    against it ░░░░░░░░░░ · pass, 3 min of about 5 min
    POST /charges/{id}/dispute for 25 % of callers goes to
      the new version; 184 handled, 0 failed or slow, few
      enough for a new route; 4 more handled, 0 failed or
      slow while it warmed up, not judged

  everything else at 0 %
    with the promotion

  bad share, last 20 looks, up to 1.9 %
  new ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█▁▁▁
  old ▄▁▁▁▁▁▁▄▁▁▁▄▁▁▁▁▁▁▁▁
  next: 50 % in about 2 min · stop: `squad stop payments
    --env prod`

"#]]
    );
    assert_data_eq!(
        one_line(&snapshot),
        str![
            "payments 41 → 42 · prod · holding at 25 %, step 2 of 3 · driven by ana@acme.example on laptop · refund 25 %: 258 handled, 1 bad, pass · dispute for 25 % of callers: 184 handled, 0 bad, pass"
        ]
    );
}

#[test]
fn named_consumers_in_the_block() {
    let snapshot = holding(named()).snapshot();
    assert_data_eq!(
        shown(&snapshot, 160),
        str![[r#"
payments 41 → 42 · prod · holding at 5 %, step 1 of 3 · driven by ana@acme.example on laptop
  started 24 Nov 14:41 UTC by ana@acme.example on laptop
  because: limit refunds for each customer (#812)
  last: revision 42 is ready

                              weight  new: requests  bad  old: requests  bad  new/old  against it  verdict  at this weight
  POST /charges/{id}/refund      5 %             78    0          1,482    0        -  ░░░░░░░░░░  pass     ready
  POST /charges/{id}/dispute   named          1,170    0              -    -        -  ░░░░░░░░░░  pass     ready
  everything else                0 %              -    -              -    -        -  -           -        with the promotion

  bad share, last 14 looks, up to 0.9 %   new ▁▁▁▁▁▁▁▁▁▁▁▁▁▁   old █▁▁▁▁▁▁▁▁▁▁▁▁▁
  1 in 20 requests of POST /charges/{id}/refund goes to the new version; 78 handled, 0 failed or slow, about as many as before; 6 more handled, 0 failed or slow
    while it warmed up, not judged
  POST /charges/{id}/dispute for consumers mobile, web goes to the new version; 1,170 handled, 0 failed or slow, few enough for a new route; 90 more handled, 0
    failed or slow while it warmed up, not judged
  next: 25 % with the next pass · stop: `squad stop payments --env prod`

"#]]
    );
    assert_data_eq!(
        one_line(&snapshot),
        str![
            "payments 41 → 42 · prod · holding at 5 %, step 1 of 3 · driven by ana@acme.example on laptop · refund 5 %: 78 handled, 0 bad, pass · dispute for consumers mobile, web: 1,170 handled, 0 bad, pass"
        ]
    );
}

#[test]
fn a_rollout_of_nothing_but_a_new_route_is_open_to_somebody_and_not_at_a_weight() {
    for (by, wanted) in [
        (By::Buckets, "holding open to 25 % of callers, step 2 of 3"),
        (
            named(),
            "holding open to consumers mobile, web, step 1 of 1",
        ),
    ] {
        let mut snapshot = holding(by).snapshot();
        snapshot.units.remove(0);
        let text = shown(&snapshot, 160);
        assert!(text.contains(wanted), "{text}");
    }
}

#[test]
fn nobody_has_called_yet() {
    let mut snapshot = holding(By::Buckets).snapshot();
    let dispute = &mut snapshot.units[1];
    dispute.eta_seconds = None;
    dispute.total.canary.requests = 0;
    if let Some(judgement) = &mut dispute.judgement {
        judgement.verdict =
            crate::domain::analysis::Verdict::Inconclusive(crate::domain::analysis::Reason::NoData);
    }
    let text = shown(&snapshot, 160);
    assert!(text.contains("no caller counted yet"), "{text}");
    assert!(!text.contains("no end known"), "{text}");
}

#[test]
fn the_report_says_who_was_let_through_and_compares_with_nothing() {
    let mut log = holding(By::Buckets);
    let live = page(&log);
    says(
        &live,
        &[
            "POST /charges/{id}/dispute goes to the new version for 25 % of callers now: ",
            "few enough for a new route;",
            "open to 5 % of callers: POST /charges/{id}/dispute",
            "as healthy as revision 41: POST /charges/{id}/refund; healthy enough for a new route: POST /charges/{id}/dispute",
        ],
    );
    log.decide(Phase::Aborting, &[2, 2, 0], Why::CanaryDown, None);
    log.decide(Phase::Aborted, &[2, 2, 0], Why::Verified, None);
    says(
        &page(&log),
        &["POST /charges/{id}/dispute went to the new version for 25 % of callers: "],
    );
    let log = holding(named());
    says(
        &page(&log),
        &[
            "POST /charges/{id}/dispute goes to the new version for consumers mobile, web now: ",
            "open to consumers mobile, web: POST /charges/{id}/dispute",
        ],
    );
    let lines = report_lines(&log.row(), &log.entries, None).join("\n");
    assert!(!lines.contains("100 %"), "{lines}");
}
