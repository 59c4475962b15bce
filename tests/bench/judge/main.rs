//! Simulates rollouts and what the judge says about them, with the threshold rules of others beside it.
//!
//! ```text
//! judge_bench aa | detect | healthy | mix | worse | speed   one JSON object for each figure
//! ```
//! It is made of the library's own files and is built only with `--features bench`, so nothing of it is shipped.
#![allow(
    warnings,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "the library's files are linted with the library; this is a measurement"
)]

#[path = "../../../src/domain/analysis/mod.rs"]
mod analysis;
mod random;
mod rollout;
mod rule;
mod stream;

use std::hint::black_box;
use std::time::Instant;

use analysis::{Interval, Judge, Settings, Tally, Verdict, delta, design_effect, propose_steps};
use random::Random;
use rollout::{End, MAX_HOLD, climb};
use rule::Rules;
use serde_json::{Value, json};
use stream::Traffic;

/// Each figure has its own stream of random numbers, made of this seed and its name.
const SEED: u64 = 20_261_126;

const THRESHOLDS: [f64; 4] = [0.01, 0.02, 0.03, 0.05];

fn main() {
    let chosen = std::env::args().nth(1).unwrap_or_default();
    match chosen.as_str() {
        "aa" => same(),
        "detect" => detect(),
        "healthy" => healthy(),
        "mix" => mix(),
        "worse" => worse(),
        "speed" => speed(),
        other => panic!("aa, detect, healthy, mix, worse or speed, not `{other}`"),
    }
}

fn seeded(name: &str) -> (u64, Random) {
    // FNV-1a, so that a new figure does not change the others.
    let seed = name
        .bytes()
        .fold(SEED ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    (seed, Random::new(seed))
}

fn print(name: &str, seed: u64, mut more: Value) {
    more["name"] = name.into();
    more["seed"] = seed.into();
    println!("{more}");
}

fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

fn quantile(values: &mut [f64], which: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * which).ceil() as usize;
    values
        .get(place.max(1) - 1)
        .copied()
        .unwrap_or(f64::INFINITY)
}

/// What the judge and the rules do in 120 minutes at one weight: the minute of each one's abort.
struct Ends {
    judge: Option<u32>,
    rules: Vec<[Option<u32>; 3]>,
}

fn watch(traffic: &Traffic, weight: u8, tolerance: f64, random: &mut Random) -> Ends {
    let history = traffic.history(random);
    let mut judge = Judge::new(Settings {
        tolerance,
        design_effect: design_effect(&history),
        ..Settings::default()
    });
    let mut rules: Vec<Rules> = THRESHOLDS
        .iter()
        .map(|threshold| Rules::new(*threshold))
        .collect();
    let mut ends = Ends {
        judge: None,
        rules: vec![[None; 3]; THRESHOLDS.len()],
    };
    for minute in 0..120 {
        let interval = traffic.minute(random, minute, weight);
        judge.observe(interval);
        if ends.judge.is_none() && matches!(judge.judge(100).verdict, Verdict::Fail(_)) {
            ends.judge = Some(minute + 1);
        }
        for (rule, end) in rules.iter_mut().zip(&mut ends.rules) {
            for (aborted, end) in rule.observe(interval.canary).into_iter().zip(end) {
                if aborted && end.is_none() {
                    *end = Some(minute + 1);
                }
            }
        }
    }
    ends
}

/// Aborts and the median minute, of the judge and of each rule at each threshold.
fn summary(ends: &[Ends]) -> Value {
    let told = |minutes: Vec<Option<u32>>| {
        let aborted = minutes.iter().flatten().count();
        let mut all: Vec<f64> = minutes
            .iter()
            .map(|minute| minute.map_or(f64::INFINITY, f64::from))
            .collect();
        let median = median(&mut all);
        json!({
            "aborted_percent": 100.0 * aborted as f64 / minutes.len() as f64,
            "median_minutes": median.is_finite().then_some(median),
        })
    };
    let mut all = told(ends.iter().map(|end| end.judge).collect());
    let mut rules = Vec::new();
    for (place, threshold) in THRESHOLDS.iter().enumerate() {
        for (which, name) in rule::NAMES.iter().enumerate() {
            let mut one = told(ends.iter().map(|end| end.rules[place][which]).collect());
            one["rule"] = (*name).into();
            one["threshold_percent"] = (threshold * 100.0).into();
            rules.push(one);
        }
    }
    all["runs"] = ends.len().into();
    all["rules"] = rules.into();
    all
}

