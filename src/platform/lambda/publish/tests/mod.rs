//! Publishing against a server that behaves as AWS's documentation says (`tests/aws`), behind the real SDK.

pub(in crate::platform::lambda) mod bench;
mod cut;
mod ministack;
mod race;
mod sequence;
