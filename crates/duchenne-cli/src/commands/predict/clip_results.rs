//! The folder of `--out`: the frames of each clip in a file of its own, from which a run is taken up again.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use duchenne::files::atomic::write_text;
use serde_json::{Map, Value};

use super::output::Form;
use super::paths::Source;
use super::result_folder::ResultFolder;

/// What all results in the folder were made with.
const SETTINGS: &str = "duchenne-settings.json";

/// A folder with a file for each clip.
#[derive(Debug)]
pub(super) struct ClipResults {
    folder: ResultFolder,
    form: Form,
    /// Clips that were there already.
    pub(super) done: usize,
}

impl ClipResults {
    /// Makes the folder `root`, or takes one up whose results were made with the same `settings`.
    ///
    /// # Errors
    /// When it cannot be made, holds an input, or results made with other settings.
    pub(super) fn open(
        root: &Path,
        form: Form,
        settings: Map<String, Value>,
        inputs: &[PathBuf],
    ) -> anyhow::Result<Self> {
        let folder = ResultFolder::create(root, "results", inputs)?;
        // A table is for people; programs read files.
        let form = if form == Form::Json { Form::Json } else { Form::Csv };
        let path = folder.root().join(SETTINGS);
        let settings = Value::Object(settings);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let earlier: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
                if let Some(difference) = difference(&earlier, &settings) {
                    bail!(
                        "the results in `{}` were made with other settings ({difference}); choose another folder",
                        root.display()
                    );
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                write_text(&path, &format!("{}\n", serde_json::to_string_pretty(&settings)?))?;
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
        Ok(Self { folder, form, done: 0 })
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        self.folder.root()
    }

    /// How files are written.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// The file for a clip; `None` where it is there already.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub(super) fn path(&mut self, source: &Source) -> anyhow::Result<Option<PathBuf>> {
        let path = self.folder.path(source, if self.form == Form::Json { "jsonl" } else { "csv" })?;
        if path.exists() {
            self.done += 1;
            return Ok(None);
        }
        Ok(Some(path))
    }
}

/// The first setting that differs, in words.
fn difference(earlier: &Value, now: &Value) -> Option<String> {
    if earlier == now {
        return None;
    }
    let empty = Map::new();
    let (earlier, now) = (earlier.as_object().unwrap_or(&empty), now.as_object().unwrap_or(&empty));
    let name = earlier.keys().chain(now.keys()).find(|name| earlier.get(*name) != now.get(*name))?;
    let value =
        |settings: &Map<String, Value>| settings.get(name).map_or("none".to_owned(), Value::to_string);
    Some(format!("{name}: {} there, {} now", value(earlier), value(now)))
}
