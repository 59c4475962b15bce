//! The local platform: the service's processes on this machine behind an in-process reverse proxy.
//!
//! For laptops and demos; production is EKS and Lambda. One supervisor process for each local environment.

pub(crate) mod function;

pub(crate) mod metrics;
pub(crate) mod proxy;
