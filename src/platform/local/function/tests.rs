//! The pool with real processes: `awslambdaric` from `PyPI`, Amazon's own runtime client for Python.
//!
//! Where it cannot be installed, these tests say so by name and test nothing; the rest of the module's tests
//! speaks to the Runtime API over plain sockets.

mod gateway;
mod protocol;
mod real;
mod supervisor;
