//! The *rooms* of the sources: folders, and files that lie beside them. What one imports from another leads
//! in one direction, so that each can be read without those above it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each room or file imports from.
type Arrows = BTreeMap<String, BTreeSet<String>>;

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

/// The module that a file of `src/` holds, as the names from the crate's root on.
fn module_of(file: &Path, root: &Path) -> Vec<String> {
    let path = file.strip_prefix(root).unwrap().with_extension("");
    let mut names: Vec<String> = path.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if names.last().is_some_and(|name| name == "mod" || name == "lib") {
        names.pop();
    }
    names
}

/// Code without comments and without the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The paths that begin with `text`, which may branch in braces: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn branches(text: &str) -> Vec<Vec<String>> {
    let text = text.trim_start();
    if let Some(list) = text.strip_prefix('{') {
        let (mut found, mut depth, mut start) = (Vec::new(), 0, 0);
        for (at, character) in list.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    found.extend(branches(&list[start..at]));
                    start = at + 1;
                    if character == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
        return found;
    }
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let beyond = text[name.len()..].strip_prefix("::").map(branches).filter(|found| !found.is_empty());
    match beyond {
        _ if name.is_empty() => Vec::new(),
        None => vec![vec![name]],
        Some(beyond) => beyond.into_iter().map(|rest| [vec![name.clone()], rest].concat()).collect(),
    }
}

/// What follows `crate::`, `super::` and `self::` anywhere in the code of `module`, from the root on.
fn paths(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let parent = &module[..module.len().saturating_sub(1)];
    let mut found = Vec::new();
    for (word, base) in [("crate::", &[][..]), ("super::", parent), ("self::", module)] {
        for (at, _) in code.match_indices(word) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                let rest = branches(&code[at + word.len()..]);
                found.extend(rest.into_iter().map(|rest| [base, &rest[..]].concat()));
            }
        }
    }
    found
}

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

/// Names that import from each other in a circle, if any do.
fn circle(arrows: &Arrows) -> Option<Vec<String>> {
    let mut left: BTreeSet<&String> = arrows.keys().collect();
    // What imports from nothing that is left is in no circle.
    while let Some(name) = left.iter().find(|name| arrows[**name].iter().all(|used| !left.contains(used))) {
        let name = *name;
        left.remove(name);
    }
    // From any that is left, an arrow leads to another that is left, and at last to one met before.
    let mut met: Vec<String> = vec![(*left.first()?).clone()];
    loop {
        let next = arrows[met.last()?].iter().find(|used| left.contains(used))?;
        if let Some(first) = met.iter().position(|name| name == next) {
            return Some(met.split_off(first));
        }
        met.push(next.clone());
    }
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

#[test]
fn circles_and_branching_paths_would_be_noticed() {
    let module = ["direct".to_owned(), "tiles".to_owned()];
    let code = "use super::weights::{self, pack};\nuse crate::{memory::{LANES, parallel::part}, descent};";
    let found: Vec<String> = paths(code, &module).iter().map(|path| path.join("::")).collect();
    let expected = [
        "memory::LANES",
        "memory::parallel::part",
        "descent",
        "direct::weights::self",
        "direct::weights::pack",
    ];
    assert_eq!(found, expected);
    let arrow =
        |from: &str, to: &[&str]| (from.to_owned(), to.iter().map(|name| (*name).to_owned()).collect());
    let mut arrows =
        Arrows::from([arrow("a", &["b", "d"]), arrow("b", &["c"]), arrow("c", &[]), arrow("d", &[])]);
    assert_eq!(circle(&arrows), None);
    arrows.extend([arrow("c", &["a"])]);
    assert_eq!(circle(&arrows), Some(["a", "b", "c"].map(str::to_owned).to_vec()));
}
