//! HEIC pictures against libheif (`reference/heic_pictures.py`).

use std::path::{Path, PathBuf};

use duchenne::data::faces::format::PictureFormat;
use duchenne::data::faces::picture::{Limits, Picture, PictureError, PictureProblem};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/heic").join(name)
}

#[test]
fn every_variant_has_the_gray_levels_of_libheif() {
    for name in ["quarter", "half", "full", "gray", "transparent", "turned", "ten-bits"] {
        let path = golden(&format!("{name}.heic"));
        let picture = Picture::open(&path).unwrap();
        assert_eq!(picture.format(), PictureFormat::Heic);
        let expected = Picture::open(golden(&format!("{name}.png"))).unwrap().to_gray();
        let got = picture.to_gray();
        assert_eq!(got.dimensions(), expected.dimensions(), "{name}");
        assert_eq!(Picture::claimed_size(&path).unwrap(), expected.dimensions(), "{name}");
        // The luma is the file's own; colours between the samples of the chroma are anybody's choice, and so is the
        // rounding of three channels.
        let differences: Vec<u8> =
            got.pixels().zip(expected.pixels()).map(|(got, want)| got[0].abs_diff(want[0])).collect();
        let mean = differences.iter().map(|value| f64::from(*value)).sum::<f64>() / differences.len() as f64;
        let most = differences.iter().max().unwrap();
        let (most_mean, at_most) = if name == "gray" { (0.0, 0) } else { (1.0, 24) };
        assert!(mean <= most_mean && *most <= at_most, "{name}: mean {mean:.3}, most {most}");
    }
}

#[test]
fn a_cut_off_or_altered_file_is_an_error_or_a_picture_and_never_a_panic() {
    let bytes = std::fs::read(golden("transparent.heic")).unwrap();
    let decode = |bytes: &[u8]| Picture::from_bytes(bytes, Path::new("x.heic"), &Limits::RECOGNITION);
    for length in (0..bytes.len()).step_by(61) {
        assert!(decode(&bytes[..length]).is_err(), "{length}");
    }
    for place in (0..bytes.len()).step_by(37) {
        let mut altered = bytes.clone();
        altered[place] ^= 0x55;
        let _ = decode(&altered);
    }
}

#[test]
fn a_picture_that_claims_too_much_is_refused() {
    let mut limits = Limits::RECOGNITION;
    let path = golden("quarter.heic");
    let bytes = std::fs::read(&path).unwrap();
    let mut problem = |change: fn(&mut Limits)| {
        change(&mut limits);
        match Picture::from_bytes(&bytes, &path, &limits) {
            Err(PictureError::Content { problem, .. }) => problem,
            other => panic!("{other:?}"),
        }
    };
    let memory = problem(|limits| limits.decoder_bytes = 1000);
    assert!(matches!(memory, PictureProblem::TooMuchMemory { .. }), "{memory}");
    let side = problem(|limits| limits.side = 100);
    assert!(matches!(side, PictureProblem::TooManyPixels { width: 192, .. }), "{side}");
}
