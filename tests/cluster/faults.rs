//! What fails in a round, and when: drawn from its seed, so that a round can be played again. Two rows of
//! faults run beside each other, one of nodes and one of what is between them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep, sleep_until};

use crate::proxy::Mode;
use crate::site::{End, LEASE, NODES, SHARDS, Site, clocks_can_jump};

/// Between the end of a fault and the next one of its row.
const PAUSE_MS: std::ops::Range<u64> = 200..1_500;

#[derive(Clone, Debug)]
pub enum Fault {
    /// A node dies as by a power cut, and is started again.
    Kill(usize),
    /// A node is told to stop, and is started again.
    Stop(usize),
    /// A node stands still, longer than its lease or not.
    Pause(usize),
    /// A node's wall clock is off by so many seconds, and then right again.
    Clock(usize, i64),
    Drain(usize),
    /// A shard is pinned to a node.
    Move(u16, usize),
    DatabaseKilled(usize),
    DatabasePaused(usize),
    RedisKilled,
    RedisPaused,
    RedisFlushed,
    /// Whoever may publish says that all logs go very far, and that everything changed.
    RedisForged,
    Wire(usize, End, Mode),
}

/// A fault with its time.
#[derive(Clone, Debug)]
pub struct Planned {
    pub fault: Fault,
    pub begins: Duration,
    pub lasts: Duration,
}

impl fmt::Display for Planned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (begins, lasts) = (self.begins.as_secs_f64(), self.lasts.as_secs_f64());
        write!(formatter, "{begins:6.2} s for {lasts:.2} s: {:?}", self.fault)
    }
}

/// The two rows of a round that lasts so long.
pub fn plan(seed: u64, length: Duration, databases: usize) -> [Vec<Planned>; 2] {
    let mut rng = Rng::with_seed(seed);
    let of_surroundings = |rng: &mut Rng| of_surroundings(rng, databases);
    [row(&mut rng, length, of_nodes), row(&mut rng, length, of_surroundings)]
}

fn row(rng: &mut Rng, length: Duration, draw: impl Fn(&mut Rng) -> (Fault, u64)) -> Vec<Planned> {
    let mut row = Vec::new();
    let mut begins = Duration::from_millis(rng.u64(500..1_500));
    while begins < length {
        let (fault, lasts_ms) = draw(rng);
        let lasts = Duration::from_millis(lasts_ms);
        row.push(Planned { fault, begins, lasts });
        begins += lasts + Duration::from_millis(rng.u64(PAUSE_MS));
    }
    row
}

fn of_nodes(rng: &mut Rng) -> (Fault, u64) {
    let (node, lease) = (rng.usize(..NODES), LEASE.as_millis() as u64);
    match rng.u8(..if clocks_can_jump() { 8 } else { 7 }) {
        0 | 1 => (Fault::Kill(node), rng.u64(100..2 * lease)),
        2 => (Fault::Stop(node), rng.u64(100..lease)),
        3 => (Fault::Pause(node), rng.u64(lease + 200..2 * lease)),
        4 => (Fault::Pause(node), rng.u64(50..lease)),
        5 => (Fault::Drain(node), rng.u64(500..2 * lease)),
        6 => (Fault::Move(rng.u16(..SHARDS), node), rng.u64(300..lease)),
        _ => {
            let seconds = [-3_600, -5, 5, 3_600][rng.usize(..4)];
            (Fault::Clock(node, seconds), rng.u64(1_500..2 * lease))
        }
    }
}

fn of_surroundings(rng: &mut Rng, databases: usize) -> (Fault, u64) {
    let lease = LEASE.as_millis() as u64;
    let database = if databases > 1 { rng.usize(..databases) } else { 0 };
    match rng.u8(..12) {
        0 => (Fault::DatabaseKilled(database), rng.u64(100..lease)),
        1 => (Fault::DatabasePaused(database), rng.u64(100..2 * lease)),
        2 => (Fault::RedisKilled, rng.u64(100..2 * lease)),
        3 => (Fault::RedisPaused, rng.u64(100..2 * lease)),
        4 => (Fault::RedisFlushed, 10),
        5 => (Fault::RedisForged, 10),
        number => {
            let from = rng.usize(..NODES);
            let to = match number {
                6 | 7 => End::Database(database),
                8 => End::Redis,
                _ => End::Node((from + rng.usize(1..NODES)) % NODES),
            };
            let mode = match rng.u8(..5) {
                0 => Mode::Refuse,
                1 => Mode::Blackhole,
                2 => Mode::Slow(Duration::from_millis(rng.u64(5..100))),
                3 => Mode::CutAfterAnswer,
                _ => Mode::LoseOneIn(rng.u8(3..20)),
            };
            (Fault::Wire(from, to, mode), rng.u64(200..2 * lease))
        }
    }
}

