//! The *usual names* of expressions, for the synonyms in use across data sets, and guesses at what a misspelt name means.

/// The one spelling of an expression that has one; `None` for other names.
pub(super) fn usual_name(name: &str) -> Option<&'static str> {
    Some(match name.trim().to_ascii_lowercase().as_str() {
        "angry" | "anger" => "angry",
        "contempt" | "contemptuous" => "contempt",
        "disgust" | "disgusted" => "disgust",
        "fear" | "fearful" | "afraid" => "fear",
        "happy" | "happiness" => "happy",
        "sad" | "sadness" => "sad",
        "surprise" | "surprised" => "surprise",
        "neutral" => "neutral",
        _ => return None,
    })
}

/// Words that some data sets use for an expression and that mean more or something else: worth a question, not a guess.
const RELATED: [(&str, &str); 8] = [
    ("joy", "happy"),
    ("smile", "happy"),
    ("smiling", "happy"),
    ("scared", "fear"),
    ("mad", "angry"),
    ("calm", "neutral"),
    ("shock", "surprise"),
    ("sorrow", "sad"),
];

/// The one of `names` that is meant by a name which is none of them: the nearest in spelling, or a related word.
pub(super) fn meant<'a>(name: &str, names: &'a [&'a str]) -> Option<&'a str> {
    let wanted = name.trim().to_lowercase();
    let related = RELATED.iter().find(|(word, _)| *word == wanted).map(|(_, usual)| *usual);
    if let Some(name) = names.iter().find(|name| Some(**name) == related) {
        return Some(name);
    }
    nearest(name, names)
}

/// The one of `names` that is nearest in spelling to a name which is none of them, where few letters differ.
pub(super) fn nearest<'a>(name: &str, names: &'a [&'a str]) -> Option<&'a str> {
    let wanted = name.trim().to_lowercase();
    // A synonym may be misspelt as well: "hapiness".
    const SYNONYMS: [&str; 7] =
        ["anger", "happiness", "sadness", "surprised", "disgusted", "fearful", "angry"];
    let usual = |word: &str| usual_name(word).and_then(|usual| names.iter().find(|name| **name == usual));
    let spelt = names.iter().map(|name| (*name, *name));
    let synonyms = SYNONYMS.iter().filter_map(|word| Some((*word, *usual(word)?)));
    let distance = |word: &str| strsim::osa_distance(&wanted, &word.to_lowercase());
    let (word, nearest) = spelt.chain(synonyms).min_by_key(|(word, _)| distance(word))?;
    // Two letters of "surprise" may be wrong, one of "sad".
    (distance(word) <= word.chars().count().div_ceil(4)).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearly_right_is_guessed_and_nothing_else() {
        let names = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];
        for (name, expected) in [
            ("suprise", Some("surprise")),
            ("Suprised", Some("surprise")),
            ("joy", Some("happy")),
            ("hapiness", Some("happy")),
            ("netural", Some("neutral")),
            ("sda", Some("sad")),
            ("contempt", None),
            ("tired", None),
            ("1", None),
            ("", None),
        ] {
            assert_eq!(meant(name, &names), expected, "{name}");
        }
        assert_eq!(meant("joy", &["angry", "sad"]), None);
    }
}
