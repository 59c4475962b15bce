//! HTTP requests as events: see the next commit.
