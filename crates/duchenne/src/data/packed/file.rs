//! The bytes of a packed data set in the making: a safetensors header, the pictures, then columns of what else is
//! known of each.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde_json::Value;

use crate::data::error::DataError;
use crate::data::packed::fingerprint::Fingerprint;
use crate::data::packed::image_stream::ImageStream;
use crate::files::atomic::{AtomicError, AtomicFile};
use crate::files::tensor_header::TensorHeader;

/// The pictures' name among the tensors.
const IMAGES: &str = "images";

/// A tensor of one value, or a few, for each sample.
pub(crate) struct Column<'a> {
    pub name: &'static str,
    pub dtype: &'static str,
    pub row_shape: &'static [usize],
    pub row_bytes: usize,
    pub bytes: Cow<'a, [u8]>,
}

/// A packed file under a temporary name: room for the header, which holds the fingerprint and comes last, then the
/// pictures so far. If dropped before [`Self::finish`], nothing is left on disk.
#[derive(Debug)]
pub(crate) struct PackedFile {
    file: AtomicFile,
    room: usize,
    size: [usize; 3],
    stream: ImageStream,
}

impl PackedFile {
    /// Begins the file that will be `path`, of pictures of `size` (height, width, channels), with `room` bytes for the header.
    ///
    /// # Errors
    /// [`DataError::Write`].
    pub(crate) fn begin(path: &Path, room: usize, size: [usize; 3]) -> Result<Self, DataError> {
        let refused = |error| DataError::Write(AtomicError::system(path, error));
        let mut file = AtomicFile::create(path)?;
        file.file().write_all(&vec![0; room]).map_err(refused)?;
        let fingerprint = Fingerprint::new(size);
        let stream = ImageStream::begin(file.file().try_clone().map_err(refused)?, fingerprint);
        Ok(Self { file, room, size, stream })
    }

    /// The path that the file will have.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Adds whole pictures. Whether they could be written is told by [`Self::finish`].
    pub(crate) fn push(&mut self, images: &[u8]) {
        self.stream.push(images);
    }

    /// Adds the columns and the header, whose metadata `metadata` makes of the fingerprint, and brings the file under
    /// its name.
    ///
    /// # Errors
    /// [`DataError::Write`]; nothing is left then.
    ///
    /// # Panics
    /// When the header does not fit into its room.
    pub(crate) fn finish(
        self,
        rows: usize,
        columns: &[Column<'_>],
        metadata: impl FnOnce(&str) -> Value,
    ) -> Result<(), DataError> {
        let Self { mut file, room, size, stream } = self;
        let path = file.path().to_owned();
        let refused = |error| DataError::Write(AtomicError::system(&path, error));
        let mut fingerprint = stream.finish().map_err(refused)?;
        fingerprint.end(IMAGES, rows * size.iter().product::<usize>());
        columns.iter().for_each(|column| fingerprint.tensor(column.name, &column.bytes));
        let header = header(metadata(&fingerprint.finish()), size, rows, columns);

        let write = |file: &mut File| -> io::Result<()> {
            columns.iter().try_for_each(|column| file.write_all(&column.bytes))?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&header.to_bytes_in(room))
        };
        write(file.file()).map_err(refused)?;
        Ok(file.commit()?)
    }
}

/// Bytes that the header of `rows` pictures takes in the file.
pub(crate) fn room_for(metadata: Value, size: [usize; 3], rows: usize, columns: &[Column<'_>]) -> usize {
    header(metadata, size, rows, columns).to_bytes().len()
}

fn header(metadata: Value, size: [usize; 3], rows: usize, columns: &[Column<'_>]) -> TensorHeader {
    let shape = image_shape(rows, size);
    let bytes = shape.iter().product();
    let header = TensorHeader::default().with_metadata(metadata).with_tensor(IMAGES, "U8", &shape, bytes);
    columns.iter().fold(header, |header, column| {
        let shape = [&[rows], column.row_shape].concat();
        header.with_tensor(column.name, column.dtype, &shape, rows * column.row_bytes)
    })
}

/// The shape of the tensor of pictures: `[n, height, width]`, in colour `[n, height, width, 3]`.
pub(crate) fn image_shape(rows: usize, [height, width, channels]: [usize; 3]) -> Vec<usize> {
    match channels {
        1 => vec![rows, height, width],
        _ => vec![rows, height, width, channels],
    }
}
