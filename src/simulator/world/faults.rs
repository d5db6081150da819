//! Crashes, pauses, restorations, and the end of all faults.

use uuid::Uuid;

use super::{Event, FAULTS_END_US, LEASE_US, World};
use crate::client::want;
use crate::node::Node;
use crate::stock::Command;
use cluster::ownership::Standing;
use persistence::journal::{Owner, Seq};
use persistence::shortcut::Shortcut;

impl World {
    pub(super) fn schedule_faults(&mut self) {
        let nodes = self.places.len();
        if self.plan.tight {
            return self.at(FAULTS_END_US, Event::Heal);
        }
        if self.plan.regress {
            let back_up = self.random.between(30_000, 300_000);
            self.at(back_up, Event::BackUp);
            let restore = back_up + self.random.between(1_000, 300_000);
            self.at(restore, Event::Restore);
        } else {
            for _ in 0..self.random.below(3) {
                let node = self.random.index(nodes);
                let at = self.random.below(FAULTS_END_US);
                self.at(at, Event::Crash(node));
                let up = at + self.random.between(1_000, 200_000);
                self.at(up, Event::Restart(node));
            }
        }
        for _ in 0..self.random.below(4) {
            let node = self.random.index(nodes);
            let at = self.random.below(FAULTS_END_US);
            let length = self.random.between(10_000, 4 * LEASE_US);
            self.at(at, Event::Pause(node, length));
        }
        for _ in 0..self.random.below(3) {
            let node = self.random.index(nodes);
            let at = self.random.below(FAULTS_END_US);
            let length = self.random.between(LEASE_US / 2, 3 * LEASE_US);
            self.at(at, Event::CutOff(node, length));
        }
        for _ in 0..self.random.below(3) {
            let node = self.random.index(nodes);
            let at = self.random.below(FAULTS_END_US);
            self.at(at, Event::ClockJumps(node));
        }
        if !self.plan.regress {
            for _ in 0..self.random.below(6) {
                let at = self.random.below(FAULTS_END_US);
                self.at(at, Event::Placed);
            }
        }
        self.at(FAULTS_END_US, Event::Heal);
    }

    /// Draws anew who is to have what. Each node sees it when it looks next, and so not at one time.
    pub(super) fn place(&mut self) {
        let nodes = self.places.len();
        let lives = |node: &usize| self.places[*node].node.is_some();
        let living: Vec<usize> = (0..nodes).filter(lives).collect();
        // Nothing is placed among those of one name: they cannot all be members, and who sees another of
        // his name ends.
        if living.is_empty() || self.same_names {
            return;
        }
        let placed = (0..self.terms.shards).map(|_| living[self.random.index(living.len())]);
        let placed: Vec<_> = placed.collect();
        self.trace.line(self.now, "world", || format!("shards are to be with {placed:?}"));
        self.placed = Some(placed);
        for node in 0..nodes {
            let (life, delay) = (self.places[node].life, self.random.below(LEASE_US / 5));
            self.after(delay, Event::Wants { node, life });
        }
    }

    /// A node hears which shards are to be its own.
    pub(super) fn wants(&mut self, node: usize) {
        let Some(placed) = &self.placed else { return };
        let own = (0..).zip(placed).filter(|(_, has)| **has == node).map(|(shard, _)| shard);
        let own = own.collect();
        if let Some(living) = &mut self.places[node].node {
            living.ownership.want(own);
        }
    }

    pub(super) fn crash(&mut self, node: usize) {
        if self.places[node].node.is_some() && !self.healed {
            self.note(node, || "crashes".into());
            self.places[node].node = None;
        }
    }

    pub(super) fn restart(&mut self, node: usize) {
        if self.places[node].node.is_some() {
            return;
        }
        let (base_us, wall_us) = (self.random.below(1_000_000_000), self.wall_clock());
        let place = &mut self.places[node];
        place.life += 1;
        let life = place.life;
        place.paused_until = 0;
        place.tick_at = u64::MAX;
        (place.base_us, place.wall_us) = (base_us, wall_us);
        self.begin_life(node);
        self.note(node, || format!("starts life {life}"));
        self.after(1, Event::Tick { node, life });
    }

