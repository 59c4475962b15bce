//! `squad rollout lint`: whether a rollout could be judged, also before anything newer is published.

use snapbox::str;

use super::{Traffic, live, quiet, recorded};
use crate::support::{Home, Output};

/// Standard output has the plan: the numbers of this machine are left out of it as they are of progress.
fn plan(output: &Output) -> Output {
    let swapped = Output {
        stdout: String::new(),
        stderr: output.stdout.clone(),
        ..output.clone()
    };
    let told = quiet(&swapped).stderr;
    Output {
        stdout: told,
        ..output.clone()
    }
}

#[test]
fn while_only_stable_is_live_it_asks_each_question_and_shows_the_plan_of_the_sources() {
    let home = Home::new();
    let mut service = live(&home, "");
    let here = |arguments: &[&str]| home.squad_in(&service.directory, arguments);
    // Each question returns nothing: refused, and each of them is named.
    here(&["rollout", "lint"]).failure(7).assert(str![[r#"
› error: cannot start a rollout of `payments`: 2 of 2 routes had no request on revision 1 in the last 2 hours, so nothing could be told about them
›   get-charge  GET /charges/{id}
›   refund  POST /charges/{id}/refund
› live: revision 1 serves all traffic
› hint: send it requests first; or all at once: `squad deploy payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-history.md
[exit 7]

"#]]);
    // What is not listed is not counted by itself, however many requests it has.
    here(&["rollout", "lint", "--route", "GET /other=5"])
        .failure(7)
        .assert(str![[r#"
› error: cannot start a rollout of `payments`: `GET /other` is not listed in squad.toml, so its requests are counted with everything else, and nothing could be told about them
› live: revision 1 serves all traffic
› hint: list `GET /other` under `[[route]]` in squad.toml and deploy that first: `squad deploy payments`; from then on its requests are counted
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-history.md
[exit 7]

"#]]);
    let traffic = Traffic::start(&home);
    let before = recorded(&home);
    plan(&here(&["rollout", "lint"]).success()).assert(str![[r#"
› nothing newer than revision 1 is published: this is the plan for the sources as they are here
› hint: publish the sources and start: `squad deploy payments --canary`; `--dry-run` with it only shows the plan
payments → local (this machine): revision 1 → 2, gradually

  GET /charges/{id}  [RATE] requests/s, 0.00 % bad on revision 1
     20 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
     50 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
  POST /charges/{id}/refund  [RATE] requests/s, 0.00 % bad on revision 1
     20 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
     50 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
  everything else: no requests lately, so it follows with the promotion
  all steps, one after the other: [TIME]
  no verdict after 24.0 h: it pauses; after the promotion it watches for [DURATION]
  undo at any time: `squad stop payments` (about [DURATION])

[exit 0]

"#]]);
    // Weights that cannot be are found as well.
    let wrong = here(&["rollout", "lint", "--steps", "50,5"]).failure(2);
    assert!(
        wrong.stderr.contains("5 comes after 50"),
        "{}",
        wrong.transcript()
    );
    // The routes and steps are those of the sources: a route that only they have is shown as new.
    let more =
        "[[route]]\nname = \"dispute\"\nmethod = \"POST\"\npath = \"/charges/{id}/dispute\"\n";
    let toml = super::ROLLOUT.replace("weight = 20", "weight = 10");
    service
        .version(&home, "2")
        .toml(&home, &format!("{toml}{more}"));
    let linted = home.squad(["rollout", "lint", "payments"]).success();
    for part in [
        "POST /charges/{id}/dispute: new, opens with the promotion",
        "10 %  hold",
    ] {
        assert!(linted.stdout.contains(part), "{}", linted.transcript());
    }
    let json = home
        .squad(["rollout", "lint", "payments", "-o", "json"])
        .success()
        .json();
    assert_eq!(
        (&json["schema"], &json["about"]),
        (&"squad.rollout.plan/v1".into(), &"sources".into())
    );
    // Without the sources it is what serves that is asked about.
    std::fs::remove_file(service.directory.join("squad.toml")).expect("it goes");
    let linted = home.squad(["rollout", "lint", "payments"]).success();
    assert!(
        linted.stderr.contains("this is the plan for what serves"),
        "{}",
        linted.transcript()
    );
    assert!(
        linted.stdout.contains("20 %  hold"),
        "{}",
        linted.transcript()
    );
    assert_eq!(recorded(&home), before, "nothing was changed");
    traffic.stop_without_failures();
}

#[test]
fn steps_that_take_longer_than_they_may_are_told_with_what_would_do() {
    let home = Home::new();
    let mut service = live(&home, "");
    let traffic = Traffic::start(&home);
    let told = |home: &Home| home.squad(["rollout", "lint", "payments"]).success();
    let too_long = "at this traffic a step takes longer than ";
    let fits = told(&home);
    assert!(!fits.stdout.contains(too_long), "{}", fits.transcript());
    // A harm that so few requests cannot show in five seconds, whatever the weight.
    let toml = super::ROLLOUT.replace("harm = 5.0", "harm = 0.1\nmax_hold = \"5s\"");
    service.toml(&home, &toml);
    let never = told(&home);
    let advice = "5 s, and then it pauses; hold longer (`max_hold = \"";
    assert!(
        never.stdout.contains(&format!("{too_long}{advice}")),
        "{}",
        never.transcript()
    );
    // The first steps are too small for the traffic, and larger ones are not.
    let toml = super::ROLLOUT
        .replace("weight = 20", "weight = 1")
        .replace("harm = 5.0", "harm = 5.0\nmax_hold = \"30s\"");
    service.toml(&home, &toml);
    let larger = told(&home);
    assert!(
        larger.stdout.contains(&format!(
            "{too_long}30 s, and then it pauses; larger steps would do: `--steps "
        )),
        "{}",
        larger.transcript()
    );
    let json = home
        .squad(["rollout", "lint", "payments", "-o", "json"])
        .success()
        .json();
    let unit = &json["forecasts"][0];
    let step = &unit["steps"][0];
    assert_eq!(step["too_long"], true, "{unit}");
    let number = |of: &serde_json::Value, name: &str| of[name].as_f64().expect("a number");
    assert!(number(step, "late_seconds") >= number(step, "expected_seconds"));
    assert!(number(&json, "late_seconds") >= number(&unit["steps"][1], "late_seconds"));
    // A canary that fails everything does harm while it warms up and nobody looks.
    let planned = &json["plan"]["units"][0];
    let unseen = number(planned, "requests_per_second") / 100.0 * number(step, "unseen_seconds");
    assert!(number(step, "unseen_seconds") >= number(&json["plan"], "warmup_seconds"));
    assert!(number(step, "harmed_before_detection") > unseen, "{step}");
    assert!(unit["proposed_steps"].is_array(), "{unit}");
    traffic.stop_without_failures();
}

#[test]
fn of_a_revision_that_is_published_it_shows_the_plan_that_start_would_make() {
    let home = Home::new();
    let mut service = live(&home, "");
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    // Each question returns nothing, and a start asks them before anything else.
    let before = recorded(&home);
    for verb in ["lint", "start"] {
        let refused = home
            .squad(["rollout", verb, "payments", "--revision", "1"])
            .failure(7);
        assert!(
            refused.stderr.contains("no-history"),
            "{}",
            refused.transcript()
        );
    }
    assert_eq!(recorded(&home), before);
    let traffic = Traffic::start(&home);
    let arguments = ["rollout", "lint", "payments", "--revision", "1"];
    plan(&home.squad(arguments).success()).assert(str![[r#"
payments → local (this machine): revision 2 → 1, gradually

  revision 1: Serve version 1 (ana@example.com, [AGO])
  GET /charges/{id}  [RATE] requests/s, 0.00 % bad on revision 2
     20 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
     50 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
  POST /charges/{id}/refund  [RATE] requests/s, 0.00 % bad on revision 2
     20 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
     50 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
  everything else: no requests lately, so it follows with the promotion
  all steps, one after the other: [TIME]
  no verdict after 24.0 h: it pauses; after the promotion it watches for [DURATION]
  undo at any time: `squad stop payments` (about [DURATION])

[exit 0]

"#]]);
    let json = home
        .squad([
            "rollout",
            "lint",
            "payments",
            "--revision",
            "1",
            "-o",
            "json",
        ])
        .success()
        .json();
    assert!(json["about"].is_null(), "{json}");
    assert_eq!(json["plan"]["canary"], 1);
    traffic.stop_without_failures();
}
