//! What may be asked of a price list.

use super::PriceList;
use crate::question::{Bounded, Whole};

crate::questions!(PriceList { Whole });

/// Nothing in it grows.
impl Bounded for PriceList {}
