//! The commands of docs/rollouts.md and docs/rollout-report.md, in whole rollouts on this machine.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use snapbox::str;

use super::block::{Page, Stage, normal};
use crate::rollout::{ROLLOUT, Traffic, live, quiet, wait_for_phase, weight};
use crate::support::journey::end;
use crate::support::{Home, Output, TestService};

/// A second revision that may go out, with a new route, in steps whose end nobody waits for.
fn second(home: &Home) -> TestService {
    let mut service = live(home, "");
    let mut slowly = ROLLOUT.replace("hold = \"2s\"", "hold = \"1m\"");
    slowly = slowly.replace("[rollout]\n", "[rollout]\nidentity = \"x-consumer-id\"\n");
    slowly.push_str("\n[[route]]\nname = \"refunds\"\nmethod = \"POST\"\npath = \"/refunds\"\n");
    service.version(home, "2").toml(home, &slowly);
    service
}

/// The same, published: the third revision was taken back to the first, so the second may go out now.
fn published(home: &Home) -> TestService {
    let mut service = second(home);
    home.squad_in(&service.directory, ["deploy"]).success();
    service.version(home, "3");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad_in(&service.directory, ["rollback", "--to", "1"])
        .success();
    service
}

/// Starts a command that goes on, with its output kept.
fn begin(stage: &Stage<'_>, command: &str) -> std::process::Child {
    let mut shell = stage.shell(&format!("exec {command}"));
    shell.stdout(Stdio::piped()).stderr(Stdio::piped());
    shell.spawn().expect("it starts")
}

