//! How messages leave the shop for programs outside: webhooks, signed by Standard Webhooks, and streams of Redis;
//! and how they come in by one.
//! Knows no event and reads no log: whoever has something to tell says what, to whom, and when once more.

pub mod addresses;
pub mod inbox;
pub mod signature;
pub mod streams;
pub mod webhooks;

pub use addresses::Allowed;
pub use inbox::{InboxOptions, InboxStream};
pub use streams::{StreamOptions, Streams};
pub use webhooks::{Failed, Letter, Post, WebhookOptions};
