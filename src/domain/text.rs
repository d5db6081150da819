//! Text that comes from outside: bounded in characters, visible, one line or many.
//!
//! This file has the one rule for text. White space around a text is never part of it: people and
//! forms add it by accident, and two names that differ in nothing else would look alike. So a text
//! is read: trimmed, then checked, and what is stored is what was checked. Nothing else is changed:
//! no folding, no normal form. Names that programs give (a SKU, a scope) are no text but tokens:
//! they are taken as they are or refused.

use serde::{Deserialize, Serialize};

/// What a text may look like.
#[derive(Clone, Copy, Debug)]
pub struct TextRule {
    /// The field's name in refusals, as clients spell it.
    pub field: &'static str,
    pub characters_max: usize,
    pub empty_allowed: bool,
    pub lines_allowed: bool,
}

impl TextRule {
    /// One line that must say something.
    pub const fn line(field: &'static str, characters_max: usize) -> Self {
        Self { field, characters_max, empty_allowed: false, lines_allowed: false }
    }

    /// Several lines, or nothing.
    pub const fn prose(field: &'static str, characters_max: usize) -> Self {
        Self { field, characters_max, empty_allowed: true, lines_allowed: true }
    }

    /// Reads a text: without the white space around it, if what is left fits the rule. Looks at no
    /// more than `characters_max` characters of what is left.
    pub fn read(&self, text: &str) -> Result<String, InvalidText> {
        let text = text.trim();
        let fault = |problem| Err(InvalidText { field: self.field.to_owned(), problem });
        if text.chars().nth(self.characters_max).is_some() {
            return fault(TextProblem::TooLong);
        }
        if !self.empty_allowed && text.is_empty() {
            return fault(TextProblem::Empty);
        }
        let forbidden = |character: char| {
            character.is_control()
                && !(self.lines_allowed && matches!(character, '\n' | '\r' | '\t'))
        };
        if text.chars().any(forbidden) {
            return fault(TextProblem::ControlCharacter);
        }
        Ok(text.to_owned())
    }
}

/// Whether a text is a token: 1 to `bytes_max` visible ASCII characters without spaces.
pub fn is_token(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextProblem {
    Empty,
    TooLong,
    ControlCharacter,
}

/// A text that breaks its rule; refusals wrap it under the code `INVALID_TEXT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field} {}", match problem {
    TextProblem::Empty => "is empty",
    TextProblem::TooLong => "is too long",
    TextProblem::ControlCharacter => "has control characters",
})]
pub struct InvalidText {
    pub field: String,
    pub problem: TextProblem,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_bounded_visible_and_not_empty() {
        let rule = TextRule::line("name", 4);
        assert_eq!(rule.read("čaj☕").as_deref(), Ok("čaj☕"));
        let problem = |text: &str| rule.read(text).map_err(|error| error.problem);
        assert_eq!(problem("fives"), Err(TextProblem::TooLong));
        assert_eq!(problem(" \u{2003} "), Err(TextProblem::Empty));
        assert_eq!(problem("a\nb"), Err(TextProblem::ControlCharacter));
        assert_eq!(problem("a\0b"), Err(TextProblem::ControlCharacter));
    }

    #[test]
    fn prose_may_be_empty_and_break_lines_but_not_ring_bells() {
        let rule = TextRule::prose("description", 10);
        assert_eq!(rule.read("").as_deref(), Ok(""));
        assert_eq!(rule.read("a\n\tb").as_deref(), Ok("a\n\tb"));
        assert!(rule.read("a\u{7}").is_err());
    }

    #[test]
    fn white_space_around_a_text_is_no_part_of_it() {
        let rule = TextRule::line("name", 4);
        assert_eq!(rule.read(" \n four\t\u{2003}").as_deref(), Ok("four"));
        assert_eq!(TextRule::prose("description", 10).read(" \n ").as_deref(), Ok(""));
    }

    #[test]
    fn a_token_is_visible_and_taken_as_it_is() {
        assert!(is_token("TEA-S", 5));
        for text in ["", "TEA-XL", "a b", " a", "é", "a\n"] {
            assert!(!is_token(text, 5), "{text:?}");
        }
    }
}
