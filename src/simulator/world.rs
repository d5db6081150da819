//! The world of one seed: time, the network, the faults, and the queue of what happens next.
//!
//! Everything that happens is an event of a queue ordered by time; whatever is left to chance is
//! drawn from the seed. After each event the promises are checked.

mod clients;
mod faults;
mod network;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::time::Duration;

use uuid::Uuid;

use crate::cell::Told;
use crate::checks::Promises;
use crate::client::{Items, Look, Operation, Standing};
use crate::database::{Answer, Database, Question};
use crate::node::{Message, Node, Terms};
use crate::random::Random;
use crate::trace::Trace;
use persistence::journal::{Seq, ShardId};
use persistence::shortcut::Shortcut;

/// All times in microseconds.
const LEASE_US: u64 = 100_000;
const FAULTS_END_US: u64 = 700_000;
/// By then everything must be answered and idle …
const QUIET_BY_US: u64 = FAULTS_END_US + 40 * LEASE_US;
/// … and a regression noticed.
const NOTICED_BY_US: u64 = FAULTS_END_US + 8 * LEASE_US;
const OPERATIONS: u64 = 34;
const LOOKS: u64 = 24;

/// Which run of a seed this is.
#[derive(Clone, Copy, Default)]
pub struct Plan {
    pub seed: u64,
    pub shortcut: Option<Shortcut>,
    pub loud: bool,
    /// The database is restored to an older head; the promise is that this is noticed.
    pub regress: bool,
    /// A slow owner is cut off from a quick database, and a fast taker watches it: what is a matter
    /// of a few milliseconds shows.
    pub tight: bool,
    /// Monotonic clocks run at rates that lie further apart than is assumed.
    pub drift: bool,
}

/// How rough it is, in cases of a thousand statements.
#[derive(Default)]
struct Weather {
    answer_lost: u64,
    never_arrives: u64,
    late: u64,
    refused: u64,
    not_sent: u64,
    reply_lost: u64,
}

enum Event {
    /// A statement reaches the database; its answer arrives so much later, if one is awaited.
    Execute {
        node: usize,
        life: u64,
        question: Question,
        answer_after: Option<u64>,
        generation: u32,
    },
    Answer {
        node: usize,
        life: u64,
        answer: Answer,
    },
    Arrive {
        node: usize,
        message: Message,
    },
    LookArrives {
        node: usize,
        look: usize,
    },
    Told {
        attempt: u64,
        told: Told,
        version: u64,
    },
    Try {
        operation: usize,
    },
    TimeOut {
        operation: usize,
        attempt: u64,
    },
    Look {
        look: usize,
    },
    LookTold {
        look: usize,
        version: u64,
    },
    Tick {
        node: usize,
        life: u64,
    },
    LaneResumes {
        node: usize,
        life: u64,
        lane: usize,
    },
    Crash(usize),
    Restart(usize),
    Pause(usize, u64),
    /// No statement of the node reaches the database for so long; clients reach it.
    CutOff(usize, u64),
    /// The node's wall clock is set, forwards or back.
    ClockJumps(usize),
    /// Which node is to have which shard is computed anew; each node hears of it when it looks.
    Placed,
    Wants {
        node: usize,
        life: u64,
    },
    Heal,
    BackUp,
    Restore,
}

struct Place {
    name: String,
    node: Option<Node>,
    life: u64,
    paused_until: u64,
    cut_off_until: u64,
    disk: Disk,
    /// How fast its monotonic clock runs, in thousandths, and where it began.
    rate: u64,
    base_us: u64,
    /// How far its wall clock is off.
    wall_us: i64,
    tick_at: u64,
    /// Planted: leases are timed by the wall clock.
    by_wall: bool,
}

/// What outlives a node where it stands.
#[derive(Default)]
struct Disk {
    lives: Vec<Uuid>,
    acknowledged: BTreeMap<ShardId, Seq>,
}

impl Place {
    fn local(&self, now: u64) -> u64 {
        if self.by_wall {
            return u64::try_from(self.wall(now)).unwrap_or(0);
        }
        self.base_us + now * self.rate / 1_000
    }

