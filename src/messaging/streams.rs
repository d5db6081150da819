//! Redis Streams: one for each shard, which programs outside read. Redis itself refuses what it was told before, by
//! the ids of the entries; and a gap, because how far each stream was filled stands beside it, in a hash that moves
//! with it. So a Redis that was emptied, or has lost its last seconds, is found out and told again.
//!
//! The ids follow from the log: `NUMBER-INDEX`. What comes later than its place gets `NUMBER-*`, behind all that
//! was told so far.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long Redis may take to answer; whoever is slower is taken for away.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Entries that Redis is told in one step, in which it answers nobody else.
const STEP_ENTRIES_MAX: usize = 256;

/// Fills one stream from where it stands. -1: it does not stand there, and nothing was told.
const TELL: &str = "
local stands = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '')
if not stands or stands < tonumber(ARGV[2]) then return -1 end
local repeats = 0
for at = 5, #ARGV, 4 do
  local told = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], ARGV[at],
    'id', ARGV[at + 1], 'type', ARGV[at + 2], 'event', ARGV[at + 3])
  if type(told) == 'table' and told.err then
    if not string.find(told.err, 'equal or smaller', 1, true) then return told end
    if string.sub(ARGV[at], -1) == '*' then return -1 end
    repeats = repeats + 1
  end
end
if tonumber(ARGV[3]) > stands then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return repeats";

/// Says where the streams stand; in an empty Redis another generation of them begins.
const STAND: &str = "
redis.call('HSETNX', KEYS[1], 'generation', ARGV[1])
redis.call('HSETNX', KEYS[1], 'since', ARGV[2])
return redis.call('HMGET', KEYS[1], 'generation', 'since', unpack(ARGV, 3))";

/// Has streams of this generation begin. -1: another has begun meanwhile.
const BEGIN: &str = "
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return -1 end
for at = 2, #ARGV, 2 do redis.call('HSETNX', KEYS[1], ARGV[at], ARGV[at + 1]) end
return 0";

/// Begins another generation.
const ANEW: &str = "
redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'since', ARGV[2])
return 0";

/// `[streams]`, as it is used.
#[derive(Clone)]
pub struct StreamOptions {
    /// May hold a password.
    pub url: String,
    /// What the names of the keys begin with.
    pub prefix: String,
    /// Entries of one stream, about; the oldest make room.
    pub length_max: u64,
    /// A Redis that has nothing is told what was recorded in so many seconds before, and what it was never told.
    pub refill_seconds: u64,
}

/// Which streams they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// Another, where they began anew; none in an empty Redis.
    pub name: Option<String>,
    /// Another, where the server did.
    pub life: String,
}

/// How the streams stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stands {
    pub generation: Generation,
    /// What was recorded before is not told anew, in microseconds since 1970.
    pub since_us: i64,
    /// How far each shard that was asked for was told; nothing where it has not begun.
    pub shards: Vec<(u16, Option<u64>)>,
}

/// What one stream is told: that it is filled from one number to another, and what stands between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub shard: u16,
    pub from: u64,
    pub to: u64,
    pub entries: Vec<StreamEntry>,
}

/// One event in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEntry {
    pub seq: u64,
    /// Its place in the entry of the log; none where it comes later than its place.
    pub index: Option<u64>,
    /// What it is called outside.
    pub name: String,
    pub kind: &'static str,
    pub body: String,
}

/// Why nothing is known to be told. Telling it again does no harm.
#[derive(Debug, thiserror::Error)]
pub enum StreamsError {
    #[error("Redis does not do it")]
    Redis(#[from] RedisError),
    #[error("Redis did not answer within {} s", ANSWER_WITHIN.as_secs())]
    Late,
    #[error("Redis stands elsewhere than it was taken to stand")]
    Elsewhere,
}

struct Shared {
    client: Client,
    options: StreamOptions,
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// The streams of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Streams(Arc<Shared>);

impl Streams {
    /// Connects when it is first asked.
    pub fn new(options: StreamOptions) -> Result<Self, StreamsError> {
        let client = Client::open(options.url.as_str())?;
        Ok(Self(Arc::new(Shared { client, options, connection: Mutex::default() })))
    }

    pub fn options(&self) -> &StreamOptions {
        &self.0.options
    }

    /// Where the streams of these shards stand. Where nobody knows, they begin now, as this generation.
    pub async fn stand(
        &self,
        generation: &str,
        since_us: i64,
        shards: &[u16],
    ) -> Result<Stands, StreamsError> {
        let mut stand = redis::cmd("EVAL");
        stand.arg(STAND).arg(1).arg(self.told()).arg(generation).arg(since_us).arg(shards);
        let mut asked = Pipeline::new();
        asked.add_command(stand).cmd("INFO").arg("server");
        let (found, server) = self.ask::<(Vec<Option<String>>, String)>(&asked).await?;
        let mut found = found.into_iter();
        let mut next = || found.next().flatten();
        let generation = Generation { name: next(), life: life_of(&server) };
        let since_us = next().and_then(|text| text.parse().ok()).ok_or(StreamsError::Elsewhere)?;
        let told = |shard: &u16| (*shard, next().and_then(|text| text.parse().ok()));
        Ok(Stands { generation, since_us, shards: shards.iter().map(told).collect() })
    }

