//! A tenure: one time of holding a shard, from its opening to its closing. Whoever acts for what lives
//! on a shard acts within one, asks it before each thing that others could notice, and stops with it.
//! Decides nothing about who holds what.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::aggregate_ref::Engine;
use crate::shard::Shard;
use persistence::journal::{Epoch, Seq, ShardId};
use projections::position::Position;

/// See the module.
#[derive(Clone)]
pub struct Tenure {
    shard: Arc<Shard>,
    epoch: Epoch,
}

impl Tenure {
    /// The present one of a shard, if it is held here.
    pub fn of(shard: &Arc<Shard>) -> Option<Self> {
        let epoch = shard.epoch.load(Ordering::Acquire);
        (epoch != 0).then(|| Self { shard: Arc::clone(shard), epoch })
    }

    /// Whether nobody else can act for the shard now, by the lease.
    pub fn holds(&self) -> bool {
        !self.is_over() && self.shard.may_read()
    }

    /// The shard was closed, whether or not it was opened again.
    pub fn is_over(&self) -> bool {
        self.shard.epoch.load(Ordering::Acquire) != self.epoch
    }
}

/// How a shard stands for a part of the node that follows a view and acts for what is in it.
enum Standing {
    Elsewhere,
    /// It was opened, and the view has still to come to where its log ended then: until then it may show
    /// what another has finished.
    Opened {
        tenure: Tenure,
        head: Seq,
    },
    Acting(Tenure),
}

impl Standing {
    fn tenure(&self) -> Option<&Tenure> {
        match self {
            Self::Elsewhere => None,
            Self::Opened { tenure, .. } | Self::Acting(tenure) => Some(tenure),
        }
    }
}

/// The shards for which such a part acts.
pub struct Tenures(Vec<Standing>);

/// What became of shards since one looked last.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Turnover {
    /// What was done for these is to be stopped.
    pub ended: Vec<ShardId>,
    /// What the view shows of these is to be taken up.
    pub begun: Vec<ShardId>,
}

impl Tenures {
    /// For none yet.
    pub fn of(engine: &Engine) -> Self {
        Self(engine.shards().iter().map(|_| Standing::Elsewhere).collect())
    }

    /// The tenure within which one acts for a shard now.
    pub fn acting(&self, shard: ShardId) -> Option<&Tenure> {
        match &self.0[usize::from(shard)] {
            Standing::Acting(tenure) => Some(tenure),
            Standing::Elsewhere | Standing::Opened { .. } => None,
        }
    }

    /// Some shards were opened, and the view has not come so far.
    pub fn wait_for_view(&self) -> bool {
        self.0.iter().any(|standing| matches!(standing, Standing::Opened { .. }))
    }

    /// Looks at the shards, and at how far the view is that shows what there is to do.
    pub fn look(&mut self, engine: &Engine, view: &Position) -> Turnover {
        let mut turnover = Turnover::default();
        for (standing, shard) in self.0.iter_mut().zip(engine.shards()) {
            let known = standing.tenure();
            if known.is_some_and(Tenure::is_over) {
                turnover.ended.push(shard.id);
            }
            if known.is_none_or(Tenure::is_over) {
                *standing = match Tenure::of(shard) {
                    None => Standing::Elsewhere,
                    Some(tenure) => {
                        Standing::Opened { tenure, head: shard.head.load(Ordering::Acquire) }
                    }
                };
            }
            if let Standing::Opened { tenure, head } = standing
                && view.seq(shard.id) >= *head
            {
                *standing = Standing::Acting(tenure.clone());
                turnover.begun.push(shard.id);
            }
        }
        turnover
    }
}
