//! Who belongs to the system and lives, as one node sees it. Pure: rows come in with the time of this
//! node's monotonic clock at which they were read.
//!
//! A member lives as long as its beat was seen to move within a lease. Where the rows cannot be read,
//! nothing changes: whoever was alive at the last look is taken to be.

use std::collections::BTreeMap;

use persistence::members::Member;

/// After so many leases of silence a row is no use to anybody and goes.
const FORGOTTEN_AFTER: u64 = 60;

/// See the module.
pub struct Membership {
    lease_us: u64,
    looked_at: u64,
    seen: BTreeMap<String, Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    member: Member,
    /// It has stood there since then at the latest.
    since: u64,
    /// Its beat was seen to be another one than before.
    moved: bool,
}

impl Membership {
    pub fn new(lease_us: u64) -> Self {
        Self { lease_us, looked_at: 0, seen: BTreeMap::new() }
    }

    /// All rows, as they were at `now`.
    pub fn looked(&mut self, rows: Vec<Member>, now: u64) {
        let mut before = std::mem::take(&mut self.seen);
        for member in rows {
            let known = before.remove(&member.node);
            let stands = known.as_ref().is_some_and(|seen| {
                (seen.member.incarnation, seen.member.beat) == (member.incarnation, member.beat)
            });
            let moved = known.as_ref().is_some_and(|seen| seen.moved || !stands);
            let since = known.filter(|_| stands).map_or(now, |seen| seen.since);
            self.seen.insert(member.node.clone(), Seen { member, since, moved });
        }
        self.looked_at = now;
    }

    fn silence(&self, seen: &Seen) -> u64 {
        self.looked_at.saturating_sub(seen.since)
    }

    /// Those that live.
    pub fn living(&self) -> impl Iterator<Item = &Member> {
        let lives = |seen: &&Seen| self.silence(seen) < self.lease_us;
        self.seen.values().filter(lives).map(|seen| &seen.member)
    }

    /// Those that certainly lived at some time since the first look: no lease need pass to know that.
    pub fn moved(&self) -> impl Iterator<Item = &Member> {
        self.seen.values().filter(|seen| seen.moved).map(|seen| &seen.member)
    }

    pub fn all_moved(&self) -> bool {
        self.seen.values().all(|seen| seen.moved)
    }

    /// Those that were silent for so long that nobody waits for them.
    pub fn forgotten(&self) -> impl Iterator<Item = &Member> {
        let is_gone = |seen: &&Seen| self.silence(seen) >= self.lease_us * FORGOTTEN_AFTER;
        self.seen.values().filter(is_gone).map(|seen| &seen.member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const LEASE_US: u64 = 1_000;

    fn member(node: &str, life: u128, beat: u64) -> Member {
        Member {
            node: node.to_owned(),
            incarnation: Uuid::from_u128(life),
            address: "localhost:1".to_owned(),
            weight: 1,
            is_leaving: false,
            beat,
            is_drained: false,
        }
    }

    fn living(membership: &Membership) -> Vec<&str> {
        membership.living().map(|member| member.node.as_str()).collect()
    }

    #[test]
    fn whoever_stands_still_for_a_lease_is_gone_and_comes_back_with_its_next_beat() {
        let mut membership = Membership::new(LEASE_US);
        membership.looked(vec![member("one", 1, 7), member("two", 2, 7)], 50);
        membership.looked(vec![member("one", 1, 8), member("two", 2, 7)], 1_049);
        assert_eq!(living(&membership), ["one", "two"]);
        membership.looked(vec![member("one", 1, 9), member("two", 2, 7)], 1_050);
        assert_eq!(living(&membership), ["one"]);
        membership.looked(vec![member("one", 1, 9), member("two", 2, 8)], 1_060);
        assert_eq!(living(&membership), ["one", "two"]);
        // Another life counts as a beat, whatever its number.
        membership.looked(vec![member("one", 3, 1)], 2_060);
        assert_eq!(living(&membership), ["one"]);
        let gone = 2_060 + FORGOTTEN_AFTER * LEASE_US;
        membership.looked(vec![member("one", 3, 1)], gone);
        assert_eq!(membership.forgotten().count(), 1);
    }

    #[test]
    fn a_beat_that_moved_once_was_alive() {
        let mut membership = Membership::new(LEASE_US);
        membership.looked(vec![member("one", 1, 7), member("two", 2, 7)], 50);
        assert!(!membership.all_moved());
        membership.looked(vec![member("one", 1, 8), member("two", 2, 7)], 60);
        membership.looked(vec![member("one", 1, 8), member("two", 2, 7)], 70);
        let moved: Vec<_> = membership.moved().map(|member| member.node.as_str()).collect();
        assert_eq!(moved, ["one"]);
    }

    #[test]
    fn where_nothing_can_be_read_nobody_dies() {
        let mut membership = Membership::new(LEASE_US);
        membership.looked(vec![member("one", 1, 7)], 50);
        // However much time passes: the next look is what counts.
        assert_eq!(living(&membership), ["one"]);
        membership.looked(vec![member("one", 1, 8)], 90_000);
        assert_eq!(living(&membership), ["one"]);
    }
}
