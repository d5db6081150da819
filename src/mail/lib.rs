//! Letters to people, and how they leave: by SMTP, or printed where there is no server for them. Knows nobody,
//! writes no letter, and keeps none: what was not sent when the process ends is not sent.

mod outgoing;
mod printed;
mod smtp;

use async_trait::async_trait;

pub use outgoing::{Full, Outgoing, Place, WAITING_MAX};
pub use printed::Printed;
pub use smtp::{Smtp, Unusable};

/// A letter to one person, in plain text.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// An address that was looked at before: nobody else is written to than whom it names.
    pub to: String,
    pub subject: String,
    pub text: String,
}

/// Shown to nobody, and so to no log: it names somebody, and may open his account.
impl std::fmt::Debug for Letter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Letter(…)")
    }
}

/// Why a letter did not leave. Says nothing of whom it was for.
#[derive(Debug, thiserror::Error)]
pub enum NotCarried {
    /// The same letter may leave later.
    #[error("the mail server cannot take it now")]
    Later(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It never will.
    #[error("the mail server refuses it")]
    Never(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Whoever takes letters to where they leave. Waits for the answer, within a bounded time.
#[async_trait]
pub trait Carrier: Send + Sync + 'static {
    async fn carry(&self, letter: &Letter) -> Result<(), NotCarried>;
}
