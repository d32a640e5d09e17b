//! Which *person* a picture shows, where its path says so.

use std::str::FromStr;

use regex::Regex;

/// A regular expression whose first group is the person's name in a picture's path.
///
/// ```
/// use duchenne::data::import::subjects::SubjectPattern;
///
/// let pattern: SubjectPattern = "(S[0-9]+)_".parse()?;
/// assert_eq!(pattern.subject("happy/S010_004_00000017.png"), Ok("S010".to_owned()));
/// assert!(pattern.subject("happy/17.png").is_err());
/// assert!("S[0-9]+".parse::<SubjectPattern>().unwrap_err().contains("group"));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone)]
pub struct SubjectPattern(Regex);

impl SubjectPattern {
    /// The person in the picture at `path`, a path inside the folder or archive with `/` between its parts.
    ///
    /// # Errors
    /// A sentence, where the pattern does not match.
    pub fn subject(&self, path: &str) -> Result<String, String> {
        let found = self.0.captures(path).and_then(|captures| captures.get(1));
        let found = found.map(|group| group.as_str()).filter(|name| !name.is_empty());
        found
            .map(str::to_owned)
            .ok_or_else(|| format!("the subject pattern `{}` finds no person in its path", self.0))
    }
}

impl FromStr for SubjectPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let regex = Regex::new(text).map_err(|error| error.to_string())?;
        match regex.captures_len() {
            1 => Err("expected a group in parentheses that is the person, such as `(S[0-9]+)_`".to_owned()),
            _ => Ok(Self(regex)),
        }
    }
}
