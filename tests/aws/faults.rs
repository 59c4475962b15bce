//! What is done to calls: rules for the n-th call, and chance.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::random::Random;
use crate::settings::{Chance, Kind};

/// `POST /_control/rules`: what happens to the n-th call from now that fits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(default)]
    pub(crate) service: Option<String>,
    #[serde(default)]
    pub(crate) operation: Option<String>,
    /// Only calls whose `FunctionName` is this.
    #[serde(default)]
    pub(crate) function: Option<String>,
    /// Only calls that change something.
    #[serde(default)]
    pub(crate) writes: bool,
    /// Which one of those that fit, from 1.
    #[serde(default = "one")]
    pub(crate) nth: u64,
    /// For how many calls from then on; 0: for ever.
    #[serde(default = "one")]
    pub(crate) times: u64,
    #[serde(rename = "do")]
    pub(crate) action: Action,
    /// For `answer` and `answer-after`.
    #[serde(default)]
    pub(crate) answer: Option<Answer>,
    /// For `change`: as in `POST /_control/change`.
    #[serde(default)]
    pub(crate) change: Option<Value>,
    /// How many have fitted so far.
    #[serde(default)]
    pub(crate) seen: u64,
}

fn one() -> u64 {
    1
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    /// The call waits, nothing applied yet, until it is released.
    HoldBefore,
    /// It is applied; the answer waits.
    HoldAfter,
    /// The connection is reset, nothing applied.
    ResetBefore,
    /// It is applied, and the connection is reset.
    ResetAfter,
    /// The given error, nothing applied.
    Answer,
    /// The given error, although it was applied.
    AnswerAfter,
    /// Somebody else changes something just before.
    Change,
}

/// The error that a rule gives.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) retry_after: Option<u64>,
}

/// All that is to be done to one call.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) changes: Vec<Value>,
    pub(crate) hold_before: bool,
    pub(crate) hold_after: bool,
    pub(crate) reset_before: bool,
    pub(crate) reset_after: bool,
    pub(crate) answer: Option<Failure>,
    pub(crate) answer_after: Option<Failure>,
    /// For the record.
    pub(crate) name: Option<String>,
}

/// What tells whether a rule fits.
pub(crate) struct Subject<'a> {
    pub(crate) service: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) function: Option<&'a str>,
    pub(crate) writes: bool,
}

/// The rules in force.
#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) rules: Vec<Rule>,
    random: Random,
    seed: u64,
    row: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            random: Random::new(1),
            seed: 1,
            row: 0,
        }
    }
}

impl Rule {
    fn fits(&self, subject: &Subject) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        is(&self.service, subject.service)
            && is(&self.operation, subject.operation)
            && (self.function.is_none() || self.function.as_deref() == subject.function)
            && (!self.writes || subject.writes)
    }
}

impl Faults {
    /// What happens to this call; counts it.
    pub(crate) fn plan(&mut self, subject: &Subject, chance: &Chance) -> Plan {
        let mut plan = Plan::default();
        for rule in self.rules.iter_mut().filter(|rule| rule.fits(subject)) {
            rule.seen += 1;
            let strikes = rule.seen >= rule.nth
                && (rule.times == 0 || rule.seen < rule.nth.saturating_add(rule.times));
            if strikes {
                plan.take(rule);
            }
        }
        self.rules
            .retain(|rule| rule.times == 0 || rule.seen + 1 < rule.nth.saturating_add(rule.times));
        if plan.name.is_none() {
            self.by_chance(subject, chance, &mut plan);
        }
        plan
    }

    fn by_chance(&mut self, subject: &Subject, chance: &Chance, plan: &mut Plan) {
        let concerned = chance.services.is_empty()
            || chance.services.iter().any(|name| name == subject.service);
        if chance.rate <= 0.0 || !concerned || chance.kinds.is_empty() {
            return;
        }
        if chance.seed != self.seed {
            self.seed = chance.seed;
            self.random = Random::new(chance.seed);
        }
        let strikes = self.random.fraction() < chance.rate
            && chance.in_a_row.is_none_or(|most| self.row < most);
        if !strikes {
            self.row = 0;
            return;
        }
        let kind = chance.kinds[(self.random.next() % chance.kinds.len() as u64) as usize];
        let service = subject.service;
        match kind {
            Kind::Throttled => plan.answer = Some(Failure::throttled(service, None)),
            Kind::ThrottledRetryAfter => plan.answer = Some(Failure::throttled(service, Some(1))),
            Kind::Broken => plan.answer = Some(Failure::broken(service)),
            Kind::BrokenAfter => plan.answer_after = Some(Failure::broken(service)),
            Kind::Unavailable => plan.answer = Some(Failure::unavailable()),
            Kind::ResetBefore => plan.reset_before = true,
            Kind::ResetAfter => plan.reset_after = true,
            Kind::InProgress if service == "lambda" && subject.writes => {
                plan.answer = Some(crate::lambda::in_progress(
                    subject.function.unwrap_or("function"),
                ));
            }
            Kind::InProgress => return,
        }
        self.row += 1;
        plan.name = serde_json::to_value(kind)
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned));
    }
}

impl Plan {
    fn take(&mut self, rule: &Rule) {
        let failure = || {
            let answer = rule.answer.as_ref();
            let failure = answer.map_or_else(
                || Failure::broken(rule.service.as_deref().unwrap_or("lambda")),
                |answer| Failure::new(answer.status, &answer.code, answer.message.clone()),
            );
            failure.retry_after(answer.and_then(|answer| answer.retry_after))
        };
        match rule.action {
            Action::HoldBefore => self.hold_before = true,
            Action::HoldAfter => self.hold_after = true,
            Action::ResetBefore => self.reset_before = true,
            Action::ResetAfter => self.reset_after = true,
            Action::Answer => self.answer = Some(failure()),
            Action::AnswerAfter => self.answer_after = Some(failure()),
            Action::Change => self.changes.extend(rule.change.clone()),
        }
        self.name = serde_json::to_value(rule.action)
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned));
    }
}
