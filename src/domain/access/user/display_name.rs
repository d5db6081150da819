//! The name by which a user is shown: what one looks like.

use std::fmt;

use crate::sealed::Personal;
use crate::text::{InvalidText, TextRule};

/// The longest name to show, in characters.
pub const DISPLAY_NAME_CHARACTERS_MAX: usize = 120;

const RULE: TextRule = TextRule::line("displayName", DISPLAY_NAME_CHARACTERS_MAX);

/// One line that says something. Nobody's to store or to log, as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    pub fn read(text: &str) -> Result<Self, InvalidText> {
        RULE.read(text).map(Self)
    }
}

impl Personal for DisplayName {
    const KIND: &'static str = "display_name";

    fn text(&self) -> &str {
        &self.0
    }

    fn as_sealed(text: String) -> Self {
        Self(text)
    }
}

/// Shown to nobody, and so to no log.
impl fmt::Debug for DisplayName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DisplayName(…)")
    }
}
