//! The fingerprint that identifies a packed data set.

use std::fmt::Write as _;

/// BLAKE3 over the bytes of the tensors `images`, `frame`, `sequence`, `subject`, `labels`, `origin`, `split` and
/// `votes`, as far as they exist, then over picture size, names and lengths: so the pictures can be taken before
/// it is known how many there are.
#[derive(Debug)]
pub(crate) struct Fingerprint {
    hasher: blake3::Hasher,
    contents: String,
}

impl Fingerprint {
    /// Hexadecimal digits of a fingerprint.
    pub(crate) const LENGTH: usize = 2 * blake3::OUT_LEN;

    /// The fingerprint of a data set of pictures of this size, without tensors so far.
    pub(crate) fn new([height, width, channels]: [usize; 3]) -> Self {
        let contents = match channels {
            1 => format!("{height}x{width}\n"),
            _ => format!("{height}x{width}x{channels}\n"),
        };
        Self { hasher: blake3::Hasher::new(), contents }
    }

    /// Takes the next bytes of a tensor; [`Self::end`] says when it is whole.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Ends the tensor `name` of `length` bytes.
    pub(crate) fn end(&mut self, name: &str, length: usize) {
        writeln!(self.contents, "{name} {length}").expect("a text takes everything");
    }

    /// Takes a whole tensor.
    pub(crate) fn tensor(&mut self, name: &str, bytes: &[u8]) {
        self.update(bytes);
        self.end(name, bytes.len());
    }

    /// The digest as hexadecimal text.
    pub(crate) fn finish(mut self) -> String {
        self.hasher.update(self.contents.as_bytes());
        self.hasher.finalize().to_hex().to_string()
    }
}
