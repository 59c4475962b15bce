//! `$LATEST`, brought to what is wanted: created, settings, code. One write at a time, each with the `RevisionId` of
//! a state that was looked at, and each verified by its content before the next.
//!
//! What a failed or lost call did is never guessed: the function is read again and compared. Once a part was as
//! wanted, anything else in it is somebody else's work, and this deploy gives way. Nothing is ever deleted here.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Architecture, Environment, FunctionCode, PackageType, Runtime};

use super::observed::{Condition, Observed, Package};
use super::pin;
use super::race;
use super::reason::Cause;
use super::settle::{self, Pause};
use super::wanted::{Code, Update};
use super::work::Work;
use crate::clients::aws::{self, Called, Why};
use crate::domain::plan::Difference;
use crate::platform::{Error, Result};

/// How long AWS may take until a new role can be assumed.
const ROLE: Duration = Duration::from_mins(1);
/// How often a write is sent again after a refusal or a lost answer, when the function is still as it was.
const TRIES: u32 = 6;

/// What this run knows of `$LATEST`.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// How it was at the first look.
    base: Option<Base>,
    /// The settings were as wanted once.
    settings: bool,
    /// The code was as wanted once.
    code: bool,
    /// What an image's tag was resolved to by this run.
    resolved: Option<String>,
    /// The last change before this run failed: writing anything clears that.
    repair: bool,
    /// The newest version that was there before; 0 for none.
    pub(super) newest: u64,
    /// Versions of this very release that AWS could not make.
    pub(super) failed: BTreeSet<u64>,
    /// Writes that were sent again.
    tries: u32,
    /// Somebody else was about, or an answer got lost.
    pub(super) contended: bool,
}

#[derive(Debug)]
struct Base {
    differences: Vec<Difference>,
    code_sha256: String,
}

/// What is to be done next.
#[derive(Debug, PartialEq)]
enum Next {
    Nothing,
    Settings(Box<Update>),
    Code,
    /// Somebody else changed what was settled.
    GiveWay,
}

impl Run {
    /// Nothing looked at yet; `newest` is the newest version that is there, `failed` those of this release that never run.
    pub(super) fn new(newest: u64, failed: BTreeSet<u64>) -> Self {
        Self {
            newest,
            failed,
            ..Self::default()
        }
    }

    /// Looks at a settled `$LATEST`.
    fn next(&mut self, work: &Work<'_>, found: &Observed) -> Result<Next> {
        let update = work.wanted.update(&found.configuration)?;
        let differences = work.wanted.differences(&found.configuration)?;
        let settings = update.is_empty();
        let code = self.has_code(work, found);
        let base = self.base.get_or_insert_with(|| Base {
            differences: differences.clone(),
            code_sha256: found.code_sha256.clone(),
        });
        let settings_untouched = !self.settings && base.differences == differences;
        let code_untouched = !self.code && base.code_sha256 == found.code_sha256;
        if !(settings || settings_untouched) || !(code || code_untouched) {
            return Ok(Next::GiveWay);
        }
        self.settings |= settings;
        self.code |= code;
        Ok(if !settings {
            Next::Settings(Box::new(update))
        } else if self.repair {
            Next::Settings(Box::new(Update {
                memory: Some(work.wanted.memory.unwrap_or(found.configuration.memory)),
                ..update
            }))
        } else if !code {
            Next::Code
        } else {
            Next::Nothing
        })
    }

    /// Whether the code, for this architecture, is the one wanted.
    fn has_code(&self, work: &Work<'_>, found: &Observed) -> bool {
        let same = match work.code.is_in(found) {
            Some(same) => same,
            None => self.resolved.as_ref() == Some(&found.code_sha256),
        };
        let architecture = &found.configuration.architecture;
        same && work.wanted.architecture_of(&found.configuration) == architecture
    }

    /// Whether a settled `$LATEST` is all that is wanted.
    pub(super) fn is_ours(&self, work: &Work<'_>, found: &Observed) -> Result<bool> {
        Ok(work.wanted.update(&found.configuration)?.is_empty() && self.has_code(work, found))
    }

    /// What became of a write. An error when it is final.
    fn sent(&mut self, work: &Work<'_>, answer: Result<(), aws::Error>) -> Result<()> {
        let Err(error) = answer else { return Ok(()) };
        self.contended = true;
        match &*error.why {
            // Somebody's change is being applied: it is waited for, and then looked at.
            Why::InProgress | Why::Exists => Ok(()),
            Why::NotFound => Err(race::deleted(work)),
            why if why.needs_a_look() => {
                self.tries += 1;
                if self.tries < TRIES {
                    Ok(())
                } else {
                    Err(work.failed(error))
                }
            }
            _ => Err(work.failed(error)),
        }
    }
}

