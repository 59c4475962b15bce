//! AWS, as one environment uses it: credentials, identity, clients, errors, pace.
//!
//! Decides nothing about deploys, and has no words for people but those for what AWS itself says ([`words`]). Nothing
//! else makes an SDK client, so that nothing goes to another account, region or endpoint, or faster than is allowed.

mod bucket;
mod connector;
mod contact;
mod credentials;
mod error;
mod gateway;
mod identity;
mod images;
mod logs;
pub(crate) mod pace;
mod patience;
mod session;
mod signed;
pub(crate) mod words;

pub(crate) use bucket::{Bucket, Kept};
pub(crate) use credentials::{Source, Trouble, Wrong};
pub(crate) use error::{Called, Error, Result, Why, one_line};
pub(crate) use gateway::{Api, Gateway, Integration, Method, Stage};
pub(crate) use identity::Identity;
pub(crate) use images::Unpinned;
pub(crate) use logs::{Event as LogEvent, Filter as LogFilter};
pub(crate) use session::{Session, Settings};

#[cfg(test)]
mod tests;
