//! Finds the pictures that a list or a table names.

use std::collections::HashMap;

use crate::data::error::excerpt;
use crate::data::import::picture_tree::PictureTree;

/// The pictures of a tree by their files' names.
#[derive(Debug)]
pub(crate) struct Lookup {
    root: String,
    /// Path and number of each picture whose file has this name.
    by_file: HashMap<String, Vec<(String, usize)>>,
}

impl Lookup {
    pub(crate) fn new(tree: &PictureTree) -> Self {
        let mut by_file: HashMap<String, Vec<(String, usize)>> = HashMap::new();
        for (index, parts) in tree.paths().enumerate() {
            let file = parts.last().cloned().unwrap_or_default();
            by_file.entry(file).or_default().push((parts.join("/"), index));
        }
        Self { root: tree.path().display().to_string(), by_file }
    }

    /// The picture at `path`: from the root, or, where there is none, the one picture whose path ends so. Backslashes and a
    /// leading `./` are understood.
    ///
    /// # Errors
    /// A sentence: there is none, or there are several.
    pub(crate) fn find(&self, path: &str) -> Result<usize, String> {
        let path = path.replace('\\', "/");
        let path = path.trim_start_matches("./");
        let file = path.rsplit('/').next().unwrap_or(path);
        let named = self.by_file.get(file).map_or(&[][..], Vec::as_slice);
        if let Some((_, index)) = named.iter().find(|(known, _)| known == path) {
            return Ok(*index);
        }
        let ending = format!("/{path}");
        let found: Vec<_> = named.iter().filter(|(known, _)| known.ends_with(&ending)).take(2).collect();
        let shown = excerpt(path.as_bytes());
        match found[..] {
            [(_, index)] => Ok(*index),
            [] => Err(format!("there is no picture `{shown}` under `{}`", self.root)),
            [(one, _), (other, _), ..] => {
                let (one, other) = (excerpt(one.as_bytes()), excerpt(other.as_bytes()));
                Err(format!("`{shown}` could be `{one}` or `{other}`"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_from_the_root_or_by_their_end() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/1.png", "b/1.png", "b/2.png", "1.png"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "not looked at").unwrap();
        }
        let tree = PictureTree::open(folder.path()).unwrap();
        let names: Vec<String> = (0..4).map(|index| tree.name(index)).collect();
        let lookup = Lookup::new(&tree);
        let found = |path: &str| lookup.find(path).map(|index| names[index].clone());
        assert_eq!(found("1.png").as_deref(), Ok("1.png"));
        assert_eq!(found("./b\\1.png").as_deref(), Ok("b/1.png"));
        assert_eq!(found("2.png").as_deref(), Ok("b/2.png"));
        assert!(found("3.png").unwrap_err().starts_with("there is no picture `3.png` under"));
        assert!(found("x/1.png").is_err() && found("").is_err());
        std::fs::remove_file(folder.path().join("1.png")).unwrap();
        let lookup = Lookup::new(&PictureTree::open(folder.path()).unwrap());
        assert_eq!(lookup.find("1.png").unwrap_err(), "`1.png` could be `a/1.png` or `b/1.png`");
    }
}
