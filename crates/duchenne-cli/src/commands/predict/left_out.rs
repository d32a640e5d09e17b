//! What folders held that was not read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use serde::Serialize;

use duchenne::data::faces::format::Content;

/// What folders held that was not read: how many files of each kind, with the endings of their names; links that lead
/// nowhere.
#[derive(Debug, Clone, Default)]
pub(super) struct LeftOut(Rc<RefCell<Counted>>);

#[derive(Debug, Default)]
struct Counted {
    kinds: BTreeMap<Content, Files>,
    links: Vec<String>,
}

#[derive(Debug, Default)]
struct Files {
    count: usize,
    endings: BTreeSet<String>,
}

/// Files of one kind, as the summary of a run names them.
#[derive(Debug, Serialize)]
pub(super) struct KindLeftOut {
    /// What they are, in the singular.
    kind: &'static str,
    /// How many they are.
    files: usize,
    /// The endings of their names.
    endings: Vec<String>,
}

/// Endings that a message names of each kind.
const MOST_ENDINGS: usize = 5;

impl LeftOut {
    /// Counts the file `path`, which is `content`.
    pub(super) fn add(&self, content: Content, path: &Path) {
        let mut counted = self.0.borrow_mut();
        let files = counted.kinds.entry(content).or_default();
        files.count += 1;
        let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy()));
        files.endings.insert(ending.unwrap_or_else(|| "no ending".to_owned()));
    }

    /// Keeps what is to be said of a link.
    pub(super) fn link(&self, note: String) {
        self.0.borrow_mut().links.push(note);
    }

    /// A line for each link, and one about all files; none where there are none.
    pub(super) fn lines(&self) -> Vec<String> {
        let counted = self.0.borrow();
        let of_kind = |(content, files): (&Content, &Files)| {
            let (one, many, remedy) = words(*content);
            let mut named: Vec<&str> = files.endings.iter().take(MOST_ENDINGS).map(String::as_str).collect();
            if files.endings.len() > MOST_ENDINGS {
                named.push("...");
            }
            let noun = if files.count == 1 { one } else { many };
            format!("{} {noun} ({}{remedy})", files.count, named.join(", "))
        };
        let kinds: Vec<String> = counted.kinds.iter().map(of_kind).collect();
        let files = (!kinds.is_empty()).then(|| format!("not read: {}", kinds.join(", ")));
        counted.links.iter().cloned().chain(files).collect()
    }

    /// The files of each kind, and what is to be said of links.
    pub(super) fn counted(&self) -> (Vec<KindLeftOut>, Vec<String>) {
        let counted = self.0.borrow();
        let of_kind = |(content, files): (&Content, &Files)| KindLeftOut {
            kind: words(*content).0,
            files: files.count,
            endings: files.endings.iter().cloned().collect(),
        };
        (counted.kinds.iter().map(of_kind).collect(), counted.links.clone())
    }
}

/// One and many files of a kind, and what helps.
fn words(content: Content) -> (&'static str, &'static str, &'static str) {
    match content {
        Content::Avif => ("AVIF picture", "AVIF pictures", "; export as JPEG to read"),
        Content::Picture(_) | Content::OtherPicture => {
            ("picture of another format", "pictures of other formats", "; export as JPEG to read")
        }
        Content::Video => ("video", "videos", ""),
        Content::Empty => ("empty file", "empty files", ""),
        Content::Other => ("other file", "other files", ""),
    }
}
