//! `squad history`: what changed, by whom, and how it ended, read from the audit log.
