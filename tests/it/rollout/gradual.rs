//! Forwards: a good canary is promoted, a bad one aborted, and what cannot be told is neither.

use regex_lite::Regex;
use snapbox::str;

use super::{Traffic, live, quiet, recorded, serves, status, weight};
use crate::support::journey::{port, protected_org};
use crate::support::{Home, Output, get, request};

#[test]
fn a_good_canary_is_promoted_step_by_step() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let traffic = Traffic::start(&home);
    let output = home.squad_in(&service.directory, ["deploy", "--canary"]);
    in_step(quiet(&output.success())).assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 2  Ana Example
›
› payments → local (this machine): revision 1 → 2, gradually
›
›   GET /charges/{id}  [RATE] requests/s, 0.00 % bad on revision 1
›      20 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›      50 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›   POST /charges/{id}/refund  [RATE] requests/s, 0.00 % bad on revision 1
›      20 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›      50 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›   everything else: no requests lately, so it follows with the promotion
›   all steps, one after the other: [TIME]
›   no verdict after 24.0 h: it pauses; after the promotion it watches for [DURATION]
›   undo at any time: `squad stop payments` (about [DURATION])
›
› ✔ recorded         operation [ID], local
› ✔ published        revision 2, ready
› rollout [ID] is live
› ✔ shifting         1 in 5 of GET /charges/{id}, 1 in 5 of POST /charges/{id}/refund to revision 2
› ✔ shifting         1 in 2 of GET /charges/{id}, 1 in 2 of POST /charges/{id}/refund to revision 2
› ✔ promoting        all requests go to revision 2
› ✔ finalising       watching revision 2 for
› ✔ succeeded        revision 2 serves all requests, and the watch is over
succeeded
[exit 0]

