//! What `squad whoami` prints.

use serde::Serialize;

use crate::clients::aws::Source;
use crate::domain::environment::{Environment, PlatformKind};
use crate::domain::name::OrgName;
use crate::domain::release::Actor;
use crate::ops::whoami::{Outcome, Permission};
use crate::output::table::{Align, render};
use crate::output::{Output, sanitize};

/// `squad.whoami/v1`.
#[derive(Debug, Serialize)]
struct Wire<'a> {
    schema: &'static str,
    environment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a str>,
    platform: PlatformKind,
    /// Who the audit log will name.
    actor: &'a Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Identity<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<Credentials<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned_account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_pinned_account: Option<bool>,
    /// The function that was asked for; absent where it was one that does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'a str>,
    permissions: Vec<May<'a>>,
}

#[derive(Debug, Serialize)]
struct Identity<'a> {
    account: &'a str,
    arn: &'a str,
    user_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission_set: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Credentials<'a> {
    /// `environment`, `profile`, `web-identity`, `container`, `instance`.
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct May<'a> {
    action: &'static str,
    purpose: &'static str,
    /// The commands that need it.
    commands: &'static [&'static str],
    /// Absent when it could not be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl<'a> Wire<'a> {
    fn of(environment: &'a Environment, actor: &'a Actor) -> Self {
        Self {
            schema: "squad.whoami/v1",
            environment: environment.name.as_str(),
            org: environment.org.as_ref().map(OrgName::as_str),
            platform: environment.platform,
            actor,
            identity: None,
            credentials: None,
            region: None,
            pinned_account: None,
            is_pinned_account: None,
            function: None,
            permissions: Vec::new(),
        }
    }

    fn add(&mut self, found: &'a Outcome) {
        let identity = &found.identity;
        self.identity = Some(Identity {
            account: &identity.account,
            arn: &identity.arn,
            user_id: &identity.user_id,
            role: identity.role(),
            permission_set: identity.permission_set(),
            session: identity.session(),
            user: identity.user(),
        });
        self.credentials = found.source.as_ref().map(credentials);
        self.region = found.region.as_deref();
        self.pinned_account = found.pinned.as_deref();
        self.is_pinned_account = found.pinned.is_some().then(|| found.is_pinned());
        let subject = found.subject.as_ref();
        self.function = subject.map(|subject| subject.function.function.as_str());
        self.permissions = found
            .may
            .iter()
            .map(|one| May {
                action: one.action,
                purpose: one.why,
                commands: one.commands,
                allowed: one.allowed,
                message: one.said.as_deref(),
            })
            .collect();
    }
}

fn credentials(source: &Source) -> Credentials<'_> {
    let (source, profile) = match source {
        Source::Environment => ("environment", None),
        Source::Profile(name) => ("profile", Some(name.as_str())),
        Source::WebIdentity => ("web-identity", None),
        Source::Container => ("container", None),
        Source::Instance => ("instance", None),
    };
    Credentials { source, profile }
}

fn line(output: &Output, key: &str, value: &str) {
    output.out(&format!("{key:<13}{}", sanitize(value)));
}

/// Says who it is where no cloud account is involved.
pub(crate) fn on_this_machine(output: &Output, environment: &Environment, actor: &Actor) {
    if output.is_json() {
        output.json(&Wire::of(environment, actor));
        return;
    }
    line(output, "you", &actor.to_string());
    line(
        output,
        "env",
        &format!("{} (this machine)", environment.spoken()),
    );
}

/// Says what takes a moment.
pub(crate) fn asks(output: &Output) {
    output.status(&format!(
        "{} asking AWS what is allowed, a few calls each second",
        output.going()
    ));
}

/// Prints what was found out.
pub(crate) fn print(output: &Output, environment: &Environment, actor: &Actor, found: &Outcome) {
    if output.is_json() {
        let mut wire = Wire::of(environment, actor);
        wire.add(found);
        output.json(&wire);
        return;
    }
    let identity = &found.identity;
    line(output, "identity", &identity.to_string());
    line(output, "arn", &identity.arn);
    if let Some(role) = identity.role() {
        line(output, "role", role);
    }
    let account = match &found.pinned {
        Some(pinned) if found.is_pinned() => {
            format!("{pinned}, as org.toml pins it")
        }
        Some(pinned) => format!("{}, but org.toml pins {pinned}", identity.account),
        None => identity.account.clone(),
    };
    line(output, "account", &account);
    if let Some(region) = &found.region {
        line(output, "region", region);
    }
    if let Some(source) = &found.source {
        line(output, "credentials", &source.to_string());
    }
    line(output, "env", &environment.spoken());
    line(output, "recorded as", &actor.to_string());
    if !found.may.is_empty() {
        let subject = found.subject.as_ref();
        let function = subject.map_or("any", |subject| subject.function.function.as_str());
        line(output, "function", function);
        permissions(output, &found.may);
    }
}

/// What is not allowed, or all of it where that was asked for.
fn permissions(output: &Output, may: &[Permission]) {
    let (unasked, asked): (Vec<_>, Vec<_>) = may.iter().partition(|one| one.is_unasked());
    let allowed = asked.iter().filter(|one| one.allowed == Some(true));
    let (allowed, all) = (allowed.count(), asked.len());
    let sum = match (allowed, all) {
        (allowed, all) if allowed == all => format!("all {all} actions that were asked for"),
        (allowed, all) => format!("{allowed} of {all} actions that were asked for"),
    };
    line(output, "may", &sum);
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in &unasked {
        let why = one.said.as_deref().unwrap_or_default();
        match reasons.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, actions)) => actions.push(one.action),
            None => reasons.push((why, vec![one.action])),
        }
    }
    let reasons = reasons.iter();
    let reasons: Vec<_> = reasons
        .map(|(why, actions)| format!("{}: {why}", actions.join(", ")))
        .collect();
    line(output, "not asked", &reasons.join("; "));
    let is_told = |one: &&Permission| {
        output.verbosity() > 0 || (one.allowed != Some(true) && !one.is_unasked())
    };
    let rows: Vec<Vec<String>> = may.iter().filter(is_told).map(row).collect();
    if rows.is_empty() {
        return;
    }
    let header = [
        ("MAY", Align::Left),
        ("ALLOWED", Align::Left),
        ("ACTION", Align::Left),
        ("NEEDED BY", Align::Left),
    ];
    output.out("");
    output.out(&render(
        &header,
        &rows,
        output.is_terminal().then(|| output.width()),
    ));
}

fn row(one: &Permission) -> Vec<String> {
    let answer = match one.allowed {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => {
            let said = one.said.as_deref().unwrap_or_default();
            format!("unknown: {}", sanitize(said))
        }
    };
    vec![
        one.why.to_owned(),
        answer,
        one.action.to_owned(),
        one.commands.join(", "),
    ]
}
