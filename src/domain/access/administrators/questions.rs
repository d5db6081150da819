//! What may be asked of the administrators.

use super::Administrators;
use crate::question::{Bounded, Whole};

crate::questions!(Administrators { Whole });

/// At most [`ADMINISTRATORS_MAX`](super::ADMINISTRATORS_MAX) ids.
impl Bounded for Administrators {}
