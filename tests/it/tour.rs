//! The tour of the README and the rollout after it: every line of both runs, in their order, and ends as it says.

use std::time::Duration;

use crate::support::{Home, SQUAD, repository};

/// The lines of both blocks without `$ `: command and what its comment says.
fn tour() -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("README.md");
    let (_, rest) = readme.split_once("## A tour").expect("a tour");
    let (rest, _) = rest.split_once("\n## ").expect("its end");
    let blocks = rest.split("```console\n").skip(1);
    let lines = blocks
        .flat_map(|block| block.split("```").next().expect("a block").lines())
        .map(|line| line.strip_prefix("$ ").expect("a command"));
    lines
        .map(|line| {
            let (command, comment) = line.split_once(" # ").unwrap_or((line, ""));
            (command.trim().to_owned(), comment.trim().to_owned())
        })
        .collect()
}

/// What a person does with a line, in words of a shell.
fn typed(command: &str, comment: &str) -> String {
    if comment.contains("exit code 7") {
        return format!("code=0; {command} || code=$?; [ $code -eq 7 ]");
    }
    if command.ends_with("--follow") {
        // Until Ctrl-C, which is its good end.
        return format!("timeout --preserve-status --signal=INT 2 {command}");
    }
    if command.contains("--canary") {
        // It goes on in its terminal; a person has seen the first request by now.
        return format!(
            "fetch \"$(address)/charges/demo\"\n{command} & canary=$!\n\
             until squad rollout status -o json | grep -q '\"phase\":\"holding\"'; do kill -0 $canary; sleep 0.2; done"
        );
    }
    if command == "squad rollout status --watch" {
        return format!("timeout --preserve-status --signal=INT 2 {command} || [ $? -eq 8 ]");
    }
    if command.starts_with("while ") {
        let (before, rest) = command
            .split_once("curl -s http://127.0.0.1:34011")
            .expect("a call");
        let (path, after) = rest.split_once(';').expect("its end");
        return format!("{before}fetch \"$(address)\"{path};{after} load=$!");
    }
    if let Some(path) = command.strip_prefix("curl http://127.0.0.1:34011") {
        return format!("fetch \"$(address)\"{path}");
    }
    command.to_owned()
}

#[test]
fn every_line_of_the_tour_runs() {
    let home = Home::new().with_packages();
    let editor = home.write(".editor", "#!/bin/sh\necho '# edited' >>\"$1\"\n");
    let mut script = format!(
        "set -eu\nexec </dev/null\nEDITOR='sh {}'\nPATH='{}':$PATH\n\
         fetch() {{ python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read())' \"$1\"; }}\n\
         address() {{ squad status -o json | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"services\"][0][\"address\"])'; }}\n",
        editor.display(),
        std::path::Path::new(SQUAD)
            .parent()
            .expect("a directory")
            .display(),
    );
    let tour = tour();
    assert!(tour.len() > 15, "{tour:?}");
    for (command, comment) in &tour {
        let typed = typed(command, comment);
        script.push_str(&format!(
            "echo '==> {}'\n{typed}\n",
            command.replace('\'', "")
        ));
    }
    script.push_str("kill $load\nwait $canary || [ $? -eq 1 ]\nsquad local stop\n");
    let file = home.write(".tour", &script);
    let mut bash = home.program("bash");
    bash.arg(file).current_dir(home.work());
    let output = home
        .run_within(&mut bash, Duration::from_mins(4))
        .expect("it ends");
    let last = tour.last().expect("a line").0.clone();
    let output = output.success();
    assert!(
        output.stdout.contains(&format!("==> {last}")),
        "{}",
        output.transcript()
    );
    assert!(
        output.stdout.contains(r#""id":"demo""#),
        "{}",
        output.transcript()
    );
    assert_eq!(
        output.stderr.matches("Nothing to do").count(),
        1,
        "{}",
        output.transcript()
    );
}
