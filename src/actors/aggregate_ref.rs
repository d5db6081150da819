//! What callers hold: [`Engine`] finds the shard of an aggregate, [`AggregateRef`] asks it, and reads
//! it as [`reading`](super::reading) says. A handle is cheap to clone and outlives passivation,
//! restart and recovery of what it names.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::Either;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::activation::{Activation, NotAdmitted, Permit, ReplyTo};
use super::aggregate::Message;
use super::core::{CommandMeta, Committed, Confirmed, Request, Verdict};
use super::elsewhere::Outcome;
pub use super::fault::{AskError, Fault};
use super::keyed;
use super::request::until;
use super::shard::{ActivationKey, AnyActivation, NodeServices, Shard};
use super::{metrics, spans};
use domain::aggregate::{Aggregate, Context};
use domain::id::{AggregateId, Slot};
use persistence::cause::Cause;
pub use persistence::codec::KEY_BYTES_MAX;
use persistence::journal::ShardId;
use persistence::writer::lane::Dropped;
use projections::position::Position;

/// The aggregates of this node, found by id.
#[derive(Clone)]
pub struct Engine {
    pub services: Arc<NodeServices>,
    shards: Arc<Vec<Arc<Shard>>>,
}

impl Engine {
    /// `shards[i]` is shard `i`.
    pub fn new(services: Arc<NodeServices>, shards: Vec<Arc<Shard>>) -> Self {
        let shards = Arc::new(shards);
        metrics::observe(&services, &shards);
        Self { services, shards }
    }

    pub fn aggregate<A: Aggregate>(&self, id: AggregateId) -> AggregateRef<A> {
        AggregateRef { engine: self.clone(), id, kind: PhantomData }
    }

    /// The id of something new that belongs to nothing else: when it was drawn, and a slot and bits
    /// that nobody can tell beforehand.
    pub fn new_id(&self) -> AggregateId {
        let (slot, random) = Uuid::new_v4().as_u64_pair();
        let at_ms = u64::try_from(self.services.now().timestamp_millis()).unwrap_or(0);
        AggregateId::drawn(at_ms, Slot::new((slot >> 48) as u16), random)
    }

    /// The shard that has the slot of an id.
    pub fn shard_of(&self, id: AggregateId) -> &Arc<Shard> {
        &self.shards[usize::from(self.services.slots.shard_of(id))]
    }

    /// What to tell of a position that has entries which the logs of this node do not have, if there are
    /// such: they were never written, or are lost. Of shards that are not served here nothing is known.
    pub fn lacks(&self, position: &Position) -> Option<Fault> {
        let feed = &self.services.feed;
        if feed.reaches(position) {
            return None;
        }
        let heads = feed.heads();
        let is_served = |(shard, _): &(ShardId, u64)| {
            self.shards.get(usize::from(*shard)).is_some_and(|shard| shard.is_serving())
        };
        let served: Position = position.shards().filter(is_served).collect();
        (!heads.reaches(&served)).then(|| Fault::stale(&heads, &served))
    }

    pub fn shards(&self) -> &[Arc<Shard>] {
        &self.shards
    }

    /// Passivates idle aggregates of the first shard behind this one that has some.
    fn make_room_beside(&self, shard: ShardId) -> bool {
        let (before, from) = self.shards.split_at(usize::from(shard));
        from.iter().chain(before).any(|shard| shard.make_room())
    }
}

/// One aggregate, wherever it is.
pub struct AggregateRef<A> {
    pub(super) engine: Engine,
    pub(super) id: AggregateId,
    kind: PhantomData<fn() -> A>,
}

impl<A> Clone for AggregateRef<A> {
    fn clone(&self) -> Self {
        Self { engine: self.engine.clone(), id: self.id, kind: PhantomData }
    }
}

/// What came of having a command decided here.
enum Submitted<A: Aggregate> {
    Here(Result<Verdict<A::Refusal>, Fault>),
    /// Nothing was done.
    Elsewhere(Option<A::Command>, CommandMeta),
}

