//! What of a text meets the words of a query, for people to see why something was found. A word is met here
//! as it is in the index (see `plan.rs`): by itself, by its stem, by its beginning if it is the
//! last one, and by one that is nearly it where no other meets it.

use std::ops::Range;

use crate::language::Language;
use crate::query::Query;
use crate::typos::far;
use crate::words::words_at;

/// A part of a text; all parts in a row are the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub is_met: bool,
}

/// See the module.
pub struct Highlighter {
    words: Vec<Wanted>,
    languages: Vec<Language>,
}

/// A word that is looked for.
struct Wanted {
    word: String,
    /// In each language.
    stems: Vec<String>,
    /// It may go on.
    is_last: bool,
}

impl Highlighter {
    /// `indexed`: the languages that are searched where a query names none.
    pub fn new(query: &Query, indexed: &[Language]) -> Self {
        let languages =
            if query.languages.is_empty() { indexed.to_vec() } else { query.languages.clone() };
        let fills = |word: &&String| languages.iter().any(|language| language.is_filler(word));
        let mut telling: Vec<&String> = query.words.iter().filter(|word| !fills(word)).collect();
        if telling.is_empty() {
            telling = query.words.iter().collect();
        }
        let last = query.words.last();
        let words = telling.into_iter().map(|word| Wanted {
            word: word.clone(),
            stems: languages.iter().map(|language| language.stem(word)).collect(),
            is_last: last.is_some_and(|last| std::ptr::eq(last, word)),
        });
        Self { words: words.collect(), languages }
    }

    /// The text in parts; none where nothing of it is met.
    pub fn pieces(&self, text: &str) -> Option<Vec<Piece>> {
        let met = self.met(text);
        (!met.is_empty()).then(|| cut(text, 0..text.len(), &met))
    }

    /// The part of a text around what is met first, in so many bytes or a few more; none where nothing is.
    pub fn fragment(&self, text: &str, bytes_max: usize) -> Option<Vec<Piece>> {
        let met = self.met(text);
        let first = met.first()?;
        let space = bytes_max.saturating_sub(first.len());
        let from = first.start.saturating_sub(space / 3);
        let to = (from + bytes_max).max(first.end).min(text.len());
        // At the edges of words, where there are some.
        let from = text.floor_char_boundary(from);
        let mut before = text[from..first.start].char_indices();
        let from = match before.find(|(_, letter)| letter.is_whitespace()) {
            Some((space, letter)) if from > 0 => from + space + letter.len_utf8(),
            _ => from,
        };
        let to = text.ceil_char_boundary(to);
        let to = match text[first.end..to].rfind(char::is_whitespace) {
            Some(space) if to < text.len() => first.end + space,
            _ => to,
        };
        Some(cut(text, from..to, &met))
    }

    /// Where words stand that meet one of the query, in order.
    fn met(&self, text: &str) -> Vec<Range<usize>> {
        let words = words_at(text);
        let stems: Vec<Vec<String>> = words
            .iter()
            .map(|(_, word)| self.languages.iter().map(|language| language.stem(word)).collect())
            .collect();
        let mut met = vec![false; words.len()];
        for wanted in &self.words {
            let surely = |place: usize| {
                let (word, stems) = (&words[place].1, &stems[place]);
                *word == wanted.word
                    || wanted.is_last && word.starts_with(&wanted.word)
                    || stems.iter().zip(&wanted.stems).any(|(one, other)| one == other)
            };
            let all: Vec<usize> = (0..words.len()).filter(|place| surely(*place)).collect();
            let nearly = |place: &usize| is_near(&wanted.word, &words[*place].1);
            let all = if all.is_empty() { (0..words.len()).filter(nearly).collect() } else { all };
            all.into_iter().for_each(|place| met[place] = true);
        }
        let met = words.into_iter().zip(met).filter(|(_, met)| *met);
        met.map(|((range, _), _)| range).collect()
    }
}

/// A part of a text, cut where something begins or ends that is met.
fn cut(text: &str, part: Range<usize>, met: &[Range<usize>]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut push = |range: Range<usize>, is_met| {
        if !range.is_empty() {
            pieces.push(Piece { text: text[range].to_owned(), is_met });
        }
    };
    let mut at = part.start;
    for range in met.iter().filter(|range| range.start >= part.start && range.end <= part.end) {
        push(at..range.start, false);
        push(range.clone(), true);
        at = range.end;
    }
    push(at..part.end, false);
    pieces
}

