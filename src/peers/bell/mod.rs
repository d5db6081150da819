//! The doorbell of an installation: one channel of a Redis server, where a node says that something
//! changed, and hears it of others. Whoever hears it looks at what is stored; nothing that is said here
//! is believed, and nothing is missed for good where it is not said.
//!
//! Redis may be away, flushed or forged at any moment. A connection that is lost, or on which a node
//! does not hear itself, is made anew, and then everything is looked at.

pub mod message;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::metrics::{BELL_CONNECTED, BELL_HEARD, BELL_SAID};
use message::{HEADS_MAX, Load, Message, VERSION, What};

/// Heads are said at most as often as this.
const HEADS_APART: Duration = Duration::from_millis(50);
/// A node says at least as often that it lives.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// Who does not hear itself for so long hears nobody.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How long Redis may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Between two tries to reach it, at first and at most.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// That it is away is said in the log at most as often as this.
const COMPLAINED_EVERY: Duration = Duration::from_secs(60);
/// Rings that wait to be said. A full queue has one of them at least, and whoever hears that looks.
const RINGS_MAX: usize = 16;

/// What a node has to say, and does with what it hears. Called on the task of the bell: it waits for
/// nothing.
pub trait Host: Send + Sync + 'static {
    /// How far the logs of the shards go that are served here.
    fn heads(&self) -> Vec<(u16, u64)>;

    fn load(&self) -> Load;

    /// Another node says something. It may be forged.
    fn heard(&self, message: &Message);

    /// Anything may have been said that was not heard.
    fn missed(&self);
}

/// Who rings.
#[derive(Clone, Debug)]
pub struct Ringer {
    pub installation: String,
    pub node: String,
    pub life: String,
}

/// The URL names no Redis server.
#[derive(Debug, thiserror::Error)]
#[error("no Redis server can be reached by this URL")]
pub struct NotReachable(#[source] pub(crate) RedisError);

/// Rings it.
#[derive(Clone)]
pub struct Bell(mpsc::Sender<What>);

impl Bell {
    /// Tells the others at once, if they can be told.
    pub fn ring(&self, what: What) {
        let _ = self.0.try_send(what);
    }
}

/// Why a connection was given up.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("it did not answer in time")]
    Late,
    #[error("the subscription ended")]
    Ended,
    #[error("this node did not hear itself")]
    Silent,
}

/// Listens and rings on the current runtime, for as long as a bell is kept. `moved` rings when logs may
/// go further.
pub fn start(
    url: &str,
    ringer: Ringer,
    moved: watch::Receiver<()>,
    host: Arc<dyn Host>,
) -> Result<Bell, NotReachable> {
    let client = Client::open(url).map_err(NotReachable)?;
    let (bell, rings) = mpsc::channel(RINGS_MAX);
    let channel = format!("emporium:{}:bell", ringer.installation);
    let connected = Arc::new(AtomicBool::new(false));
    BELL_CONNECTED
        .observe(&connected, |connected| f64::from(u8::from(connected.load(Ordering::Relaxed))));
    let heard_at = Mutex::new(Instant::now());
    let running = Running { client, channel, ringer, host, connected, heard_at };
    tokio::spawn(running.run(rings, moved));
    Ok(Bell(bell))
}

struct Running {
    client: Client,
    channel: String,
    ringer: Ringer,
    host: Arc<dyn Host>,
    connected: Arc<AtomicBool>,
    /// When this node last heard itself.
    heard_at: Mutex<Instant>,
}

