//! The floors: `use crate::` points downwards only, and no circle of imports joins the folders of a floor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const FLOORS: [&str; 8] =
    ["expression", "files", "data", "models", "inference", "training", "evaluation", "experiments"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

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

/// The module of a file, as the names on the way to it.
fn module_of(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix(root()).unwrap().with_extension("");
    let mut names: Vec<String> =
        inside.components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    names
}

/// Code without comments and without the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Paths named after `crate::` and `super::` in a module's code, also inside braces, as names from the root.
fn paths_used(module: &[String], code: &str) -> Vec<Vec<String>> {
    let mut used = Vec::new();
    let is_start = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    for (at, _) in code.match_indices("crate::").filter(|(at, _)| is_start(*at)) {
        used.extend(expanded(&code[at + "crate::".len()..], Vec::new()));
    }
    for (at, _) in code.match_indices("super::").filter(|(at, _)| is_start(*at)) {
        let mut rest = &code[at..];
        let mut parent = module.to_vec();
        while let Some(after) = rest.strip_prefix("super::") {
            parent.pop();
            rest = after;
        }
        used.extend(expanded(rest, parent));
    }
    used
}

/// The paths that `a::{b, c::d}` stands for, below `prefix`.
fn expanded(text: &str, prefix: Vec<String>) -> Vec<Vec<String>> {
    let Some(list) = text.strip_prefix('{') else {
        let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let rest = &text[name.len()..];
        let mut path = prefix;
        path.push(name);
        return match rest.strip_prefix("::") {
            Some(rest) => expanded(rest, path),
            None => vec![path],
        };
    };
    let (mut depth, mut start, mut paths) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                let part = list[start..at].trim();
                if !part.is_empty() {
                    paths.extend(expanded(part, prefix.clone()));
                }
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    paths
}

/// Every arrow from a file's module to a path that it names.
fn arrows() -> Vec<(Vec<String>, Vec<String>)> {
    let mut arrows = Vec::new();
    for file in sources(&root()) {
        let module = module_of(&file);
        let text = code(&std::fs::read_to_string(&file).unwrap());
        arrows.extend(paths_used(&module, &text).into_iter().map(|path| (module.clone(), path)));
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
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
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

/// A way from a room back to itself, if there is one.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        at: &str,
        way: &mut Vec<String>,
        uses: &BTreeMap<String, BTreeSet<String>>,
        clear: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = way.iter().position(|room| room == at) {
            return Some(way[start..].to_vec());
        }
        if clear.contains(at) {
            return None;
        }
        way.push(at.to_owned());
        for next in uses.get(at).into_iter().flatten() {
            if let Some(circle) = walk(next, way, uses, clear) {
                return Some(circle);
            }
        }
        way.pop();
        clear.insert(at.to_owned());
        None
    }
    let mut clear = BTreeSet::new();
    uses.keys().find_map(|room| walk(room, &mut Vec::new(), uses, &mut clear))
}

#[test]
fn upward_arrows_and_circles_would_be_noticed() {
    let module = ["data".to_owned(), "packed".to_owned(), "file".to_owned()];
    let names = |code: &str| -> Vec<String> {
        paths_used(&module, code).iter().map(|path| path.join("::")).collect()
    };
    assert_eq!(
        names("use crate::experiments::scoring;\nuse crate::{data, models::{network, weights::assign}};"),
        ["experiments::scoring", "data", "models::network", "models::weights::assign"]
    );
    assert_eq!(
        names("use super::split::Split; super::super::faces::x();"),
        ["data::packed::split::Split", "data::faces::x"]
    );
    let set = |room: &str| BTreeSet::from([room.to_owned()]);
    let uses =
        BTreeMap::from([("a".to_owned(), set("b")), ("b".to_owned(), set("c")), ("c".to_owned(), set("b"))]);
    assert_eq!(circle(&uses), Some(vec!["b".to_owned(), "c".to_owned()]));
}
