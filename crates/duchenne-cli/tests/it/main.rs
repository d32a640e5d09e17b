//! The integration tests, one binary: the program and the library as their users meet them.

mod data;
mod evaluation;
mod gan;
mod golden;
mod models;
mod predict;
mod reproduce;
mod serve;
mod svm;
mod training;
