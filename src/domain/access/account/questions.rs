//! What may be asked of an account.

use super::Account;
use crate::question::{Bounded, Whole};

crate::questions!(Account { Whole });

/// Its members are what grows: at most [`MEMBERS_MAX`](super::MEMBERS_MAX) ids.
impl Bounded for Account {}
