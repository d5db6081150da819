//! Nobody asks them anything but how far they are.

use super::Denials;

crate::questions!(Denials {});
