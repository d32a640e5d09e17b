//! The *header* of a safetensors file that is written as a stream, when not all tensors are in memory at once.
//!
//! The crate's own writer needs every tensor, and keeps the metadata in a hash map, whose order changes from run
//! to run: the same samples would not give the same file.

use serde_json::{Map, Value, json};

/// Names, types and places of tensors that lie one behind the other, and the metadata.
#[derive(Debug, Default)]
pub(crate) struct TensorHeader {
    entries: Map<String, Value>,
    /// Bytes of the tensors so far.
    end: usize,
}

impl TensorHeader {
    /// Sets the metadata, an object of texts.
    #[must_use]
    pub(crate) fn with_metadata(mut self, metadata: Value) -> Self {
        self.entries.insert("__metadata__".to_owned(), metadata);
        self
    }

    /// Adds the next tensor of `bytes` bytes; `dtype` is safetensors' name of its type.
    #[must_use]
    pub(crate) fn with_tensor(mut self, name: &str, dtype: &str, shape: &[usize], bytes: usize) -> Self {
        let end = self.end + bytes;
        let info = json!({ "dtype": dtype, "shape": shape, "data_offsets": [self.end, end] });
        self.entries.insert(name.to_owned(), info);
        self.end = end;
        self
    }

    /// The header as it stands in the file, in the fewest bytes that align the tensors.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let text = serde_json::to_vec(&self.entries).expect("an object of texts and numbers is JSON");
        let room = 8 + text.len().next_multiple_of(8);
        padded(text, room)
    }

    /// As [`to_bytes`](Self::to_bytes), with blanks behind it up to `room` bytes in all.
    ///
    /// # Panics
    /// When it does not fit.
    pub(crate) fn to_bytes_in(&self, room: usize) -> Vec<u8> {
        padded(serde_json::to_vec(&self.entries).expect("an object of texts and numbers is JSON"), room)
    }
}

/// The length of the text, then the text.
fn padded(mut text: Vec<u8>, room: usize) -> Vec<u8> {
    assert!(8 + text.len() <= room, "a header of {} bytes in a room of {room}", text.len());
    text.resize(room - 8, b' ');
    [&(text.len() as u64).to_le_bytes(), text.as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    #[test]
    fn the_crate_reads_what_was_written() {
        let header = TensorHeader::default()
            .with_metadata(json!({ "format": "test" }))
            .with_tensor("b", "F32", &[1, 2], 8)
            .with_tensor("a", "U8", &[3], 3);
        for bytes in [header.to_bytes(), header.to_bytes_in(400)] {
            assert_eq!(bytes.len() % 8, 0);
            let file = [bytes.as_slice(), &[0, 0, 128, 63, 0, 0, 0, 0, 7, 8, 9]].concat();
            let tensors = SafeTensors::deserialize(&file).unwrap();
            assert_eq!(tensors.tensor("a").unwrap().data(), [7, 8, 9]);
            assert_eq!(tensors.tensor("b").unwrap().shape(), [1, 2]);
            let (_, metadata) = SafeTensors::read_metadata(&file).unwrap();
            assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "test");
        }
    }
}
