//! AWS Lambda: a revision is a published version, and the traffic is an alias.
//!
//! Everything that must be true at once (weights, the state of a rollout, what a rollback needs) is written in one
//! `UpdateAlias` with its `RevisionId`. Knows nothing of people, prompts or the audit log.
//!
//! - *Reading*: `target` (which function and alias a service is), `located` (the same from the store), `read` (the calls),
//!   `seen` (what AWS answers), `serving` (the same without what has no traffic), `observe` (what that means), `words`, `configuration` (what a version was published with).
//! - *Writing*: `commit` (traffic), `sharing` (what an alias can express), `provisioned` (what an alias keeps ready) and
//!   `settle` (until it is), `prune` (old versions), `left` (what is known of what was left), `sent` (a first release), `mark` (that
//!   a rollout is live), `publish` (a release), `wake` (a
//!   version that slept).
//! - *Watching*: `metrics`, `logs`, `invoke`, `fleet` (all functions at once), `callers` (who calls them).

mod alias;
mod callers;
mod commit;
mod configuration;
mod fleet;
mod invoke;
mod left;
mod located;
mod logs;
mod mark;
mod metrics;
mod observe;
mod provisioned;
mod prune;
mod publish;
mod read;
mod remembered;
mod seen;
mod sent;
mod serving;
mod settle;
mod sharing;
mod target;
pub(crate) mod triggers;
mod wake;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_lambda::types::State;
use tokio::sync::OnceCell;

use super::{
    Capabilities, Commit, Diagnosis, Error, Invocation, LogLine, LogQuery, Look, Numbers,
    OnProgress, OnSight, Platform, Progress, Published, Result, Room, Search, Serving,
};
use crate::clients::aws::{Called, Gateway, Session, Unpinned};
use crate::clients::store::Objects;
use crate::domain::counts::{Counts, MinuteCounts};
use crate::domain::doctor::{Callers, Check, Moved};
use crate::domain::environment::Environment;
use crate::domain::image::ImageReference;
use crate::domain::live::{LeftRelease, Live, Token};
use crate::domain::name::ServiceName;
use crate::domain::plan::Difference;
use crate::domain::release::{Actor, Package, Release, RevisionNumber};
use crate::domain::service::Service;

use seen::Seen;
pub(crate) use target::{Target, Targets};

/// The tag that names the service of a function.
pub(crate) const SERVICE_TAG: &str = "squad.dev/service";
/// The tag of a function whose rollout is live: a hint, so that a look at many functions can leave their aliases alone.
pub(crate) const ROLLOUT_TAG: &str = "squad.dev/rollout";
/// How often a version is looked at that is not ready yet.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Deploys beside each other: while one waits at AWS (a change is applied, a version comes up), the pace of the calls, which
/// all share, is left to the others.
const DEPLOYS_AT_ONCE: usize = 12;
/// How long the call may take by which a version wakes: AWS refuses it at once.
const WOKEN_WITHIN: Duration = Duration::from_secs(30);

/// Which environment, and what it takes to reach it.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The way to its account and region.
    pub(crate) session: Session,
    /// Its store.
    pub(crate) objects: Objects,
    /// Which function and alias a service is, as far as files say so.
    pub(crate) targets: Targets,
}

/// The functions of one environment.
#[derive(Debug)]
pub(crate) struct Lambda {
    session: Session,
    objects: Objects,
    targets: target::Known,
    /// What was last read of each service: a commit on that very state needs no second look.
    seen: Mutex<BTreeMap<ServiceName, Seen>>,
    /// What was read of services whose versions nobody has listed yet: nothing is decided by it.
    begun: Mutex<BTreeMap<ServiceName, Seen>>,
    /// What versions were published with, by the path of the object.
    configurations: Mutex<BTreeMap<String, Service>>,
    /// What services ask to be kept ready, as far as this process was told.
    provisioned_wanted: Mutex<BTreeMap<ServiceName, Option<u32>>>,
    /// Versions with provisioned concurrency of their own, by function, as the last commit found them.
    provisioned_versions: Mutex<BTreeMap<String, BTreeSet<RevisionNumber>>>,
    /// API Gateway.
    gateway: OnceCell<Gateway>,
    /// Every API of the account, once somebody had to know.
    apis: OnceCell<triggers::apis::Survey>,
}

