//! One simulated node: the production ownership and lanes with the cells of its aggregates. It plays
//! the thin shell: performs steps and actions as questions to the database, feeds answers back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::cell::{Inner, Outbox, Reply, StockCell, Told};
use crate::database::{Answer, Question};
use crate::stock::Command;
use actors::core::{CommandMeta, Home, Request};
use actors::recovery::RecoveryError;
use cluster::ownership::{LeaseTerms, Ownership, Standing, Step};
use domain::principal::Principal;
use persistence::journal::{Entry, Epoch, Owner, Regression, Seq, ShardId};
use persistence::shortcut::{Planted, Shortcut};
use persistence::writer::lane::{Action, Lane, Notice};

/// What comes out of a node.
pub enum Effect {
    Ask(Question),
    Told(Reply, Told),
    /// The lane wants to be asked again a little later.
    LanePauses {
        lane: usize,
        tries: u32,
    },
    Committed(Arc<Vec<Entry>>),
    Opened {
        shard: ShardId,
        epoch: Epoch,
        head: Seq,
    },
    Closed(ShardId),
    Fenced {
        shard: ShardId,
        by: Epoch,
    },
    /// A writer met a log that is shorter than what it had acknowledged.
    Regressed {
        shard: ShardId,
        acknowledged: Seq,
        found: Seq,
    },
    /// A shard is not served because its log is known to be too short.
    Stopped(Regression),
    /// Another has this node's name, and lives.
    Twin,
    /// What must never be.
    Broken(String),
    /// A command for a shard that is not served here: it did nothing, and may cross to whoever does.
    NotHere(Message),
}

/// A command on its way.
#[derive(Clone, Debug)]
pub struct Message {
    pub attempt: u64,
    pub id: Uuid,
    pub shard: ShardId,
    /// Nothing: only the outcome of the key is asked for.
    pub command: Option<Command>,
    pub key: Option<Arc<str>>,
    pub input_hash: u64,
    pub expected_version: Option<u64>,
    /// It came from a node that did not serve its shard: it crosses once.
    pub has_crossed: bool,
}

impl Message {
    /// It changes nothing and leaves no key.
    pub fn is_look(&self) -> bool {
        self.key.is_none() && self.command == Some(Command::Look)
    }
}

pub fn command_id(attempt: u64) -> Uuid {
    Uuid::from_u128(u128::from(attempt) + 1)
}

/// How much time and how many shards and lanes there are.
#[derive(Clone, Copy)]
pub struct Terms {
    pub shards: u16,
    pub lanes: usize,
    pub lease: Duration,
}

/// How long what is pending may hold up the handing over of a shard.
const QUIET_WITHIN_US: u64 = 40_000;

pub struct Node {
    pub owner: Owner,
    pub ownership: Ownership,
    /// What the database was told to be acknowledged; a disk of the node's own keeps it too.
    pub told: BTreeMap<ShardId, Seq>,
    lanes: Vec<Lane<StockCell>>,
    /// Shards that are handed over when all is answered that was admitted to them; or at a time of this
    /// node's clock, whatever is pending then.
    leaving: Vec<(Vec<ShardId>, u64)>,
    pausing: Vec<bool>,
    cells: BTreeMap<u64, StockCell>,
    homes: BTreeMap<Uuid, u64>,
    cells_made: u64,
    outbox: Outbox,
    effects: Vec<Effect>,
    shortcut: Option<Shortcut>,
}

impl Node {
    pub fn start(standing: Standing, terms: Terms, shortcut: Option<Shortcut>) -> Self {
        let owner = standing.owner.clone();
        let lease = LeaseTerms { lease: terms.lease };
        let mut ownership = Ownership::new(lease, standing, 0..terms.shards);
        ownership.planted = Planted::new(shortcut);
        let lane = || {
            let mut lane = Lane::default();
            lane.planted = Planted::new(shortcut);
            lane
        };
        Self {
            owner,
            told: BTreeMap::new(),
            ownership,
            lanes: (0..terms.lanes).map(|_| lane()).collect(),
            leaving: Vec::new(),
            pausing: vec![false; terms.lanes],
            cells: BTreeMap::new(),
            homes: BTreeMap::new(),
            cells_made: 0,
            outbox: Outbox::default(),
            effects: Vec::new(),
            shortcut,
        }
    }