    fn global(&self, local: u64) -> u64 {
        if self.by_wall {
            return u64::try_from(local as i64 - self.wall(0)).unwrap_or(0) + 1;
        }
        (local.saturating_sub(self.base_us)).saturating_mul(1_000) / self.rate + 1
    }

    fn wall(&self, now: u64) -> i64 {
        1_700_000_000_000_000 + self.wall_us + now as i64
    }
}

struct Attempt {
    operation: usize,
    floor: u64,
}

pub struct World {
    plan: Plan,
    now: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: HashMap<u64, Event>,
    queued: u64,
    random: Random,
    weather: Weather,
    terms: Terms,
    database: Database,
    backup: Option<Database>,
    /// Raised by a restoration: what was on its way to the old database never arrives.
    generation: u32,
    places: Vec<Place>,
    /// Lanes whose connection was cut and which have not met that yet.
    cut: BTreeSet<(usize, usize)>,
    /// Nodes whose other connections were.
    cut_nodes: BTreeSet<usize>,
    /// Who acknowledged more than the restored log holds, and who has noticed.
    doomed: BTreeSet<(usize, ShardId)>,
    noticed: BTreeSet<(usize, ShardId)>,
    items: Items,
    operations: Vec<Operation>,
    attempts: Vec<Attempt>,
    looks: Vec<Look>,
    promises: Promises,
    healed: bool,
    /// Which node is to have which shard; nothing is said: each wants all.
    placed: Option<Vec<usize>>,
    /// Every node has the same name.
    same_names: bool,
    statements_under_way: u32,
    trace: Trace,
    pub steps: u64,
}

impl World {
    pub fn new(plan: Plan) -> Self {
        let mut random = Random::new(plan.seed);
        let mut severity = |most| {
            let calm = random.chance(300);
            if calm { 0 } else { random.below(most) }
        };
        let mut weather = Weather {
            answer_lost: severity(120),
            never_arrives: severity(100),
            late: severity(120),
            refused: severity(60),
            not_sent: severity(60),
            reply_lost: severity(150),
        };
        if plan.tight {
            weather = Weather::default();
        }
        let terms = Terms {
            shards: random.between(1, 3) as u16,
            lanes: random.between(1, 2) as usize,
            lease: Duration::from_micros(LEASE_US),
        };
        let items = Items {
            ids: (1..=random.between(1, 4))
                .map(|n| Uuid::from_u128(0xA000 + u128::from(n)))
                .collect(),
            shards: terms.shards,
        };
        let mut database = Database::new(terms.shards.into());
        database.without_takeover_record = plan.shortcut == Some(Shortcut::NoTakeoverRecord);
        database.without_comparing = plan.shortcut == Some(Shortcut::TakeWithoutComparing);
        let promises = Promises::with_items(&items.ids);
        let mut world = Self {
            plan,
            now: 0,
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            queued: 0,
            weather,
            terms,
            database,
            backup: None,
            generation: 0,
            places: Vec::new(),
            cut: BTreeSet::new(),
            cut_nodes: BTreeSet::new(),
            doomed: BTreeSet::new(),
            noticed: BTreeSet::new(),
            items,
            operations: Vec::new(),
            attempts: Vec::new(),
            looks: Vec::new(),
            promises,
            healed: false,
            placed: None,
            same_names: false,
            statements_under_way: 0,
            trace: Trace::new(plan.loud),
            steps: 0,
            random,
        };
        world.populate();
        world.schedule_faults();
        world
    }

    fn populate(&mut self) {
        let nodes = if self.plan.regress { 1 } else { self.random.between(2, 3) };
        self.same_names = self.random.chance(250);
        for name in 0..nodes as usize {
            let place = Place {
                name: format!("node-{name}"),
                node: None,
                life: 0,
                paused_until: 0,
                cut_off_until: 0,
                disk: Disk::default(),
                rate: self.rate(name),
                base_us: self.random.below(1_000_000_000),
                wall_us: self.wall_clock(),
                tick_at: u64::MAX,
                by_wall: self.plan.shortcut == Some(Shortcut::WallClock),
            };
            self.places.push(place);
            self.begin_life(name);
            let at = if self.plan.tight { 3_000 * name as u64 } else { self.random.below(5_000) };
            self.at(at, Event::Tick { node: name, life: 0 });
        }
        if self.plan.tight { self.crowd() } else { self.scatter() }
    }

