//! The words for errors of `template`.
