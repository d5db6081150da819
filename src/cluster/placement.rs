//! Which node is to have which shard. Computed, not voted: whoever knows the same members comes to the
//! same answer. Pure.
//!
//! Weighted rendezvous: every node draws for every shard, once for each unit of its weight, and the
//! highest draw has it. A node that comes takes shards from others and moves none between them; those
//! of one that goes are spread over the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use persistence::journal::ShardId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The most that a node can weigh.
pub const WEIGHT_MAX: u16 = 64;

/// A node that may have shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub node: &'a str,
    pub weight: u16,
}

/// What was computed last: it is computed anew where the members or the pins have changed, and not at each
/// look.
#[derive(Default)]
pub struct Placement {
    candidates: Vec<(Arc<str>, u16)>,
    pins: BTreeMap<ShardId, String>,
    placed: Vec<Option<Arc<str>>>,
}

impl Placement {
    /// As [`place`].
    pub fn of(
        &mut self,
        shards: u16,
        candidates: &[Candidate<'_>],
        pins: &BTreeMap<ShardId, String>,
    ) -> Vec<Option<Arc<str>>> {
        let known = self.candidates.iter().map(|(node, weight)| (&**node, *weight));
        let is_known = known.eq(candidates.iter().map(|one| (one.node, one.weight)))
            && self.pins == *pins
            && self.placed.len() == usize::from(shards);
        if !is_known {
            let named = |one: &Candidate<'_>| (Arc::from(one.node), one.weight);
            self.candidates = candidates.iter().map(named).collect();
            self.pins.clone_from(pins);
            let names: BTreeMap<&str, &Arc<str>> =
                self.candidates.iter().map(|(node, _)| (&**node, node)).collect();
            let placed = place(shards, candidates, pins).into_iter();
            self.placed = placed.map(|node| Some(Arc::clone(names[node?]))).collect();
        }
        self.placed.clone()
    }
}

/// Who is to have shard `0..shards`; nobody where there is no candidate. A shard that is pinned to a
/// candidate is that one's.
pub fn place<'a>(
    shards: u16,
    candidates: &[Candidate<'a>],
    pins: &BTreeMap<ShardId, String>,
) -> Vec<Option<&'a str>> {
    let drawn = |shard: ShardId| {
        let pinned = pins.get(&shard);
        let pinned = pinned.and_then(|pin| candidates.iter().find(|one| one.node == *pin));
        let highest = || candidates.iter().max_by_key(|one| (draw(one, shard), one.node));
        pinned.or_else(highest).map(|one| one.node)
    };
    (0..shards).map(drawn).collect()
}

