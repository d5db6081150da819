//! The context messaging: who outside is told what happened in the shop.

pub mod webhook_endpoint;
