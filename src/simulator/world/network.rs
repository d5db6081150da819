//! Between the nodes and the database: what is sent, lost, late, refused, executed and answered.

use super::{Event, LEASE_US, OPERATIONS, World};
use crate::cell::Told;
use crate::database::{Answer, Question};
use crate::node::{Effect, Message};
use actors::keys::fingerprint;
use domain::principal::Principal;
use persistence::journal::{Appended, Regression};

impl World {
    /// Marks of keys in use, at versions where they need not be: a fingerprint proves nothing.
    pub(super) fn false_hits(&mut self) -> Vec<(u64, u64)> {
        (0..3)
            .map(|_| {
                let key = format!("key-{}", self.random.below(OPERATIONS));
                (fingerprint(&Principal::client("client"), &key), self.random.between(1, 40))
            })
            .collect()
    }

    /// Lets a node do what it can, and carries away what comes out.
    pub(super) fn settle(&mut self, node: usize) -> Result<(), String> {
        let place = &mut self.places[node];
        let (local, wall, life) = (place.local(self.now), place.wall(self.now), place.life);
        let Some(living) = place.node.as_mut() else {
            return Ok(());
        };
        let effects = living.pump(local, wall);
        let due = living.ownership.next_tick();
        if due != u64::MAX {
            let due = place.global(due).max(self.now + 1);
            if due < place.tick_at {
                place.tick_at = due;
                self.at(due, Event::Tick { node, life });
            }
        }
        for effect in effects {
            match effect {
                Effect::Ask(question) => self.ask(node, life, question),
                Effect::Told(reply, told) => self.tell(node, reply.attempt, told)?,
                Effect::LanePauses { lane, tries } => {
                    let delay = 500 + 500 * u64::from(tries.min(6));
                    self.after(delay, Event::LaneResumes { node, life, lane });
                }
                Effect::Committed(entries) => {
                    if self.generation == 0 {
                        self.promises.announced(&entries)?;
                    }
                }
                Effect::Opened { shard, epoch, head } => self
                    .note(node, || format!("opens shard {shard} in epoch {epoch} at head {head}")),
                Effect::Closed(shard) => self.note(node, || format!("closes shard {shard}")),
                Effect::Fenced { shard, by } => {
                    self.note(node, || format!("is fenced from shard {shard} by epoch {by}"));
                }
                Effect::Regressed { shard, acknowledged, found } => {
                    self.note(node, || {
                        format!("JOURNAL_REGRESSED shard {shard} from {acknowledged} to {found}")
                    });
                    if !self.plan.regress {
                        return Err(format!(
                            "shard {shard} is said to have regressed from {acknowledged} to {found}"
                        ));
                    }
                    self.noticed.insert((node, shard));
                }
                Effect::Stopped(Regression { shard, acknowledged, found, .. }) => {
                    self.note(node, || format!("stops shard {shard}: {found} of {acknowledged}"));
                    if !self.plan.regress {
                        return Err(format!("shard {shard} is stopped, and nothing was lost"));
                    }
                    self.noticed.insert((node, shard));
                }
                Effect::NotHere(message) => self.cross(node, message),
                Effect::Twin => self.refuse(node),
                Effect::Broken(what) if self.generation == 0 => return Err(what),
                Effect::Broken(_) => {}
            }
        }
        Ok(())
    }

    /// A command crosses from a node that does not serve its shard to one that is taken to; on a network
    /// like the weather.
    fn cross(&mut self, from: usize, mut message: Message) {
        let to = self.believed_owner(message.shard);
        message.has_crossed = true;
        self.note(from, || format!("sends try {} on to node-{to}", message.attempt));
        if self.healed || !self.random.chance(self.weather.never_arrives) {
            let delay = self.between_clients();
            self.after(delay, Event::Arrive { node: to, message });
        }
    }

    /// How long a statement and its answer take. In a tight world only a look may take long.
    fn on_the_way(&mut self, question: &Question) -> (u64, u64) {
        let (least, most) = match (self.plan.tight, question) {
            (false, _) => (200, 2_500),
            (true, Question::Look { .. }) => (20, 9_000),
            (true, _) => (20, 100),
        };
        (self.random.between(least, most), self.random.between(20.max(least), most.min(2_500)))
    }

