//! What a deploy or a rollback will do, computed from what is live and what is wanted.
