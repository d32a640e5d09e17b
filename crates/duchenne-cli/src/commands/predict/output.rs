//! The three forms of `duchenne predict`'s results: a table, JSON lines, CSV. Each picture and frame is written
//! and flushed as soon as it is done.

use std::io::{self, Write};

use serde::Serialize;

use crate::picture_json::{FrameJson, PictureJson, microseconds, tenths};
use crate::terminal::counted;
use duchenne::data::faces::warnings::PictureWarning;
use duchenne::evaluation::timeline::Timeline;
use duchenne::{Face, FaceBox, FrameFaces, LabelSet};

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// For people; the given number of likeliest expressions per face.
    Table {
        /// How many expressions are shown, at least 1.
        top: usize,
    },
    /// One JSON object per line and picture.
    Json,
    /// One row per face, under a header.
    Csv,
}

/// The columns before a face's landmarks; those of time and track are empty where there is no clip.
const FIRST_COLUMNS: [&str; 11] =
    ["path", "frame", "time", "track", "face", "x", "y", "width", "height", "score", "angle"];

/// The columns of a face's landmarks; empty where there are none.
const LANDMARK_COLUMNS: [&str; 10] = [
    "right_eye_x",
    "right_eye_y",
    "left_eye_x",
    "left_eye_y",
    "nose_x",
    "nose_y",
    "right_mouth_x",
    "right_mouth_y",
    "left_mouth_x",
    "left_mouth_y",
];

/// A picture that was recognised.
#[derive(Debug)]
pub(super) struct PictureResult {
    /// The path as it was asked for or found; `-` for standard input.
    pub path: String,
    /// The width of the upright picture in pixels.
    pub width: u32,
    /// The height of the upright picture in pixels.
    pub height: u32,
    /// What is to be known of the file.
    pub warning: Option<PictureWarning>,
    /// Its faces, in reading order.
    pub faces: Vec<Face>,
}

/// Writes results in one form.
pub(super) struct ResultWriter<W: Write> {
    form: Form,
    labels: LabelSet,
    /// Whether the probabilities of clips are smoothed, beside the raw ones.
    smooths: bool,
    output: W,
}

impl<W: Write> ResultWriter<W> {
    /// A writer onto `output`; a CSV header is written at once.
    ///
    /// # Errors
    /// When `output` fails, as all methods here.
    pub(super) fn new(form: Form, labels: LabelSet, smooths: bool, output: W) -> io::Result<Self> {
        let mut writer = Self { form, labels, smooths, output };
        if form == Form::Csv {
            let mut header: Vec<String> = FIRST_COLUMNS.map(str::to_owned).to_vec();
            header.extend(LANDMARK_COLUMNS.map(str::to_owned));
            header.push("expression".to_owned());
            header.extend(labels.names().iter().map(|name| (*name).to_owned()));
            if smooths {
                header.push("smoothed_expression".to_owned());
                header.extend(labels.names().iter().map(|name| format!("smoothed_{name}")));
            }
            writer.csv_row(&header)?;
            writer.output.flush()?;
        }
        Ok(writer)
    }

    /// Writes a recognised picture.
    pub(super) fn picture(&mut self, result: &PictureResult) -> io::Result<()> {
        match self.form {
            Form::Table { top } => self.table(result, top)?,
            Form::Json => {
                let size = [result.width, result.height];
                self.json_line(&PictureJson::new(Some(&result.path), size, result.warning, &result.faces))?
            }
            Form::Csv => self.csv_rows(result)?,
        }
        self.output.flush()
    }

    /// Writes a frame of the clip at `path`; nothing in a table, which has a line for each person at the clip's end.
    pub(super) fn frame(&mut self, path: &str, frame: &FrameFaces) -> io::Result<()> {
        match self.form {
            Form::Table { .. } => return Ok(()),
            Form::Json => self.json_line(&FrameJson::new(Some(path), frame))?,
            Form::Csv => self.csv_frame(path, frame)?,
        }
        self.output.flush()
    }

