//! What can be wrong with a clip.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::atomic::AtomicError;

/// A clip that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VideoError {
    /// `ffmpeg` or `ffprobe` is not there.
    #[error(
        "videos need the program `{}`, which cannot be started ({source}); install ffmpeg (apt install ffmpeg, brew install \
         ffmpeg, winget install ffmpeg), or say where it is",
        program.display()
    )]
    Program {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The system refused the file.
    #[error("cannot read `{}`: {source}", path.display())]
    File {
        /// The clip.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The content is no clip that is read.
    #[error("`{}` {problem}", path.display())]
    Content {
        /// The clip.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A part of a clip that is none.
    #[error("the section of a clip is no section: {0}")]
    Section(String),
    /// Decoding or encoding ended before its time.
    #[error("`{}`: ffmpeg {problem}", path.display())]
    Broken {
        /// The clip.
        path: PathBuf,
        /// How it ended, and its last words.
        problem: String,
    },
    /// A clip cannot be written.
    #[error(transparent)]
    Output(#[from] AtomicError),
}

impl VideoError {
    pub(super) fn content(path: &Path, problem: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), problem: problem.into() }
    }

    pub(super) fn broken(path: &Path, problem: impl Into<String>) -> Self {
        Self::Broken { path: path.to_owned(), problem: problem.into() }
    }
}