/// Canaries that are the same as stable: how many are aborted by mistake.
fn same() {
    let base = |rps| Traffic::healthy(rps, 0.005);
    let clumped = |clump| Traffic { clump, ..base(5.0) };
    let cases = [
        ("5 rps w10", base(5.0), 10),
        ("50 rps w5", base(50.0), 5),
        ("0.2 rps w10", base(0.2), 10),
        ("clumps of 3, 5 rps w10", clumped(3), 10),
        ("clumps of 10, 5 rps w10", clumped(10), 10),
        (
            "20 min outage, 5 rps w10",
            Traffic {
                outage: Some((30, 50)),
                ..base(5.0)
            },
            10,
        ),
    ];
    for (name, traffic, weight) in cases {
        for tolerance in [1.25, 1.0] {
            let (seed, mut random) = seeded(&format!("aa {name}"));
            let ends: Vec<Ends> = (0..3000)
                .map(|_| watch(&traffic, weight, tolerance, &mut random))
                .collect();
            let mut summary = summary(&ends);
            summary["tolerance"] = tolerance.into();
            print(name, seed, summary);
        }
    }
}

/// Canaries that are worse: when they are found.
fn detect() {
    let cases = [
        (
            "×5 at 5 rps w10",
            Traffic {
                times: 5.0,
                ..Traffic::healthy(5.0, 0.005)
            },
            10,
        ),
        (
            "×3 at 50 rps w5",
            Traffic {
                times: 3.0,
                ..Traffic::healthy(50.0, 0.005)
            },
            5,
        ),
        (
            "30 % errors at 1 rps w10",
            Traffic {
                added: 0.295,
                ..Traffic::healthy(1.0, 0.005)
            },
            10,
        ),
    ];
    for (name, traffic, weight) in cases {
        for (tolerance, rising) in [(1.25, false), (1.0, true)] {
            let (seed, mut random) = seeded(&format!("detect {name}"));
            let traffic = Traffic { rising, ..traffic };
            let ends: Vec<Ends> = (0..2000)
                .map(|_| watch(&traffic, weight, tolerance, &mut random))
                .collect();
            let mut summary = summary(&ends);
            summary["tolerance"] = tolerance.into();
            print(name, seed, summary);
        }
    }
}

/// Healthy canaries through whole rollouts: how long they take, and how many need a person.
fn healthy() {
    let proposed = propose_steps(&Settings::default(), 0.2, 0.005, MAX_HOLD);
    let steps = [5, 25, 50];
    let cases = [
        ("5 rps", 5.0, &steps[..], 1000),
        ("50 rps", 50.0, &steps, 1000),
        ("0.2 rps", 0.2, &steps, 500),
        ("0.2 rps, proposed steps", 0.2, &proposed, 500),
    ];
    for (name, rps, steps, runs) in cases {
        let (seed, mut random) = seeded(&format!("healthy {name}"));
        let traffic = Traffic::healthy(rps, 0.005);
        let ends: Vec<End> = (0..runs)
            .map(|_| climb(&traffic, steps, &Settings::default(), &mut random))
            .collect();
        let mut minutes: Vec<f64> = ends.iter().map(End::promoted).collect();
        let within = |limit: f64| {
            100.0 * minutes.iter().filter(|minute| **minute <= limit).count() as f64 / runs as f64
        };
        let (in_20, in_45) = (within(20.0), within(45.0));
        let aborted = ends
            .iter()
            .filter(|end| matches!(end, End::Aborted(..)))
            .count();
        let paused = ends
            .iter()
            .filter(|end| matches!(end, End::Paused(..)))
            .count();
        print(
            name,
            seed,
            json!({
                "runs": runs, "steps": steps, "median_minutes": median(&mut minutes), "p95_minutes": quantile(&mut minutes, 0.95),
                "within_20_percent": in_20, "within_45_percent": in_45, "aborted": aborted, "paused": paused,
                "hours": median(&mut minutes) / 60.0,
            }),
        );
    }
}