    /// Operations come in bursts, so that they meet in batches; looks come at any time.
    fn scatter(&mut self) {
        let mut at = 20_000;
        for operation in 0..OPERATIONS as usize {
            if self.random.chance(250) {
                at += self.random.below(4 * FAULTS_END_US / OPERATIONS);
            } else {
                at += self.random.below(1_500);
            }
            self.at(at.min(FAULTS_END_US), Event::Try { operation });
        }
        for look in 0..LOOKS as usize {
            let at = 20_000 + self.random.below(FAULTS_END_US);
            self.at(at, Event::Look { look });
            self.looks.push(self.look_at(look, false));
        }
    }

    /// The first node, which holds everything, is cut off; operations and looks come about when its
    /// leases end.
    fn crowd(&mut self) {
        let cut_at = self.random.between(100_000, 200_000);
        self.at(cut_at, Event::CutOff(0, 3 * LEASE_US));
        for operation in 0..OPERATIONS as usize {
            // Some before, so that the owner has something to show.
            let at = if operation.is_multiple_of(4) {
                self.random.between(30_000, 100_000)
            } else {
                cut_at + self.random.between(LEASE_US / 2, LEASE_US * 5 / 4)
            };
            self.at(at, Event::Try { operation });
        }
        for look in 0..4 * LOOKS as usize {
            let at = cut_at + self.random.between(LEASE_US * 3 / 4, LEASE_US * 5 / 4);
            self.at(at, Event::Look { look });
            self.looks.push(self.look_at(look, false));
        }
    }

    /// How fast a monotonic clock runs: the slowest and the fastest meet often.
    fn rate(&mut self, node: usize) -> u64 {
        let (slowest, fastest) = if self.plan.drift { (850, 1_150) } else { (950, 1_050) };
        if self.plan.tight {
            return if node == 0 { slowest } else { fastest };
        }
        match self.random.below(4) {
            0 => slowest,
            1 => fastest,
            _ => self.random.between(slowest, fastest),
        }
    }

    /// How far a wall clock is off: up to an hour.
    fn wall_clock(&mut self) -> i64 {
        self.random.below(7_200_000_000) as i64 - 3_600_000_000
    }

    fn look_at(&self, number: usize, insists: bool) -> Look {
        let index = number % self.items.ids.len();
        Look {
            id: self.items.ids[index],
            shard: self.items.shard(index),
            floor: 0,
            answered: false,
            insists,
        }
    }

    fn at(&mut self, time: u64, event: Event) {
        self.queued += 1;
        self.events.insert(self.queued, event);
        self.queue.push(Reverse((time, self.queued)));
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.at(self.now + delay, event);
    }

    /// Runs to the end; the error says which promise was broken, and when.
    pub fn run(&mut self) -> Result<(), String> {
        while let Some(Reverse((time, number))) = self.queue.pop() {
            self.now = self.now.max(time);
            let event = self.events.remove(&number).expect("queued with its event");
            self.steps += 1;
            let outcome = self.happen(event);
            outcome.map_err(|broken| format!("at {} us: {broken}", self.now))?;
            if self.healed && self.is_quiet() {
                return self.finish();
            }
            let end = if self.plan.regress { NOTICED_BY_US } else { QUIET_BY_US };
            if self.now > end {
                return self.overdue();
            }
        }
        Err("nothing happens any more".into())
    }

    fn is_quiet(&self) -> bool {
        let alive = |place: &Place| place.node.as_ref().is_none_or(Node::is_idle);
        !self.plan.regress
            && self.statements_under_way == 0
            && self.operations.iter().all(|o| o.standing != Standing::Open)
            && self.looks.iter().all(|look| look.answered || !look.insists)
            && self.places.iter().all(alive)
    }

    fn finish(&mut self) -> Result<(), String> {
        for shard in 0..self.terms.shards {
            let serving = self.places.iter().filter_map(|place| {
                let node = place.node.as_ref()?;
                node.ownership.serves_reads(shard, place.local(self.now)).then_some(&place.name)
            });
            let serving: Vec<_> = serving.collect();
            if serving.len() > 1 {
                return Err(format!("shard {shard} is served by {serving:?}"));
            }
        }
        Ok(())
    }

