//! The audit log as values: events, their bytes, the tree over them, and what a check finds.
