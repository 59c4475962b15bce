//! Which route a request belongs to (DESIGN §12): the raw path before `?`, undecoded, case-sensitive,
//! segment by segment. One table of cases, `tests/data/route-cases.toml`, is shared by the tests of
//! this module, of the local proxy and of later overlays.

use serde::{Deserialize, Serialize};

/// A path template such as `/charges/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PathTemplate(pub(crate) String);
