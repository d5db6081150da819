//! The context commerce.