/// A command's place within the bounds, on an aggregate that lives.
struct Admitted<A: Aggregate> {
    activation: Arc<Activation<A>>,
    permit: Permit<A>,
    until: Instant,
}

/// How long a caller that found a full mailbox is asked to stay away.
pub(super) const OVERLOAD_RETRY: Duration = Duration::from_millis(250);
const UNAVAILABLE_RETRY: Duration = Duration::from_millis(100);

impl<A: Aggregate> AggregateRef<A> {
    pub fn id(&self) -> AggregateId {
        self.id
    }

    /// Sends a command and waits for its outcome, at most the node's deadline. Success means that
    /// its events are durable.
    pub async fn ask(
        &self,
        command: A::Command,
        meta: CommandMeta,
    ) -> Result<Committed, AskError<A::Refusal>> {
        let (input_hash, bytes) = match meta.key {
            Some(_) => self.engine.services.keyed.weigh(&command),
            None => (0, keyed::length(&command)),
        };
        self.ask_weighed(command, meta, input_hash, bytes).await
    }

    /// The same for a command to which the server added something that may differ at the next try,
    /// a price or a time: the idempotency key guards `content`, what the client sent, and not the
    /// command.
    pub async fn ask_for(
        &self,
        command: A::Command,
        content: &impl Serialize,
        meta: CommandMeta,
    ) -> Result<Committed, AskError<A::Refusal>> {
        let (input_hash, _) = self.engine.services.keyed.weigh(content);
        let bytes = keyed::length(&command);
        self.ask_weighed(command, meta, input_hash, bytes).await
    }

    async fn ask_weighed(
        &self,
        command: A::Command,
        mut meta: CommandMeta,
        input_hash: u64,
        bytes: usize,
    ) -> Result<Committed, AskError<A::Refusal>> {
        if meta.dry_run {
            return Err(self.rehearsed(command, meta, input_hash).await);
        }
        let span = spans::of_command::<A>(self.id, &command, &mut meta);
        let asked = self.admit_and_wait(command, meta, input_hash, bytes).await;
        if let Err(error) = &asked {
            metrics::count_failure(A::TYPE, error);
        }
        if let Some(span) = span {
            spans::answered(span, &asked);
        }
        asked
    }

    async fn admit_and_wait(
        &self,
        command: A::Command,
        meta: CommandMeta,
        input_hash: u64,
        bytes: usize,
    ) -> Result<Committed, AskError<A::Refusal>> {
        if !self.id.is_well_formed() {
            let said = self.said_of_nothing(&command, &meta);
            let told = said.map_or_else(|| Err(Fault::InvalidId.into()), outcome);
            return told.map(|committed| committed.expect("a command was to be decided"));
        }
        let asked = self.submit_anywhere(Some(command), meta, input_hash, bytes).await;
        let asked = asked.map(|committed| committed.expect("a command was to be decided"));
        asked.inspect_err(|error| metrics::count_failure(A::TYPE, error))
    }

    /// Has it decided by whoever serves its shard: mostly here.
    pub(super) async fn submit_anywhere(
        &self,
        mut command: Option<A::Command>,
        mut meta: CommandMeta,
        input_hash: u64,
        bytes: usize,
    ) -> Outcome<A::Refusal> {
        loop {
            match self.submit(command, meta, input_hash, bytes).await {
                Submitted::Here(verdict) => {
                    return verdict.map_err(AskError::Fault).and_then(outcome);
                }
                Submitted::Elsewhere(back, meta_back) => (command, meta) = (back, meta_back),
            }
            if let Some(told) = self.send(command.as_ref(), &meta, input_hash).await? {
                return Ok(told);
            }
        }
    }

    /// Decides what came from another node; nothing, if its shard is not served here.
    pub(super) async fn ask_here(
        &self,
        command: Option<A::Command>,
        meta: CommandMeta,
        input_hash: u64,
    ) -> Option<Outcome<A::Refusal>> {
        let bytes = command.as_ref().map_or(0, keyed::length);
        match self.submit(command, meta, input_hash, bytes).await {
            Submitted::Here(verdict) => Some(verdict.map_err(AskError::Fault).and_then(outcome)),
            Submitted::Elsewhere(..) => None,
        }
    }

