//! Text that comes from outside: bounded in characters, visible, one line or many.
//!
//! This file says what is wrong with a text. It never changes one: no trimming, no folding.

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

    /// Checks a text; O(`characters_max`), however long the text is.
    pub fn check(&self, text: &str) -> Result<(), InvalidText> {
        let fault = |problem| Err(InvalidText { field: self.field.to_owned(), problem });
        if text.chars().nth(self.characters_max).is_some() {
            return fault(TextProblem::TooLong);
        }
        if !self.empty_allowed && text.trim().is_empty() {
            return fault(TextProblem::Empty);
        }
        let forbidden = |character: char| {
            character.is_control()
                && !(self.lines_allowed && matches!(character, '\n' | '\r' | '\t'))
        };
        if text.chars().any(forbidden) {
            return fault(TextProblem::ControlCharacter);
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextProblem {
    Empty,
    TooLong,
    ControlCharacter,
}

/// A text that breaks its rule; refusals wrap it under the code `INVALID_TEXT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
        assert_eq!(rule.check("čaj☕"), Ok(()));
        let problem = |text: &str| rule.check(text).map_err(|error| error.problem);
        assert_eq!(problem("fives"), Err(TextProblem::TooLong));
        assert_eq!(problem(" \u{2003} "), Err(TextProblem::Empty));
        assert_eq!(problem("a\nb"), Err(TextProblem::ControlCharacter));
        assert_eq!(problem("a\0b"), Err(TextProblem::ControlCharacter));
    }

    #[test]
    fn prose_may_be_empty_and_break_lines_but_not_ring_bells() {
        let rule = TextRule::prose("description", 10);
        assert_eq!(rule.check(""), Ok(()));
        assert_eq!(rule.check("a\n\tb"), Ok(()));
        assert!(rule.check("a\u{7}").is_err());
    }
}