    fn lane_of(&self, shard: ShardId) -> usize {
        usize::from(shard) % self.lanes.len()
    }

    /// What the lane of the shard acknowledged last, if it is open here.
    pub fn ownership(&self, shard: ShardId) -> Option<(Epoch, Seq)> {
        self.lanes[self.lane_of(shard)].head(shard)
    }

    pub fn is_idle(&self) -> bool {
        self.lanes.iter().all(Lane::is_idle)
            && self.cells.values().all(|cell| cell.0.borrow().is_idle())
    }

    /// The cell of an aggregate, made if need be; `None` where the shard is not served.
    fn cell(&mut self, id: Uuid, shard: ShardId) -> Option<StockCell> {
        let (epoch, _) = self.ownership(shard)?;
        if !self.ownership.is_serving(shard) {
            return None;
        }
        if let Some(token) = self.homes.get(&id) {
            return self.cells.get(token).cloned();
        }
        self.cells_made += 1;
        let home = Home { node: self.owner.node.as_str().into(), shard, epoch };
        let mut inner = Inner::new(self.cells_made, id, home, self.outbox.clone());
        inner.set_shortcut(self.shortcut);
        let cell = StockCell(std::rc::Rc::new(inner.into()));
        self.cells.insert(self.cells_made, cell.clone());
        self.homes.insert(id, self.cells_made);
        Some(cell)
    }

    pub fn command(&mut self, message: Message) {
        let reply = Reply { attempt: message.attempt, readable: false, looks: message.is_look() };
        let is_leaving = self.leaving.iter().any(|(shards, _)| shards.contains(&message.shard));
        let cell = if is_leaving { None } else { self.cell(message.id, message.shard) };
        let Some(cell) = cell else {
            return self.effects.push(if message.has_crossed {
                Effect::Told(reply, Told::Unavailable)
            } else {
                Effect::NotHere(message)
            });
        };
        let command_id = command_id(message.attempt);
        let meta = CommandMeta {
            command_id,
            key: message.key,
            correlation_id: command_id,
            cause: None,
            principal: Principal::client("client"),
            trace: None,
            expected_version: message.expected_version,
            dry_run: false,
        };
        cell.0.borrow_mut().post(Request {
            command: message.command,
            meta,
            input_hash: message.input_hash,
            reply,
            examined: 0,
        });
    }

    /// Confirmed version and quantity, where this node may say so now.
    pub fn read(&mut self, id: Uuid, shard: ShardId, now: u64) -> Option<(u64, i64)> {
        let cell = self.cell(id, shard)?;
        let mut inner = cell.0.borrow_mut();
        inner.wanted = true;
        if !inner.installed || !self.ownership.serves_reads(shard, now) {
            return None;
        }
        let reading = inner.core.read();
        Some((reading.version, reading.state.quantity))
    }

    /// An answer of the database. `false_hits` as in [`Inner::loaded`].
    pub fn answered(&mut self, answer: Answer, now: u64, wall_us: i64, false_hits: &[(u64, u64)]) {
        if let Answer::Taken { taken: None, .. }
        | Answer::Looked { seen: None, .. }
        | Answer::Renewed { ours: None, .. } = &answer
        {
            self.lanes.iter_mut().for_each(Lane::compare_heads);
        }
        match answer {
            Answer::Append { lane, outcome } => self.lanes[lane].appended(outcome),
            Answer::ReadBack { lane, found } => self.lanes[lane].read_back(found),
            Answer::Heads { lane, found } => self.lanes[lane].heads(found),
            Answer::Looked { sent_at, seen } => {
                let steps = self.ownership.looked(sent_at, now, seen);
                self.perform(steps, now);
            }
            Answer::Taken { sent_at, taken } => {
                let steps = self.ownership.taken(sent_at, now, taken);
                self.perform(steps, now);
            }
            Answer::Renewed { sent_at, acknowledged, ours } => {
                if ours.is_some() {
                    self.told.extend(acknowledged);
                }
                let steps = self.ownership.renewed(sent_at, now, ours);
                self.perform(steps, now);
            }
            Answer::Stopped { regression, done } => {
                self.ownership.recorded(regression.shard, now, done);
            }
            Answer::Released => {}
            Answer::Ends { cell, last } => self.with_cell(cell, |inner| inner.ends(last)),
            Answer::Loaded { cell, stored } => {
                self.with_cell(cell, |inner| inner.loaded(stored, false_hits, wall_us));
            }
            Answer::Found { cell, search, entries } => {
                self.with_cell(cell, |inner| inner.found(search, entries))
            }
            Answer::Saved { cell, stored } => self.with_cell(cell, |inner| {
                inner.saved(stored);
                None
            }),
            Answer::Page { cell, page } => self.paged(cell, page, now, wall_us),
        }
    }