impl Running {
    async fn run(self, mut rings: mpsc::Receiver<What>, mut moved: watch::Receiver<()>) {
        let mut pause = PAUSE;
        let mut complained: Option<Instant> = None;
        while !rings.is_closed() {
            let lost = match self.connect().await {
                Ok((saying, hearing)) => {
                    let since = Instant::now();
                    self.connected.store(true, Ordering::Relaxed);
                    self.host.missed();
                    let lost = tokio::select! {
                        lost = self.say(saying, &mut rings, &mut moved) => lost,
                        lost = self.hear(hearing) => Some(lost),
                    };
                    self.connected.store(false, Ordering::Relaxed);
                    let Some(lost) = lost else { return };
                    self.host.missed();
                    if since.elapsed() >= PAUSE_MAX {
                        pause = PAUSE;
                    }
                    lost
                }
                Err(lost) => lost,
            };
            if complained.is_none_or(|at| at.elapsed() >= COMPLAINED_EVERY) {
                complained = Some(Instant::now());
                tracing::warn!(
                    error = %lost,
                    "Redis is not heard (see `redis` in the configuration): other nodes' work is seen by looking, a little later"
                );
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn connect(
        &self,
    ) -> Result<(MultiplexedConnection, impl Stream<Item = redis::Msg> + use<>), Lost> {
        let connecting = async {
            let mut hearing = self.client.get_async_pubsub().await?;
            hearing.subscribe(&self.channel).await?;
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(ANSWER_WITHIN))
                .set_response_timeout(Some(ANSWER_WITHIN));
            let saying = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            Ok((saying, hearing.into_on_message()))
        };
        timeout(ANSWER_WITHIN, connecting).await.unwrap_or(Err(Lost::Late))
    }

    /// Says what there is to say until that fails; nothing, if nobody rings any more.
    async fn say(
        &self,
        mut saying: MultiplexedConnection,
        rings: &mut mpsc::Receiver<What>,
        moved: &mut watch::Receiver<()>,
    ) -> Option<Lost> {
        let mut told = HashMap::new();
        let (mut heads_at, mut alive_at) = (Instant::now(), Instant::now());
        *self.heard_at.lock() = Instant::now();
        moved.mark_changed();
        let mut has_moved = false;
        loop {
            let what = tokio::select! {
                ring = rings.recv() => match ring {
                    Some(what) => what,
                    None => return None,
                },
                changed = moved.changed(), if !has_moved => match changed {
                    Ok(()) => {
                        has_moved = true;
                        continue;
                    }
                    Err(_) => return None,
                },
                () = sleep_until(heads_at), if has_moved => What::Heads,
                () = sleep_until(alive_at) => What::Alive,
            };
            if self.heard_at.lock().elapsed() > SILENCE_MAX {
                return Some(Lost::Silent);
            }
            let heads = self.news_of_heads(&mut told);
            // What did not fit follows.
            has_moved = heads.len() == HEADS_MAX;
            let now = Instant::now();
            heads_at = now + HEADS_APART;
            if what == What::Heads && heads.is_empty() {
                continue;
            }
            alive_at = now + ALIVE_EVERY;
            if let Err(lost) = self.publish(&mut saying, what, heads).await {
                BELL_SAID.with(["failed"]).inc();
                return Some(lost);
            }
            BELL_SAID.with(["said"]).inc();
        }
    }

    /// The heads that moved since they were said on this connection, as many as one message may hold.
    fn news_of_heads(&self, told: &mut HashMap<u16, u64>) -> Vec<(u16, u64)> {
        let is_news = |(shard, head): &(u16, u64)| told.get(shard) != Some(head);
        let mut heads = self.host.heads();
        heads.retain(is_news);
        heads.truncate(HEADS_MAX);
        told.extend(heads.iter().copied());
        heads
    }

    async fn publish(
        &self,
        saying: &mut MultiplexedConnection,
        what: What,
        heads: Vec<(u16, u64)>,
    ) -> Result<(), Lost> {
        let Ringer { installation, node, life } = self.ringer.clone();
        let load = self.host.load();
        let message = Message { version: VERSION, installation, node, life, what, heads, load };
        redis::cmd("PUBLISH")
            .arg(&self.channel)
            .arg(message.written())
            .query_async::<i64>(saying)
            .await?;
        Ok(())
    }

    /// Hears until there is nothing to hear any more.
    async fn hear(&self, hearing: impl Stream<Item = redis::Msg>) -> Lost {
        let mut hearing = std::pin::pin!(hearing);
        while let Some(said) = hearing.next().await {
            let outcome = match Message::read(said.get_payload_bytes(), &self.ringer.installation) {
                Ok(message) if message.life == self.ringer.life => {
                    *self.heard_at.lock() = Instant::now();
                    "own"
                }
                Ok(message) => {
                    self.host.heard(&message);
                    "heard"
                }
                Err(dropped) => dropped.name(),
            };
            BELL_HEARD.with([outcome]).inc();
        }
        Lost::Ended
    }
}
