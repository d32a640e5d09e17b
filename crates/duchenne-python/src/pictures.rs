//! Pictures from Python: paths, bytes of files, arrays of pixels.

use std::ops::Range;
use std::path::{Path, PathBuf};

use duchenne::Picture;
use duchenne::data::faces::picture::Limits;
use image::{GrayImage, RgbImage};
use numpy::ndarray::Axis;
use numpy::{PyArrayDyn, PyArrayMethods as _, PyUntypedArrayMethods as _};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::refused;

/// A picture as it comes: decoding waits until the interpreter is released.
pub(crate) enum Given {
    File(PathBuf),
    Bytes(Vec<u8>),
    Pixels(Picture),
    /// An array that is no picture: why.
    Unfit(String),
}

impl Given {
    /// The picture, or a sentence that says what is wrong.
    pub(crate) fn open(self) -> Result<Picture, String> {
        match self {
            Self::File(path) => Picture::open(&path).map_err(|error| error.to_string()),
            Self::Bytes(bytes) => {
                let name = Path::new("the given bytes");
                Picture::from_bytes(&bytes, name, &Limits::RECOGNITION).map_err(|error| error.to_string())
            }
            Self::Pixels(picture) => Ok(picture),
            Self::Unfit(problem) => Err(problem),
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for Given {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes.as_bytes().to_vec()));
        }
        if let Ok(array) = object.cast::<PyArrayDyn<u8>>() {
            let shape = array.shape().to_vec();
            // Nothing is copied of what is too large.
            let pixels = || array.readonly().as_array().iter().copied().collect();
            let picture = check(&shape).and_then(|_| picture(pixels(), &shape));
            return Ok(picture.map_or_else(Self::Unfit, Self::Pixels));
        }
        if let Ok(path) = object.extract::<PathBuf>() {
            return Ok(Self::File(path));
        }
        let kind = object.get_type().name()?;
        Err(PyTypeError::new_err(format!(
            "a picture is a path, bytes of a picture file, a PIL image, or a numpy array of uint8 (height x width, or height \
             x width x 3 in the order red, green, blue); got {kind}"
        )))
    }
}

/// Width, height and channels of pixels, gray `[height, width]` or `[height, width, 3]`, within what is read; or what is wrong.
fn check(shape: &[usize]) -> Result<(u32, u32, usize), String> {
    let (height, width, channels) = match *shape {
        [height, width] => (height, width, 1),
        [height, width, 3] => (height, width, 3),
        _ => {
            return Err(format!(
                "an array of shape {shape:?} is no picture, expected (height, width) or (height, width, 3) in the order red, green, blue"
            ));
        }
    };
    let limits = Limits::RECOGNITION;
    let within = |side: usize| u32::try_from(side).ok().filter(|side| (1..=limits.side).contains(side));
    match (within(width), within(height)) {
        (Some(width), Some(height)) if u64::from(width) * u64::from(height) <= limits.pixels => {
            Ok((width, height, channels))
        }
        _ => Err(format!("an array of {width} x {height} pixels is too small or too large to be a picture")),
    }
}

/// A picture of pixels.
fn picture(pixels: Vec<u8>, shape: &[usize]) -> Result<Picture, String> {
    let (width, height, channels) = check(shape)?;
    let picture = match channels {
        1 => GrayImage::from_raw(width, height, pixels).map(Picture::from),
        _ => RgbImage::from_raw(width, height, pixels).map(Picture::from),
    };
    picture.ok_or_else(|| "an array has fewer pixels than its shape says".to_owned())
}

/// The face crops of an array `[n, height, width]` or `[n, height, width, 3]`, those of `range` alone: an array may be larger than
/// what should be copied at once.
pub(crate) fn crops(array: &Bound<'_, PyArrayDyn<u8>>, range: Range<usize>) -> PyResult<Vec<Picture>> {
    let shape = array.shape().to_vec();
    let [_, one @ ..] = shape.as_slice() else {
        return Err(PyValueError::new_err(
            "expected crops of shape (n, height, width) or (n, height, width, 3)",
        ));
    };
    let readonly = array.readonly();
    let view = readonly.as_array();
    let crops = view.slice_axis(Axis(0), range.into());
    let crop = |pixels: Vec<u8>| picture(pixels, one).map_err(refused);
    crops.outer_iter().map(|pixels| crop(pixels.iter().copied().collect())).collect()
}