/// Brings `$LATEST` to what is wanted and returns it, settled and verified. `published` = there is a version already.
pub(super) async fn bring(
    work: &Work<'_>,
    run: &mut Run,
    first: Option<Observed>,
    published: bool,
) -> Result<Observed> {
    let (mut pause, mut role) = (Pause::within(settle::CHANGE), None);
    let mut found = match first {
        Some(found) => settle::from(work, found).await?,
        None => created(work, run).await?,
    };
    if found.package != work.code.package() {
        return Err(Error::Unsupported(format!(
            "the function `{}` has {}, and this release is {}; Lambda never changes one into the other: make a new \
             function (`name` under [function])",
            work.function,
            found.package.as_str(),
            work.code.package().as_str()
        )));
    }
    // Also what could not be created is brought to life by a change: that is fenced by the `RevisionId`.
    run.repair = run.base.is_none()
        && matches!(
            found.condition,
            Condition::UpdateFailed(_) | Condition::Failed(_)
        );
    loop {
        let next = run.next(work, &found)?;
        // What never ran serves nobody, and there is nothing to keep.
        let is_unkept = work.is_unkept && !matches!(found.condition, Condition::Failed(_));
        if matches!(next, Next::Settings(_) | Next::Code)
            && work.pinned.get().is_none()
            && (is_unkept || work.on_latest.is_some())
        {
            found = pin::pin(work, run, work.on_latest.as_ref(), found).await?;
            continue;
        }
        let answer = match next {
            Next::Nothing => return runs(work, found),
            Next::GiveWay => return Err(race::lost(work, run.newest, &found).await),
            Next::Settings(update) => {
                work.tell("changing the settings");
                let is_new_role = update.role.is_some();
                let answer = settings(work, &found, *update).await;
                let is_refused = |error: &aws::Error| *error.why == Why::RoleNotReady;
                if is_new_role && answer.as_ref().is_err_and(is_refused) {
                    work.tell("AWS makes the new role known");
                    let role = role.get_or_insert_with(|| Pause::within(ROLE));
                    if role.wait().await.is_ok() {
                        found = settle::latest(work).await?;
                        continue;
                    }
                }
                run.repair &= answer.is_err();
                answer
            }
            Next::Code => {
                work.tell("sending the code");
                code(work, run, &found).await
            }
        };
        let busy = answer
            .as_ref()
            .is_err_and(|error| *error.why == Why::InProgress);
        run.sent(work, answer)?;
        if busy {
            pause.wait().await?;
        }
        let before = found.revision_id.take();
        found = settle::latest(work).await?;
        // Nothing is under way, and nobody has changed it: that is why it was refused.
        if busy
            && let Condition::Failed(why) = &found.condition
            && found.revision_id == before
        {
            return Err(stuck(work, published, why));
        }
        if let Condition::UpdateFailed(why) = &found.condition
            && !run.repair
        {
            return Err(Error::NotApplied {
                said: format!(
                    "AWS could not apply the change to `{}`: {why}; what served before still serves",
                    work.function
                ),
                hint: why.hint,
            });
        }
    }
}

/// `$LATEST` as it is wanted, unless AWS could not make it run.
fn runs(work: &Work<'_>, found: Observed) -> Result<Observed> {
    match &found.condition {
        Condition::Failed(why) => Err(Error::NotApplied {
            said: format!(
                "AWS could not create the function `{}`: {why}",
                work.function
            ),
            hint: why.hint,
        }),
        _ => Ok(found),
    }
}

/// `UpdateFunctionConfiguration` with what differs, and nothing else.
async fn settings(work: &Work<'_>, found: &Observed, update: Update) -> Result<(), aws::Error> {
    let environment = update.environment.map(|values| {
        Environment::builder()
            .set_variables(Some(values.to_map()))
            .build()
    });
    work.client
        .update_function_configuration()
        .function_name(work.function)
        .set_revision_id(found.revision_id.clone())
        .set_runtime(update.runtime.as_deref().map(Runtime::from))
        .set_handler(update.handler)
        .set_role(update.role)
        .set_memory_size(update.memory)
        .set_timeout(update.timeout)
        .set_layers(update.layers)
        .set_environment(environment)
        .send()
        .await
        .called("lambda:UpdateFunctionConfiguration", work.function)
        .map(drop)
}