    /// Sends a statement to the database, on a network like the weather.
    pub(super) fn ask(&mut self, node: usize, life: u64, question: Question) {
        self.note(node, || format!("asks {question:?}"));
        let (there, back) = self.on_the_way(&question);
        let is_append = matches!(question, Question::Append { .. });
        let mut answer_after = Some(back);
        let mut delay = there;
        if let Question::Append { lane, .. } = &question
            && self.cut.remove(&(node, *lane))
        {
            let outcome = if self.random.chance(500) {
                Appended::NotSent("connection lost".into())
            } else {
                Appended::Unknown("connection lost".into())
            };
            let lane = *lane;
            let answer = Answer::Append { lane, outcome };
            return self.after(back, Event::Answer { node, life, answer });
        }
        if self.now < self.places[node].cut_off_until {
            self.note(node, || "  (it is cut off)".into());
            let answer = question.unanswered();
            let patience = self.random.between(2_000, 9_000);
            return self.after(patience, Event::Answer { node, life, answer });
        }
        let is_lease = matches!(
            question,
            Question::Look { .. } | Question::Take { .. } | Question::Renew { .. }
        );
        if is_lease && self.cut_nodes.remove(&node) {
            let answer = question.unanswered();
            return self.after(back, Event::Answer { node, life, answer });
        }
        if !self.healed {
            let mut luck = self.random.below(1_000);
            let mut happens = |per_mille: u64| {
                let yes = luck < per_mille;
                luck = luck.saturating_sub(per_mille);
                if yes {
                    luck = u64::MAX;
                }
                yes
            };
            let patience = there + self.random.between(2_000, 9_000);
            if self.generation == 0 || is_append {
                if happens(self.weather.answer_lost) {
                    self.note(node, || "  (the answer will be lost)".into());
                    answer_after = None;
                } else if happens(self.weather.never_arrives) {
                    self.note(node, || "  (it will never arrive)".into());
                    let answer = question.unanswered();
                    return self.after(patience, Event::Answer { node, life, answer });
                } else if happens(self.weather.late) {
                    self.note(node, || "  (it will run late)".into());
                    answer_after = None;
                    delay = patience + self.random.below(2 * LEASE_US);
                } else if let Question::Append { lane, .. } = question {
                    let refused = happens(self.weather.refused);
                    if refused || happens(self.weather.not_sent) {
                        let outcome = if refused {
                            Appended::Refused("disk full".into())
                        } else {
                            Appended::NotSent("unreachable".into())
                        };
                        let answer = Answer::Append { lane, outcome };
                        return self.after(there, Event::Answer { node, life, answer });
                    }
                }
            }
            if answer_after.is_none() {
                let answer = question.clone().unanswered();
                self.after(patience, Event::Answer { node, life, answer });
            }
        }
        self.statements_under_way += 1;
        let generation = self.generation;
        self.after(delay, Event::Execute { node, life, question, answer_after, generation });
    }

    pub(super) fn execute(
        &mut self,
        node: usize,
        life: u64,
        question: Question,
        answer_after: Option<u64>,
        generation: u32,
    ) -> Result<(), String> {
        self.statements_under_way -= 1;
        if generation != self.generation {
            if let Some(back) = answer_after {
                let answer = question.unanswered();
                self.after(back, Event::Answer { node, life, answer });
            }
            return Ok(());
        }
        let is_append = matches!(question, Question::Append { .. });
        let wall_us = self.places[node].wall(self.now);
        let (answer, written) = self.database.execute(question, wall_us, &mut self.random);
        for entry in &written {
            self.trace.line(self.now, "database", || {
                format!(
                    "{}/{} epoch {} by node-{node}: {} {} version {} {}",
                    entry.shard,
                    entry.seq,
                    entry.epoch,
                    entry.aggregate_type,
                    entry.aggregate_id,
                    entry.version,
                    entry.events
                )
            });
            if self.generation == 0 {
                self.promises.appended(entry)?;
            } else if is_append && self.doomed.contains(&(node, entry.shard)) {
                return Err(format!(
                    "node-{node} carries on with shard {} at {}",
                    entry.shard, entry.seq
                ));
            }
        }
        if let Some(back) = answer_after {
            self.after(back, Event::Answer { node, life, answer });
        }
        Ok(())
    }

    /// A node answers a try.
    pub(super) fn tell(&mut self, node: usize, attempt: u64, told: Told) -> Result<(), String> {
        self.note(node, || format!("answers try {attempt}: {told:?}"));
        let known = &self.attempts[attempt as usize];
        let mut message = self.operations[known.operation].message.clone();
        message.attempt = attempt;
        let version = if self.generation == 0 {
            self.promises.told(&message, known.floor, &told)?
        } else {
            0
        };
        if self.healed || !self.random.chance(self.weather.reply_lost) {
            let delay = self.between_clients();
            self.after(delay, Event::Told { attempt, told, version });
        }
        Ok(())
    }
}
