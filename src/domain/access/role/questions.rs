//! What may be asked of a role.

use super::Role;
use crate::question::{Bounded, Whole};

crate::questions!(Role { Whole });

/// A name, a purpose, and a set of what there is.
impl Bounded for Role {}
