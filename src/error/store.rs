//! The words for errors of `store`.
