//! stub until the audit branch is merged
use crate::clock::Clock;
use crate::domain::environment::*;
use crate::domain::name::*;
use crate::domain::release::*;
use crate::error::Result;
use serde_json::Value;
use std::path::PathBuf;
pub(crate) enum Store {
    Directory(PathBuf),
    S3(String),
}
pub(crate) struct Settings {
    pub(crate) store: Store,
    pub(crate) log: String,
    pub(crate) state: PathBuf,
    pub(crate) actor: Actor,
    pub(crate) environment: Environment,
}
pub(crate) struct Journal;
pub(crate) struct Operation;
impl Operation {
    pub(crate) fn id(&self) -> &str {
        ""
    }
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Deploy,
    Rollback,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultWord {
    Succeeded,
    Failed,
    Refused,
    Unknown,
}
pub(crate) struct Intent {
    pub(crate) kind: Kind,
    pub(crate) service: ServiceName,
    pub(crate) reason: Option<String>,
    pub(crate) before: Value,
    pub(crate) after: Value,
    pub(crate) provenance: Option<Provenance>,
    pub(crate) digest: Option<String>,
}
pub(crate) struct Outcome {
    pub(crate) result: ResultWord,
    pub(crate) after: Value,
    pub(crate) message: Option<String>,
    pub(crate) error_id: Option<String>,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    Committed,
    Pending { events: usize },
}
impl Journal {
    pub(crate) fn open(_: Settings) -> Result<Self> {
        Ok(Self)
    }
    pub(crate) fn actor(&self) -> &Actor {
        unreachable!()
    }
    pub(crate) async fn begin(&self, _: &dyn Clock, _: Intent) -> Result<Operation> {
        Ok(Operation)
    }
    pub(crate) async fn begin_brake(&self, _: &dyn Clock, _: Intent) -> Result<Operation> {
        Ok(Operation)
    }
    pub(crate) async fn finish(&self, _: &dyn Clock, _: Operation, _: Outcome) -> Result<Recorded> {
        Ok(Recorded::Committed)
    }
}
pub(crate) struct OpenOperation;
impl OpenOperation {
    pub(crate) fn service(&self) -> &ServiceName {
        unreachable!()
    }
}
impl Journal {
    pub(crate) async fn abandoned(&self) -> Result<Vec<OpenOperation>> {
        Ok(vec![])
    }
    pub(crate) async fn close_unknown(
        &self,
        _: &dyn Clock,
        _: OpenOperation,
        _: Value,
    ) -> Result<()> {
        Ok(())
    }
    pub(crate) async fn flush(&self, _: &dyn Clock) -> Result<usize> {
        Ok(0)
    }
}
#[derive(Default)]
pub(crate) struct Query {
    pub(crate) since: Option<jiff::Timestamp>,
}
pub(crate) struct RecordedEvent {
    pub(crate) event: crate::domain::audit::event::Event,
}
impl Journal {
    pub(crate) async fn events(&self, _: &Query) -> Result<Vec<RecordedEvent>> {
        Ok(vec![])
    }
}
