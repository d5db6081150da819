//! Between the clients and the nodes: tries, time-outs, looks, and what is heard.

use super::{Attempt, Event, Place, World};
use crate::cell::Told;
use crate::client::{Look, Standing, want};
use persistence::journal::ShardId;

impl World {
    pub(super) fn told(&mut self, attempt: u64, told: &Told, version: u64) {
        let number = self.attempts[attempt as usize].operation;
        let operation = &mut self.operations[number];
        self.promises.hear(operation.message.id, version);
        if attempt < operation.attempt {
            return;
        }
        if operation.hear(told, &mut self.random) {
            let delay = self.retry_delay();
            self.operations[number].attempt = u64::MAX;
            self.after(delay, Event::Try { operation: number });
        }
    }

    /// How long a message between a client and a node takes.
    pub(super) fn between_clients(&mut self) -> u64 {
        let (least, most) = if self.plan.tight { (20, 100) } else { (100, 2_000) };
        self.random.between(least, most)
    }

    pub(super) fn retry_delay(&mut self) -> u64 {
        if self.random.chance(150) {
            self.random.between(50_000, 400_000)
        } else {
            self.random.between(500, 15_000)
        }
    }

    pub(super) fn time_out(&mut self, number: usize, attempt: u64) {
        let operation = &mut self.operations[number];
        if operation.attempt != attempt || operation.standing != Standing::Open {
            return;
        }
        if operation.time_out(&mut self.random, self.healed) {
            let delay = self.retry_delay();
            self.after(delay, Event::Try { operation: number });
        }
    }

    pub(super) fn try_once(&mut self, number: usize) {
        while number >= self.operations.len() {
            let promises = &self.promises;
            let known = |id| promises.heard(id);
            let operation = want(&mut self.random, &self.items, &self.operations, known);
            self.operations.push(operation);
        }
        let attempt = self.attempts.len() as u64;
        let operation = &mut self.operations[number];
        operation.attempt = attempt;
        operation.tries += 1;
        let mut message = operation.message.clone();
        message.attempt = attempt;
        let floor = self.promises.heard(message.id);
        self.attempts.push(Attempt { operation: number, floor });
        let patience = self.random.between(10_000, 60_000);
        self.after(patience, Event::TimeOut { operation: number, attempt });
        let node = self.believed_owner(message.shard);
        self.trace.line(self.now, "client", || {
            format!("sends try {attempt} of {message:?} to node-{node}")
        });
        let delay = self.between_clients();
        self.after(delay, Event::Arrive { node, message });
    }

    pub(super) fn believed_owner(&mut self, shard: ShardId) -> usize {
        let serves = |place: &Place| {
            let node = place.node.as_ref();
            node.is_some_and(|node| node.ownership.is_serving(shard))
        };
        let any = self.random.index(self.places.len());
        if self.random.chance(250) {
            return any;
        }
        let order = (0..self.places.len()).map(|n| (n + any) % self.places.len());
        let mut serving = order.filter(|node| serves(&self.places[*node]));
        serving.next().unwrap_or(any)
    }

    pub(super) fn send_look(&mut self, number: usize) {
        let id = self.looks[number].id;
        if self.looks[number].answered {
            return;
        }
        self.looks[number].floor = self.promises.heard(id);
        let node = self.believed_owner(self.looks[number].shard);
        let delay = self.between_clients();
        self.after(delay, Event::LookArrives { node, look: number });
        if self.looks[number].insists {
            self.after(10_000, Event::Look { look: number });
        }
    }

    pub(super) fn look_arrives(&mut self, node: usize, look: usize) -> Result<(), String> {
        let Look { id, shard, floor, .. } = self.looks[look];
        let local = self.places[node].local(self.now);
        let shown = self.node(node).read(id, shard, local);
        if let Some((version, quantity)) = shown {
            self.note(node, || {
                format!("shows {id}: {quantity} at version {version} (heard: {floor})")
            });
            if self.generation == 0 {
                self.promises.read(id, floor, version, quantity)?;
            }
            let delay = self.between_clients();
            self.after(delay, Event::LookTold { look, version });
        } else if !self.healed && self.random.chance(700) {
            let delay = self.random.between(2_000, 20_000);
            self.after(delay, Event::Look { look });
        }
        self.settle(node)
    }
}