/// `UpdateFunctionCode`, without publishing: the version has a description, which this call cannot give it.
async fn code(work: &Work<'_>, run: &mut Run, found: &Observed) -> Result<(), aws::Error> {
    let mut call = work
        .client
        .update_function_code()
        .function_name(work.function)
        .set_revision_id(found.revision_id.clone())
        .publish(false)
        // Also where nobody names one: what is left out may become another one.
        .architectures(Architecture::from(
            work.wanted.architecture_of(&found.configuration),
        ));
    call = match (&work.code, &work.uploaded) {
        (Code::Zip { .. }, Some(object)) => call
            .s3_bucket(&object.bucket)
            .s3_key(&object.key)
            .set_s3_object_version(object.version.clone()),
        (Code::Zip { bytes, .. }, None) => call.zip_file(Blob::new(bytes.to_vec())),
        (Code::Image { reference }, _) => call.image_uri(reference),
    };
    let answer = call
        .send()
        .await
        .called("lambda:UpdateFunctionCode", work.function)?;
    run.resolved = answer.code_sha256().map(str::to_owned);
    Ok(())
}

/// A function that was not there, once it can be invoked.
async fn created(work: &Work<'_>, run: &mut Run) -> Result<Observed> {
    let (mut role, mut unknown) = (Pause::within(ROLE), Pause::within(settle::CHANGE));
    loop {
        work.tell(format!("creating the function `{}`", work.function));
        match create(work, run).await? {
            Ok(()) => {}
            Err(error) if *error.why == Why::RoleNotReady => {
                run.contended = true;
                work.tell("AWS makes the new role known");
                if role.wait().await.is_err() {
                    return Err(work.failed(error));
                }
                continue;
            }
            answer => run.sent(work, answer)?,
        }
        // Whoever created it: anything but what is wanted is somebody else's.
        let Some(found) = work.read().await? else {
            run.tries += 1;
            if run.tries >= TRIES {
                return Err(race::deleted(work));
            }
            // What was just made may not be known everywhere yet.
            unknown.wait().await?;
            continue;
        };
        (run.settings, run.code) = (true, true);
        return runs(work, settle::from(work, found).await?);
    }
}

/// `CreateFunction`; the outer error is one that AWS was not asked about.
async fn create(work: &Work<'_>, run: &mut Run) -> Result<Result<(), aws::Error>> {
    let role = work.wanted.role.clone().ok_or_else(|| {
        Error::Unsupported(format!(
            "there is no function `{}` yet, and to make it AWS needs a role: set `role` under [function] in squad.toml",
            work.function
        ))
    })?;
    let (wanted, values) = (&work.wanted, &work.wanted.set);
    let architecture = wanted.architecture.as_ref();
    let architecture = architecture.unwrap_or(&wanted.fresh.architecture);
    let code = match (&work.code, &work.uploaded) {
        (Code::Zip { .. }, Some(object)) => FunctionCode::builder()
            .s3_bucket(&object.bucket)
            .s3_key(&object.key)
            .set_s3_object_version(object.version.clone()),
        (Code::Zip { bytes, .. }, None) => {
            FunctionCode::builder().zip_file(Blob::new(bytes.to_vec()))
        }
        (Code::Image { reference }, _) => FunctionCode::builder().image_uri(reference),
    };
    let environment = (!values.is_empty()).then(|| {
        Environment::builder()
            .set_variables(Some(values.to_map()))
            .build()
    });
    let answer = work
        .client
        .create_function()
        .function_name(work.function)
        .role(role)
        .code(code.build())
        .publish(false)
        .package_type(match work.code.package() {
            Package::Zip => PackageType::Zip,
            Package::Image => PackageType::Image,
        })
        .architectures(Architecture::from(architecture.as_str()))
        .set_runtime(work.wanted.runtime.as_deref().map(Runtime::from))
        .set_handler(work.wanted.handler.clone())
        .memory_size(wanted.memory.unwrap_or(wanted.fresh.memory))
        .timeout(wanted.timeout.unwrap_or(wanted.fresh.timeout))
        .set_layers(work.wanted.layers.clone())
        .set_environment(environment)
        .set_tags(Some(work.tags.clone().into_iter().collect()))
        .send()
        .await
        .called("lambda:CreateFunction", work.function);
    Ok(answer.map(|created| run.resolved = created.code_sha256().map(str::to_owned)))
}

/// The error for a function that never runs and that AWS does not let be changed. squad deletes none: `DeleteFunction` has no
/// `RevisionId`, so nothing would keep it from a function that somebody else brought to life since it was looked at, and
/// its alias, its callers and its address would be gone with it.
fn stuck(work: &Work<'_>, published: bool, why: &Cause) -> Error {
    let function = work.function;
    let next = if published {
        "it has versions: a person has to look at it".to_owned()
    } else {
        format!(
            "squad deletes no function: when nobody needs this one, \
             `aws lambda delete-function --function-name {function}`, then deploy again"
        )
    };
    Error::Unsupported(format!(
        "the function `{function}` failed and never runs ({why}), and AWS does not let it be changed; {next}"
    ))
}
