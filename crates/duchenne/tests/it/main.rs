//! The integration tests of the library, one binary.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod floors;
