//! Who looks after a node's tables, one a node: at each look it sees which filling of each table is to
//! answer and which is asked for, has that made and take its place, drops what nobody reads any more,
//! tells operators how far each follower is, and has done what they ask.
//!
//! It learns of all that from the database of the read tables: so an operator asks there, whatever node
//! it is that acts, and what was begun is gone on with after a crash.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::rebuild::{Filler, Handover, Kept, table};
use crate::follower::{AnyFollower, FollowerMessage};
use crate::registry::Registry;
use crate::shard::NodeServices;
use crate::standing::{Standings, parse_aggregate};
use persistence::cause::chain;
use persistence::follower_board::{FollowerBoard, Report, Standing};
use persistence::journal::JournalError;
use persistence::read_store::name_of;
use projections::position::Position;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often is told how far followers are, in looks.
const TELL_EVERY: u64 = 4;
/// How often is looked for what nobody reads any more, in looks.
const SWEEP_EVERY: u64 = 4;
/// How long one follower may take to try again what it has set aside.
const TRY_WITHIN: Duration = Duration::from_secs(30);
/// A node that told nothing for so long is forgotten.
const FORGOTTEN_AFTER_US: i64 = 24 * 3_600 * 1_000_000;
/// What a job made is kept for so long.
pub const PARTS_KEPT_US: i64 = 7 * 24 * 3_600 * 1_000_000;

/// What a keeper looks after.
pub struct KeeperSetup {
    pub services: Arc<NodeServices>,
    pub tables: Vec<Box<dyn Kept>>,
    pub registry: Registry,
    pub standings: Arc<Standings>,
}

/// See the module.
#[derive(Default)]
pub struct Keeper;

/// What a keeper is told.
pub enum KeeperMessage {
    Look,
}

/// What a keeper works on.
pub struct KeeperState {
    setup: KeeperSetup,
    myself: ActorRef<KeeperMessage>,
    looks: u64,
    /// Who makes another filling of a table, by the table.
    fillers: HashMap<String, Filler>,
    /// Where the filling that answered stood at the look before, by the table.
    before: HashMap<String, Position>,
    /// Handovers that were not tried yet, by the table.
    pending: HashMap<String, Weak<()>>,
    /// Fillings that do not answer, and since when.
    replaced: HashMap<String, Instant>,
    /// What of the requests to each follower was done.
    answered: BTreeMap<String, u64>,
    /// The database could not be asked at the look before.
    is_blind: bool,
}

impl Actor for Keeper {
    type Msg = KeeperMessage;
    type State = KeeperState;
    type Arguments = KeeperSetup;

    async fn pre_start(
        &self,
        myself: ActorRef<KeeperMessage>,
        setup: KeeperSetup,
    ) -> Result<KeeperState, ActorProcessingErr> {
        myself.send_interval(LOOK_EVERY, || KeeperMessage::Look);
        Ok(KeeperState {
            setup,
            myself,
            looks: 0,
            fillers: HashMap::new(),
            before: HashMap::new(),
            pending: HashMap::new(),
            replaced: HashMap::new(),
            answered: BTreeMap::new(),
            is_blind: false,
        })
    }

    async fn handle(
        &self,
        _: ActorRef<KeeperMessage>,
        KeeperMessage::Look: KeeperMessage,
        state: &mut KeeperState,
    ) -> Result<(), ActorProcessingErr> {
        let looked = state.look().await;
        if let Err(error) = &looked
            && !state.is_blind
        {
            tracing::warn!(error = %chain(error), "the read tables cannot be looked after at present");
        }
        state.is_blind = looked.is_err();
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<KeeperMessage>,
        state: &mut KeeperState,
    ) -> Result<(), ActorProcessingErr> {
        for (_, filler) in state.fillers.drain() {
            // It keeps where it stands; whoever does not end in time is taken up from before.
            let _ = filler.actor.stop_and_wait(None, Some(Duration::from_secs(2))).await;
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<KeeperMessage>,
        event: SupervisionEvent,
        state: &mut KeeperState,
    ) -> Result<(), ActorProcessingErr> {
        let actor = match event {
            SupervisionEvent::ActorFailed(actor, error) => {
                tracing::error!(error = %chain(&*error), "whoever fills a table beside another failed");
                actor
            }
            SupervisionEvent::ActorTerminated(actor, _, _) => actor,
            _ => return Ok(()),
        };
        // The next look has another in its place, if there is still something to fill.
        state.fillers.retain(|_, filler| filler.actor.get_id() != actor.get_id());
        Ok(())
    }
}

impl KeeperState {
    fn board(&self) -> &dyn FollowerBoard {
        self.setup.services.read.board()
    }

