//! What *sources* import from each other, read from their text: the tests of structure of this package and of the
//! library share it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each room or file imports from.
pub(crate) type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Every source file below a folder.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
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
pub(crate) fn module_of(file: &Path, root: &Path) -> Vec<String> {
    let path = file.strip_prefix(root).unwrap().with_extension("");
    let mut names: Vec<String> = path.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if names.last().is_some_and(|name| name == "mod" || name == "lib") {
        names.pop();
    }
    names
}

/// Code without comments and without the tests at its end.
pub(crate) fn code(text: &str) -> String {
    // The module of the tests may be public to those of neighbours.
    let begins = |at: usize| text[at..].lines().nth(1).is_some_and(|line| line.ends_with("mod tests {"));
    let end = text.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|at| begins(*at));
    let text = &text[..end.unwrap_or(text.len())];
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

/// What follows `crate::`, `super::` (once or more) and `self::` anywhere in the code of `module`, from the root on.
pub(crate) fn paths(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for word in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(word) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let mut rest = &code[at + word.len()..];
            let mut base = if word == "crate::" { Vec::new() } else { module.to_vec() };
            if word == "super::" {
                base.pop();
                while let Some(higher) = rest.strip_prefix(word) {
                    base.pop();
                    rest = higher;
                }
            }
            found.extend(branches(rest).into_iter().map(|rest| [base.clone(), rest].concat()));
        }
    }
    found
}

/// Names that import from each other in a circle, if any do.
pub(crate) fn circle(arrows: &Arrows) -> Option<Vec<String>> {
    let uses = |name: &String| arrows.get(name).into_iter().flatten();
    let mut left: BTreeSet<&String> = arrows.keys().collect();
    // What imports from nothing that is left is in no circle.
    while let Some(name) = left.iter().find(|name| uses(name).all(|used| !left.contains(used))) {
        let name = *name;
        left.remove(name);
    }
    // From any that is left, an arrow leads to another that is left, and at last to one met before.
    let mut met: Vec<String> = vec![(*left.first()?).clone()];
    loop {
        let next = uses(met.last()?).find(|used| left.contains(used))?;
        if let Some(first) = met.iter().position(|name| name == next) {
            return Some(met.split_off(first));
        }
        met.push(next.clone());
    }
}

#[test]
fn circles_and_branching_paths_would_be_noticed() {
    let module = ["direct".to_owned(), "tiles".to_owned()];
    let code = "use super::weights::{self, pack};\nuse crate::{memory::{LANES, parallel::part}, descent};\n\
                super::super::pooling::x();";
    let mut found: Vec<String> = paths(code, &module).iter().map(|path| path.join("::")).collect();
    found.sort();
    let expected = [
        "descent",
        "direct::weights::pack",
        "direct::weights::self",
        "memory::LANES",
        "memory::parallel::part",
        "pooling::x",
    ];
    assert_eq!(found, expected);
    let arrow =
        |from: &str, to: &[&str]| (from.to_owned(), to.iter().map(|name| (*name).to_owned()).collect());
    let mut arrows = Arrows::from([arrow("a", &["b", "d"]), arrow("b", &["c"]), arrow("c", &[])]);
    assert_eq!(circle(&arrows), None);
    arrows.extend([arrow("c", &["a"])]);
    assert_eq!(circle(&arrows), Some(["a", "b", "c"].map(str::to_owned).to_vec()));
}
