//! `duchenne predict`: the expression of every face in pictures and videos.

mod annotated;
mod clip_args;
mod clip_files;
mod clip_results;
mod clips;
mod left_out;
mod output;
mod paths;
mod result_folder;
mod settings;
mod summary;

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use image::RgbImage;
use rayon::prelude::*;

use crate::Outcome;
use crate::arguments::RecognizerArgs;
use crate::terminal::{Terminal, clear, counted, say};
use duchenne::data::faces::format::PictureFormat;
use duchenne::data::faces::picture::{Limits, Picture};
use duchenne::data::faces::warnings::PictureWarning;
use duchenne::inference::drawing::annotation::{Marks, annotate};
use duchenne::inference::recognition::FoundFace;
use duchenne::{Face, Recognizer, Unit, Watch as _, Work};

use clip_args::ClipArgs;
use clip_files::ClipPlaces;
use clip_results::ClipResults;
use clips::Clips;
use left_out::LeftOut;
use output::{Form, PictureResult, ResultWriter};
use paths::{Refused, Source};
use result_folder::ResultFolder;
use summary::Tally;

/// Pictures decoded at once are limited to half of what the largest single picture may take, so that memory does not
/// grow with the number of cores: while one window is classified and written, the next is decoded.
const WINDOW_PIXELS: u64 = Limits::RECOGNITION.pixels / 2;

/// Fewer pictures are done before a bar would be read.
const WORTH_A_BAR: u64 = 8;

const EXAMPLES: &str = "\
Examples:
  duchenne predict photo.jpg
  duchenne predict holiday/ --annotate holiday-annotated
  duchenne predict holiday/ --json > faces.jsonl
  duchenne predict holiday/ --csv --summary summary.json > faces.csv
  duchenne predict clip.mp4 --smooth 0.15 --timeline clip.html --annotate clip-annotated.mp4
  duchenne predict interviews/ --fps 5 --smooth 0.4 --out interviews-frames
  curl -s https://example.org/photo.jpg | duchenne predict -

The output is the expression that a face shows, not what the person feels.
Exit code: 0 done, 1 a picture or video could not be read, 2 wrong usage.";

/// Arguments of `duchenne predict`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PredictArgs {
    /// Pictures (JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC), videos (whatever ffmpeg reads), animations, folders of them, or -
    /// for a picture on standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// One JSON object per line and picture, or frame of a clip
    #[arg(long)]
    json: bool,

    /// One CSV row per face, of a clip per face and frame
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// Write a copy of every picture and clip with boxes and labels into this folder; for one clip, a file such as
    /// clip-annotated.mp4
    #[arg(long, value_name = "DIR|FILE")]
    annotate: Option<PathBuf>,

    /// Draw eyes, nose and corners of the mouth on the copies too
    #[arg(long, requires = "annotate")]
    landmarks: bool,

    /// Write what was read, found, failed and left out into this JSON file
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,

    /// How many expressions the table shows per face or person
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    top: u8,

    /// Take every picture as the crop of one face, without face detection
    #[arg(long, conflicts_with = "min_face")]
    whole: bool,

    #[command(flatten)]
    recognizer: RecognizerArgs,

    #[command(flatten)]
    clips: ClipArgs,
}

