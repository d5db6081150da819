//! The context products: what is sold, at which prices, and how much of it there is.

pub mod location;
pub mod price_list;
pub mod product;
pub mod stock_item;
