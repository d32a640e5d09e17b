//! The floors: `use crate::` points downwards only, `unsafe` and printing stay where they belong.

use std::path::{Path, PathBuf};

const FLOORS: [&str; 8] =
    ["expression", "files", "data", "models", "inference", "training", "evaluation", "experiments"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The floor that a file of `src/` belongs to, as a height.
fn floor_of(file: &Path, root: &Path) -> Option<usize> {
    let first = file.strip_prefix(root).unwrap().components().next().unwrap();
    let name = Path::new(first.as_os_str()).file_stem().unwrap().to_str().unwrap().to_owned();
    FLOORS.iter().position(|floor| *floor == name)
}

/// Code without comments and without the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Floors named after `crate::`, also inside braces.
fn floors_used(code: &str) -> Vec<usize> {
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => rest,
        };
        let count = if rest.starts_with('{') { usize::MAX } else { 1 };
        for word in list.split(',').take(count) {
            let word: String = word.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            used.extend(FLOORS.iter().position(|floor| *floor == word));
        }
    }
    used
}

#[test]
fn arrows_between_floors_point_downwards() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../duchenne/src");
    let mut checked = 0;
    for file in sources(&root) {
        let Some(floor) = floor_of(&file, &root) else { continue };
        let text = std::fs::read_to_string(&file).unwrap();
        for used in floors_used(&code(&text)) {
            let (here, there) = (FLOORS[floor], FLOORS[used]);
            assert!(used <= floor, "{}: `{here}` must not use `{there}`", file.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} arrows were found: the test has gone blind");
}

#[test]
fn upward_arrows_would_be_noticed() {
    assert_eq!(
        floors_used("use crate::experiments::scoring;\nuse crate::{data, models::network};"),
        [7, 2, 3]
    );
}

#[test]
fn unsafe_and_printing_stay_where_they_belong() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../duchenne/src");
    for file in sources(&root) {
        let text = code(&std::fs::read_to_string(&file).unwrap());
        let place = file.display();
        let allowed = usize::from(file.ends_with("files/mapped.rs"));
        assert!(text.matches("unsafe {").count() <= allowed, "{place}: unsafe beyond the one memory map");
        if floor_of(&file, &root).is_some_and(|floor| FLOORS[floor] != "experiments") {
            for word in [
                "println!(",
                "eprintln!(",
                "print!(",
                "std::env::",
                "process::exit",
                "clap",
                "axum",
                "tokio",
                "anyhow",
            ] {
                // The version is known at compile time.
                let text = text.replace("env!(\"CARGO_PKG_VERSION\")", "");
                assert!(!text.contains(word), "{place}: `{word}` belongs to the program");
            }
        }
    }
}
