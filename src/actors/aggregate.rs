//! The aggregate actor: takes commands from its mailbox one by one and lets the core decide them.
//! It never waits for the disk between two commands; only a recovery makes the mailbox wait.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures::future::{Either, ready};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use super::activation::{Activation, ReplyTo};
use super::core::{Committed, Decided, Request, Verdict};
use super::keyed::is_same_input;
use super::keys::Page;
use super::metrics::RECOVERY_SECONDS;
use super::recovery::{FoundKey, Recovered, RecoveryError, SHORT, find_key};
use super::snapshot;
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use persistence::cause::{Cause, chain};
use persistence::journal::{Entry, JournalError, PageLimit};
use persistence::writer::lane::Dropped;

/// Its whole log, where that was read for it since this life of it began.
pub type GivenLog = Option<Vec<Entry>>;

/// What an aggregate actor is told.
pub enum Message<A: Aggregate> {
    Decide(Request<A, ReplyTo<A>>),
    /// A search of the log for the request's key came back.
    Searched {
        request: Request<A, ReplyTo<A>>,
        found: Result<Option<FoundKey>, Dropped>,
        through: u64,
    },
    /// Recover if need be, then say so.
    Load {
        done: oneshot::Sender<Result<(), Dropped>>,
        log: GivenLog,
    },
}

/// See the module. Its state is the shared activation.
pub struct AggregateActor<A>(PhantomData<A>);

impl<A> Default for AggregateActor<A> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<A: Aggregate> Actor for AggregateActor<A> {
    type Msg = Message<A>;
    type State = Arc<Activation<A>>;
    type Arguments = Arc<Activation<A>>;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        activation: Arc<Activation<A>>,
    ) -> Result<Arc<Activation<A>>, ActorProcessingErr> {
        Ok(activation)
    }

    /// Acts before there is a future to wait for, and boxes what must wait: otherwise every actor
    /// carries, for as long as it lives, the room that a message or a recovery needs.
    fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Message<A>,
        activation: &mut Arc<Activation<A>>,
    ) -> impl Future<Output = Result<(), ActorProcessingErr>> + Send {
        match act(activation, message) {
            None => Either::Left(ready(Ok(()))),
            Some(message) => Either::Right(Box::pin(recover_and_act(activation, message))),
        }
    }
}

/// Does what the message says, or gives it back if the core must be recovered first.
fn act<A: Aggregate>(activation: &Arc<Activation<A>>, message: Message<A>) -> Option<Message<A>> {
    match message {
        Message::Decide(request) => decide(activation, request),
        Message::Searched { request, found, through } => {
            searched(activation, request, found, through)
        }
        Message::Load { done, log } => {
            if !activation.with_core(|core| core.is_ready()) {
                return Some(Message::Load { done, log });
            }
            let _ = done.send(Ok(()));
            None
        }
    }
}

async fn recover_and_act<A: Aggregate>(
    activation: &Arc<Activation<A>>,
    mut message: Message<A>,
) -> Result<(), ActorProcessingErr> {
    loop {
        let began = Instant::now();
        let given = match &mut message {
            Message::Load { log, .. } => log.take(),
            _ => None,
        };
        let recovered = recover(activation, given).await;
        let outcome = if recovered.is_ok() { "recovered" } else { "failed" };
        RECOVERY_SECONDS.with([outcome]).observe_time(began.elapsed());
        if let Err(error) = recovered {
            return not_recovered(message, error);
        }
        match act(activation, message) {
            None => return Ok(()),
            // A failed commit took the state away again in between.
            Some(again) => message = again,
        }
    }
}

fn decide<A: Aggregate>(
    activation: &Arc<Activation<A>>,
    request: Request<A, ReplyTo<A>>,
) -> Option<Message<A>> {
    match activation.decide(request) {
        Err(request) => return Some(Message::Decide(request)),
        Ok(Decided::Waits) => {}
        // An answer that rests on no commit of its own is a read: it is only worth something while
        // the lease runs, for a new owner may have decided otherwise since.
        Ok(Decided::Answer(reply, verdict)) => {
            let verdict = if activation.shard.may_read() {
                verdict
            } else {
                Verdict::Dropped(Dropped::Fenced)
            };
            reply.send(verdict);
        }
        Ok(Decided::Search { request, pages, through }) => {
            let activation = Arc::clone(activation);
            tokio::spawn(async move {
                let found = search(&activation, &request, &pages).await;
                activation.tell(Message::Searched { request, found, through });
            });
        }
    }
    None
}

fn searched<A: Aggregate>(
    activation: &Arc<Activation<A>>,
    mut request: Request<A, ReplyTo<A>>,
    found: Result<Option<FoundKey>, Dropped>,
    through: u64,
) -> Option<Message<A>> {
    match found {
        Ok(None) => {
            request.examined = through;
            return decide(activation, request);
        }
        Ok(Some(found)) if is_same_input(found.input_hash, request.input_hash) => {
            let shard = activation.shard.id;
            let committed = Committed { version: found.version, shard, seq: found.seq };
            request.reply.send(Verdict::Done(committed));
        }
        Ok(Some(_)) => request.reply.send(Verdict::KeyReused),
        Err(reason) => request.reply.send(Verdict::Dropped(reason)),
    }
    None
}

