//! The integration tests, one binary.

mod evaluation;
