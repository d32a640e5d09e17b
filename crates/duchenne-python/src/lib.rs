//! The extension module behind the Python package `duchenne`: plain values in and out, the interpreter released during
//! work. What people see is in `python/duchenne`.

mod pictures;
mod recognizer;
mod research;
mod scoring;
mod training;

use std::sync::OnceLock;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

/// Training allocates and frees large buffers at every step; mimalloc keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pyo3::create_exception!(duchenne, DuchenneError, PyException, "What the library refuses, in its own words.");

/// Notes that work begins in this process, and refuses it in a child that was forked after it had begun: the threads that would do it
/// stayed in the parent, and the child would wait for them for good.
fn begin() -> PyResult<()> {
    static OWNER: OnceLock<u32> = OnceLock::new();
    if *OWNER.get_or_init(std::process::id) == std::process::id() {
        return Ok(());
    }
    Err(refused(
        "this process was forked from one that used duchenne already, whose threads it lacks: start processes by 'spawn' or \
         'forkserver' (multiprocessing.set_start_method), or use duchenne first in the child",
    ))
}

/// An error of the library as Python's.
fn refused(error: impl std::fmt::Display) -> PyErr {
    DuchenneError::new_err(error.to_string())
}

/// Runs the program on these arguments, without its own name; its exit code.
#[pyfunction]
fn run(py: Python<'_>, arguments: Vec<std::ffi::OsString>) -> PyResult<u8> {
    begin()?;
    Ok(py.detach(|| duchenne_cli::run(arguments)))
}

#[pymodule]
mod _duchenne {
    #[pymodule_export]
    use super::DuchenneError;
    #[pymodule_export]
    use super::recognizer::{Recognizer, Video};
    #[pymodule_export]
    use super::research::{compare, describe, evaluate_model, fit_svm, generate};
    #[pymodule_export]
    use super::run;
    #[pymodule_export]
    use super::scoring::evaluate;
    #[pymodule_export]
    use super::training::train;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