/// Runs the command: 0 when every picture was read, 1 otherwise.
///
/// # Errors
/// Where no picture can be recognised at all: the model does not load, the folder of copies is unfit,
/// the output fails.
pub(crate) fn run(args: PredictArgs) -> anyhow::Result<Outcome> {
    if let Some(path) = &args.summary {
        summary::check(path)?;
    }
    if let Some(problem) = args.clips.section().problem() {
        anyhow::bail!("--from and --to: {problem}");
    }
    let recognizer = args.recognizer.recognizer()?;
    let recognizer = if args.whole { recognizer.whole_picture() } else { recognizer };
    let form = match (args.json, args.csv) {
        (true, _) => Form::Json,
        (_, true) => Form::Csv,
        _ => Form::Table { top: usize::from(args.top) },
    };
    let marks = Marks { landmarks: args.landmarks };
    // The copy of one clip is a file; copies of pictures are in a folder.
    let annotate = args.annotate.as_deref();
    let annotated = match annotate.filter(|path| !clip_files::names_a_clip(path)) {
        Some(folder) => Some(ResultFolder::create(folder, "annotated copies", &args.paths)?),
        None => None,
    };
    let timelines = args.clips.timeline.as_deref();
    let places = ClipPlaces::new(annotate, timelines, args.clips.srt.as_deref(), marks, &args.paths)?;
    let made_with = settings::made_with(&args);
    let results = match &args.clips.out {
        Some(root) => Some(ClipResults::open(root, form, settings::settings(&args)?, &args.paths)?),
        None => None,
    };
    let results_at = results.as_ref().map(ClipResults::root);
    let folders = annotated.as_ref().map(ResultFolder::root).into_iter().chain(places.folders());
    let skipped: Vec<PathBuf> = folders.chain(results_at).map(Path::to_owned).collect();
    let clips = Clips {
        recognizer: &recognizer,
        ffmpeg: args.clips.ffmpeg(),
        section: args.clips.section(),
        options: args.clips.options(places.draws()),
        places,
        shows_progress: !(io::stdout().is_terminal() && clips::shows_frames(form, results.is_some())),
        results,
        made_with,
        stop: None,
    };
    let output = BufWriter::new(io::stdout().lock());

    let outcome =
        ResultWriter::new(form, recognizer.predictor().label_set(), args.clips.smooth().is_some(), output)
            .map_err(Failure::Output)
            .and_then(|writer| {
                let recognizer = &recognizer;
                let total = total(&args.paths, &skipped);
                let pending = Vec::new();
                let tally = Tally::default();
                let mut run = Run { recognizer, annotated, marks, writer, pending, total, tally, clips };
                let left_out = LeftOut::default();
                let ended = run.all(paths::pictures(args.paths, skipped, left_out.clone()));
                clear();
                left_out.lines().iter().for_each(say);
                if let Some(results) = run.clips.results.as_ref().filter(|results| results.done > 0) {
                    let done = counted(results.done, "clip");
                    say(format_args!("{done} done before, in `{}`", results.root().display()));
                }
                // Of what was done, also where the reader of the results has left.
                if let (Some(path), Ok(()) | Err(Failure::Output(_))) = (&args.summary, &ended) {
                    run.tally.write(&left_out, path).map_err(Failure::Other)?;
                }
                ended?;
                Ok((run.tally.inputs(), run.tally.failed.len()))
            });
    match outcome {
        Ok((_, 0)) => Ok(Outcome::Done),
        Ok((inputs, failed)) => {
            if inputs > 1 {
                say(format_args!("{failed} of {inputs} files failed"));
            }
            Ok(Outcome::Incomplete)
        }
        // The reader, such as `head`, has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Outcome::Done),
        Err(Failure::Output(error)) => Err(error).context("cannot write the results"),
        Err(Failure::Other(error)) => Err(error),
    }
}

/// How many pictures there are, where a bar tells how far the work is: results do not appear on the terminal themselves,
/// and there are enough of them to wait for.
fn total(paths: &[PathBuf], skipped: &[PathBuf]) -> Option<u64> {
    if io::stdout().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    let inputs = paths::pictures(paths.to_vec(), skipped.to_vec(), LeftOut::default());
    let pictures = inputs.filter(|input| !input.as_ref().is_ok_and(|source| source.is_clip));
    Some(pictures.count() as u64).filter(|count| *count >= WORTH_A_BAR)
}

/// What ends the run before its last picture.
enum Failure {
    /// The results cannot be written.
    Output(io::Error),
    /// Anything else.
    Other(anyhow::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// One run of the command.
struct Run<'a, W: Write> {
    recognizer: &'a Recognizer,
    annotated: Option<ResultFolder>,
    marks: Marks,
    writer: ResultWriter<W>,
    /// Pictures that are decoded and searched, not yet classified.
    pending: Vec<Result<Prepared, Refused>>,
    /// Pictures in all, where progress is shown.
    total: Option<u64>,
    /// What was done so far.
    tally: Tally,
    /// How clips are done.
    clips: Clips<'a>,
}

/// A decoded picture whose faces are found.
struct Prepared {
    source: Source,
    width: u32,
    height: u32,
    warning: Option<PictureWarning>,
    /// The faces; drained for the classifier.
    faces: Vec<FoundFace>,
    face_count: usize,
    /// What to annotate, when asked for.
    canvas: Option<(RgbImage, PictureFormat)>,
}

impl<W: Write> Run<'_, W> {
    /// Takes pictures in windows: decoded and searched in parallel, while those of the window before are classified
    /// together and written in order.
    fn all(&mut self, sources: impl Iterator<Item = Result<Source, Refused>>) -> Result<(), Failure> {
        let most = 2 * rayon::current_num_threads();
        let mut window = Vec::with_capacity(most);
        let mut pixels = 0;
        for source in sources {
            if let Ok(source) = &source
                && source.is_clip
            {
                // Results are in the order of the inputs.
                self.window(std::mem::take(&mut window))?;
                self.window(Vec::new())?;
                pixels = 0;
                self.clip(source)?;
                continue;
            }
            let claimed = source.as_ref().map_or(0, Source::claimed_pixels);
            if window.len() == most || (!window.is_empty() && pixels + claimed > WINDOW_PIXELS) {
                self.window(std::mem::take(&mut window))?;
                pixels = 0;
            }
            pixels += claimed;
            window.push(source);
        }
        self.window(window)?;
        self.window(Vec::new())
    }