impl Lambda {
    /// Reaches nothing yet.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            targets: target::Known::new(settings.targets),
            session: settings.session,
            objects: settings.objects,
            seen: Mutex::default(),
            begun: Mutex::default(),
            configurations: Mutex::default(),
            provisioned_wanted: Mutex::default(),
            provisioned_versions: Mutex::default(),
            gateway: OnceCell::new(),
            apis: OnceCell::new(),
        }
    }

    /// The way to AWS.
    fn session(&self) -> &Session {
        &self.session
    }

    /// Which function and alias a service is.
    fn target(&self, service: &ServiceName) -> Target {
        self.targets.of(service)
    }

    /// The ARN of a function of this environment.
    fn function_arn(&self, function: &str) -> String {
        let region = self.session.region().unwrap_or_default();
        let account = self.session.account().unwrap_or_default();
        format!(
            "arn:{}:lambda:{region}:{account}:function:{function}",
            partition(region)
        )
    }

    async fn store_object(&self, path: &str, bytes: &[u8]) -> Result<bool> {
        self.objects.create(path, bytes).await.map_err(stored)
    }

    async fn read_object(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.objects.read(path).await.map_err(stored)
    }

    /// The function whose tag names a service.
    async fn tagged(&self, service: &ServiceName) -> Result<Option<String>> {
        Ok(self
            .tagged_functions(Some(service.as_str()))
            .await?
            .into_iter()
            .map(|(_, function)| function)
            .next())
    }

    /// Services and functions, by the tag.
    async fn tagged_functions(&self, service: Option<&str>) -> Result<Vec<(String, String)>> {
        use aws_sdk_resourcegroupstagging::types::TagFilter;
        let client = self.session.tagging().await;
        let filter = TagFilter::builder()
            .key(SERVICE_TAG)
            .set_values(service.map(|name| vec![name.to_owned()]))
            .build();
        let mut functions = Vec::new();
        let mut next = None;
        loop {
            let page = client
                .get_resources()
                .resource_type_filters("lambda:function")
                .tag_filters(filter.clone())
                .set_pagination_token(next)
                .send()
                .await
                .called("tag:GetResources", SERVICE_TAG)?;
            for found in page.resource_tag_mapping_list() {
                let function = found.resource_arn().and_then(|arn| arn.split(':').nth(6));
                let tag = found.tags().iter().find(|tag| tag.key() == SERVICE_TAG);
                if let (Some(function), Some(tag)) = (function, tag) {
                    functions.push((tag.value().to_owned(), function.to_owned()));
                }
            }
            next = page.pagination_token.filter(|token| !token.is_empty());
            if next.is_none() {
                functions.sort_unstable();
                return Ok(functions);
            }
        }
    }

    /// Waits until a version can be invoked.
    async fn ready(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
        progress: OnProgress<'_>,
    ) -> Result<()> {
        let target = self.target(service);
        let mut woken = 0;
        loop {
            let found = self
                .read_function(&target.function, &revision.to_string())
                .await?
                .and_then(|found| found.configuration)
                .ok_or(Error::NoRevision(revision))?;
            if found.state() == Some(&State::Inactive) {
                if woken == wake::TIMES {
                    return Err(Error::Invalid(format!(
                        "AWS does not bring revision {revision} back, which nobody called for a long time: {}",
                        words::of_state(&found)
                    )));
                }
                woken += 1;
                progress(Progress::Waiting {
                    what: wake::TOLD.to_owned(),
                });
                let invoker = self.session.lambda_to_invoke(WOKEN_WITHIN).await;
                wake::wake(&invoker, &target.function, &revision.to_string()).await?;
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            match observe::health(&found).0 {
                crate::domain::live::Health::Starting => {
                    progress(Progress::Starting { ready: 0, of: 1 });
                }
                crate::domain::live::Health::Failed => {
                    let diagnosis = words::diagnosis(&target.function, &found);
                    return Err(match diagnosis {
                        Some(diagnosis) => Error::DoesNotStart {
                            revision,
                            diagnosis: Box::new(diagnosis),
                        },
                        None => Error::NoRevision(revision),
                    });
                }
                _ => return Ok(()),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// The store of an environment, for its objects.
pub(super) fn store(environment: &Environment, state: &Path, session: &Session) -> Result<Objects> {
    Objects::open(environment, state, Some(session)).map_err(stored)
}

/// The store's failure, as the platform's.
fn stored(error: crate::clients::store::Error) -> Error {
    use crate::clients::store::Error as From;
    match error {
        From::File(error) => Error::File(error),
        From::Aws(error) => Error::Aws(error),
        From::Path(path) => Error::Invalid(format!(
            "`{}` cannot be the path of an object",
            path.escape_debug()
        )),
        From::Store(error) => Error::Invalid(format!("the store of objects failed: {error}")),
        From::NoSession(url) => Error::Invalid(format!("there is no way to `{url}`")),
    }
}

/// The partition of a region (AWS General Reference, "Amazon Resource Names").
fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

#[async_trait]
impl Platform for Lambda {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            routes: false,
            forced_header: false,
            gate: false,
            capacity: false,
            counts_at_once: false,
        }
    }

    fn publish_keeps_token(&self) -> bool {
        // The alias's `RevisionId`, and a publish writes to `$LATEST` and makes a version.
        true
    }

    fn deploys_at_once(&self) -> usize {
        DEPLOYS_AT_ONCE
    }

    fn numbers(&self, service: &Service) -> Numbers {
        let timeout = service
            .function
            .as_ref()
            .map_or(0, |function| u64::from(function.timeout_seconds));
        // What serves may have a longer one, which `squad.toml` need not name.
        let seen = self.last_seen(&service.name);
        let serving = seen.iter().flat_map(|seen| seen.states.values());
        let own = serving.filter_map(|one| u64::try_from(one.timeout()?).ok());
        let timeout = own.fold(timeout, u64::max);
        // Only whole minutes are read: up to one more.
        Numbers {
            late_seconds: timeout + metrics::DELAY_SECONDS + metrics::MINUTE_SECONDS,
            every_seconds: metrics::MINUTE_SECONDS,
        }
    }

    async fn observe(&self, service: &ServiceName) -> Result<Live> {
        let seen = self.see(service).await?;
        self.remember(service, &seen);
        Ok(observe::live(service, &seen))
    }

    async fn observe_serving(&self, service: &ServiceName) -> Result<Serving> {
        self.look_at_serving(service).await
    }

    async fn observe_rest(&self, service: &ServiceName, serving: Serving) -> Result<Live> {
        self.look_at_rest(service, serving).await
    }

    async fn observe_committed(&self, service: &ServiceName) -> Result<Live> {
        let Some(seen) = self.see_committed(service).await? else {
            return self.observe(service).await;
        };
        self.remember(service, &seen);
        Ok(observe::live(service, &seen))
    }

    async fn left(&self, service: &ServiceName, digest: &str) -> Result<Option<LeftRelease>> {
        self.left_release(service, digest).await
    }

    async fn services(&self) -> Result<Vec<ServiceName>> {
        let mut services: Vec<_> = self
            .tagged_functions(None)
            .await?
            .into_iter()
            .filter_map(|(service, function)| {
                let service = ServiceName::new(&service).ok()?;
                if !self.targets.is_known(&service) {
                    self.targets.learn_function(&service, &function);
                }
                Some(service)
            })
            .collect();
        services.dedup();
        Ok(services)
    }

    async fn differences(&self, service: &Service) -> Result<Option<Vec<Difference>>> {
        self.targets.learn(service);
        publish::differences(self, service).await
    }

    async fn is_current(&self, service: &Service, revision: RevisionNumber) -> Result<bool> {
        publish::is_current(self, service, revision).await
    }

    async fn differences_of_traffic(&self, service: &Service) -> Result<Vec<Difference>> {
        Ok(Vec::from_iter(self.provisioned_difference(service).await?))
    }

    fn differences_between(
        &self,
        service: &ServiceName,
        from: RevisionNumber,
        to: RevisionNumber,
    ) -> Vec<Difference> {
        publish::differences_between(self, service, from, to)
    }

    async fn look(&self, look: &Look<'_>, on_sight: OnSight<'_>) -> Result<()> {
        Box::pin(self.look_at(look, on_sight)).await
    }

    async fn examine(&self) -> Result<Vec<Check>> {
        self.examine_account().await
    }

    async fn callers(&self, service: &ServiceName, search: Search) -> Result<Option<Callers>> {
        Box::pin(self.callers_of(service, search)).await
    }

    async fn guard(&self) -> Result<()> {
        self.session.guard().await?;
        Ok(())
    }

    async fn adopt(&self, service: &ServiceName, caller: &str) -> Result<Option<Moved>> {
        Box::pin(self.adopt_caller(service, caller)).await
    }

    async fn keep(&self, service: &ServiceName, actor: &Actor) -> Result<RevisionNumber> {
        Box::pin(publish::keep(self, service, actor)).await
    }

    async fn architecture(&self, service: &ServiceName) -> Result<Option<String>> {
        publish::architecture(self, service).await
    }

    async fn past(&self, service: &ServiceName) -> Option<String> {
        publish::past(self, service).await
    }

    async fn unadopt(&self, service: &ServiceName, moved: &Moved) -> Result<()> {
        self.give_back(service, moved).await
    }

    fn remembered_as(&self) -> Option<String> {
        let part = |part: Option<&str>| part.unwrap_or("any").to_owned();
        Some(format!(
            "{}-{}",
            part(self.session.account()),
            part(self.session.region())
        ))
    }

    async fn pinned(&self, image: &ImageReference) -> Result<ImageReference> {
        match self.session().pinned(image.clone()).await {
            Ok(pinned) => Ok(pinned),
            Err(Unpinned::Refused(reason)) => Err(Error::Invalid(reason)),
            Err(Unpinned::Call(error)) => Err(error.into()),
        }
    }

    async fn publish(&self, release: &Release, progress: OnProgress<'_>) -> Result<Published> {
        self.targets.learn(&release.service);
        self.learn_provisioned(&release.service);
        self.session.guard().await?;
        // First: whoever finds the version has to find what it was published with.
        self.keep_configuration(release).await?;
        self.keep_target(&release.service.name).await?;
        let published = Box::pin(publish::run(self, release, progress)).await?;
        let target = self.target(&release.service.name);
        let arn = self.function_arn(&target.function);
        Ok(Published {
            address: Some(format!("{arn}:{}", target.alias)),
            ..published
        })
    }

    async fn prepare(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
        progress: OnProgress<'_>,
    ) -> Result<()> {
        self.ready(service, revision, progress).await
    }

    async fn commit(
        &self,
        service: &ServiceName,
        token: &Token,
        commit: &Commit,
        progress: OnProgress<'_>,
    ) -> Result<Token> {
        self.write(service, token, commit, progress).await
    }

    async fn retire(&self, service: &ServiceName, revision: RevisionNumber) -> Result<()> {
        self.session.guard().await?;
        self.retire_version(service, revision).await
    }

    async fn kept_code(&self, service: &Service, revision: RevisionNumber) -> Option<Package> {
        Box::pin(publish::code_of(self, service, revision)).await
    }

    async fn room(&self, service: &ServiceName) -> Option<Room> {
        self.room_for_code(service).await
    }

    async fn prune(&self, service: &ServiceName) -> Result<Vec<RevisionNumber>> {
        self.session.guard().await?;
        self.prune_versions(service).await
    }

    async fn configuration(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
    ) -> Result<Option<Service>> {
        let known = self.last_seen(service);
        let seen = match known.filter(|seen| seen.versions.contains_key(&revision)) {
            Some(seen) => seen,
            None => self.see(service).await?,
        };
        self.configured(service, &seen, revision).await
    }

    async fn check_shared(
        &self,
        service: &ServiceName,
        stable: RevisionNumber,
        canary: RevisionNumber,
    ) -> Result<()> {
        let seen = self.see(service).await?;
        sharing::check_sharing(&seen, stable, canary)
    }

    async fn check_next(
        &self,
        service: &Service,
        stable: RevisionNumber,
        existing: Option<RevisionNumber>,
    ) -> Result<()> {
        publish::check_next(self, service, stable, existing).await
    }

    async fn diagnose(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
    ) -> Result<Option<Diagnosis>> {
        let target = self.target(service);
        let found = self
            .read_function(&target.function, &revision.to_string())
            .await?
            .and_then(|found| found.configuration)
            .ok_or(Error::NoRevision(revision))?;
        Ok(words::diagnosis(&target.function, &found))
    }

    async fn logs(
        &self,
        service: &ServiceName,
        query: &LogQuery,
        on_line: &mut (dyn FnMut(LogLine) -> bool + Send),
    ) -> Result<()> {
        self.read_log(service, query, on_line).await
    }

    async fn invoke(
        &self,
        service: &ServiceName,
        revision: Option<RevisionNumber>,
        payload: &str,
    ) -> Result<Invocation> {
        self.call(service, revision, payload).await
    }

    async fn counts(&self, service: &ServiceName) -> Result<Counts> {
        self.read_counts(service).await
    }

    async fn history(&self, service: &ServiceName, since: Duration) -> Result<Vec<MinuteCounts>> {
        self.read_history(service, since).await
    }

    async fn create_object(&self, path: &str, bytes: &[u8]) -> Result<bool> {
        self.session.guard().await?;
        self.store_object(path, bytes).await
    }

    async fn object(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.read_object(path).await
    }

    async fn objects(&self, prefix: &str) -> Result<Vec<String>> {
        self.objects.list(prefix).await.map_err(stored)
    }

    async fn set_port(&self, _service: &ServiceName, _port: u16) -> Result<()> {
        Err(Error::Unsupported(
            "a Lambda function has no port; only services on this machine have".to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests;
