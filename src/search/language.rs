//! The languages in which products are searched: their tags, how a word is brought to its stem, and
//! which words say nothing.

use frostem::{Algorithm, Stemmer};
use serde::{Deserialize, Serialize};

/// A language whose words are known by their stems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Language {
    #[serde(rename = "en")]
    English,
    #[serde(rename = "de")]
    German,
    #[serde(rename = "fr")]
    French,
    #[serde(rename = "es")]
    Spanish,
    #[serde(rename = "it")]
    Italian,
    #[serde(rename = "nl")]
    Dutch,
}

impl Language {
    pub const ALL: [Self; 6] =
        [Self::English, Self::German, Self::French, Self::Spanish, Self::Italian, Self::Dutch];

    /// The primary subtag (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Italian => "it",
            Self::Dutch => "nl",
        }
    }

    /// The language of a tag (BCP 47), whatever its region and case: `de-AT` is German.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?;
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// What the forms of a word have in common. The word is folded: lower case, without accents.
    pub fn stem(self, word: &str) -> String {
        let stemmer = Stemmer::new(match self {
            Self::English => Algorithm::English,
            Self::German => Algorithm::German,
            Self::French => Algorithm::French,
            Self::Spanish => Algorithm::Spanish,
            Self::Italian => Algorithm::Italian,
            Self::Dutch => Algorithm::Dutch,
        });
        if self == Self::German {
            return stemmer.stem(&without_digraphs(word)).into_owned();
        }
        stemmer.stem(word).into_owned()
    }

    /// Whether a folded word is one of those that stand in every text and name nothing.
    pub fn is_filler(self, word: &str) -> bool {
        let fillers: &[&str] = match self {
            Self::English => &[
                "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "is", "it",
                "of", "on", "or", "the", "this", "to", "with",
            ],
            Self::German => &[
                "als", "am", "an", "auf", "aus", "bei", "das", "dem", "den", "der", "des", "die",
                "ein", "eine", "einem", "einen", "einer", "fur", "im", "in", "ist", "mit", "oder",
                "und", "von", "zu", "zum", "zur",
            ],
            Self::French => &[
                "a", "au", "aux", "avec", "d", "dans", "de", "des", "du", "en", "est", "et", "l",
                "la", "le", "les", "ou", "par", "pour", "sur", "un", "une",
            ],
            Self::Spanish => &[
                "a", "al", "con", "de", "del", "el", "en", "es", "la", "las", "los", "o", "para",
                "por", "un", "una", "y",
            ],
            Self::Italian => &[
                "a", "al", "con", "d", "da", "del", "della", "di", "e", "i", "il", "in", "l", "la",
                "le", "lo", "o", "per", "un", "una",
            ],
            Self::Dutch => &[
                "aan", "de", "een", "en", "het", "in", "is", "met", "of", "op", "te", "van", "voor",
            ],
        };
        fillers.contains(&word)
    }
}

/// German writes an umlaut as two letters where a keyboard has none; folded, both are the vowel
/// alone. `aue` and `que` are no umlauts.
fn without_digraphs(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    let mut before = None;
    for letter in word.chars() {
        let is_umlaut = letter == 'e' && matches!(before, Some('a' | 'o' | 'u')) && {
            let mut behind = folded.chars().rev().skip(1);
            !matches!(behind.next(), Some('a' | 'e' | 'i' | 'o' | 'q' | 'u'))
        };
        if !is_umlaut {
            folded.push(letter);
        }
        before = Some(letter);
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_word_have_one_stem() {
        for (language, forms) in [
            (Language::English, &["teapot", "teapots"][..]),
            (Language::English, &["running", "runs", "run"]),
            (Language::German, &["haus", "hauser", "haeuser", "hausern"]),
            (Language::German, &["brater", "braeter"]),
            (Language::German, &["tasse", "tassen"]),
            (Language::French, &["tasse", "tasses"]),
        ] {
            let stems: Vec<_> = forms.iter().map(|form| language.stem(form)).collect();
            assert!(stems.iter().all(|stem| *stem == stems[0]), "{forms:?}: {stems:?}");
        }
        let stem = |word| Language::German.stem(word);
        assert_ne!(stem("mauer"), stem("maur"), "au is no umlaut");
        assert_ne!(stem("quelle"), stem("qulle"));
    }

    #[test]
    fn tags_name_languages_whatever_their_region() {
        for language in Language::ALL {
            assert_eq!(Language::of_tag(language.tag()), Some(language));
            let json = serde_json::to_string(&language).expect("JSON");
            assert_eq!(json, format!("\"{}\"", language.tag()), "the stored form is the tag");
        }
        assert_eq!(Language::of_tag("de-AT"), Some(Language::German));
        assert_eq!(Language::of_tag("EN_us"), Some(Language::English));
        assert_eq!(Language::of_tag("x"), None);
    }
}
