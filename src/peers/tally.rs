//! What somebody asked for at all nodes together, as Redis keeps it: under each name the time until which it will
//! have been paid for, by the clock of Redis alone. A node tells what was spent, and is told what is owed.
//!
//! Off the way of requests: ten times a second, in one round trip for a thousand names. Redis may be away,
//! slow or flushed; then each node goes by its own count, and what it could not tell is not told later.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::bell::NotReachable;
use crate::metrics::RATES_TOLD;

/// What was spent is told so often.
const TOLD_EVERY: Duration = Duration::from_millis(100);
/// Names in one round trip.
const NAMES_MAX: usize = 1_000;
/// How long Redis may take for one; whoever is slower is taken for away.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// Between two tries to reach it, at most.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Adds what was spent to what is owed. Nobody owes more than ten minutes; what is paid for is forgotten.
const ADD: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local owed = {}
for at, name in ipairs(KEYS) do
  local until_us = tonumber(redis.call('GET', name) or '') or 0
  local left = math.max(until_us - now, 0) + tonumber(ARGV[at])
  left = math.min(math.max(left, 0), 600000000)
  if left > 0 then
    redis.call('SET', name, string.format('%.0f', now + left), 'PX', math.ceil(left / 1000))
  else
    redis.call('DEL', name)
  end
  owed[at] = left
end
return owed";

/// What was spent by somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spending {
    /// His name at every node, which says nothing of him.
    pub name: u128,
    /// How long it takes to pay for it, in microseconds; less than nothing where something was given back.
    pub price_us: i64,
}

/// What a node spends. Called on the task of the tally: it waits for nothing.
pub trait Host: Send + Sync + 'static {
    /// What was spent since this was asked last.
    fn spent(&self) -> Vec<Spending>;

    /// What is owed by those who were told last, from this one on, in microseconds.
    fn owed(&self, from: usize, owed_us: &[u64]);
}

/// Why nothing was told.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("it did not answer in time")]
    Late,
}

/// Tells and hears on the current runtime, for as long as that runs.
pub fn start(url: &str, installation: &str, host: Arc<dyn Host>) -> Result<(), NotReachable> {
    let client = Client::open(url).map_err(NotReachable)?;
    // All names of an installation in one slot, should Redis have several.
    let prefix = format!("emporium:{{{installation}}}:rate:");
    let tally = Tally { client, prefix, host, connection: None };
    tokio::spawn(tally.run());
    Ok(())
}

struct Tally {
    client: Client,
    prefix: String,
    host: Arc<dyn Host>,
    connection: Option<MultiplexedConnection>,
}

impl Tally {
    async fn run(mut self) {
        let mut ticks = interval(TOLD_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut pause, mut next_try) = (TOLD_EVERY, Instant::now());
        loop {
            ticks.tick().await;
            // Asked for also while nobody is told: what is noted does not pile up.
            let spent = self.host.spent();
            if spent.is_empty() {
                continue;
            }
            let count = spent.len() as u64;
            if self.connection.is_none() && Instant::now() < next_try {
                RATES_TOLD.with(["failed"]).add(count);
                continue;
            }
            match self.tell(&spent).await {
                Ok(()) => {
                    pause = TOLD_EVERY;
                    RATES_TOLD.with(["told"]).add(count);
                }
                Err(error) => {
                    tracing::debug!(%error, "what was asked for is not told to other nodes");
                    RATES_TOLD.with(["failed"]).add(count);
                    self.connection = None;
                    next_try = Instant::now() + pause;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn tell(&mut self, spent: &[Spending]) -> Result<(), Lost> {
        for (number, some) in spent.chunks(NAMES_MAX).enumerate() {
            let mut connection = self.connected().await?;
            let mut add = redis::cmd("EVAL");
            add.arg(ADD).arg(some.len());
            for Spending { name, .. } in some {
                add.arg(format!("{}{name:032x}", self.prefix));
            }
            for Spending { price_us, .. } in some {
                add.arg(*price_us);
            }
            let owed = timeout(ANSWER_WITHIN, add.query_async::<Vec<u64>>(&mut connection));
            let owed = owed.await.map_err(|_| Lost::Late)??;
            self.host.owed(number * NAMES_MAX, &owed);
        }
        Ok(())
    }

    async fn connected(&mut self) -> Result<MultiplexedConnection, Lost> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connection = timeout(ANSWER_WITHIN, connecting).await.map_err(|_| Lost::Late)??;
        self.connection = Some(connection.clone());
        Ok(connection)
    }
}
