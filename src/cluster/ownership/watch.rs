//! What a taker has seen of a shard that is not its own, and when it may take it.

use super::{Because, LeaseTerms, Standing, micros};
use persistence::journal::{Holding, Owner, Pulse};
use persistence::shortcut::{Planted, Shortcut};

/// See the module. Begins with nothing seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Watch(Option<Sight>);

#[derive(Clone, Debug, PartialEq)]
struct Sight {
    pulse: Pulse,
    owner: Option<Owner>,
    /// It has stood there since then at the latest.
    since: u64,
}

impl Watch {
    /// Takes note of what stands there at `now`. Gives the holder where it has our name, is none
    /// of our lives that ended, and was seen to move.
    pub(super) fn see(&mut self, holding: Holding, now: u64, standing: &Standing) -> Option<Owner> {
        let Holding { pulse, owner, .. } = holding;
        let before = self.0.take();
        let moved = before.as_ref().is_some_and(|before| before.pulse != pulse);
        let same_holder = before.as_ref().is_some_and(|before| before.owner == owner);
        let since = before.filter(|before| before.pulse == pulse).map_or(now, |sight| sight.since);
        self.0 = Some(Sight { pulse, owner, since });
        let holder = self.0.as_ref()?.owner.as_ref()?;
        let is_twin = holder.node == standing.owner.node && !is_own(holder, standing);
        (is_twin && moved && same_holder).then(|| holder.clone())
    }

    pub(super) fn pulse(&self) -> Pulse {
        self.0.as_ref().map_or(Pulse { epoch: 0, beat: 0 }, |sight| sight.pulse)
    }

    /// It has stood as it does since then at the latest; nothing, while nothing was seen.
    pub(super) fn since(&self) -> Option<u64> {
        self.0.as_ref().map(|sight| sight.since)
    }

    /// From when on it may be taken, if nothing moves until then; `None` while nothing was seen.
    pub(super) fn free_at(
        &self,
        standing: &Standing,
        terms: LeaseTerms,
        planted: Planted,
    ) -> Option<u64> {
        let sight = self.0.as_ref()?;
        let trusts_name = planted.is(Shortcut::TrustName)
            && sight.owner.as_ref().is_some_and(|owner| owner.node == standing.owner.node);
        if self.because(standing) != Because::Silent
            || trusts_name
            || planted.is(Shortcut::TakeAtFirstSight)
        {
            return Some(sight.since);
        }
        Some(sight.since.saturating_add(micros(terms.lease)))
    }

    /// What lets a taker take it.
    pub(super) fn because(&self, standing: &Standing) -> Because {
        match self.0.as_ref().and_then(|sight| sight.owner.as_ref()) {
            None => Because::Free,
            Some(_) if standing.alone => Because::Alone,
            Some(owner) if is_own(owner, standing) => Because::Own,
            Some(_) => Because::Silent,
        }
    }
}

/// A life of ours that certainly does not serve: one that ended, or this one (a taking whose answer
/// was lost happened after all).
fn is_own(owner: &Owner, standing: &Standing) -> bool {
    owner.incarnation == standing.owner.incarnation || standing.ended.contains(&owner.incarnation)
}