    async fn look(&mut self) -> Result<(), JournalError> {
        self.looks += 1;
        let services = Arc::clone(&self.setup.services);
        self.setup.standings.look(&services, &self.setup.registry).await;
        let standings = self.board().standings().await?;
        for place in 0..self.setup.tables.len() {
            self.look_after(place, &standings).await?;
        }
        if self.looks.is_multiple_of(SWEEP_EVERY) {
            self.sweep(&standings).await?;
        }
        self.answer().await
    }

    /// Has the filling answer that is to, and the one made that is asked for.
    async fn look_after(&mut self, place: usize, all: &[Standing]) -> Result<(), JournalError> {
        let kept = &*self.setup.tables[place];
        let name = table(kept);
        let Some(standing) = all.iter().find(|standing| standing.table == name) else {
            return Ok(());
        };
        let Some(here) = kept.answers() else { return Ok(()) };
        if standing.answers > here.generation {
            // Another node was first, or all tables begin anew.
            self.hand_over(place, &name, standing.answers);
        } else if standing.is_rebuilt() {
            self.fill(place, &name, standing).await?;
        } else {
            self.before.remove(&name);
            if let Some(filler) = self.fillers.remove(&name) {
                filler.actor.stop(None);
            }
        }
        Ok(())
    }

    async fn fill(
        &mut self,
        place: usize,
        name: &str,
        standing: &Standing,
    ) -> Result<(), JournalError> {
        let kept = &*self.setup.tables[place];
        let is_it = |filler: &&Filler| filler.filling.generation == standing.filling;
        let Some(filler) = self.fillers.get(name).filter(is_it) else {
            let filling = standing.filling;
            match kept.fill(filling, self.myself.get_cell()).await {
                Ok(filler) => {
                    tracing::info!(
                        table = name,
                        filling,
                        "it is filled anew, beside the one that answers"
                    );
                    self.fillers.insert(name.to_owned(), filler);
                }
                Err(error) => tracing::error!(table = name, filling, %error, "it is not filled"),
            }
            return Ok(());
        };
        let (filler, live) = (filler.clone(), kept.follower().position());
        let left = filler.follower.position().behind(&live);
        self.setup.standings.rebuilt(kept.shape().name, Some(left));
        if left == 0 {
            // What it read without a row to write is noted.
            let _ = filler.actor.cast(FollowerMessage::Checkpoint);
        }
        let board = self.board();
        let answers =
            board.bookmark_of(&name_of(name, standing.answers)).await?.unwrap_or_default();
        let made = board.bookmark_of(&name_of(name, standing.filling)).await?.unwrap_or_default();
        let before = self.before.insert(name.to_owned(), answers.position);
        // On every shard, also those of other nodes.
        if before.is_some_and(|before| made.position.reaches(&before)) {
            self.hand_over(place, name, standing.filling);
        }
        Ok(())
    }

    /// Has the follower that answers go on with the filling of this number.
    fn hand_over(&mut self, place: usize, name: &str, generation: u32) {
        if self.pending.get(name).is_some_and(|pending| pending.strong_count() > 0) {
            return;
        }
        let filler = self.fillers.get(name).filter(|one| one.filling.generation == generation);
        let store = Arc::clone(&self.setup.services.read);
        let (table, filler, pending) = (name.to_owned(), filler.cloned(), Arc::new(()));
        self.pending.insert(table.clone(), Arc::downgrade(&pending));
        let handover = Handover { store, table, filler, _pending: pending };
        let kept = &*self.setup.tables[place];
        self.setup.standings.rebuilt(kept.shape().name, None);
        if !kept.follower().tell(FollowerMessage::GoOnWith(Box::new(handover))) {
            tracing::warn!(
                table = name,
                "nobody fills it at present: it is handed over at the next look"
            );
        }
    }

