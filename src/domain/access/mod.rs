//! The context access.