    fn with_cell(&mut self, token: u64, act: impl FnOnce(&mut Inner) -> Option<Question>) {
        let Some(cell) = self.cells.get(&token) else {
            return;
        };
        let mut inner = cell.0.borrow_mut();
        if !inner.closed {
            self.effects.extend(act(&mut inner).map(Effect::Ask));
        }
    }

    fn paged(&mut self, token: u64, page: Option<(Vec<Entry>, Seq)>, now: u64, wall_us: i64) {
        let Some(cell) = self.cells.get(&token).cloned() else {
            return;
        };
        let (shard, epoch) = (cell.0.borrow().shard, cell.0.borrow().epoch);
        let (page, log_head) = page.map_or((None, 0), |(page, head)| (Some(page), head));
        let mut believed = None;
        if self.shortcut == Some(Shortcut::ReloadPastBarrier)
            && let Some((_, head)) = self.ownership(shard)
        {
            if log_head > head {
                let lane = self.lane_of(shard);
                self.lanes[lane].open(shard, epoch, log_head);
            }
            believed = Some((Epoch::MAX, log_head.max(head)));
        }
        if cell.0.borrow().closed {
            return;
        }
        let next = cell.0.borrow_mut().paged(page, believed, wall_us);
        match next {
            Ok(question) => self.effects.extend(question.map(Effect::Ask)),
            Err(RecoveryError::Fenced(by)) => {
                self.effects.push(Effect::Fenced { shard, by });
                let steps = self.ownership.fenced(shard, now);
                self.perform(steps, now);
            }
            Err(error) => self.effects.push(Effect::Broken(error.to_string())),
        }
    }

    pub fn lane_resumes(&mut self, lane: usize) {
        self.pausing[lane] = false;
    }

    fn perform(&mut self, steps: Vec<Step>, now: u64) {
        for step in steps {
            let owner = self.owner.clone();
            match step {
                Step::Look(shards) => {
                    self.effects.push(Effect::Ask(Question::Look { shards, sent_at: now }));
                }
                Step::Take(claims) => {
                    self.effects.push(Effect::Ask(Question::Take { claims, owner, sent_at: now }));
                }
                Step::Renew => {
                    let acknowledged = self.acknowledged();
                    let question = Question::Renew { owner, acknowledged, sent_at: now };
                    self.effects.push(Effect::Ask(question));
                }
                Step::Record(regression) => {
                    self.effects.push(Effect::Ask(Question::Stop { regression }));
                }
                Step::Release(shards) => {
                    self.effects.push(Effect::Ask(Question::Release { owner, shards }))
                }
                Step::Open { shard, epoch, head, recorded_us, .. } => {
                    let lane = self.lane_of(shard);
                    self.lanes[lane].not_before(recorded_us);
                    self.lanes[lane].open(shard, epoch, head);
                    self.effects.push(Effect::Opened { shard, epoch, head });
                }
                Step::Close { shard, .. } => self.close(shard),
                Step::Stopped(regression) => self.effects.push(Effect::Stopped(regression)),
                Step::Resumed(_) => {}
                Step::Twin(_) => self.effects.push(Effect::Twin),
                Step::Quiesce(shards) => self.leaving.push((shards, now + QUIET_WITHIN_US)),
            }
        }
    }

    /// What the writers acknowledged last in the shards that are served here.
    fn acknowledged(&self) -> Vec<(ShardId, Seq)> {
        self.lanes.iter().flat_map(Lane::heads_acknowledged).collect()
    }

