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
            let pixels: Vec<u8> = array.readonly().as_array().iter().copied().collect();
            return picture(pixels, &shape).map(Self::Pixels);
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

/// A picture of pixels, gray `[height, width]` or `[height, width, 3]`.
fn picture(pixels: Vec<u8>, shape: &[usize]) -> PyResult<Picture> {
    let wrong = || {
        PyValueError::new_err(format!(
            "an array of shape {shape:?} is no picture, expected (height, width) or (height, width, 3) in the order red, green, blue"
        ))
    };
    let (height, width, channels) = match *shape {
        [height, width] => (height, width, 1),
        [height, width, 3] => (height, width, 3),
        _ => return Err(wrong()),
    };
    let limits = Limits::RECOGNITION;
    let is_fit = height > 0
        && width > 0
        && height.max(width) <= limits.side as usize
        && (height * width) as u64 <= limits.pixels;
    if !is_fit {
        return Err(refused(format!(
            "an array of {width} x {height} pixels is too small or too large to be a picture"
        )));
    }
    // Checked: both are below 65,536.
    let (width, height) = (width as u32, height as u32);
    if channels == 1 {
        GrayImage::from_raw(width, height, pixels).map(Picture::from).ok_or_else(wrong)
    } else {
        RgbImage::from_raw(width, height, pixels).map(Picture::from).ok_or_else(wrong)
    }
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
    crops.outer_iter().map(|crop| picture(crop.iter().copied().collect(), one)).collect()
}