    /// Writes the end of the clip at `path`: how long each person showed each expression. In a table only.
    pub(super) fn clip(&mut self, path: &str, timeline: &Timeline) -> io::Result<()> {
        let Form::Table { top } = self.form else { return Ok(()) };
        let [width, height] = timeline.size();
        let (frames, people) = (timeline.frames(), timeline.people());
        let count = match people.len() {
            0 => "no face found".to_owned(),
            1 => "1 person".to_owned(),
            count => format!("{count} people"),
        };
        let frames = counted(frames as usize, "frame");
        writeln!(self.output, "{path}  ({width} x {height}, {:.2} s, {frames}, {count})", timeline.end())?;
        let names = self.labels.names();
        let name_width = names.iter().map(|name| name.len()).max().unwrap_or(0);
        if !people.is_empty() {
            writeln!(self.output, "  person    from s      to s    seen s  share of the time seen")?;
        }
        for (number, person) in people {
            let shares: Vec<String> = person
                .shares()
                .into_iter()
                .take(top)
                .filter(|(_, share)| *share > 0.0)
                .map(|(label, share)| format!("{:name_width$} {:>5.1}%", names[label], share * 100.0))
                .collect();
            writeln!(
                self.output,
                "  {number:>6}  {:>8.2}  {:>8.2}  {:>8.2}  {}",
                person.first,
                person.last,
                person.seen(),
                shares.join("   ")
            )?;
        }
        self.output.flush()
    }

    /// Writes what is to be known of the clip at `path`, after its last frame: in JSON only.
    pub(super) fn warning(&mut self, path: &str, warning: &str) -> io::Result<()> {
        if self.form == Form::Json {
            self.json_line(&JsonWarning { path, warning })?;
            self.output.flush()?;
        }
        Ok(())
    }

    /// Writes that a picture could not be recognised: in JSON only, where every picture has its line.
    /// In the other forms the message goes to standard error; returns whether it was written here.
    pub(super) fn error(&mut self, path: &str, error: &str) -> io::Result<bool> {
        if self.form != Form::Json {
            return Ok(false);
        }
        self.json_line(&JsonError { path, error })?;
        self.output.flush()?;
        Ok(true)
    }

    fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.output, value).map_err(io::Error::from)?;
        self.output.write_all(b"\n")
    }

    fn table(&mut self, result: &PictureResult, top: usize) -> io::Result<()> {
        let PictureResult { path, width, height, faces, .. } = result;
        let count = match faces.len() {
            0 => "no face found".to_owned(),
            1 => "1 face".to_owned(),
            count => format!("{count} faces"),
        };
        writeln!(self.output, "{path}  ({width} x {height}, {count})")?;
        let names = self.labels.names();
        let name_width = names.iter().map(|name| name.len()).max().unwrap_or(0);
        if !faces.is_empty() {
            writeln!(
                self.output,
                "  {:>4}  {:>6} {:>6}  {:>6} {:>6}  {:>6}  expression",
                "face", "x", "y", "width", "height", "score"
            )?;
        }
        for (index, face) in faces.iter().enumerate() {
            let FaceBox { x, y, width, height } = face.bounds();
            let score = face.score().map_or("-".to_owned(), |score| format!("{score:.2}"));
            let expressions: Vec<String> = face
                .ranked()
                .into_iter()
                .take(top)
                .map(|(label, probability)| {
                    format!("{:name_width$} {:>5.1}%", names[label], probability * 100.0)
                })
                .collect();
            writeln!(
                self.output,
                "  {:>4}  {x:>6} {y:>6}  {width:>6} {height:>6}  {score:>6}  {}",
                index + 1,
                expressions.join("   ")
            )?;
        }
        Ok(())
    }

    fn csv_rows(&mut self, result: &PictureResult) -> io::Result<()> {
        for (index, face) in result.faces.iter().enumerate() {
            let place = ["", "", ""].map(str::to_owned);
            let mut row = face_columns(&result.path, place, index, face);
            if self.smooths {
                row.extend((0..=self.labels.len()).map(|_| String::new()));
            }
            self.csv_row(&row)?;
        }
        Ok(())
    }

    fn csv_frame(&mut self, path: &str, frame: &FrameFaces) -> io::Result<()> {
        for (index, face) in frame.faces.iter().enumerate() {
            let time = microseconds(frame.time).to_string();
            let place = [frame.index.to_string(), time, face.track.to_string()];
            let mut row = face_columns(path, place, index, &face.face);
            if let Some(smoothed) = &face.smoothed {
                row.push(smoothed.expression().to_owned());
                row.extend(smoothed.probabilities().map(|(_, probability)| probability.to_string()));
            }
            self.csv_row(&row)?;
        }
        Ok(())
    }

    fn csv_row<S: AsRef<[u8]>>(&mut self, row: &[S]) -> io::Result<()> {
        // A writer per row: it buffers, and a row has to be out before the next picture begins.
        let mut writer = csv::Writer::from_writer(&mut self.output);
        writer.write_record(row).map_err(io::Error::from)?;
        writer.flush()
    }
}