    fn close(&mut self, shard: ShardId) {
        let lane = self.lane_of(shard);
        self.lanes[lane].close(shard);
        self.effects.push(Effect::Closed(shard));
        for cell in self.cells.values() {
            let mut inner = cell.0.borrow_mut();
            if inner.shard == shard && !inner.closed {
                inner.close();
                self.homes.remove(&inner.id);
            }
        }
    }

    /// Gives up what is to be handed over and has become quiet; whether there was any.
    fn hand_over(&mut self, now: u64) -> bool {
        let is_quiet = |cell: &StockCell, shards: &[ShardId]| {
            let inner = cell.0.borrow();
            inner.closed || !shards.contains(&inner.shard) || inner.is_idle()
        };
        let ready = self.leaving.iter().position(|(shards, at)| {
            now >= *at || self.cells.values().all(|cell| is_quiet(cell, shards))
        });
        let Some(ready) = ready else { return false };
        let (shards, _) = self.leaving.remove(ready);
        let steps = self.ownership.quiet(&shards, now);
        self.perform(steps, now);
        true
    }

    /// Does everything that needs no answer from elsewhere, and returns what comes out.
    pub fn pump(&mut self, now: u64, wall_us: i64) -> Vec<Effect> {
        loop {
            let steps = self.ownership.tick(now);
            let mut moved = !steps.is_empty();
            self.perform(steps, now);
            moved |= self.pump_cells(now, wall_us);
            moved |= self.hand_over(now);
            for lane in 0..self.lanes.len() {
                moved |= self.pump_lane(lane, now, wall_us);
            }
            let told: Vec<_> = self.outbox.borrow_mut().drain(..).collect();
            for (reply, told) in told {
                self.effects.push(Effect::Told(reply, reply.honest(told)));
            }
            if !moved {
                return std::mem::take(&mut self.effects);
            }
        }
    }

    fn pump_cells(&mut self, now: u64, wall_us: i64) -> bool {
        let mut moved = false;
        let tokens: Vec<_> = self.cells.keys().copied().collect();
        for token in tokens {
            let cell = self.cells[&token].clone();
            let mut inner = cell.0.borrow_mut();
            if inner.closed {
                if inner.core.nothing_pending() {
                    self.cells.remove(&token);
                }
                continue;
            }
            let readable = self.ownership.serves_reads(inner.shard, now);
            let open = self.lanes[usize::from(inner.shard) % self.lanes.len()].head(inner.shard);
            let head = open.filter(|(epoch, _)| *epoch == inner.epoch).map(|(_, head)| head);
            for question in inner.work(head, readable, wall_us) {
                moved = true;
                self.effects.push(Effect::Ask(question));
            }
            if !inner.core.nothing_pending() && !inner.in_lane {
                inner.in_lane = true;
                moved = true;
                let lane = usize::from(inner.shard) % self.lanes.len();
                self.lanes[lane].ready(cell.clone());
            }
        }
        moved
    }

    fn pump_lane(&mut self, lane: usize, now: u64, wall_us: i64) -> bool {
        let mut moved = false;
        if !self.pausing[lane]
            && let Some(action) = self.lanes[lane].next(wall_us)
        {
            moved = true;
            self.effects.push(match action {
                Action::Append(entries) => Effect::Ask(Question::Append { lane, entries }),
                Action::ReadBack(ranges) => Effect::Ask(Question::ReadBack { lane, ranges }),
                Action::Heads(shards) => Effect::Ask(Question::Heads { lane, shards }),
                Action::Pause { tries } => {
                    self.pausing[lane] = true;
                    Effect::LanePauses { lane, tries }
                }
            });
        }
        for notice in self.lanes[lane].take_notices() {
            moved = true;
            let steps = match notice {
                Notice::Committed(entries) => {
                    self.effects.push(Effect::Committed(entries));
                    Vec::new()
                }
                Notice::Fenced { shard, by } => {
                    self.effects.push(Effect::Fenced { shard, by });
                    self.ownership.fenced(shard, now)
                }
                Notice::Regressed { shard, acknowledged, found } => {
                    self.effects.push(Effect::Regressed { shard, acknowledged, found });
                    let gone_on = None;
                    self.ownership.regressed(Regression { shard, acknowledged, found, gone_on })
                }
            };
            self.perform(steps, now);
        }
        moved
    }
}