    /// What the rules say to a command to what never was; nothing, if it would make it. Where they
    /// panic, they do so in the actor too, which knows what to do about it.
    fn said_of_nothing(
        &self,
        command: &A::Command,
        meta: &CommandMeta,
    ) -> Option<Verdict<A::Refusal>> {
        if let Some(expected) = meta.expected_version.filter(|expected| *expected != 0) {
            return Some(Verdict::VersionConflict { expected, actual: 0 });
        }
        let context = Context {
            now: self.engine.services.now(),
            command_id: meta.command_id,
            principal: Arc::clone(&meta.principal),
            aggregate_id: self.id,
            version: 0,
        };
        let decide = AssertUnwindSafe(|| A::decide(&A::State::default(), command, &context));
        match catch_unwind(decide).ok()? {
            Ok(events) if events.is_empty() => {
                let shard = self.engine.shard_of(self.id).id;
                Some(Verdict::Done(Committed { version: 0, shard, seq: 0 }))
            }
            Ok(_) => None,
            Err(refusal) => Some(Verdict::Refused(refusal)),
        }
    }

    /// The answer to what changes nothing of an aggregate that never was, without an actor: asking
    /// for what is not there costs no memory, and pushes out nothing that is.
    async fn answer_of_nothing(
        &self,
        command: Option<&A::Command>,
        meta: &CommandMeta,
    ) -> Result<Option<Verdict<A::Refusal>>, Fault> {
        let said = match command {
            Some(command) => self.said_of_nothing(command, meta),
            None => Some(Verdict::KeyUnused),
        };
        match said {
            Some(said) if self.is_unwritten().await? => Ok(Some(said)),
            _ => Ok(None),
        }
    }

    /// Whether the log has nothing of it. What is being made meanwhile may be there or not: it is
    /// acknowledged after this looked, or this sees it.
    pub(super) async fn is_unwritten(&self) -> Result<bool, Fault> {
        let services = &self.engine.services;
        if services.quarantines.of(A::TYPE, self.id).is_some() {
            // The actor tells why it does not answer.
            return Ok(false);
        }
        let until = until(services.deadline()).ok_or_else(out_of_time)?;
        let asked = services.last_versions.of((A::TYPE, self.id.0));
        let last = tokio::time::timeout_at(until, asked)
            .await
            .map_err(|_| unavailable("its log could not be read in time"))?
            .map_err(|error| dropped(Dropped::Unread(Cause::of(error))))?;
        if last > 0 {
            return Ok(false);
        }
        // After the log was looked at: the lease was ours while that was current.
        if !self.engine.shard_of(self.id).may_read() {
            return Err(unavailable("the lease ran out"));
        }
        metrics::ANSWERED_OF_NOTHING.inc();
        Ok(true)
    }

    /// How what never was is read.
    pub(super) fn nothing(&self) -> Confirmed<A::State> {
        let shard = self.engine.shard_of(self.id).id;
        Confirmed { state: A::State::default(), version: 0, shard, seq: 0 }
    }

    /// What became of an idempotency key here: the outcome of the command that used it, waited for
    /// while that is pending, or nothing, if none did. `content` is what [`ask_for`](Self::ask_for)
    /// was given; other content is [`Fault::KeyReused`]. Decides nothing and writes nothing, and
    /// heeds no expected version. A try that is still on its way here may use the key later.
    pub async fn outcome_of(
        &self,
        content: &impl Serialize,
        meta: CommandMeta,
    ) -> Result<Option<Committed>, Fault> {
        if !self.id.is_well_formed() {
            return Ok(None);
        }
        let (input_hash, bytes) = self.engine.services.keyed.weigh(content);
        let told = self.submit_anywhere(None, meta, input_hash, bytes).await;
        match told.inspect_err(|error| metrics::count_failure(A::TYPE, error)) {
            Ok(committed) => Ok(committed),
            Err(AskError::Fault(fault)) => Err(fault),
            Err(AskError::Refused(_)) => unreachable!("nothing was to be decided"),
        }
    }

