//! What leaves the shop of what happens in it: facts in, integration events out, in the form of CloudEvents 1.0.
//!
//! This folder owns which facts are told outside, and how. A fact of ours changes its shape as the rules do;
//! what is told outside is a promise: it has a version of its own, and a schema that only grows. Nothing personal
//! is told, sealed or not, and no text that somebody wrote freely: whoever may know it asks the API by the id.

mod catalogue;
mod event;

pub use catalogue::{CATALOGUE, Field, Form, Kind, kind};
pub use event::{CloudEvent, tells, told};