/// Looks for the request's key in the versions named, which are all committed.
async fn search<A: Aggregate>(
    activation: &Activation<A>,
    request: &Request<A, ReplyTo<A>>,
    pages: &[Page],
) -> Result<Option<FoundKey>, Dropped> {
    let unread = |error: Cause| {
        Dropped::Unread(error.at(format_args!("a key in the log of {} {}", A::TYPE, activation.id)))
    };
    let key = request.meta.key.as_deref().unwrap_or_default();
    for (first, last) in pages {
        let mut from = *first;
        while from <= *last {
            let page = activation
                .shard
                .services
                .journal
                .read_aggregate(A::TYPE, activation.id.0, from, *last, PageLimit::default())
                .await
                .map_err(|error| unread(Cause::of(error)))?;
            let Some(end) = page.last() else { break };
            from = end.last_version() + 1;
            for entry in &page {
                let found = find_key(entry, &request.meta.principal, key);
                if let Some(found) = found.map_err(|error| unread(Cause::of(error)))? {
                    return Ok(Some(found));
                }
            }
        }
    }
    Ok(None)
}

enum NotRecovered {
    /// The shard is gone from here, or the database is: a matter of others.
    Dropped(Dropped),
    /// The log of this aggregate cannot be read: a matter of this aggregate.
    Poison(String),
}

fn not_recovered<A: Aggregate>(
    message: Message<A>,
    error: NotRecovered,
) -> Result<(), ActorProcessingErr> {
    match error {
        NotRecovered::Dropped(reason) => {
            match message {
                Message::Decide(request) | Message::Searched { request, .. } => {
                    request.reply.send(Verdict::Dropped(reason));
                }
                Message::Load { done, .. } => {
                    let _ = done.send(Err(reason));
                }
            }
            Ok(())
        }
        NotRecovered::Poison(reason) => Err(reason.into()),
    }
}

/// Brings the core to what the log says, up to the head that the writer acknowledged.
async fn recover<A: Aggregate>(
    activation: &Arc<Activation<A>>,
    given: GivenLog,
) -> Result<(), NotRecovered> {
    wait_until_settled(activation).await;
    let services = &activation.shard.services;
    let _turn = services.recoveries.turn(activation.shard.id, Arc::clone(activation) as _).await;
    let epoch = activation.with_core(|core| core.home().epoch);
    if epoch == 0 || activation.shard.epoch.load(Ordering::Acquire) != epoch {
        return Err(NotRecovered::Dropped(Dropped::Fenced));
    }
    let head = activation.shard.head.load(Ordering::Acquire);
    let now_us = services.now().timestamp_micros();
    let failed = |error: JournalError| journal_failed::<A>(activation.id, error);
    // What this life has written itself is not in it.
    let mut given = given.filter(|_| activation.with_core(|core| core.is_fresh()));
    let last = match &given {
        Some(log) => log.last().map_or(0, Entry::last_version),
        None => services.last_versions.of((A::TYPE, activation.id.0)).await.map_err(failed)?,
    };
    let mut recovered = match last {
        ..SHORT => Recovered::default(),
        _ => {
            let loading = snapshot::load::<A>(services, activation.id, (last, head), now_us);
            loading.await.map_err(failed)?
        }
    };
    while recovered.version < last {
        let from = recovered.version + 1;
        let page = match given.take() {
            Some(log) => log,
            None => services
                .journal
                .read_aggregate(A::TYPE, activation.id.0, from, u64::MAX, PageLimit::default())
                .await
                .map_err(failed)?,
        };
        if page.is_empty() {
            let gone = format!("version {last} is gone, which was there a moment ago");
            return Err(journal_failed::<A>(activation.id, JournalError::Unreachable(gone.into())));
        }
        let mut beyond = false;
        for entry in &page {
            match recovered.apply(entry, head, epoch, now_us) {
                Ok(true) => {}
                Ok(false) => {
                    beyond = true;
                    break;
                }
                Err(RecoveryError::Fenced(_)) => {
                    return Err(NotRecovered::Dropped(Dropped::Fenced));
                }
                Err(error) => return Err(NotRecovered::Poison(chain(&error).to_string())),
            }
        }
        if beyond {
            break;
        }
        // A long replay lets others of this thread run.
        tokio::task::yield_now().await;
    }
    activation.with_core(|core| core.install(recovered));
    Ok(())
}

/// After a failure an earlier entry may still be in the writer's hands.
async fn wait_until_settled<A: Aggregate>(activation: &Arc<Activation<A>>) {
    loop {
        let changed = activation.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if activation.with_core(|core| core.nothing_pending()) {
            return;
        }
        changed.await;
    }
}

fn journal_failed<A: Aggregate>(id: AggregateId, error: JournalError) -> NotRecovered {
    if matches!(error, JournalError::Corrupt(_)) {
        return NotRecovered::Poison(chain(&error).to_string());
    }
    let place = format_args!("the log of {} {id}", A::TYPE);
    NotRecovered::Dropped(Dropped::Unread(Cause::of(error).at(place)))
}