/// 150 small functions and 30 applications, each with the steps that are proposed for its traffic.
fn mix() {
    let (seed, mut random) = seeded("mix");
    let log_normal =
        |random: &mut Random, median: f64, spread: f64| median * (spread * random.normal()).exp();
    let (mut all, mut persons, mut unsplit, mut aborted, mut paused, mut hours) =
        (0, 0, 0, 0, 0, Vec::new());
    for _ in 0..5 {
        for service in 0..180 {
            let small = service < 150;
            let rps = if small {
                log_normal(&mut random, 0.6, 1.0)
            } else {
                log_normal(&mut random, 20.0, 1.0)
            };
            let base = log_normal(&mut random, 0.003, 1.0).min(0.1);
            let clump = [1, 1, 1, 1, 2, 3][(random.unit() * 5.999) as usize];
            let traffic = Traffic {
                clump,
                ..Traffic::healthy(rps, base)
            };
            let history = traffic.history(&mut random);
            let total = history
                .iter()
                .fold(Tally::default(), |sum, minute| sum.plus(*minute));
            let settings = Settings {
                design_effect: design_effect(&history),
                ..Settings::default()
            };
            let steps = propose_steps(
                &settings,
                total.requests as f64 / 86400.0,
                total.share().unwrap_or(0.0),
                MAX_HOLD,
            );
            all += 1;
            if steps.is_empty() {
                unsplit += 1;
                persons += 1;
                continue;
            }
            match climb(&traffic, &steps, &settings, &mut random) {
                End::Promoted(minutes) => hours.push(f64::from(minutes) / 60.0),
                End::Aborted(_) => {
                    aborted += 1;
                    persons += 1
                }
                End::Paused(_) => {
                    paused += 1;
                    persons += 1
                }
            }
        }
    }
    print(
        "mix",
        seed,
        json!({
            "rollouts": all, "persons_percent": 100.0 * f64::from(persons) / f64::from(all), "unsplit": unsplit, "aborted": aborted,
            "paused": paused, "median_hours": median(&mut hours), "p95_hours": quantile(&mut hours, 0.95),
        }),
    );
}

/// Canaries that add 2 Δ of the step that they are in: how many pass it.
fn worse() {
    for (rps, base) in [
        (5.0, 0.005),
        (5.0, 0.0),
        (5.0, 0.05),
        (50.0, 0.02),
        (0.5, 0.005),
    ] {
        for (weight, next) in [(5, 25), (25, 50), (50, 100)] {
            let name = format!(
                "{rps} rps, base {} %, {weight} % before {next} %",
                base * 100.0
            );
            let (seed, mut random) = seeded(&format!("worse {name}"));
            let traffic = Traffic {
                added: 2.0 * delta(1.0, next),
                ..Traffic::healthy(rps, base)
            };
            let runs = 2000;
            let passed = (0..runs)
                .filter(|_| {
                    rollout::passes(&traffic, weight, next, &Settings::default(), &mut random)
                })
                .count();
            print(
                &name,
                seed,
                json!({ "runs": runs, "passed_percent": 100.0 * passed as f64 / f64::from(runs) }),
            );
        }
    }
}

/// 100 routes with 60 intervals each, replayed and judged, as after a takeover.
fn speed() {
    let (seed, mut random) = seeded("speed");
    let traffic = Traffic::healthy(5.0, 0.005);
    let routes: Vec<Vec<Interval>> = (0..100)
        .map(|_| {
            (0..60)
                .map(|minute| traffic.minute(&mut random, minute, 10))
                .collect()
        })
        .collect();
    let settings = Settings {
        units: 100,
        ..Settings::default()
    };
    let mut times: Vec<f64> = (0..300)
        .map(|_| {
            let start = Instant::now();
            for route in &routes {
                let mut judge = Judge::new(settings.clone());
                for interval in route {
                    judge.observe(*interval);
                }
                black_box(judge.judge(25));
            }
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let mut looks: Vec<f64> = (0..50)
        .map(|_| {
            let start = Instant::now();
            for route in &routes {
                let mut judge = Judge::new(settings.clone());
                for interval in route {
                    judge.observe(*interval);
                    black_box(judge.judge(25));
                }
            }
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    print(
        "speed",
        seed,
        json!({ "replay_ms": median(&mut times), "every_look_ms": median(&mut looks) }),
    );
}
