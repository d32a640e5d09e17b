//! The integration tests: the program and the library as their users meet them.

mod predict;
