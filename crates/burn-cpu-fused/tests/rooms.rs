//! The *rooms* of the sources: folders, and files that lie beside them. What one imports from another leads
//! in one direction, so that each can be read without those above it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod sources;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sources::{Arrows, circle, code, module_of, paths, sources};

/// What each file imports from, or what each room does.
fn arrows(rooms: bool) -> Arrows {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<(PathBuf, Vec<String>)> = sources(&root)
        .into_iter()
        .map(|file| {
            let module = module_of(&file, &root);
            (file, module)
        })
        .collect();
    let name = |module: &[String]| match module {
        [] => "lib".to_owned(),
        [room, ..] if rooms => room.clone(),
        names => names.join("::"),
    };
    let mut arrows = Arrows::new();
    for (file, module) in &files {
        let here = arrows.entry(name(module)).or_default();
        for path in paths(&code(&std::fs::read_to_string(file).unwrap()), module) {
            // The longest beginning that is a module: what follows is an item of it.
            let used = (0..=path.len()).rev().map(|length| &path[..length]);
            let used = used.into_iter().find(|path| files.iter().any(|(_, module)| module == path)).unwrap();
            if name(used) != name(module) {
                here.insert(name(used));
            }
        }
    }
    arrows
}

#[test]
fn rooms_do_not_import_from_each_other_in_a_circle() {
    let arrows = arrows(true);
    for room in ["memory", "direct", "filtering", "burn", "convolution", "normalization"] {
        assert!(
            !arrows[room].is_empty() || room == "memory",
            "no import of {room} was found: the test is blind"
        );
    }
    assert_eq!(circle(&arrows), None, "{arrows:#?}");
}

#[test]
fn files_do_not_import_from_each_other_in_a_circle() {
    let arrows = arrows(false);
    let count: usize = arrows.values().map(BTreeSet::len).sum();
    assert!(count > 100, "only {count} imports were found: the test is blind");
    assert_eq!(circle(&arrows), None, "{arrows:#?}");
}