/// Plays one row.
pub async fn play(site: Arc<Site>, row: Vec<Planned>, begun: Instant) {
    for planned in row {
        sleep_until(begun + planned.begins).await;
        begin(&site, &planned.fault);
        sleep(planned.lasts).await;
        end(&site, &planned.fault).await;
    }
}

fn begin(site: &Site, fault: &Fault) {
    let name = |node: &usize| site.nodes[*node].name.as_str();
    match fault {
        Fault::Kill(node) => site.nodes[*node].kill(),
        Fault::Stop(node) => {
            site.nodes[*node].is_down.store(true, Ordering::SeqCst);
            signal(site, *node, "TERM");
        }
        Fault::Pause(node) => signal(site, *node, "STOP"),
        Fault::Clock(node, seconds) => site.nodes[*node].set_clock(*seconds),
        Fault::Drain(node) => drop(site.operate(&["cluster", "drain", name(node)])),
        Fault::Move(shard, node) => {
            drop(site.operate(&["cluster", "move", &shard.to_string(), name(node)]));
        }
        Fault::DatabaseKilled(number) => site.kill_database(*number),
        Fault::DatabasePaused(number) => {
            site.marias[*number].lock().expect("nobody panics with it").program.signal("STOP");
        }
        Fault::RedisKilled => site.redis.lock().expect("nobody panics with it").program.kill(),
        Fault::RedisPaused => {
            site.redis.lock().expect("nobody panics with it").program.signal("STOP");
        }
        Fault::RedisFlushed => site.redis.lock().expect("nobody panics with it").flush(),
        Fault::RedisForged => site.redis.lock().expect("nobody panics with it").forge(SHARDS),
        Fault::Wire(from, to, mode) => site.set_wire(*from, *to, *mode),
    }
}

async fn end(site: &Site, fault: &Fault) {
    match fault {
        Fault::Kill(node) => site.nodes[*node].start(),
        Fault::Stop(node) => stopped(site, *node).await,
        Fault::Pause(node) => signal(site, *node, "CONT"),
        Fault::Clock(node, _) => site.nodes[*node].set_clock(0),
        Fault::Drain(node) => {
            drop(site.operate(&["cluster", "undrain", &site.nodes[*node].name]));
        }
        Fault::Move(shard, _) => drop(site.operate(&["cluster", "move", &shard.to_string()])),
        Fault::DatabaseKilled(number) => tokio::task::block_in_place(|| {
            site.marias[*number].lock().expect("nobody panics with it").begin();
        }),
        Fault::DatabasePaused(number) => {
            site.marias[*number].lock().expect("nobody panics with it").program.signal("CONT");
        }
        Fault::RedisKilled => tokio::task::block_in_place(|| {
            site.redis.lock().expect("nobody panics with it").begin();
        }),
        Fault::RedisPaused => {
            site.redis.lock().expect("nobody panics with it").program.signal("CONT");
        }
        Fault::RedisFlushed | Fault::RedisForged => {}
        Fault::Wire(from, to, _) => site.set_wire(*from, *to, Mode::Pass),
    }
}

fn signal(site: &Site, node: usize, name: &str) {
    site.nodes[node].program.lock().expect("nobody panics with it").signal(name);
}

/// Waits until a node that was told to stop has ended, and starts it again.
async fn stopped(site: &Site, node: usize) {
    let until = Instant::now() + crate::patience();
    let node = &site.nodes[node];
    while !node.program.lock().expect("nobody panics with it").has_ended() {
        if Instant::now() > until {
            site.find(format!(
                "{} was told to stop, and goes on: {}",
                node.name,
                node.last_words()
            ));
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    node.start();
}
