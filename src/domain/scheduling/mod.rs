//! The context scheduling.
