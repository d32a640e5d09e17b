//! Writes pictures to a file and into a fingerprint while more are read.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::data::packed::fingerprint::Fingerprint;

/// Bytes that are written at once.
const CHUNK: usize = 1 << 19;
/// Chunks that may wait: the reader goes no further ahead of the disk than this.
const WAITING: usize = 32;
/// Bytes after which they are flushed to the disk, so that little is left to flush at the end.
const SETTLE: usize = 8 << 20;

/// Pictures on their way to a file, which a thread of its own writes.
#[derive(Debug)]
pub(crate) struct ImageStream {
    chunk: Vec<u8>,
    fingerprint: Fingerprint,
    to_file: SyncSender<Vec<u8>>,
    writing: JoinHandle<io::Result<()>>,
}

impl ImageStream {
    /// Begins behind what `file` holds and `fingerprint` has taken.
    pub(crate) fn begin(mut file: File, fingerprint: Fingerprint) -> Self {
        let (to_file, chunks) = sync_channel(WAITING);
        let writing = thread::spawn(move || write(&mut file, &chunks));
        Self { chunk: Vec::with_capacity(CHUNK), fingerprint, to_file, writing }
    }

    /// Adds `bytes`. Whether they could be written is told by [`Self::finish`].
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(CHUNK - self.chunk.len()));
            self.chunk.extend_from_slice(part);
            if self.chunk.len() == CHUNK {
                self.send();
            }
            bytes = rest;
        }
    }

    /// Waits until everything is written; returns the fingerprint that has taken it.
    ///
    /// # Errors
    /// That of the first write that failed.
    pub(crate) fn finish(mut self) -> io::Result<Fingerprint> {
        self.send();
        drop(self.to_file);
        self.writing.join().expect("writing does not panic")?;
        Ok(self.fingerprint)
    }

    fn send(&mut self) {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.fingerprint.update(&chunk);
        // Refused only after a write has failed, which `finish` tells.
        let _ = self.to_file.send(chunk);
    }
}

fn write(file: &mut File, chunks: &Receiver<Vec<u8>>) -> io::Result<()> {
    let mut unsettled = 0;
    for chunk in chunks {
        file.write_all(&chunk)?;
        unsettled += chunk.len();
        if unsettled >= SETTLE {
            file.sync_data()?;
            unsettled = 0;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device on which every write fails, as on a full disk.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_at_the_end() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut stream = ImageStream::begin(full, Fingerprint::new([2, 2, 1]));
        // More chunks than may wait.
        stream.push(&vec![1; 2 * WAITING * CHUNK]);
        assert_eq!(stream.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
