//! The layout of ids, bit for bit, and where their slots lie.

use proptest::prelude::*;

use super::*;

fn id(text: &str) -> AggregateId {
    AggregateId(text.parse().expect("a UUID"))
}

#[test]
fn derived_ids_depend_on_where_the_parts_end() {
    let one = AggregateId::derived(&[b"ab", b"c"]);
    assert_ne!(one, AggregateId::derived(&[b"a", b"bc"]));
    assert_eq!(one, AggregateId::derived(&[b"ab", b"c"]));
    assert!(one.is_well_formed());
}

/// What is stored for ever: whoever changes one of these loses every aggregate.
#[test]
fn the_layout_stands() {
    let drawn = |at_ms, slot, random| AggregateId::drawn(at_ms, Slot::new(slot), random);
    for (made, text) in [
        (drawn(0, 0, 0), "00000000-0000-8000-8000-000000000000"),
        (drawn((1 << 48) - 1, 0, 0), "ffffffff-ffff-8000-8000-000000000000"),
        (drawn(0, SLOTS - 1, 0), "00000000-0000-8fff-b000-000000000000"),
        (drawn(0, 1, 0), "00000000-0000-8000-9000-000000000000"),
        (drawn(0, 4, 0), "00000000-0000-8001-8000-000000000000"),
        (drawn(0, 0, u64::MAX), "00000000-0000-8000-8fff-ffffffffffff"),
        (drawn(0x0123_4567_89AB, 0x1234, 0xFEDC), "01234567-89ab-848d-8000-00000000fedc"),
        (AggregateId::derived(&[b"golden"]), "48c27b19-d035-8355-b6e4-11567f5b5da5"),
        (
            AggregateId::derived_beside(drawn(0, 0x1234, 0), &[b"golden"]),
            "48c27b19-d035-848d-86e4-11567f5b5da5",
        ),
    ] {
        assert_eq!(made, id(text));
    }
}

#[test]
fn keyed_ids_depend_on_the_secret_and_on_where_the_parts_end() {
    let keyed = |secret: u8, parts: &[&[u8]]| AggregateId::keyed(&IdSecret([secret; 16]), parts);
    let one = keyed(1, &[b"ab", b"c"]);
    assert_eq!(one, keyed(1, &[b"ab", b"c"]));
    assert_ne!(one, keyed(2, &[b"ab", b"c"]));
    for other in [&[b"a".as_slice(), b"bc"] as &[&[u8]], &[b"abc"], &[b"ab", b"c", b""], &[]] {
        assert_ne!(one, keyed(1, other), "{other:?}");
    }
    assert!(one.is_well_formed());
    assert_eq!(one, id("7cccf99e-c8cc-8ef7-a88b-1ada717e99f2"));
    assert_eq!(format!("{:?}", IdSecret([7; 16])), "IdSecret(…)");
}

/// Whoever knows ids under one secret knows nothing of their slots under another.
#[test]
fn a_secret_decides_where_an_id_lies() {
    let slot = |secret: u8, number: u32| {
        AggregateId::keyed(&IdSecret([secret; 16]), &[&number.to_be_bytes()]).slot()
    };
    let same = (0..10_000).filter(|number| slot(1, *number) == slot(2, *number)).count();
    assert!(same < 10, "{same} of 10,000 lie on one slot under both");
    let aimed = (0..160_000).filter(|number| slot(1, *number).number() < 1_024).count();
    assert!((9_000..11_000).contains(&aimed), "{aimed} on a sixteenth of the slots");
}

#[test]
fn what_has_another_form_is_told_apart() {
    for text in [
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "00000000-0000-7000-8000-000000000000",
        "00000000-0000-8000-c000-000000000000",
        "00000000-0000-8000-4000-000000000000",
    ] {
        assert!(!id(text).is_well_formed(), "{text}");
    }
}

proptest! {
    #[test]
    fn a_slot_comes_back_as_it_went_in(
        at_ms in 0_u64..1 << 48,
        slot in 0..SLOTS,
        random: u64,
        parts: Vec<Vec<u8>>,
    ) {
        let parent = AggregateId::drawn(at_ms, Slot::new(slot), random);
        prop_assert_eq!(parent.slot().number(), slot);
        prop_assert!(parent.is_well_formed());
        prop_assert_eq!(parent.0.as_u128() >> 80, u128::from(at_ms));
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let child = AggregateId::derived_beside(parent, &parts);
        prop_assert_eq!(child.slot(), parent.slot());
        prop_assert!(child.is_well_formed());
        let elsewhere = AggregateId::derived(&parts);
        prop_assert_eq!(child.0.as_u128() & !SLOT_MASK, elsewhere.0.as_u128() & !SLOT_MASK);
    }

    #[test]
    fn later_ids_sort_behind_earlier_ones(at_ms in 0_u64..(1 << 48) - 1, one: u64, other: u64) {
        let drawn = |at_ms, bits: u64| AggregateId::drawn(at_ms, Slot::new(bits as u16), bits);
        prop_assert!(drawn(at_ms, one) < drawn(at_ms + 1, other));
    }
}

/// Pearson's test over 256 groups of slots: its statistic is 255 in the mean, with a deviation of 23, and
/// a skew of a few in a hundred drives it far beyond.
#[test]
fn derived_ids_spread_evenly_over_the_slots() {
    const GROUPS: usize = 256;
    const IDS: u32 = 100_000;
    let mut counts = [0_u32; GROUPS];
    for number in 0..IDS {
        let slot = AggregateId::derived(&[b"spread", &number.to_be_bytes()]).slot();
        counts[usize::from(slot.number()) * GROUPS / usize::from(SLOTS)] += 1;
    }
    let expected = f64::from(IDS) / GROUPS as f64;
    let squares = counts.map(|count| (f64::from(count) - expected).powi(2) / expected);
    let statistic: f64 = squares.iter().sum();
    assert!((150.0..400.0).contains(&statistic), "{statistic}");
}
