//! What may be asked of a group.

use super::Group;
use crate::question::{Bounded, Whole};

crate::questions!(Group { Whole });

/// Its members are what grows: at most [`MEMBERS_MAX`](super::MEMBERS_MAX) ids.
impl Bounded for Group {}