    /// Has the streams of these shards begin here, if it is still this generation.
    pub async fn begin(&self, generation: &str, at: &[(u16, u64)]) -> Result<(), StreamsError> {
        let mut begin = redis::cmd("EVAL");
        begin.arg(BEGIN).arg(1).arg(self.told()).arg(generation);
        for (shard, seq) in at {
            begin.arg(*shard).arg(*seq);
        }
        all_done(&self.ask::<Vec<i64>>(Pipeline::new().add_command(begin)).await?).map(drop)
    }

    /// Which streams they are now.
    pub async fn generation(&self) -> Result<Generation, StreamsError> {
        let mut asked = Pipeline::new();
        asked.hget(self.told(), "generation").cmd("INFO").arg("server");
        let (name, server) = self.ask::<(Option<String>, String)>(&asked).await?;
        Ok(Generation { name, life: life_of(&server) })
    }

    /// Empties the streams of so many shards: they are told anew what was recorded since a time.
    pub async fn anew(
        &self,
        generation: &str,
        since_us: i64,
        shards: u16,
    ) -> Result<(), StreamsError> {
        let mut anew = redis::cmd("EVAL");
        anew.arg(ANEW).arg(1 + usize::from(shards)).arg(self.told());
        for shard in 0..shards {
            anew.arg(self.stream(shard));
        }
        anew.arg(generation).arg(since_us);
        all_done(&self.ask::<Vec<i64>>(Pipeline::new().add_command(anew)).await?).map(drop)
    }

    /// Tells each stream its run, in order; says how much of it was told before.
    pub async fn tell(&self, runs: &[Run]) -> Result<u64, StreamsError> {
        let mut steps = Pipeline::new();
        for run in runs {
            self.add_steps(&mut steps, run);
        }
        if steps.is_empty() { Ok(0) } else { all_done(&self.ask::<Vec<i64>>(&steps).await?) }
    }

    /// Entries of the log are told whole, so that a step ends where the log may be read on.
    fn add_steps(&self, steps: &mut Pipeline, run: &Run) {
        let (mut from, mut rest) = (run.from, run.entries.as_slice());
        loop {
            let mut length = rest.len().min(STEP_ENTRIES_MAX);
            while length < rest.len() && rest[length].seq == rest[length - 1].seq {
                length += 1;
            }
            let (told, left) = rest.split_at(length);
            let to = if left.is_empty() { run.to } else { told[length - 1].seq };
            let mut tell = redis::cmd("EVAL");
            tell.arg(TELL).arg(2).arg(self.told()).arg(self.stream(run.shard));
            tell.arg(run.shard).arg(from).arg(to).arg(self.0.options.length_max);
            for entry in told {
                tell.arg(entry.id()).arg(&entry.name).arg(entry.kind).arg(&entry.body);
            }
            steps.add_command(tell);
            (from, rest) = (to, left);
            if rest.is_empty() {
                return;
            }
        }
    }

    fn told(&self) -> String {
        format!("{}:told", self.0.options.prefix)
    }

    /// What a stream is called.
    fn stream(&self, shard: u16) -> String {
        format!("{}:events:{shard}", self.0.options.prefix)
    }

    async fn ask<T: redis::FromRedisValue>(&self, asked: &Pipeline) -> Result<T, StreamsError> {
        let answered = async {
            let mut connection = self.connected().await?;
            Ok(asked.query_async::<T>(&mut connection).await?)
        };
        let answered = timeout(ANSWER_WITHIN, answered).await.unwrap_or(Err(StreamsError::Late));
        if answered.is_err() {
            *self.0.connection.lock().await = None;
        }
        answered
    }

    async fn connected(&self) -> Result<MultiplexedConnection, StreamsError> {
        let mut connection = self.0.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let made = self.0.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(connection.insert(made).clone())
    }
}

impl StreamEntry {
    fn id(&self) -> String {
        let mut id = format!("{}-", self.seq);
        match self.index {
            Some(index) => write!(id, "{index}").expect("text takes what is written"),
            None => id.push('*'),
        }
        id
    }
}

/// Which life of a server speaks, by what it says of itself.
fn life_of(server: &str) -> String {
    let life = server.lines().find_map(|line| line.strip_prefix("run_id:"));
    life.unwrap_or_default().trim().to_owned()
}

/// The sum of what was answered, if all was done.
fn all_done(answers: &[i64]) -> Result<u64, StreamsError> {
    let answers = answers.iter().map(|answer| u64::try_from(*answer).ok());
    answers.sum::<Option<u64>>().ok_or(StreamsError::Elsewhere)
}
