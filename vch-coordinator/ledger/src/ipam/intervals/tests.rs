use super::Intervals;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn built(members: &BTreeSet<u128>) -> Intervals {
    let mut set = Intervals::default();
    for member in members {
        set.insert(*member, *member);
    }
    set
}

proptest! {
    #[test]
    fn intervals_are_the_set_of_their_numbers(
        steps in prop::collection::vec((any::<bool>(), 0u128..60, 0u128..12), 0..60),
    ) {
        let (mut set, mut model) = (Intervals::default(), BTreeSet::new());
        for (insert, first, length) in steps {
            let last = first + length;
            if insert {
                set.insert(first, last);
                model.extend(first..=last);
            } else {
                set.remove(first, last);
                model.retain(|n| !(first..=last).contains(n));
            }
            for from in 0..80 {
                prop_assert_eq!(set.next_from(from), model.range(from..).next().copied());
            }
            prop_assert_eq!(&set, &built(&model), "equal sets are equal values");
        }
    }
}

#[test]
fn the_ends_of_the_number_line_are_numbers_too() {
    let mut set = Intervals::default();
    set.insert(0, u128::MAX);
    set.remove(u128::MAX, u128::MAX);
    set.remove(0, 0);
    assert_eq!(set.next_from(0), Some(1));
    assert_eq!(set.next_from(u128::MAX), None);
    set.insert(u128::MAX, u128::MAX);
    assert_eq!(set.next_from(u128::MAX), Some(u128::MAX));
}

#[test]
fn an_interval_that_ends_before_it_begins_is_empty() {
    let mut set = Intervals::default();
    set.insert(5, 4);
    assert_eq!(set, Intervals::default());
    set.insert(1, 9);
    let before = set.clone();
    set.remove(5, 4);
    assert_eq!(set, before);
}
