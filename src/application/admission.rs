//! Which orders are let in while many await the end of their checkout. More than are carried through
//! in a second or two would only make everybody wait, so they are turned away at once, and told to
//! come back. Decides by what memory tells; never about an order that was let in before.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::views::Views;
use actors::aggregate_ref::Fault;

/// When a buyer may come back whom too many checkouts kept out.
const OVERLOAD_RETRY: Duration = Duration::from_secs(1);

/// Whether another order may be placed: as many may wait as can be carried through soon.
pub(crate) fn may_place(views: &Views) -> bool {
    let open = views.open_checkouts.rows();
    open.len() < views.checkout.open_max && open.moving() < views.checkout.queue_max
}

/// Whether another order may be begun. Fewer may, the more are on their way: so no work is put
/// into what will be turned away when it is placed, and what is let in comes evenly.
pub(crate) fn may_draft(views: &Views, key: &str, second: i64) -> bool {
    let moving = views.open_checkouts.rows().moving();
    moving < draft_limit(views.checkout.queue_max, key, second)
}

/// What is told to whom is not let in.
pub(crate) fn overloaded() -> Fault {
    Fault::Overloaded { retry_after: OVERLOAD_RETRY }
}

/// Each draft has a limit of its own, from half of `max` to all of it, drawn from its key anew each
/// second: whoever comes back has another chance.
fn draft_limit(max: usize, key: &str, second: i64) -> usize {
    let drawn = xxh3_64_with_seed(key.as_bytes(), second.cast_unsigned()) % (max as u64 / 2 + 1);
    max - drawn as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_have_limits_from_half_of_the_bound_to_all_of_it_and_new_ones_each_second() {
        for (max, least) in [(0, 0), (1, 1), (2, 1), (3, 2), (1_024, 512)] {
            let limits: Vec<_> = (0..2_000).map(|second| draft_limit(max, "key", second)).collect();
            let (lowest, highest) = (limits.iter().min().copied(), limits.iter().max().copied());
            let near =
                |found: Option<usize>, end: usize| found.is_some_and(|at| at.abs_diff(end) < 5);
            assert!(limits.iter().all(|limit| (least..=max).contains(limit)), "{max}");
            assert!(near(lowest, least) && near(highest, max), "{max}: {lowest:?} {highest:?}");
            let middle = (least + max) as f64 / 2.0;
            let mean = limits.iter().sum::<usize>() as f64 / 2_000.0;
            assert!((mean - middle).abs() <= middle / 20.0, "{max}: {mean}");
        }
    }
}
