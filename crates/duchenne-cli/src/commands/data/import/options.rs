//! What several readers are told in common: size, detection, persons, classes.

use std::path::PathBuf;

use clap::Args;
use duchenne::LabelSet;
use duchenne::data::import::classes::ClassChoice;
use duchenne::data::import::folder::PictureOptions;
use duchenne::data::import::sample::{FaceCropper, Sizing};
use duchenne::data::import::subjects::SubjectPattern;
use duchenne::inference::face_detection::FaceDetector;
use duchenne::inference::recognition::FaceFinder;

use crate::arguments::label_set;

/// The packed file.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// The packed file to write; an existing one is replaced
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// How pictures become samples.
#[derive(Debug, Args)]
pub(super) struct PictureArgs {
    /// Height and width of the packed pictures, in pixels
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u32).range(8..=512))]
    size: u32,
    /// Keep colour: recipes with input.channels = 3 see it. Without it pictures become gray
    #[arg(long)]
    color: bool,
    /// Find the largest face of each picture and cut it out upright, as `predict` does; pictures without one are left out
    /// and listed
    #[arg(long)]
    detect: bool,
    /// Regular expression for a picture's path whose group is the person, such as '(S[0-9]+)_': persons then never stand
    /// on both sides of a split
    #[arg(long, value_name = "REGEX")]
    subject_pattern: Option<SubjectPattern>,
    /// Leave out what cannot be read, and list it, instead of refusing all
    #[arg(long)]
    skip_broken: bool,
}

impl PictureArgs {
    /// What finds faces, where that is asked for.
    pub(super) fn finder(&self) -> Option<FaceFinder> {
        self.detect.then(|| FaceFinder::Detector(FaceDetector::new(None)))
    }

    /// The options of a reader.
    pub(super) fn options<'a>(&self, name: &str, finder: &'a Option<FaceFinder>) -> PictureOptions<'a> {
        PictureOptions {
            sizing: Sizing::Scale(self.size),
            color: self.color,
            cropper: finder.as_ref().map(|finder| finder as &dyn FaceCropper),
            subjects: self.subject_pattern.clone(),
            skip_broken: self.skip_broken,
            ..PictureOptions::new(name)
        }
    }
}

/// Which classes there are.
#[derive(Debug, Args)]
pub(super) struct ClassArgs {
    /// The classes are those of this label set [default: what the data names]
    #[arg(long, value_parser = label_set(), conflicts_with = "classes")]
    labels: Option<LabelSet>,
    /// The classes, in this order [default: what the data names]
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    classes: Vec<String>,
    /// What names of the data stand for, such as 1=surprise,2=fear
    #[arg(long, value_name = "FROM=TO,...", value_delimiter = ',', value_parser = pair)]
    map: Vec<(String, String)>,
}

impl ClassArgs {
    /// Sets the classes of a reader's options.
    pub(super) fn apply(&self, options: &mut PictureOptions<'_>) -> anyhow::Result<()> {
        let own = (!self.classes.is_empty()).then(|| LabelSet::own(&self.classes)).transpose()?;
        options.classes = ClassChoice { label_set: self.labels.or(own), map: self.map.clone() };
        Ok(())
    }
}

/// Parses `FROM=TO`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((from, to)) if !from.trim().is_empty() && !to.trim().is_empty() => {
            Ok((from.trim().to_owned(), to.trim().to_owned()))
        }
        _ => Err("expected FROM=TO, such as 1=surprise".to_owned()),
    }
}

/// Parses `WHAT=NAME` of a column.
pub(super) fn named_column(text: &str) -> Result<(String, String), String> {
    const WHAT: [&str; 6] = ["path", "label", "split", "subject", "box", "votes"];
    let (what, name) = pair(text)?;
    if WHAT.contains(&what.as_str()) {
        Ok((what, name))
    } else {
        Err(format!("expected one of {}", WHAT.join(", ")))
    }
}