/// The columns of a face: `place` is the frame, its time and the track.
fn face_columns(path: &str, place: [String; 3], index: usize, face: &Face) -> Vec<String> {
    let FaceBox { x, y, width, height } = face.bounds();
    let mut row = vec![path.to_owned()];
    row.extend(place);
    row.push((index + 1).to_string());
    row.extend([x.to_string(), y.to_string(), width.to_string(), height.to_string()]);
    row.push(face.score().map_or(String::new(), |score| score.to_string()));
    let landmarks = face.landmarks();
    row.push(landmarks.map_or(String::new(), |landmarks| tenths(landmarks.angle()).to_string()));
    let points = landmarks.map(|landmarks| landmarks.points().concat());
    row.extend(
        (0..LANDMARK_COLUMNS.len())
            .map(|column| points.as_ref().map_or(String::new(), |points| tenths(points[column]).to_string())),
    );
    row.push(face.expression().to_owned());
    row.extend(face.probabilities().map(|(_, probability)| probability.to_string()));
    row
}

#[derive(Serialize)]
struct JsonWarning<'a> {
    path: &'a str,
    warning: &'a str,
}

#[derive(Serialize)]
struct JsonError<'a> {
    path: &'a str,
    error: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> PictureResult {
        let face = |x, score, probabilities: [f32; 7]| {
            let bounds = FaceBox { x, y: 20, width: 120, height: 118 };
            Face::new(bounds, score, LabelSet::Fer2013, probabilities.to_vec())
        };
        PictureResult {
            path: "party, \"two\".jpg".to_owned(),
            width: 640,
            height: 480,
            warning: None,
            faces: vec![
                face(10, Some(0.75), [0.0, 0.0, 0.0, 0.875, 0.0, 0.125, 0.0]).with_landmarks([
                    [40.0, 60.0],
                    [90.26, 60.0],
                    [65.0, 80.0],
                    [45.0, 105.0],
                    [85.0, 105.0],
                ]),
                face(300, None, [0.5, 0.0, 0.25, 0.0, 0.25, 0.0, 0.0]),
            ],
        }
    }

    fn written(form: Form) -> String {
        let mut output = Vec::new();
        let mut writer = ResultWriter::new(form, LabelSet::Fer2013, false, &mut output).unwrap();
        writer.picture(&result()).unwrap();
        let _ = writer.error("bad.png", "`bad.png` is empty").unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn the_table_shows_the_likeliest_expressions() {
        insta::assert_snapshot!(written(Form::Table { top: 2 }), @r#"
        party, "two".jpg  (640 x 480, 2 faces)
          face       x      y   width height   score  expression
             1      10     20     120    118    0.75  happy     87.5%   surprise  12.5%
             2     300     20     120    118       -  angry     50.0%   fear      25.0%
        "#);
    }

    #[test]
    fn json_has_a_line_for_every_picture() {
        insta::assert_snapshot!(written(Form::Json), @r#"
        {"path":"party, \"two\".jpg","width":640,"height":480,"faces":[{"box":{"x":10,"y":20,"width":120,"height":118},"score":0.75,"angle":0.1,"landmarks":{"right_eye":[40.0,60.0],"left_eye":[90.3,60.0],"nose":[65.0,80.0],"right_mouth":[45.0,105.0],"left_mouth":[85.0,105.0]},"expression":"happy","probabilities":{"angry":0.0,"disgust":0.0,"fear":0.0,"happy":0.875,"sad":0.0,"surprise":0.125,"neutral":0.0}},{"box":{"x":300,"y":20,"width":120,"height":118},"score":null,"expression":"angry","probabilities":{"angry":0.5,"disgust":0.0,"fear":0.25,"happy":0.0,"sad":0.25,"surprise":0.0,"neutral":0.0}}]}
        {"path":"bad.png","error":"`bad.png` is empty"}
        "#);
    }

    #[test]
    fn csv_has_a_row_for_every_face() {
        insta::assert_snapshot!(written(Form::Csv), @r#"
        path,frame,time,track,face,x,y,width,height,score,angle,right_eye_x,right_eye_y,left_eye_x,left_eye_y,nose_x,nose_y,right_mouth_x,right_mouth_y,left_mouth_x,left_mouth_y,expression,angry,disgust,fear,happy,sad,surprise,neutral
        "party, ""two"".jpg",,,,1,10,20,120,118,0.75,0.1,40,60,90.3,60,65,80,45,105,85,105,happy,0,0,0,0.875,0,0.125,0
        "party, ""two"".jpg",,,,2,300,20,120,118,,,,,,,,,,,,,angry,0.5,0,0.25,0,0.25,0,0
        "#);
    }
}
