//! Messages that programs outside write into a stream of Redis (`[inbox]`): put into the log first, acknowledged then,
//! applied by themselves after that, like those of payment providers. Whoever may write the stream is believed.

use std::convert::Infallible;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use uuid::Uuid;

use super::inbox::content;
use super::metrics::INBOX_MESSAGES;
use actors::aggregate_ref::Engine;
use application::inbox::{Kept, receive};
use cli::Failure;
use config::Settings;
use messaging::inbox::{InboxStream, Written};
use persistence::cause::chain;
use sagas::inbox::{Content, TEXT_CHARACTERS_MAX};

/// When to come back where Redis, or the log, does not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// Messages that are put into the log at one time.
const AT_ONCE: usize = 16;
/// The longest message that is looked at, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// The longest name of a provider.
const PROVIDER_BYTES_MAX: usize = 64;

/// Where messages are read from, if that is configured.
pub fn of(settings: &Settings, node: &str) -> Result<Option<InboxStream>, Failure> {
    let stream = settings.inbox.options(node).map(InboxStream::new).transpose();
    stream.map_err(|error| Failure::Usage(format!("inbox.redis: {}", chain(&error))))
}

/// Takes in what comes, until it is ended.
pub async fn take_in(stream: InboxStream, engine: Engine) -> Infallible {
    let mut is_away = false;
    loop {
        match round(&stream, &engine).await {
            Ok(true) => is_away = false,
            Ok(false) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!(error = %chain(&error), "the inbox in Redis cannot be read");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Puts what is there into the log and acknowledges it; false where some of it could not be, which is given again.
async fn round(
    stream: &InboxStream,
    engine: &Engine,
) -> Result<bool, messaging::streams::StreamsError> {
    let written = stream.read().await?;
    let count = written.len();
    let keeping = written.into_iter().map(|one| keep(engine, one));
    let kept: Vec<Option<String>> = stream::iter(keeping).buffer_unordered(AT_ONCE).collect().await;
    let kept: Vec<String> = kept.into_iter().flatten().collect();
    stream.acknowledge(&kept).await?;
    Ok(kept.len() == count)
}

/// The id of its entry, once it is in the log.
async fn keep(engine: &Engine, written: Written) -> Option<String> {
    let Message { source, event, content } = Message::of(&written);
    let receive = async |event: String, content: Content| {
        let correlation_id = Uuid::now_v7();
        receive(engine, source.clone(), event, content, correlation_id).await
    };
    let is_readable = content != Content::Unreadable {};
    let mut kept = receive(event, content).await;
    let mut outcome = if is_readable { "kept" } else { "parked" };
    if let Kept::Refused(refusal) = &kept {
        // An operator sees that there was one.
        tracing::warn!(entry = written.entry, %refusal, "a message of the inbox is parked");
        outcome = "parked";
        kept = receive(name_of(&written), Content::Unreadable {}).await;
    }
    match kept {
        Kept::Yes => {
            INBOX_MESSAGES.with([outcome]).inc();
            Some(written.entry)
        }
        Kept::Refused(refusal) => {
            tracing::error!(entry = written.entry, %refusal, "a message of the inbox is refused");
            None
        }
        Kept::NotNow(fault) => {
            let fault = fault.for_operators();
            tracing::warn!(entry = written.entry, %fault, "a message may not have been kept");
            None
        }
    }
}

/// What an entry says.
#[derive(Debug, PartialEq)]
struct Message {
    source: String,
    event: String,
    content: Content,
}

/// By which one is known that has no id of its own.
fn name_of(written: &Written) -> String {
    format!("entry {}", written.entry)
}

impl Message {
    fn of(written: &Written) -> Self {
        let is_name = |name: &&str| {
            (1..=PROVIDER_BYTES_MAX).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let is_id = |id: &&str| {
            (1..=TEXT_CHARACTERS_MAX).contains(&id.chars().count())
                && !id.chars().any(char::is_control)
                && id.trim() == *id
        };
        let provider = written.text("provider").filter(is_name);
        let id = written.text("id").filter(is_id);
        let body = written.bytes("body").filter(|body| body.len() <= BODY_BYTES_MAX);
        let content = match (provider, id, body) {
            (Some(provider), Some(_), Some(body)) => content(provider, body),
            _ => Content::Unreadable {},
        };
        Self {
            source: format!("stream/{}", provider.unwrap_or("nobody")),
            event: id.map_or_else(|| name_of(written), str::to_owned),
            content,
        }
    }
}