    fn overdue(&self) -> Result<(), String> {
        if !self.plan.regress {
            let open = |o: &&Operation| o.standing == Standing::Open;
            let open = self.operations.iter().filter(open).count();
            return Err(format!("{open} operations are still without an answer"));
        }
        for (node, shard) in &self.doomed {
            if !self.noticed.contains(&(*node, *shard)) {
                return Err(format!("node-{node} never noticed that {shard} regressed"));
            }
            let node = self.places[*node].node.as_ref();
            if node.is_some_and(|node| node.ownership.is_serving(*shard)) {
                return Err(format!("shard {shard} regressed and is still served"));
            }
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        if let Some((node, life)) = event.addressee() {
            let place = &self.places[node];
            let gone = place.node.is_none() || life.is_some_and(|life| life != place.life);
            if gone {
                return Ok(());
            }
            if self.now < place.paused_until {
                let until = place.paused_until;
                self.at(until, event);
                return Ok(());
            }
        }
        match event {
            Event::Execute { node, life, question, answer_after, generation } => {
                return self.execute(node, life, question, answer_after, generation);
            }
            Event::Answer { node, answer, .. } => {
                self.note(node, || format!("hears {answer:?}"));
                self.answer(node, answer);
                return self.settle(node);
            }
            Event::Arrive { node, message } => {
                self.note(node, || format!("receives {message:?}"));
                self.node(node).command(message);
                return self.settle(node);
            }
            Event::LookArrives { node, look } => return self.look_arrives(node, look),
            Event::Told { attempt, told, version } => self.told(attempt, &told, version),
            Event::Try { operation } => self.try_once(operation),
            Event::TimeOut { operation, attempt } => self.time_out(operation, attempt),
            Event::Look { look } => self.send_look(look),
            Event::LookTold { look, version } => {
                self.looks[look].answered = true;
                self.promises.hear(self.looks[look].id, version);
            }
            Event::Tick { node, .. } => {
                self.places[node].tick_at = u64::MAX;
                return self.settle(node);
            }
            Event::LaneResumes { node, lane, .. } => {
                self.node(node).lane_resumes(lane);
                return self.settle(node);
            }
            Event::Crash(node) => self.crash(node),
            Event::Restart(node) => self.restart(node),
            Event::Pause(node, length) => {
                self.note(node, || format!("pauses for {length} us"));
                let place = &mut self.places[node];
                if !self.healed {
                    place.paused_until = place.paused_until.max(self.now + length);
                }
            }
            Event::CutOff(node, length) => {
                self.note(node, || format!("is cut off for {length} us"));
                self.places[node].cut_off_until = self.now + length;
            }
            Event::ClockJumps(node) => self.places[node].wall_us = self.wall_clock(),
            Event::Placed => self.place(),
            Event::Wants { node, .. } => {
                self.wants(node);
                return self.settle(node);
            }
            Event::Heal => self.heal(),
            Event::BackUp => self.backup = Some(self.database.clone()),
            Event::Restore => self.restore(),
        }
        Ok(())
    }

    fn note(&self, node: usize, text: impl FnOnce() -> String) {
        self.trace.line(self.now, &self.places[node].name, text);
    }

    fn node(&mut self, node: usize) -> &mut Node {
        let node = self.places[node].node.as_mut();
        node.expect("only living nodes are addressed")
    }

    fn answer(&mut self, node: usize, answer: Answer) {
        let hits = if self.random.chance(100) { self.false_hits() } else { Vec::new() };
        let place = &mut self.places[node];
        let (local, wall) = (place.local(self.now), place.wall(self.now));
        let node = place.node.as_mut().expect("only living nodes are addressed");
        node.answered(answer, local, wall, &hits);
        place.disk.acknowledged.clone_from(&node.told);
    }
}

impl Event {
    /// The node that it happens to, and in which life only.
    fn addressee(&self) -> Option<(usize, Option<u64>)> {
        match self {
            Self::Answer { node, life, .. }
            | Self::Tick { node, life }
            | Self::Wants { node, life }
            | Self::LaneResumes { node, life, .. } => Some((*node, Some(*life))),
            Self::Arrive { node, .. } | Self::LookArrives { node, .. } => Some((*node, None)),
            _ => None,
        }
    }
}
