//! The words for errors of `audit`.
