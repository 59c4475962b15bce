//! `aws-stand-in`: a small server that answers as AWS's documentation says, for tests behind the real SDKs.
//!
//! ```text
//! aws-stand-in [--port <n>]
//! ```
//! Prints one line, `listening http://127.0.0.1:<port>`, and ends when its standard input is closed. What it keeps
//! to and what it leaves out, with the pages, is in `README.md` here; `/_control/` is described there too. One
//! address serves all services: which one is meant is in the credential scope of the `Authorization` header.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::doc_markdown,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "test code"
)]

mod bucket;
mod cbor;
mod change;
mod clock;
mod cloudwatch;
mod control;
mod dispatch;
mod ecr;
mod failure;
mod faults;
mod gateway;
mod invoke;
mod lambda;
mod logs;
mod metric;
mod quota;
mod random;
mod record;
mod request;
mod s3;
mod server;
mod settings;
mod socket;
mod sts;
mod tagging;
mod world;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut port: u16 = 0;
    while let Some(argument) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        match (argument.as_str(), value) {
            ("--port", Some(value)) => port = value,
            _ => {
                eprintln!("usage: aws-stand-in [--port <n>]");
                std::process::exit(2);
            }
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(server::run(port));
    // Functions that still run end with their process group, not by waiting for them.
    std::process::exit(0);
}
