//! Words of a text, as they are indexed and as they are looked for: split at whatever is neither
//! letter nor digit, in lower case, without accents. Queries and rows go through the same function,
//! so that the two always meet.

use std::ops::Range;

use tantivy::tokenizer::{
    AsciiFoldingFilter, LowerCaser, SimpleTokenizer, TextAnalyzer, TokenStream as _,
};

/// What is longer is cut: no word of any language, but a line of signs might be.
const WORD_CHARACTERS_MAX: usize = 40;
/// The longest beginning by which a word is found.
pub const BEGINNING_CHARACTERS_MAX: usize = 16;

/// The words of a text, folded, in their order.
pub fn words(text: &str) -> Vec<String> {
    words_at(text).into_iter().map(|(_, word)| word).collect()
}

/// The same with where each stands in the text, in bytes.
pub fn words_at(text: &str) -> Vec<(Range<usize>, String)> {
    let mut composed = String::with_capacity(text.len());
    // Where the letter stands in the text that begins at a byte of what is composed.
    let mut places = Vec::with_capacity(text.len() + 1);
    for (place, letter) in text.char_indices().filter(|(_, letter)| !is_accent(*letter)) {
        composed.push(letter);
        places.resize(composed.len(), place);
    }
    places.push(text.len());
    let mut analyzer = TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build();
    let mut tokens = analyzer.token_stream(&composed);
    let mut words = Vec::new();
    tokens.process(&mut |token| {
        let word = token.text.chars().take(WORD_CHARACTERS_MAX).collect();
        words.push((places[token.offset_from]..places[token.offset_to], word));
    });
    words
}

/// The beginnings of a word, from its first letter to all of it.
pub fn beginnings(word: &str) -> impl Iterator<Item = &str> {
    let ends = word.char_indices().map(|(at, letter)| at + letter.len_utf8());
    ends.take(BEGINNING_CHARACTERS_MAX).map(|end| &word[..end])
}

/// An accent that stands behind its letter as a character of its own.
fn is_accent(character: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_whichever_way_their_accents_are_written() {
        assert_eq!(words("Café-au-lait, 0,5 l"), ["cafe", "au", "lait", "0", "5", "l"]);
        assert_eq!(words("Bra\u{308}ter Maß"), ["brater", "mass"]);
        assert_eq!(words("Bräter"), words("Bra\u{308}ter"));
        assert_eq!(words("TEA-POT-1"), ["tea", "pot", "1"]);
        assert_eq!(words(" -- "), [""; 0]);
        assert_eq!(words(&"x".repeat(100))[0].len(), WORD_CHARACTERS_MAX);
    }

    #[test]
    fn beginnings_are_whole_letters_up_to_a_length() {
        assert_eq!(beginnings("čaj").collect::<Vec<_>>(), ["č", "ča", "čaj"]);
        assert_eq!(beginnings(&"x".repeat(99)).count(), BEGINNING_CHARACTERS_MAX);
    }
}