    /// Has it decided here, unless its shard is another's: then nothing was done, and it comes back.
    async fn submit(
        &self,
        command: Option<A::Command>,
        meta: CommandMeta,
        input_hash: u64,
        bytes: usize,
    ) -> Submitted<A> {
        let admitted = match self.admitted(command.as_ref(), &meta, bytes).await {
            Ok(admitted) => admitted,
            Err(_) if self.is_elsewhere() => return Submitted::Elsewhere(command, meta),
            Err(fault) => return Submitted::Here(Err(fault)),
        };
        let Admitted { activation, permit, until } = match admitted {
            Either::Left(admitted) => admitted,
            Either::Right(said) => return Submitted::Here(Ok(said)),
        };
        // Counted first, looked afterwards: whoever lets the shard go waits for all that was counted
        // before this says so.
        if activation.shard.leaving.load(Ordering::SeqCst) {
            drop(permit);
            return Submitted::Elsewhere(command, meta);
        }
        let (sender, verdict) = oneshot::channel();
        let reply = ReplyTo { sender, permit };
        activation.tell(Message::Decide(Request { command, meta, input_hash, reply, examined: 0 }));
        drop(activation);
        Submitted::Here(match tokio::time::timeout_at(until, verdict).await {
            Ok(Ok(verdict)) => Ok(verdict),
            Ok(Err(_)) | Err(_) => Err(Fault::OutcomeUnknown),
        })
    }

    /// A place for a command, or what is said to it where that needs none.
    async fn admitted(
        &self,
        command: Option<&A::Command>,
        meta: &CommandMeta,
        bytes: usize,
    ) -> Result<Either<Admitted<A>, Verdict<A::Refusal>>, Fault> {
        if meta.key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
            return Err(Fault::InvalidKey);
        }
        if !self.engine.services.accepting.load(Ordering::Acquire) {
            return Err(unavailable("this node is stopping"));
        }
        // Another may own the shard by now, or the database is away: what is not begun need not be
        // waited for.
        if !self.may_read() {
            return Err(self.not_served());
        }
        let until = until(self.engine.services.deadline()).ok_or_else(out_of_time)?;
        let admit = |activation: &Arc<Activation<A>>| {
            activation.admit(bytes).map(|permit| (Arc::clone(activation), permit))
        };
        let (activation, permit) = match self.if_live(admit)? {
            Some(admitted) => admitted,
            None => {
                if let Some(said) = self.answer_of_nothing(command, meta).await? {
                    return Ok(Either::Right(said));
                }
                self.live(admit)?
            }
        };
        Ok(Either::Left(Admitted { activation, permit, until }))
    }

    /// Whether its shard is held here, so that no other node acts for it now.
    pub fn may_read(&self) -> bool {
        self.engine.shard_of(self.id).may_read()
    }

    /// Whether it is in memory here.
    pub fn is_live(&self) -> bool {
        self.engine.shard_of(self.id).find(&(A::TYPE, self.id)).is_some()
    }

    /// Passivates it now, unless it is in use: for whoever knows that it came to its end, and that
    /// waiting until it has been idle for long would only keep its memory.
    pub fn passivate(&self) {
        self.engine.shard_of(self.id).passivate(&(A::TYPE, self.id));
    }

    /// Its shard, if that is served here.
    fn served_shard(&self) -> Result<&Arc<Shard>, Fault> {
        let shard = self.engine.shard_of(self.id);
        if shard.is_serving() { Ok(shard) } else { Err(self.not_served()) }
    }

    fn not_served(&self) -> Fault {
        let shard = self.engine.shard_of(self.id);
        if shard.regressed.load(Ordering::Acquire) {
            Fault::Regressed
        } else if shard.is_serving() {
            unavailable("the lease ran out")
        } else {
            unavailable("its shard is not served here now")
        }
    }

    /// Acts on the aggregate if it is live, while it cannot be passivated.
    pub(super) fn if_live<T>(
        &self,
        act: impl Fn(&Arc<Activation<A>>) -> Result<T, NotAdmitted>,
    ) -> Result<Option<T>, Fault> {
        let live = self.served_shard()?.live_activation(&(A::TYPE, self.id), typed(act));
        live.transpose().map_err(not_admitted)
    }

    /// Acts on the live aggregate, started if it is not, while it cannot be passivated.
    pub(super) fn live<T>(
        &self,
        act: impl Fn(&Arc<Activation<A>>) -> Result<T, NotAdmitted>,
    ) -> Result<T, Fault> {
        let shard = self.served_shard()?;
        let key: ActivationKey = (A::TYPE, self.id);
        let start = || Activation::<A>::start(self.id, shard) as Arc<dyn AnyActivation>;
        let typed = typed(act);
        loop {
            if let Some(done) = shard.activation(key, start, &typed) {
                return done.map_err(not_admitted);
            }
            // The bound on live aggregates, and all of them in use.
            if !self.engine.make_room_beside(shard.id) {
                return Err(Fault::Overloaded { retry_after: OVERLOAD_RETRY });
            }
        }
    }
}