"#]]);
    traffic.stop_without_failures();
    assert_eq!(
        get(port(&home, "payments"), "/charges/1").body,
        "version 2\n"
    );
    assert_eq!(
        get(port(&home, "payments"), "/elsewhere").body,
        "version 2\n"
    );
    let kinds = recorded(&home);
    let rollout: Vec<&str> = kinds
        .iter()
        .filter_map(|kind| kind.strip_prefix("squad.rollout."))
        .collect();
    let shift = ["planned.v1", "shifted.v1"];
    // One more where a route was ahead of the other.
    let shifts = rollout.iter().filter(|kind| **kind == shift[1]).count();
    assert!((2..=3).contains(&shifts), "{rollout:?}");
    assert_eq!(
        rollout,
        [
            &["planned.v1", "started.v1"][..],
            &shift.repeat(shifts),
            &["planned.v1", "promoted.v1", "planned.v1", "finished.v1"],
        ]
        .concat()
    );
    in_step(home.squad(["history", "payments"]).success()).assert(str![[r#"
WHEN      WHO              WHAT                                                                    RESULT
[AGO]  ana@example.com  rollout payments 1 → 2: finished in local                               done
[AGO]  ana@example.com  rollout payments 1 → 2: promoted in local                               done
[AGO]  ana@example.com  rollout payments 1 → 2: shifted, get-charge 50 %, refund 50 % in local  done
[AGO]  ana@example.com  rollout payments 1 → 2: shifted, get-charge 20 %, refund 20 % in local  done
[AGO]  ana@example.com  rollout payments 1 → 2: started in local                                done
[AGO]  ana@example.com  deploy payments: 2 published in local (Serve version 2)                 done
[AGO]  ana@example.com  deploy payments → 1 in local (Serve version 1)                          done
[exit 0]

"#]]);
    home.squad(["audit", "verify"]).success();
    home.squad(["rollout", "list", "payments"]).success().assert(str![[r#"
ROLLOUT                     SERVICE   REVISIONS  STARTED   BY               STATE
[ID]  payments  1 → 2      [AGO]  ana@example.com  succeeded: revision 2 serves all requests, and the watch is over
[exit 0]

"#]]);
    let report = home
        .squad(["rollout", "report", "--service", "payments"])
        .success();
    let decision = Regex::new(r"(?m)^\d\d:\d\d:\d\d  (.*)$").expect("a pattern");
    let mut told: Vec<String> = Vec::new();
    for words in decision
        .captures_iter(&report.stdout)
        .filter_map(|line| line.get(1))
    {
        let words = words.as_str();
        // A route that went on a moment after the other does not hold the story up.
        let routes = words.strip_prefix("20 → 50 %: ");
        let ahead = told.iter_mut().find(|line| line.starts_with("20 → 50 %: "));
        if let (Some(routes), Some(line)) = (routes, ahead) {
            let mut all = [line.trim_start_matches("20 → 50 %: "), routes];
            all.sort_unstable();
            *line = format!("20 → 50 %: {}", all.join(", "));
        } else if told.last().is_none_or(|last| last != words) {
            told.push(words.to_owned());
        }
    }
    assert_eq!(
        told,
        [
            "getting ready",
            "0 → 20 %: GET /charges/{id}, POST /charges/{id}/refund",
            "holding",
            "20 → 50 %: GET /charges/{id}, POST /charges/{id}/refund",
            "holding",
            "all requests to revision 2",
            "watching after the promotion",
            "succeeded",
        ],
        "{}",
        report.transcript()
    );
    let waited = home.squad(["rollout", "wait", "payments"]);
    quiet(&waited.success()).assert(str![[r#"
› payments 1 → 2 · local · succeeded · get-charge 100 %: [COUNT] handled, 0 bad, inconclusive · refund 100 %: [COUNT] handled, 0 bad, inconclusive · rest 100 %: [COUNT] handled, 0 bad, inconclusive
succeeded
[exit 0]

"#]]);
}

/// The output without the moment in which one route is a step ahead of the other: each goes on when its own numbers
/// allow it, and how long that takes depends on the machine.
fn in_step(output: Output) -> Output {
    let ahead = Regex::new(
        "1 in 2 of .*1 in 5 of|1 in 5 of .*1 in 2 of|get-charge 50 %, refund 20 %|get-charge 20 %, refund 50 %",
    )
    .expect("a pattern");
    let keep = |text: &str| {
        text.lines()
            .filter(|line| !ahead.is_match(line))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    Output {
        stdout: keep(&output.stdout),
        stderr: keep(&output.stderr),
        ..output
    }
}

#[test]
fn a_canary_that_is_bad_on_one_verb_is_aborted_and_what_is_not_listed_never_moves() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2").behave(&home, "fail-post");
    let traffic = Traffic::start(&home);
    let arguments = ["deploy", "--canary", "-o", "json"];
    let output = home.squad_in(&service.directory, arguments).failure(3);
    output.assert(str![[r#"
{"schema":"squad.rollout.end/v1","service":"payments","env":"local","rollout":"[ID]","phase":"aborted","stable":"1","canary":"2","exit_code":3}
[exit 3]

"#]]);
    assert_eq!(serves(&home).as_deref(), Some("1"));
    let _get = traffic.get.stop_without_failures();
    let post = traffic.post.stop();
    assert!(post.failed > 0, "the canary had requests");
    let status = status(&home);
    assert_eq!(status["phase"], "aborted");
    let last = recorded(&home);
    assert_eq!(
        last.last().map(String::as_str),
        Some("squad.rollout.aborted.v1")
    );
    // What was left by a verdict is not brought back by accident.
    home.squad_in(&service.directory, ["deploy", "--canary"])
        .failure(7)
        .assert(str![[r#"
› error: cannot deploy `payments`: a rollback or an abort left this very release (revision 2)
› live: revision 1 serves all traffic
› hint: change something; or, if the cause was elsewhere: `squad deploy payments --again --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/release-left.md
[exit 7]

"#]]);
    home.squad(["rollout", "wait", "payments"]).failure(3);
    assert_not_started_by_accident(&home);
}

/// Revision 2 was left: whichever way a rollout of it is asked for, it says so, and only a reason brings it back.
fn assert_not_started_by_accident(home: &Home) {
    home.squad(["rollout", "start", "payments", "--revision", "2"])
        .failure(7)
        .assert(str![[r#"
› error: cannot start a rollout of `payments`: a rollback or an abort left revision 2
› live: revision 1 serves all traffic
› hint: roll something else out: `squad deploy payments --canary`
› hint: or, if the cause was elsewhere: `squad rollout start payments --revision 2 --again --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/release-left.md
[exit 7]

"#]]);
    home.squad(["rollout", "start", "payments"])
        .failure(7)
        .assert(str![[r#"
› error: cannot start a rollout of `payments`: no revision that is newer than 1, which serves, can be rolled out: a rollback or an abort left revision 2
› live: revision 1 serves all traffic
› hint: roll something else out: `squad deploy payments --canary`
› hint: or, if the cause was elsewhere: `squad rollout start payments --revision 2 --again --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/release-left.md
[exit 7]

"#]]);
    home.squad(["rollout", "start", "payments", "--again"])
        .failure(2)
        .assert(str![[r#"
› error: cannot start a rollout of `payments`: `--again` needs a reason
› hint: say why, for the audit log: `squad rollout start payments --again --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/reason-missing.md
[exit 2]

"#]]);
    // Whether it could be judged may be asked all the same.
    home.squad(["rollout", "lint", "payments", "--revision", "2"])
        .success();
    let again = [
        "rollout",
        "start",
        "payments",
        "--again",
        "--reason",
        "the acquirer was down",
        "--dry-run",
    ];
    let again = home.squad(again).success();
    assert!(again.stderr.contains("1 → 2"), "{}", again.transcript());
}

#[test]
fn a_canary_that_is_slow_is_bad_although_no_request_fails() {
    let home = Home::new();
    let mut service = live(&home, "");
    let toml = super::ROLLOUT.replace("harm = 5.0", "harm = 5.0\nslow = \"250ms\"");
    service.toml(&home, &toml);
    let _slow_is_told = home.squad_in(&service.directory, ["deploy"]).success();
    service.version(&home, "2").behave(&home, "slow:0.5");
    let traffic = Traffic::start(&home);
    let output = home
        .squad_in(&service.directory, ["deploy", "--canary"])
        .failure(3);
    assert_eq!(output.line(), "aborted", "{}", output.transcript());
    assert!(
        output
            .stderr
            .contains("a request is bad when it fails or takes more than 250 ms"),
        "{}",
        output.transcript()
    );
    assert_eq!(serves(&home).as_deref(), Some("2"));
    traffic.stop_without_failures();
}

#[test]
fn a_route_by_itself_moves_nothing_else() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2").toml(
        &home,
        &format!(
            "{}[[route]]\nname = \"search\"\nmethod = \"GET\"\npath = \"/charges/search\"\n",
            super::ROLLOUT
        ),
    );
    home.squad_in(&service.directory, ["deploy"]).success();
    service.version(&home, "3");
    let traffic = Traffic::start(&home);
    for _ in 0..5 {
        assert_eq!(get(port(&home, "payments"), "/charges/search").status, 200);
    }
    let _publish = home
        .squad_in(&service.directory, ["deploy", "--canary", "--no-wait"])
        .success();
    let _phase = super::wait_for_phase(&home, "holding");
    home.squad(["stop", "payments"]).success();
    super::wait_for_drivers(&home);
    let started = home.squad([
        "rollout",
        "start",
        "payments",
        "--revision",
        "3",
        // The stop left it.
        "--again",
        "--reason",
        "the refunds alone",
        "--no-wait",
        "--hold",
        "60s",
        "--route",
        "POST /charges/{id}/refund=50",
    ]);
    let _started = started.success();
    let _phase = super::wait_for_phase(&home, "holding");
    assert_eq!(weight(&home, "refund"), 50);
    assert_eq!(weight(&home, "rest"), 0);
    let port = port(&home, "payments");
    for _ in 0..200 {
        for path in [
            "/charges/7",
            "/charges/search",
            "/charges/7/refund",
            "/else",
        ] {
            assert_eq!(get(port, path).revision(), Some("2"), "GET {path}");
        }
    }
    let refund = || request(port, "POST", "/charges/7/refund", &[], b"").expect("an answer");
    let canary = (0..200)
        .filter(|_| refund().revision() == Some("3"))
        .count();
    assert!((60..=140).contains(&canary), "{canary} of 200 at 50 %");
    home.squad(["stop", "payments"]).success();
    super::wait_for_drivers(&home);
    traffic.stop_without_failures();
}

#[test]
fn without_requests_nothing_is_started_and_nothing_built() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy", "--canary"])
        .failure(7)
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 2  Ana Example
›
› error: cannot start a rollout of `payments`: 2 of 2 routes had no request on revision 1 in the last 2 hours, so nothing could be told about them
›   get-charge  GET /charges/{id}
›   refund  POST /charges/{id}/refund
› live: revision 1 serves all traffic
› hint: send it requests first; or all at once: `squad deploy payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-history.md
[exit 7]

"#]]);
    home.squad_in(&service.directory, ["rollout", "start"])
        .failure(7)
        .assert(str![[r#"
› error: cannot start a rollout of `payments`: there is no newer revision than 1, which serves
› live: revision 1 serves all traffic
› hint: publish one and start in one go: `squad deploy payments --canary`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-no-canary.md
[exit 7]

"#]]);
}

#[test]
fn a_plan_with_mistakes_is_refused_with_all_of_them() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    let _second = home.squad_in(&service.directory, ["deploy"]).success();
    home.squad([
        "rollout", "start", "payments", "--revision", "1", "--steps", "0,256,5",
        "--route", "GET /charges/{id}=5", "--route", "GET /charges/search=",
    ])
    .failure(2)
    .assert(str![[r#"
› error: cannot start a rollout of `payments`: 5 things of the plan are wrong
›   steps: 0 % is no step: a weight is 1 to 99, and 100 comes with the promotion
›   steps: 256 % is no step: a weight is 1 to 99, and 100 comes with the promotion
›   steps: 5 comes after 256, and each step must be higher than the one before it
›   GET /charges/search: there is no step; write weights such as 5,25,50
›   `GET /charges/{id}` and `GET /charges/search` match the same requests; plan one of them at a time
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-plan.md
[exit 2]

"#]]);
    home.squad(["rollout", "start", "payments", "--steps", ""])
        .failure(7)
        .assert(str![[r#"
› error: cannot start a rollout of `payments`: there is no newer revision than 2, which serves
› live: revision 2 serves all traffic
› hint: publish one and start in one go: `squad deploy payments --canary`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-no-canary.md
[exit 7]

"#]]);
    home.squad([
        "rollout",
        "start",
        "payments",
        "--revision",
        "1",
        "--steps=-1,256,99999",
    ])
    .failure(2)
    .assert(str![[r#"
› error: cannot start a rollout of `payments`: 3 things of the plan are wrong
›   steps: -1 % is no step: a weight is 1 to 99, and 100 comes with the promotion
›   steps: 256 % is no step: a weight is 1 to 99, and 100 comes with the promotion
›   steps: 99999 % is no step: a weight is 1 to 99, and 100 comes with the promotion
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/rollout-plan.md
[exit 2]

"#]]);
    home.squad(["rollout", "start", "payments", "--steps", "5,,25"])
        .failure(2)
        .assert(str![[r#"
› error: `--steps` cannot be `5,,25`: a weight is missing beside a comma; write whole percents such as 5,25,50
› hint: `squad rollout start --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
    home.squad(["rollout", "start", "payments", "--route", "charges"])
        .failure(2)
        .assert(str![[r#"
› error: `--route` cannot be `charges`: `charges` has no weights; write it like 'POST /charges/{id}/refund=5,25,50'
› hint: `squad rollout start --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
}

#[test]
fn a_protected_environment_goes_gradually_by_itself() {
    let mut home = Home::new();
    let mut service = live(&home, "");
    protected_org(&mut home);
    let deploy = ["deploy", "--env", "prod", "--yes"];
    let _first = home.squad_in(&service.directory, deploy).success();
    service.version(&home, "2");
    // Without requests it is refused before anything is built; `--all-at-once` says that it is meant.
    let refused = home.squad_in(&service.directory, deploy).failure(7);
    assert!(
        refused.stderr.contains("no-history"),
        "{}",
        refused.transcript()
    );
    let at_once = [
        "deploy",
        "--env",
        "prod",
        "--yes",
        "--all-at-once",
        "--reason",
        "hotfix",
    ];
    home.squad_in(&service.directory, at_once).success();
    // With requests a plain deploy is a rollout, from its publish to the last of the watch.
    service.version(&home, "3");
    home.set("SQUAD_ENV", "prod");
    let traffic = Traffic::start(&home);
    let output = home.squad_in(&service.directory, deploy).success();
    assert_eq!(output.line(), "succeeded", "{}", output.transcript());
    for told in ["revision 2 → 3, gradually", "✔ promoting"] {
        assert!(output.stderr.contains(told), "{}", output.transcript());
    }
    assert_eq!(serves(&home).as_deref(), Some("3"));
    // Going forward had to be agreed to; the stop button never asks.
    home.squad(["stop", "payments", "--reason", "refunds fail"])
        .success();
    assert_eq!(serves(&home).as_deref(), Some("2"));
    traffic.stop_without_failures();
    // Of many services it goes by itself.
    service.version(&home, "4");
    let many = ["deploy", "--all", "--env", "prod", "--yes"];
    let output = home.squad_in(&service.directory, many).failure(1);
    assert!(
        output.stderr.contains("gradual-only"),
        "{}",
        output.transcript()
    );
}
