//! What squad sends to a function that is not there yet: noted in the environment's store before it is sent, so that a deploy
//! which is cut off between making the function and publishing it is not taken for somebody else's work.
//!
//! Told by the code's digest alone: whatever others send since has another one, and is kept as theirs.

use std::time::Duration;

use super::seen::Seen;
use super::{Lambda, Target};
use crate::domain::name::ServiceName;
use crate::platform::Result;

/// How long a look waits for the store: what it does not tell is taken for somebody else's, which loses nothing.
const WITHIN: Duration = Duration::from_secs(2);

/// `sent/<service>/<function>/<digest>`.
fn path(service: &ServiceName, target: &Target, code_sha256: &str) -> String {
    // Base64 for URLs: the digest becomes a part of a path.
    let digest = code_sha256
        .replace('+', "-")
        .replace('/', "_")
        .replace('=', "");
    format!("sent/{service}/{}/{digest}", target.function)
}

impl Lambda {
    /// Notes the code of a first release, where nothing of anybody is there.
    pub(super) async fn note_sent(&self, service: &ServiceName, code_sha256: &str) -> Result<()> {
        let is_first =
            |seen: &Seen| seen.versions.is_empty() && seen.alias.is_none() && seen.unkept.is_none();
        match self.last_seen(service).filter(is_first) {
            Some(seen) if !code_sha256.is_empty() => {
                let path = path(service, &seen.target, code_sha256);
                self.store_object(&path, b"").await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Whether squad sent this code, as far as the store tells in time.
    pub(super) async fn is_sent(
        &self,
        service: &ServiceName,
        target: &Target,
        code_sha256: &str,
    ) -> bool {
        let path = path(service, target, code_sha256);
        let read = tokio::time::timeout(WITHIN, self.read_object(&path)).await;
        matches!(read, Ok(Ok(Some(_))))
    }
}
