//! The context products.
