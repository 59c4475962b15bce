//! Answers as HTTP: see the next commit.
