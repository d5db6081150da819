//! Messages from outside, whose sender was made sure of: kept first, and applied by themselves then.

use std::sync::Arc;

use uuid::Uuid;

use actors::aggregate_ref::{AskError, Engine, Fault};
use actors::core::CommandMeta;
use domain::principal::Principal;
use sagas::inbox::{Command, Content, InboxMessage, Refusal, message_id};

/// What came of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// It is in the log, now or since an earlier delivery.
    Yes,
    /// Another message came with this id, or it is not one that can be kept.
    Refused(Refusal),
    /// Not as far as is known.
    NotNow(Fault),
}

/// Keeps a message of a source under the id that it has there. When this says so, it is durable.
pub async fn receive(
    engine: &Engine,
    source: String,
    event: String,
    content: Content,
    correlation_id: Uuid,
) -> Kept {
    let meta = CommandMeta {
        command_id: Uuid::now_v7(),
        // The message is its own key: what comes again is "already so".
        key: None,
        correlation_id,
        cause: None,
        principal: Arc::clone(&Principal::system("inbox")),
        trace: None,
        expected_version: None,
        dry_run: false,
    };
    let message = engine.aggregate::<InboxMessage>(message_id(&source, &event));
    match message.ask(Command::Receive { source, event, content }, meta).await {
        Ok(_) => Kept::Yes,
        Err(AskError::Refused(refusal)) => Kept::Refused(refusal),
        Err(AskError::Fault(fault)) => Kept::NotNow(fault),
    }
}
