//! The floors: `use crate::` points downwards only, and no circle of imports joins the folders of a floor.

#[path = "../../../burn-cpu-fused/tests/sources/mod.rs"]
mod sources;

use std::path::{Path, PathBuf};

use sources::{Arrows, circle, code, module_of, paths, sources};

const FLOORS: [&str; 8] =
    ["expression", "files", "data", "models", "inference", "training", "evaluation", "experiments"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every arrow from a file's module to a path that it names.
fn arrows() -> Vec<(Vec<String>, Vec<String>)> {
    let mut arrows = Vec::new();
    for file in sources(&root()) {
        let module = module_of(&file, &root());
        let text = code(&std::fs::read_to_string(&file).unwrap());
        arrows.extend(paths(&text, &module).into_iter().map(|path| (module.clone(), path)));
    }
    arrows
}

fn height(module: &[String]) -> Option<usize> {
    let first = module.first()?;
    FLOORS.iter().position(|floor| floor == first)
}

#[test]
fn arrows_between_floors_point_downwards() {
    let mut checked = 0;
    for (from, to) in arrows() {
        let (Some(here), Some(there)) = (height(&from), height(&to)) else { continue };
        assert!(there <= here, "`{}` must not use `{}`", from.join("::"), to.join("::"));
        checked += 1;
    }
    assert!(checked > 200, "only {checked} arrows were found: the test has gone blind");
}

#[test]
fn no_circle_joins_the_folders_of_a_floor() {
    // Rooms that are folders; a file between them, such as an error type, may know them all.
    let room = |path: &[String]| -> Option<String> {
        let room = path.get(..2)?.join("/");
        root().join(&room).is_dir().then_some(room)
    };
    let mut uses = Arrows::new();
    for (from, to) in arrows() {
        if let (Some(from), Some(to)) = (room(&from), room(&to))
            && from != to
        {
            uses.entry(from).or_default().insert(to);
        }
    }
    assert!(uses.len() > 5, "only {} rooms use others: the test has gone blind", uses.len());
    assert_eq!(circle(&uses), None);
}