/// The same for an activation whose kind is not seen.
fn typed<A: Aggregate, T>(
    act: impl Fn(&Arc<Activation<A>>) -> T,
) -> impl Fn(&Arc<dyn AnyActivation>) -> T {
    move |activation| {
        let activation = Arc::clone(activation).as_any().downcast::<Activation<A>>();
        act(&activation.expect("a kind's name belongs to one kind"))
    }
}

fn not_admitted(why: NotAdmitted) -> Fault {
    match why {
        NotAdmitted::Full => Fault::Overloaded { retry_after: OVERLOAD_RETRY },
        NotAdmitted::Restarting(retry_after) => {
            Fault::unavailable("its actor is starting again", retry_after)
        }
        NotAdmitted::Quarantined(reason) => Fault::Quarantined { reason },
    }
}

fn outcome<X>(verdict: Verdict<X>) -> Outcome<X> {
    Err(match verdict {
        Verdict::Done(committed) => return Ok(Some(committed)),
        Verdict::KeyUnused => return Ok(None),
        Verdict::Refused(refusal) => AskError::Refused(refusal),
        Verdict::VersionConflict { expected, actual } => {
            Fault::VersionConflict { expected, actual }.into()
        }
        Verdict::KeyReused => Fault::KeyReused.into(),
        Verdict::KeysFull => Fault::Overloaded { retry_after: Duration::from_secs(1) }.into(),
        Verdict::Dropped(reason) => dropped(reason).into(),
    })
}

pub(super) fn dropped(reason: Dropped) -> Fault {
    match reason {
        Dropped::Regressed => Fault::Regressed,
        Dropped::Fenced => unavailable("its shard moved"),
        Dropped::ShutOut => unavailable("the database lost the answer and the write was shut out"),
        Dropped::Conflict => unavailable("its log had moved on"),
        Dropped::Failed => unavailable("its actor failed"),
        Dropped::Refused(cause) => {
            unavailable_for("the database refused what was to be written", cause)
        }
        Dropped::Unreachable(cause) => unavailable_for("the database cannot be reached", cause),
        Dropped::Unread(cause) => unavailable_for("its log cannot be read now", cause),
    }
}

/// Its request took all its time before this was begun.
pub(super) fn out_of_time() -> Fault {
    unavailable("the time of this request was over")
}

pub(super) fn unavailable(reason: &'static str) -> Fault {
    Fault::unavailable(reason, UNAVAILABLE_RETRY)
}

fn unavailable_for(reason: &'static str, source: Cause) -> Fault {
    let (reason, retry_after) = (reason.into(), UNAVAILABLE_RETRY);
    Fault::Unavailable { reason, retry_after, source: Some(source) }
}
