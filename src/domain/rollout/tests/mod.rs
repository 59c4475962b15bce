//! Tests of the rules of rollouts: tables here, properties over random histories in `properties`, and every sequence of
//! commands against a small reference model in `model`.

mod gate;
mod model;
mod properties;
mod replay;
mod state;
mod table;

use jiff::Timestamp;

use super::log::{Evidence, UnitEvidence};
use super::plan::{Given, Known, Plan, RouteSteps, Wish, plan};
use super::state::State;
use crate::domain::analysis::{Interval, Judge, Judgement, Tally};
use crate::domain::release::{Actor, RevisionNumber};
use crate::domain::route::PathTemplate;
use crate::domain::service::{Analysis, Build, Kind, Rollout, RolloutStep, Route, Run, Service};
use crate::domain::traffic::Split;

pub(super) const STABLE: RevisionNumber = RevisionNumber(41);
pub(super) const CANARY: RevisionNumber = RevisionNumber(42);

pub(super) fn route(name: &str, method: &str, path: &str) -> Route {
    Route {
        name: name.parse().unwrap(),
        method: method.to_owned(),
        path: PathTemplate(path.to_owned()),
    }
}

pub(super) fn service(routes: &[Route]) -> Service {
    Service {
        name: "payments".parse().unwrap(),
        squad: None,
        tier: None,
        kind: Kind::Http,
        build: Build {
            command: Vec::new(),
            artifact: ".".to_owned(),
            inputs: Vec::new(),
            python_lock: None,
        },
        run: Run {
            command: vec!["serve".to_owned()],
            port: 8080,
            ready: "/readyz".to_owned(),
            grace_seconds: 20,
            start_seconds: 60,
            env: std::collections::BTreeMap::new(),
        },
        function: None,
        routes: routes.to_vec(),
        rollout: Some(Rollout {
            steps: vec![
                RolloutStep {
                    weight: 5,
                    hold_seconds: 60,
                },
                RolloutStep {
                    weight: 50,
                    hold_seconds: 60,
                },
            ],
            identity: Some("x-consumer".to_owned()),
        }),
        analysis: Analysis::default(),
    }
}

pub(super) fn two_routes() -> Vec<Route> {
    vec![
        route("get-charge", "GET", "/charges/{id}"),
        route("refund", "POST", "/charges/{id}/refund"),
    ]
}

pub(super) fn wish() -> Wish {
    Wish {
        routes: Vec::new(),
        gates: Vec::new(),
        steps: None,
        hold_seconds: None,
        max_unattended_weight: 10,
    }
}

pub(super) fn steps(text: &str, weights: &[u8]) -> RouteSteps {
    let (method, path) = text.split_once(' ').unwrap();
    RouteSteps {
        method: method.to_owned(),
        path: PathTemplate(path.to_owned()),
        weights: weights.iter().copied().map(i64::from).collect(),
    }
}

pub(super) fn made(
    before: &Service,
    after: &Service,
    wish: &Wish,
    rest_has_traffic: bool,
) -> Result<Plan, Vec<super::mistake::Mistake>> {
    let given = Given {
        id: "01KB3R5Y7TAAAAAAAAAAAAAAAA".to_owned(),
        stable: (STABLE, before),
        canary: (CANARY, after),
        base: Split::all(&before.routes, STABLE),
        actor: Actor {
            name: "ana".to_owned(),
            host: "laptop".to_owned(),
            key: None,
        },
        at: Timestamp::from_second(1_780_000_000).unwrap(),
        reason: None,
    };
    plan(&given, wish, |_, is_rest| {
        (!is_rest || rest_has_traffic).then_some(Known {
            requests_per_second: 5.0,
            bad_share: 0.005,
            design_effect: 1.0,
        })
    })
}

pub(super) fn two_units_and_rest() -> Plan {
    made(
        &service(&two_routes()),
        &service(&two_routes()),
        &wish(),
        true,
    )
    .unwrap()
}

pub(super) fn state(plan: &Plan) -> State {
    State::planned(
        plan.id.clone(),
        plan.units.len(),
        plan.stable,
        plan.canary,
        "ab12cd34".to_owned(),
    )
}

/// Verdicts as the judge gives them: `requests` of which `bad` on the canary, beside a healthy stable.
pub(super) fn judged(plan: &Plan, requests: u64, bad: u64, next: u8) -> Judgement {
    let mut judge = Judge::new(plan.settings(plan.units.first().unwrap()));
    judge.observe(Interval {
        canary: Tally { requests, bad },
        stable: Tally {
            requests: requests * 19,
            bad: requests * 19 / 200,
        },
    });
    judge.judge(next)
}

/// Evidence in which each unit has held for `held` seconds with one judgement.
pub(super) fn evidence(plan: &Plan, held: f64, judgement: &Judgement) -> Evidence {
    Evidence {
        units: plan
            .units
            .iter()
            .map(|_| UnitEvidence {
                held_seconds: held,
                waited_seconds: held,
                judgement: judgement.clone(),
                canary_per_second: None,
            })
            .collect(),
        phase_seconds: held,
        watch: None,
        missing: None,
    }
}