/// Whether a word is as near one that was typed as the index takes it to be meant.
fn is_near(typed: &str, word: &str) -> bool {
    let (typed, word): (Vec<char>, Vec<char>) = (typed.chars().collect(), word.chars().collect());
    let far = far(&typed);
    far > 0 && typed.len().abs_diff(word.len()) <= far && distance(&typed, &word) <= far
}

/// How many letters were left out, put in, taken for others, or changed places with their neighbour.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for (row, cells) in rows.iter_mut().enumerate() {
        cells[0] = row;
    }
    rows[0] = (0..=other.len()).collect();
    for row in 1..=one.len() {
        for column in 1..=other.len() {
            let differs = usize::from(one[row - 1] != other[column - 1]);
            let mut least = (rows[row - 1][column] + 1)
                .min(rows[row][column - 1] + 1)
                .min(rows[row - 1][column - 1] + differs);
            let swapped = row > 1
                && column > 1
                && one[row - 1] == other[column - 2]
                && one[row - 2] == other[column - 1];
            if swapped {
                least = least.min(rows[row - 2][column - 2] + 1);
            }
            rows[row][column] = least;
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::query;

    fn told(text: &str, of: &str) -> Option<String> {
        let pieces = highlighter(of).pieces(text)?;
        Some(written(&pieces))
    }

    fn highlighter(of: &str) -> Highlighter {
        Highlighter::new(&query(of), &[Language::English, Language::German])
    }

    fn written(pieces: &[Piece]) -> String {
        let piece = |piece: &Piece| {
            if piece.is_met { format!("[{}]", piece.text) } else { piece.text.clone() }
        };
        pieces.iter().map(piece).collect()
    }

    #[test]
    fn what_meets_a_word_is_what_the_index_takes_for_it() {
        for (text, of, expected) in [
            ("Teapots of brass", "teapot", Some("[Teapots] of brass")),
            ("Ha\u{308}user & Hütten", "haus", Some("[Ha\u{308}user] & Hütten")),
            ("Tall tea-pot", "tea ta", Some("[Tall] [tea]-pot")),
            // Only the last word may go on.
            ("Tall teapot", "ta teapot", Some("Tall [teapot]")),
            // Nearly it, where nothing else is.
            ("Teapor and kettle", "teapot", Some("[Teapor] and kettle")),
            ("Teapot, teapor", "teapot", Some("[Teapot], teapor")),
            ("Taepot", "teapot", Some("[Taepot]")),
            ("Cup", "cap", None),
            ("The pot", "the kettle", None),
            ("Nothing", "", None),
        ] {
            assert_eq!(told(text, of).as_deref(), expected, "{text}: {of}");
        }
    }

    #[test]
    fn parts_in_a_row_are_the_text_whatever_it_is() {
        let mut chance = fastrand::Rng::with_seed(7);
        let letters: Vec<char> = "aä tTe\u{301}ß-ヴ,\u{a0}\u{3000} pot".chars().collect();
        for _ in 0..2_000 {
            let mut any = |most: usize| -> String {
                (0..chance.usize(0..most))
                    .map(|_| letters[chance.usize(0..letters.len())])
                    .collect()
            };
            let (text, of) = (any(80), any(8));
            let highlighter = highlighter(&of);
            if let Some(pieces) = highlighter.pieces(&text) {
                let all: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
                assert_eq!(all, text, "{of}");
                assert!(pieces.iter().any(|piece| piece.is_met), "{text}: {of}");
                let part = highlighter.fragment(&text, 20).expect("something is met");
                let part_text: String = part.iter().map(|piece| piece.text.as_str()).collect();
                assert!(text.contains(&part_text), "{text}: {part_text}");
                assert!(part.iter().any(|piece| piece.is_met), "{text}: {of}: {part:?}");
            }
        }
    }

    #[test]
    fn a_fragment_lies_around_what_is_met_and_begins_and_ends_with_words() {
        let text =
            format!("{}a kettle of brass {}", "many words ".repeat(50), "more of it ".repeat(50));
        let part = highlighter("kettles").fragment(&text, 60).expect("it is met");
        let written = written(&part);
        assert!(written.contains("[kettle] of brass"), "{written}");
        assert!(written.len() <= 70, "{written}");
        assert!(written.starts_with("words") || written.starts_with("many"), "{written}");
    }
}