    fn clip(&mut self, source: &Source) -> Result<(), Failure> {
        let reason = match self.clips.run(source, &mut self.writer, &mut self.tally)? {
            Ok(()) => return Ok(()),
            Err(reason) => reason,
        };
        self.tally.clips.met += 1;
        self.fail(&Refused { path: source.path.clone(), reason })
    }

    fn window(&mut self, sources: Vec<Result<Source, Refused>>) -> Result<(), Failure> {
        let annotated = self.annotated.is_some();
        let recognizer = self.recognizer;
        let prepare_all = || -> Vec<Result<Prepared, Refused>> {
            let sources = sources.into_par_iter();
            sources.map(|source| source.and_then(|source| prepare(source, recognizer, annotated))).collect()
        };
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            self.pending = prepare_all();
            return Ok(());
        }
        self.pending = std::thread::scope(|scope| {
            let next = scope.spawn(prepare_all);
            self.finish_all(pending)?;
            next.join().map_err(|_| Failure::Other(anyhow::anyhow!("a thread that decodes pictures failed")))
        })?;
        Ok(())
    }

    /// Classifies and writes the pictures of a window.
    fn finish_all(&mut self, mut prepared: Vec<Result<Prepared, Refused>>) -> Result<(), Failure> {
        let faces: Vec<FoundFace> =
            prepared.iter_mut().flatten().flat_map(|picture| picture.faces.drain(..)).collect();
        let recognized = self.recognizer.classify(&faces).map_err(|error| Failure::Other(error.into()))?;
        let mut recognized = recognized.into_iter();
        for prepared in prepared {
            self.tally.pictures += 1;
            if let Some(total) = self.total {
                let work = Work { what: "recognising", unit: Unit::Pictures };
                Terminal.progress(work, self.tally.pictures as u64, total);
            }
            match prepared {
                Ok(prepared) => {
                    let faces = recognized.by_ref().take(prepared.face_count).collect();
                    self.finish(prepared, faces)?;
                }
                Err(refused) => self.fail(&refused)?,
            }
        }
        Ok(())
    }

    /// Writes a picture's result and its annotated copy.
    fn finish(&mut self, prepared: Prepared, faces: Vec<Face>) -> Result<(), Failure> {
        let Prepared { source, width, height, warning, canvas, .. } = prepared;
        let path = source.path.to_string_lossy().into_owned();
        if let Some(warning) = warning {
            say(format_args!("warning: `{path}` {warning}"));
        }
        let result = PictureResult { path, width, height, warning, faces };
        self.tally.add(&result.faces, warning.is_some());
        self.writer.picture(&result)?;
        if let (Some(folder), Some((mut canvas, format))) = (&mut self.annotated, canvas) {
            annotate(&mut canvas, &result.faces, self.marks);
            if let Err(error) = annotated::write(folder, &source, format, &canvas) {
                say(format_args!("error: {error:#}"));
                self.tally.failed.push((result.path, format!("{error:#}")));
            }
        }
        Ok(())
    }

    /// Reports a picture that could not be recognised.
    fn fail(&mut self, refused: &Refused) -> Result<(), Failure> {
        let path = refused.path.to_string_lossy().into_owned();
        if !self.writer.error(&path, &refused.reason)? {
            say(format_args!("error: {}", refused.reason));
        }
        self.tally.failed.push((path, refused.reason.clone()));
        Ok(())
    }
}

/// Decodes a picture and finds its faces.
fn prepare(source: Source, recognizer: &Recognizer, annotated: bool) -> Result<Prepared, Refused> {
    // A bug in a decoder, met by one strange file, must not end a run over thousands.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        source.read().map(|picture| {
            let faces = recognizer.find(&picture);
            (picture.width(), picture.height(), picture.warning(), faces, annotated.then(|| canvas(picture)))
        })
    }));
    match outcome {
        Ok(Ok((width, height, warning, faces, canvas))) => {
            let face_count = faces.len();
            Ok(Prepared { source, width, height, warning, faces, face_count, canvas })
        }
        Ok(Err(error)) => Err(Refused { path: source.path, reason: error.to_string() }),
        Err(_) => {
            let reason = format!("`{}` made the program fail: please report it", source.path.display());
            Err(Refused { path: source.path, reason })
        }
    }
}

/// A picture to draw on, and the format of its copy.
fn canvas(picture: Picture) -> (RgbImage, PictureFormat) {
    let format = picture.format();
    (picture.into_rgb(), format)
}