    /// Drops what has not answered for so long that nobody reads it any more.
    async fn sweep(&mut self, standings: &[Standing]) -> Result<(), JournalError> {
        let there = self.board().fillings().await?;
        let kept_for = Duration::from_secs(self.setup.services.limits.replaced_rows_seconds);
        let old: Vec<String> =
            there.into_iter().filter(|filling| self.is_replaced(filling, standings)).collect();
        self.replaced.retain(|filling, _| old.contains(filling));
        for filling in old {
            let since = *self.replaced.entry(filling.clone()).or_insert_with(Instant::now);
            if since.elapsed() >= kept_for {
                self.board().drop_filling(&filling).await?;
                tracing::info!(filling, "rows that no list is read from any more are dropped");
            }
        }
        let now_us = self.setup.services.clock.wall_us();
        let parts = self.setup.services.read.job_parts();
        parts.forget_parts_before(now_us.saturating_sub(PARTS_KEPT_US)).await?;
        self.board().forget_before(now_us.saturating_sub(FORGOTTEN_AFTER_US)).await
    }

    /// Whether another filling answers in its place, or nobody wants it any more. Of a table of another schema, which may be that of
    /// a program beside this one, only this program's last but one and those before are of no use to
    /// anybody.
    fn is_replaced(&self, filling: &str, standings: &[Standing]) -> bool {
        let Some((table, generation)) = filling.rsplit_once('_') else { return false };
        let Ok(generation) = generation.parse::<u32>() else { return false };
        let is_unwanted = |standing: &Standing| {
            let wanted = standing.answers..=standing.filling;
            standing.table == table && !wanted.contains(&generation)
        };
        standings.iter().any(is_unwanted) || self.is_of_old_program(table)
    }

    fn is_of_old_program(&self, table: &str) -> bool {
        let Some((name, schema)) = table.rsplit_once('_') else { return false };
        let Ok(schema) = schema.parse::<u32>() else { return false };
        let mut shapes = self.setup.tables.iter().map(|kept| kept.shape());
        shapes.any(|shape| shape.name == name && schema + 1 < shape.schema)
    }

    /// Tells how far each follower is, and has tried again what is asked for.
    async fn answer(&mut self) -> Result<(), JournalError> {
        let node = self.setup.services.name.to_string();
        let asked = self.board().reports(Some(&node)).await?;
        let mut news = self.looks % TELL_EVERY == 1;
        for report in asked {
            let answered = self.answered.entry(report.follower.clone()).or_insert(report.answered);
            if *answered >= report.asked {
                continue;
            }
            *answered = report.asked;
            news = true;
            self.try_again(&report).await;
        }
        if !news {
            return Ok(());
        }
        let told = self.setup.standings.tell(&self.setup.services, &self.setup.registry);
        let now_us = self.setup.services.clock.wall_us();
        let report = |(follower, text): (&str, String)| Report {
            node: node.clone(),
            follower: follower.to_owned(),
            text,
            reported_us: now_us,
            asked: 0,
            answered: self.answered.get(follower).copied().unwrap_or(0),
            asked_for: String::new(),
        };
        let reports: Vec<_> = told.into_iter().map(report).collect();
        self.board().report(&reports).await
    }

    async fn try_again(&self, asked: &Report) {
        let (done, tried) = oneshot::channel();
        let only = parse_aggregate(&asked.asked_for);
        let followers = self.setup.registry.followers();
        let Some((_, follower)) = followers.iter().find(|(of, _)| of.name == asked.follower) else {
            return;
        };
        tracing::info!(
            follower = asked.follower,
            "what is set aside is tried again, as is asked for"
        );
        if follower.tell(FollowerMessage::TryAgain(only, done)) {
            // Whoever tried drops it, whatever came of that.
            let _ = timeout(TRY_WITHIN, tried).await;
        }
    }
}
