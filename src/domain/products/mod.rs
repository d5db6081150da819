//! The context products: what is sold, and how much of it there is.

pub mod product;
pub mod stock_item;
