//! What may be asked of preferences.

use super::Preferences;
use crate::question::{Bounded, Whole};

crate::questions!(Preferences { Whole });

/// At most [`PREFERENCES_MAX`](super::PREFERENCES_MAX) short texts.
impl Bounded for Preferences {}
