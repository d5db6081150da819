//! Money in minor units.
