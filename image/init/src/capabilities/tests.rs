use super::{bits, bound, have, permitted};
use crate::guest_lab::in_guest;
use std::fs;

fn set(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)).unwrap();
    u64::from_str_radix(value.trim(), 16).unwrap()
}

#[test]
fn numbers_are_bits() {
    assert_eq!(bits(&[]), 0);
    assert_eq!(bits(&[0, 21, 40]), 1 | 1 << 21 | 1 << 40);
    assert_eq!(bits(&[63, 64, 255]), 1 << 63, "no kernel has more than 64");
}

#[test]
fn what_is_given_up_is_gone_for_good() {
    in_guest(
        "capabilities::tests::what_is_given_up_is_gone_for_good",
        || {
            assert_eq!(permitted(), Ok(set("CapPrm:")));
            let kept = bits(&[0, 1, 7]);
            bound(kept).unwrap();
            assert_eq!(set("CapBnd:"), kept);
            assert!(
                set("CapPrm:") > kept,
                "what it has, it has until it gives it up"
            );
            have(kept).unwrap();
            assert_eq!(permitted(), Ok(kept));
            assert_eq!(set("CapEff:"), kept);
            assert_eq!(set("CapInh:"), 0);
            assert!(have(kept | 1 << 2).is_err(), "none comes back");
            // CAP_SETPCAP is gone.
            assert!(bound(0).is_err());
        },
    );
}