fn draw(candidate: &Candidate<'_>, shard: ShardId) -> u64 {
    let draws = 0..candidate.weight.min(WEIGHT_MAX);
    let draw = |number: u16| {
        let seed = u64::from(number) << 16 | u64::from(shard);
        xxh3_64_with_seed(candidate.node.as_bytes(), seed)
    };
    draws.map(draw).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARDS: u16 = 1_024;

    fn placed(nodes: &[(&'static str, u16)]) -> Vec<&'static str> {
        let candidates: Vec<_> =
            nodes.iter().map(|(node, weight)| Candidate { node, weight: *weight }).collect();
        let placed = place(SHARDS, &candidates, &BTreeMap::new());
        placed.into_iter().map(|node| node.expect("there are candidates")).collect()
    }

    fn count(placed: &[&str], node: &str) -> usize {
        placed.iter().filter(|one| **one == node).count()
    }

    #[test]
    fn shares_follow_weights_and_the_order_of_members_is_no_matter() {
        let nodes = [("one", 1), ("two", 2), ("three", 1)];
        let placed_so = placed(&nodes);
        for (node, share) in [("one", 256), ("two", 512), ("three", 256)] {
            let count = count(&placed_so, node);
            assert!(count.abs_diff(share) < share / 4, "{node} has {count}");
        }
        let mut turned = nodes;
        turned.reverse();
        assert_eq!(placed(&turned), placed_so);
        assert!(place(4, &[], &BTreeMap::new()).iter().all(Option::is_none));
    }

    #[test]
    fn whoever_comes_takes_and_whoever_goes_leaves_and_nothing_else_moves() {
        let before = placed(&[("one", 1), ("two", 1), ("three", 1)]);
        let after = placed(&[("one", 1), ("two", 1), ("three", 1), ("four", 1)]);
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after);
        assert!(moved.clone().all(|(_, after)| *after == "four"));
        let count = moved.count();
        assert!(count.abs_diff(256) < 64, "{count} moved");
        let without = placed(&[("one", 1), ("two", 1)]);
        let others = before.iter().zip(&without).filter(|(before, _)| **before != "three");
        assert!(others.into_iter().all(|(before, after)| before == after));
    }

    /// So many nodes of weight 1, and so many shards: the busiest's share, how many move when one comes and
    /// one goes, and how long computing takes.
    fn simulated(nodes: usize, shards: u16) {
        let names: Vec<String> = (0..=nodes).map(|number| format!("node-{number}")).collect();
        let of = |names: &[String]| -> Vec<usize> {
            let candidates: Vec<_> =
                names.iter().map(|node| Candidate { node, weight: 1 }).collect();
            let placed = place(shards, &candidates, &BTreeMap::new());
            let number = |node: Option<&str>| node.and_then(|node| node[5..].parse().ok());
            placed.into_iter().map(|node| number(node).expect("somebody has it")).collect()
        };
        let begun = std::time::Instant::now();
        let before = of(&names[..nodes]);
        let took = begun.elapsed();
        let joined = of(&names);
        let left = of(&names[..nodes - 1]);
        let moved = |after: &[usize]| -> Vec<(usize, usize)> {
            before.iter().copied().zip(after.iter().copied()).filter(|(b, a)| b != a).collect()
        };
        let (to_new, from_gone) = (moved(&joined), moved(&left));
        assert!(to_new.iter().all(|(_, after)| *after == nodes), "only to whoever came");
        assert!(from_gone.iter().all(|(before, _)| *before == nodes - 1), "only of whoever went");
        let mut shares = vec![0_usize; nodes];
        before.iter().for_each(|node| shares[*node] += 1);
        let (most, mean) =
            (shares.iter().max().copied().unwrap_or(0), f64::from(shards) / nodes as f64);
        // What chance gives: six standard deviations of a Poisson distribution, and a little.
        let bound = mean + 6.0 * mean.sqrt() + 6.0;
        assert!((most as f64) < bound, "{most} of {mean} on average");
        for count in [to_new.len(), from_gone.len()] {
            assert!((count as f64) < bound, "{count} moved");
        }
        println!(
            "{nodes} nodes, {shards} shards: {mean:.2} each, {most} at most; {} move to one that comes, \
             {} from one that goes; computed in {took:?}",
            to_new.len(),
            from_gone.len()
        );
    }

    #[test]
    fn many_nodes_share_many_shards() {
        for (nodes, shards) in [(3, 256), (16, 1_024), (200, 1_024)] {
            simulated(nodes, shards);
        }
        // A long one, for a release build: EMPORIUM_PLACEMENT=10000,65535.
        if let Ok(size) = std::env::var("EMPORIUM_PLACEMENT") {
            let (nodes, shards) = size.split_once(',').expect("nodes,shards");
            simulated(nodes.parse().expect("a number"), shards.parse().expect("a number"));
        }
    }

    #[test]
    fn what_is_computed_once_stands_until_members_or_pins_change() {
        let mut placement = Placement::default();
        let one = Candidate { node: "one", weight: 1 };
        let two = Candidate { node: "two", weight: 2 };
        let pinned = BTreeMap::from([(3, "one".to_owned()), (4, "two".to_owned())]);
        let free = BTreeMap::new();
        for (candidates, pins, shards) in [
            (vec![one], &free, 16),
            (vec![one, two], &free, 16),
            (vec![one, two], &free, 16),
            (vec![one, two], &pinned, 16),
            (vec![one, two], &pinned, 32),
            (vec![one, Candidate { weight: 1, ..two }], &pinned, 32),
            (vec![], &pinned, 32),
        ] {
            let placed = placement.of(shards, &candidates, pins);
            let expected = place(shards, &candidates, pins);
            assert!(placed.iter().map(Option::as_deref).eq(expected.iter().copied()));
        }
    }

    #[test]
    fn a_pin_holds_as_long_as_its_node_is_there() {
        let candidates =
            [Candidate { node: "one", weight: 1 }, Candidate { node: "two", weight: 1 }];
        let free = place(8, &candidates, &BTreeMap::new());
        for shard in 0..8 {
            for node in ["one", "two", "gone"] {
                let pins = BTreeMap::from([(shard, node.to_owned())]);
                let pinned = place(8, &candidates, &pins)[usize::from(shard)];
                let expected = if node == "gone" { free[usize::from(shard)] } else { Some(node) };
                assert_eq!(pinned, expected);
            }
        }
    }
}
