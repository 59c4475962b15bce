//! The block of `squad rollout status`.
