//! Which node is to have which shard. Computed, not voted: whoever knows the same members comes to the
//! same answer. Pure.
//!
//! Weighted rendezvous: every node draws for every shard, once for each unit of its weight, and the
//! highest draw has it. A node that comes takes shards from others and moves none between them; those
//! of one that goes are spread over the rest.

use std::collections::BTreeMap;

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