#[test]
fn a_canary_is_watched_and_stopped_as_the_page_says() {
    let home = Home::new();
    let service = second(&home);
    let traffic = Traffic::start(&home);
    let mut page = Page::open("docs/rollouts.md");
    let commands: [String; 4] = page.commands().try_into().expect("four commands");
    let [canary, _start, watch, stop] = commands;
    let _gates = page.commands();
    let mut stage = Stage::new(&home);
    stage.enter(&service.directory);
    let driver = begin(&stage, &canary);
    wait_for_phase(&home, "holding");
    // The weight is there before the first request that it sends to the canary; what got none has no last one.
    traffic.get.wait_for_revision("2");
    let mut watching = begin(&stage, &watch);
    let mut seen = BufReader::new(watching.stdout.take().expect("a pipe")).lines();
    let mut told = vec![seen.next().expect("a line").expect("text")];
    quiet(&stage.run(&stop).success()).assert(str![[r#"
› ✔ aborted          all traffic on revision 1
›   verified: the last request to 2 was [AGO]
aborted
[exit 0]

"#]]);
    quiet(&end(&home, driver)).assert(str![[r#"
› payments → local (this machine)
›
›   2 changes since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 2  Ana Example
›     Serve version 2  Ana Example
›   rollout.identity is new: x-consumer-id
›   rollout.steps …:"2s","weight":20},{"hold":"2s","weigh… → …:"60s","weight":20},{"hold":"60s","wei…
›   route.refunds.method is new: POST
›   route.refunds.path is new: /refunds
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
›   POST /refunds: new, opens with the promotion; until then `x-squad-canary: payments=2` reaches it
›   all steps, one after the other: [TIME]
›   no verdict after 24.0 h: it pauses; after the promotion it watches for [DURATION]
›   undo at any time: `squad stop payments` (about [DURATION])
›
› ✔ recorded         operation [ID], local
› ✔ published        revision 2, ready
› rollout [ID] is live
› ✔ shifting         1 in 5 of GET /charges/{id}, 1 in 5 of POST /charges/{id}/refund to revision 2
aborted
[exit 1]

"#]]);
    told.extend(seen.map(|line| line.expect("text")));
    let mut watched = end(&home, watching);
    watched.stdout = told.join("\n") + "\n";
    watched.assert(str![[r#"
payments 1 → 2 · local · holding at 20 %, step 1 of 2 · driven by ana@example.com on [..] · get-charge 20 %: [..] handled, 0 bad, inconclusive · refund 20 %: [..] handled, 0 bad, inconclusive
...
payments 1 → 2 · local · aborted · get-charge 0 %: [..] handled, 0 bad, inconclusive · refund 0 %: [..] handled, 0 bad, inconclusive
[exit 1]

"#]]);
    traffic.stop_without_failures();
}

/// What the command prints from its start until somebody stops the rollout; `unit` gets `percent` meanwhile.
fn started(command: &str, unit: &str, percent: u64, gate: &serde_json::Value) -> Output {
    let home = Home::new();
    let service = published(&home);
    let traffic = Traffic::start(&home);
    let mut stage = Stage::new(&home);
    stage.enter(&service.directory);
    let driver = begin(&stage, command);
    let status = wait_for_phase(&home, "holding");
    assert_eq!(weight(&home, unit), percent);
    let units = status["units"].as_array().expect("units").clone();
    let found = units.iter().find(|one| one["unit"] == unit);
    assert_eq!(found.expect("the unit")["gate"]["by"], *gate);
    stage.run("squad stop payments").success();
    let output = end(&home, driver);
    traffic.stop_without_failures();
    quiet(&output)
}

#[test]
fn a_published_revision_goes_out_as_the_page_says() {
    let command = Page::open("docs/rollouts.md").skip_to_commands(0).remove(1);
    let none = serde_json::Value::Null;
    started(&command, "refund", 5, &none).assert(str![[r#"
› payments → local (this machine): revision 1 → 2, gradually
›
›   revision 2: Serve version 2 (ana@example.com, [AGO])
›   POST /charges/{id}/refund  [RATE] requests/s, 0.00 % bad on revision 1
›       5 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›      25 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›      50 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›   everything else  [RATE] requests/s, 0.00 % bad on revision 1
›      20 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›      50 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›   POST /refunds: new, opens with the promotion; until then `x-squad-canary: payments=2` reaches it
›   all steps, one after the other: [TIME]
›   no verdict after 24.0 h: it pauses; after the promotion it watches for [DURATION]
›   undo at any time: `squad stop payments` (about [DURATION])
›
› rollout [ID] is live
› ✔ shifting         1 in 20 of POST /charges/{id}/refund to revision 2
aborted
[exit 1]

"#]]);
}

#[test]
fn a_new_route_is_opened_as_the_page_says() {
    let commands: [String; 2] = Page::open("docs/rollouts.md")
        .skip_to_commands(1)
        .try_into()
        .expect("two commands");
    let [consumers, buckets] = commands;
    let named = serde_json::json!({"consumers": ["mobile", "web"]});
    started(&consumers, "refunds", 100, &named).assert(str![[r#"
› payments → local (this machine): revision 1 → 2, gradually
›
›   revision 2: Serve version 2 (ana@example.com, [AGO])
›   GET /charges/{id}  [RATE] requests/s, 0.00 % bad on revision 1
›      20 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›      50 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›   POST /charges/{id}/refund  [RATE] requests/s, 0.00 % bad on revision 1
›      20 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›      50 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›   POST /refunds  new: who is let through is told by the header `x-consumer-id`; to all others revision 1 answers as now
›     consumers mobile, web  hold [DURATION]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first, and what fails within [DURATION]
›   everything else: no requests lately, so it follows with the promotion
›   all steps, one after the other: [TIME]
›   no verdict after 24.0 h: it pauses; after the promotion it watches for [DURATION]
›   undo at any time: `squad stop payments` (about [DURATION])
›
› rollout [ID] is live
› ✔ shifting         1 in 5 of GET /charges/{id}, 1 in 5 of POST /charges/{id}/refund, POST /refunds for consumers mobile, web to revision 2
aborted
[exit 1]

"#]]);
    started(&buckets, "refunds", 5, &"buckets".into()).assert(str![[r#"
› payments → local (this machine): revision 1 → 2, gradually
›
›   revision 2: Serve version 2 (ana@example.com, [AGO])
›   GET /charges/{id}  [RATE] requests/s, 0.00 % bad on revision 1
›      20 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›      50 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›   POST /charges/{id}/refund  [RATE] requests/s, 0.00 % bad on revision 1
›      20 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›      50 %  hold [DURATION], about [TIME]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first
›   POST /refunds  new: who is let through is told by the header `x-consumer-id`; to all others revision 1 answers as now
›     5 % of callers  hold [DURATION]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first, and what fails within [DURATION]
›     25 % of callers  hold [DURATION]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first, and what fails within [DURATION]
›     50 % of callers  hold [DURATION]; [COUNT] requests to rule out a harm of 5.0 points; at worst [COUNT] harmed first, and what fails within [DURATION]
›   everything else: no requests lately, so it follows with the promotion
›   all steps, one after the other: [TIME]
›   no verdict after 24.0 h: it pauses; after the promotion it watches for [DURATION]
›   undo at any time: `squad stop payments` (about [DURATION])
›
› rollout [ID] is live
› ✔ shifting         1 in 5 of GET /charges/{id}, 1 in 5 of POST /charges/{id}/refund, POST /refunds for 5 % of callers to revision 2
aborted
[exit 1]

"#]]);
}

/// Without the day and the name of the machine.
fn dated(output: &Output) -> Output {
    let mut output = output.clone();
    output.stdout = normal(&output.stdout, &output.root);
    output
}

#[test]
fn a_report_is_told_as_the_page_says() {
    let home = Home::new();
    let service = second(&home);
    let traffic = Traffic::start(&home);
    let mut stage = Stage::new(&home);
    stage.enter(&service.directory);
    let driver = begin(&stage, "squad deploy --canary");
    let id = wait_for_phase(&home, "holding")["rollout"].clone();
    stage.run("squad stop").success();
    end(&home, driver);
    traffic.stop_without_failures();
    let commands = Page::open("docs/rollout-report.md").commands();
    let commands: [String; 4] = commands.try_into().expect("four commands");
    let [text, of_one, html, json] = commands;
    let report = stage.run(&text).success();
    dated(&report).assert(str![[r#"
payments 1 → 2: aborted
  rollout [ID], started [DAY] [TIME] UTC by ana@example.com on [MACHINE]
  Revision 1 serves all requests again, [DURATION] after the first look. It was aborted by hand, by ana@example.com on [MACHINE]

  1 in 5 requests of GET /charges/{id} went to the new version, but none was judged there, so nothing can be told.
  1 in 5 requests of POST /charges/{id}/refund went to the new version, but none was judged there, so nothing can be told.
  All other requests stayed on the old version.

[DAY] (UTC)
[TIME]  getting ready
          started, ana@example.com on [MACHINE]
[TIME]  0 → 20 %: GET /charges/{id}, POST /charges/{id}/refund
          revision 2 is ready, ana@example.com on [MACHINE]
[TIME]  holding
          the new weights are in force, ana@example.com on [MACHINE]
[TIME]  all requests to revision 1
          aborted by hand, ana@example.com on [MACHINE]
[TIME]  aborted
          all traffic is there, read again, ana@example.com on [MACHINE]
[exit 0]

"#]]);
    // The page has the beginning of an id of its own.
    let id = id.as_str().expect("an id");
    let of_one = of_one.replace("01KB3R5Y7T", &id[..22]);
    assert!(of_one.contains(&id[..22]), "{of_one}");
    assert_eq!(stage.run(&of_one).success().stdout, report.stdout);
    stage.run(&html).success().assert(str![[r#"
[exit 0]

"#]]);
    let page = std::fs::read_to_string(service.directory.join("refunds.html")).expect("a page");
    assert!(page.contains(id) && page.trim_end().ends_with("</html>"));
    let json = stage.run(&json).success().json();
    assert_eq!(json["schema"], "squad.rollout.report/v1");
    assert_eq!(json["rollout"], id);
}