    /// Starts a node on what its disk keeps: whoever begins there knows that all former lives ended.
    pub(super) fn begin_life(&mut self, node: usize) {
        let life = self.places[node].life;
        let name = if self.same_names { "node" } else { &self.places[node].name };
        let owner =
            Owner { node: name.to_owned(), incarnation: Uuid::from_u64_pair(node as u64, life) };
        let believes_any = self.plan.shortcut == Some(Shortcut::BelieveAnyFormerLife);
        let disks = self.places.iter().enumerate().filter(|(of, _)| *of == node || believes_any);
        let standing = Standing {
            owner: owner.clone(),
            alone: false,
            ended: disks.flat_map(|(_, place)| place.disk.lives.clone()).collect(),
            acknowledged: self.places[node].disk.acknowledged.clone(),
        };
        let place = &mut self.places[node];
        place.disk.lives.push(owner.incarnation);
        let mut living = Node::start(standing, self.terms, self.plan.shortcut);
        living.told.clone_from(&place.disk.acknowledged);
        place.node = Some(living);
        self.wants(node);
    }

    /// A node that is refused for its name ends; whoever looks after it starts it again for a while.
    pub(super) fn refuse(&mut self, node: usize) {
        self.note(node, || "is refused: another living node has its name".into());
        self.places[node].node = None;
        if !self.healed {
            let pause = self.random.between(1_000, 200_000);
            self.after(pause, Event::Restart(node));
        } else if self.placed.is_some() {
            // It stays away, and after a lease the others see that.
            self.after(LEASE_US, Event::Placed);
        }
    }

    /// All faults end; everyone insists from now on.
    pub(super) fn heal(&mut self) {
        self.trace.line(self.now, "world", || "heals");
        self.healed = true;
        self.database.forgets_snapshots = false;
        for node in 0..self.places.len() {
            self.places[node].paused_until = 0;
            self.places[node].cut_off_until = 0;
            self.restart(node);
        }
        for number in 0..self.items.ids.len() {
            self.looks.push(self.look_at(number, true));
            let look = self.looks.len() - 1;
            let delay = self.random.between(LEASE_US, 3 * LEASE_US);
            self.after(delay, Event::Look { look });
        }
    }

    /// The database comes back as it was when it was backed up; all connections are cut.
    pub(super) fn restore(&mut self) {
        let Some(backup) = self.backup.take() else {
            return;
        };
        // A replica without the tail is promoted; the writer goes on, or starts again beside that.
        let restarts = self.plan.seed.is_multiple_of(2);
        for (number, place) in self.places.iter().enumerate() {
            let Some(node) = &place.node else { continue };
            for shard in 0..self.terms.shards {
                let writer = node.ownership(shard).map_or(0, |(_, head): (_, Seq)| head);
                let disk = place.disk.acknowledged.get(&shard).copied().unwrap_or(0);
                let known = if restarts { disk } else { writer };
                if known > backup.head(shard) {
                    self.doomed.insert((number, shard));
                }
            }
            self.cut_nodes.insert(number);
            self.cut.extend((0..self.terms.lanes).map(|l| (number, l)));
        }
        self.trace.line(self.now, "database", || {
            format!("is restored; shards that lost entries: {:?}", self.doomed)
        });
        self.database = backup;
        self.generation += 1;
        if restarts {
            for node in 0..self.places.len() {
                self.crash(node);
                self.restart(node);
            }
        }
        // Every item is asked for once more, so that every lane meets the loss.
        for (index, id) in self.items.ids.iter().enumerate() {
            let mut operation = want(&mut self.random, &self.items, &[], |_| 0);
            operation.message.id = *id;
            operation.message.shard = self.items.shard(index);
            operation.message.command = Some(Command::Receive(1));
            operation.message.expected_version = None;
            operation.message.key = Some(format!("after-{index}").into());
            self.operations.push(operation);
        }
        for operation in self.operations.len() - self.items.ids.len()..self.operations.len() {
            self.after(LEASE_US, Event::Try { operation });
        }
    }
}
