//! Publishing against a server that behaves as AWS's documentation says (`tests/aws`), behind the real SDK.

pub(in crate::platform::lambda) mod bench;
mod cut;
pub(in crate::platform::lambda) mod ministack;
mod race;
mod sequence;
