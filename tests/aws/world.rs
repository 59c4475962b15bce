//! All that the stand-in remembers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bucket::Buckets;
use crate::faults::Faults;
use crate::lambda::Functions;
use crate::logs::Logs;
use crate::metric::Metrics;
use crate::quota::Quotas;
use crate::random::Random;
use crate::record::Record;
use crate::settings::Settings;

/// The account of every key that was not given another one.
pub(crate) const ACCOUNT: &str = "123456789012";

/// Who a key belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) account: String,
    pub(crate) arn: String,
    pub(crate) user_id: String,
    pub(crate) expired: bool,
}

/// What lies in one region of one account.
#[derive(Debug, Default)]
pub(crate) struct Region {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) lambda: Functions,
    pub(crate) metrics: Metrics,
    pub(crate) logs: Logs,
    /// APIs of API Gateway by id, as they were made.
    pub(crate) apis: BTreeMap<String, Value>,
}

/// A call that waits.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) sequence: u64,
    pub(crate) service: String,
    pub(crate) operation: String,
    /// `before` or `after`.
    pub(crate) point: &'static str,
    pub(crate) released: Option<Release>,
    /// The client has hung up.
    pub(crate) gone: bool,
}

/// How a held call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// As if nothing had been; but what the client no longer waits for is dropped.
    Continue,
    /// It is applied in any case, as a request that was already on its way.
    Apply,
    /// It is dropped, and the connection reset.
    Drop,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    pub(crate) quotas: Quotas,
    pub(crate) record: Record,
    pub(crate) random: Random,
    pub(crate) held: Vec<Held>,
    keys: BTreeMap<String, Identity>,
    pub(crate) regions: Regions,
    pub(crate) buckets: Buckets,
}

/// By account and name.
pub(crate) type Regions = BTreeMap<(String, String), Region>;

impl World {
    pub(crate) fn new() -> Self {
        let settings = Settings::default();
        Self {
            random: Random::new(settings.seed),
            settings,
            faults: Faults::default(),
            quotas: Quotas::default(),
            record: Record::default(),
            held: Vec::new(),
            keys: BTreeMap::new(),
            regions: Regions::new(),
            buckets: Buckets::default(),
        }
    }

    /// The region, made when it is first asked for.
    pub(crate) fn region_in<'a>(
        regions: &'a mut Regions,
        account: &str,
        name: &str,
    ) -> &'a mut Region {
        regions
            .entry((account.to_owned(), name.to_owned()))
            .or_insert_with(|| Region {
                account: account.to_owned(),
                name: name.to_owned(),
                ..Region::default()
            })
    }

    /// The same, when nothing else of the world is needed.
    pub(crate) fn region(&mut self, account: &str, name: &str) -> &mut Region {
        Self::region_in(&mut self.regions, account, name)
    }

    /// Whose key it is; an unknown one is a user of the usual account.
    pub(crate) fn identity(&self, access_key: &str) -> Identity {
        self.keys
            .get(access_key)
            .cloned()
            .unwrap_or_else(|| Identity {
                account: ACCOUNT.to_owned(),
                arn: format!("arn:aws:iam::{ACCOUNT}:user/stand-in"),
                user_id: "AIDASTANDIN0000000000".to_owned(),
                expired: false,
            })
    }

    pub(crate) fn set_identity(&mut self, access_key: &str, identity: Identity) {
        self.keys.insert(access_key.to_owned(), identity);
    }

    /// The held calls, for the control API.
    pub(crate) fn held(&self) -> Value {
        let held: Vec<Value> = self
            .held
            .iter()
            .filter(|held| held.released.is_none())
            .map(|held| {
                json!({
                    "sequence": held.sequence,
                    "service": held.service,
                    "operation": held.operation,
                    "point": held.point,
                    "gone": held.gone,
                })
            })
            .collect();
        json!({ "held": held })
    }
}
