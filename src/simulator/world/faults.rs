//! Crashes, pauses, restorations, and the end of all faults.

use super::{Event, FAULTS_END_US, LEASE_US, World};
use crate::client::want;
use crate::node::Node;
use crate::stock::Command;
use persistence::journal::Seq;

impl World {
    pub(super) fn schedule_faults(&mut self) {
        let nodes = self.places.len();
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
        self.at(FAULTS_END_US, Event::Heal);
    }

    pub(super) fn crash(&mut self, node: usize) {
        if self.places[node].node.is_some() && !self.healed {
            self.note(node, || "crashes".into());
            self.places[node].node = None;
        }
    }

    pub(super) fn restart(&mut self, node: usize) {
        let place = &mut self.places[node];
        if place.node.is_some() {
            return;
        }
        place.life += 1;
        place.paused_until = 0;
        place.tick_at = u64::MAX;
        place.base_us = self.random.below(1_000_000_000);
        let life = place.life;
        place.node = Some(Node::start(node, life, self.terms, self.plan.shortcut));
        self.note(node, || format!("starts life {life}"));
        self.after(1, Event::Tick { node, life });
    }

    /// All faults end; everyone insists from now on.
    pub(super) fn heal(&mut self) {
        self.trace.line(self.now, "world", || "heals");
        self.healed = true;
        self.database.forgets_snapshots = false;
        for node in 0..self.places.len() {
            self.places[node].paused_until = 0;
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
        for (number, place) in self.places.iter().enumerate() {
            let Some(node) = &place.node else { continue };
            for shard in 0..self.terms.shards {
                let ownership = node.ownership(shard);
                if ownership.is_some_and(|(_, head): (_, Seq)| head > backup.head(shard)) {
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
