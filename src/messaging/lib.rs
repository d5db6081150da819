//! How messages leave the shop for programs outside: webhooks, signed by Standard Webhooks. Knows no event, no
//! log and no order of things: whoever has something to tell says what, to whom, and when once more.

pub mod addresses;
pub mod signature;
pub mod webhooks;

pub use addresses::Allowed;
pub use webhooks::{Failed, Letter, Post, WebhookOptions};
