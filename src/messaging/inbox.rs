//! A stream of Redis into which programs outside write what they tell the shop: read as a group of consumers, each
//! entry by one node, again and again until it is acknowledged. What a node leaves that dies, another takes up.
//!
//! Knows nothing of what an entry says.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::streams::{StreamAutoClaimReply, StreamId, StreamReadReply};
use redis::{AsyncConnectionConfig, Client, Cmd, RedisResult};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::streams::StreamsError;

/// The group of consumers that all nodes are.
const GROUP: &str = "emporium";
/// Entries that are read at once.
const ENTRIES_MAX: usize = 100;
/// How long is waited for an entry, in milliseconds.
const BLOCK_MS: usize = 1_000;
/// What was read and not acknowledged for so long is taken up, in milliseconds; and how often is looked for that.
const TAKEN_UP_AFTER_MS: usize = 5_000;
const LOOKED_EVERY: Duration = Duration::from_secs(5);
/// How long Redis may take to answer, the waiting included.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// `[inbox]`, as it is used.
#[derive(Clone)]
pub struct InboxOptions {
    /// May hold a password.
    pub url: String,
    /// The name of the stream.
    pub stream: String,
    /// What this node is called in the group.
    pub consumer: String,
}

/// One entry, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its id in the stream.
    pub entry: String,
    fields: Vec<(String, Vec<u8>)>,
}

impl Written {
    pub fn bytes(&self, field: &str) -> Option<&[u8]> {
        let found = self.fields.iter().find(|(name, _)| name == field);
        found.map(|(_, value)| value.as_slice())
    }

    /// Nothing where it is not there, or no text.
    pub fn text(&self, field: &str) -> Option<&str> {
        std::str::from_utf8(self.bytes(field)?).ok()
    }
}

impl From<StreamId> for Written {
    fn from(StreamId { id, map, .. }: StreamId) -> Self {
        let bytes = |value| redis::from_redis_value::<Vec<u8>>(value).unwrap_or_default();
        let fields = map.into_iter().map(|(name, value)| (name, bytes(value))).collect();
        Self { entry: id, fields }
    }
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct InboxStream(Arc<Shared>);

struct Shared {
    client: Client,
    options: InboxOptions,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// When it was last looked for what others left.
    looked: Option<Instant>,
}

impl InboxStream {
    /// Connects when it is first asked.
    pub fn new(options: InboxOptions) -> Result<Self, StreamsError> {
        let client = Client::open(options.url.as_str())?;
        Ok(Self(Arc::new(Shared { client, options, state: Mutex::default() })))
    }

    /// What nobody has acknowledged for some seconds, or else what is new; nothing, where nothing comes for a second.
    pub async fn read(&self) -> Result<Vec<Written>, StreamsError> {
        let mut state = self.0.state.lock().await;
        let read = timeout(ANSWER_WITHIN, self.read_by(&mut state)).await;
        let read = read.unwrap_or(Err(StreamsError::Late));
        if read.is_err() {
            state.connection = None;
        }
        read
    }

    /// These are dealt with: nobody is given them again.
    pub async fn acknowledge(&self, entries: &[String]) -> Result<(), StreamsError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut state = self.0.state.lock().await;
        let mut acknowledge = redis::cmd("XACK");
        acknowledge.arg(&self.0.options.stream).arg(GROUP).arg(entries);
        let asked = async { self.ask::<u64>(&mut state, &acknowledge).await };
        let done = timeout(ANSWER_WITHIN, asked).await.unwrap_or(Err(StreamsError::Late));
        if done.is_err() {
            state.connection = None;
        }
        done.map(drop)
    }

    async fn read_by(&self, state: &mut State) -> Result<Vec<Written>, StreamsError> {
        let InboxOptions { stream, consumer, .. } = &self.0.options;
        if state.connection.is_none() {
            self.begin(state).await?;
        }
        if state.looked.is_none_or(|looked| looked.elapsed() >= LOOKED_EVERY) {
            let mut claim = redis::cmd("XAUTOCLAIM");
            claim.arg(stream).arg(GROUP).arg(consumer).arg(TAKEN_UP_AFTER_MS).arg("0");
            claim.arg("COUNT").arg(ENTRIES_MAX);
            let left: StreamAutoClaimReply = self.ask(state, &claim).await?;
            if !left.claimed.is_empty() {
                // There may be more of them.
                return Ok(left.claimed.into_iter().map(Written::from).collect());
            }
            state.looked = Some(Instant::now());
        }
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(consumer).arg("COUNT").arg(ENTRIES_MAX);
        read.arg("BLOCK").arg(BLOCK_MS).arg("STREAMS").arg(stream).arg(">");
        let news: Option<StreamReadReply> = self.ask(state, &read).await?;
        let streams = news.map(|news| news.keys).unwrap_or_default();
        Ok(streams.into_iter().flat_map(|stream| stream.ids).map(Written::from).collect())
    }

    /// Makes the stream and its group, where they are not there: also in a Redis that came back empty.
    async fn begin(&self, state: &mut State) -> Result<(), StreamsError> {
        let mut begin = redis::cmd("XGROUP");
        begin.arg("CREATE").arg(&self.0.options.stream).arg(GROUP).arg("0").arg("MKSTREAM");
        let begun: Result<(), _> = self.ask(state, &begin).await;
        match begun {
            Err(StreamsError::Redis(error)) if error.code() == Some("BUSYGROUP") => Ok(()),
            begun => begun,
        }
    }

    async fn ask<T: redis::FromRedisValue>(
        &self,
        state: &mut State,
        command: &Cmd,
    ) -> Result<T, StreamsError> {
        let mut connection = self.connected(state).await?;
        let answered: RedisResult<T> = command.query_async(&mut connection).await;
        Ok(answered?)
    }

    async fn connected(&self, state: &mut State) -> RedisResult<MultiplexedConnection> {
        if let Some(connection) = &state.connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let made = self.0.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(state.connection.insert(made).clone())
    }
}
