use super::*;
use proptest::prelude::*;

fn bucket(rate: &str, mtu: u32) -> TokenBucket {
    TokenBucket::of(rate.parse().unwrap(), mtu)
}

/// Bytes that a rate gives in so many ticks, as the kernel counts them.
fn bytes(rate: u64, ticks: u32) -> u64 {
    let given = u128::from(rate) * u128::from(ticks) * u128::from(TICK_NS);
    u64::try_from(given / u128::from(SECOND_NS)).unwrap()
}

#[test]
fn a_bucket_holds_ten_milliseconds_of_its_rate() {
    let expected = TokenBucket {
        rate: 12_500_000,
        depth: 156_250,
        peak: Some(Peak {
            rate: 23_718_750_000,
            depth: 1,
        }),
        queue: 625_000,
    };
    assert_eq!(bucket("100mbit", 1500), expected);
    assert_eq!(bytes(12_500_000, 156_250), 125_000);
}

#[test]
fn packets_are_cut_into_frames_up_to_a_gigabit() {
    assert!(bucket("1gbit", 1500).peak.is_some());
    let fast = bucket("1001mbit", 1500);
    assert_eq!(fast.peak, None);
    // The largest packet (IP's 64 KiB) and a header for each of its frames pass whole.
    assert!(bytes(fast.rate, fast.depth) > 2 << 16);
}

proptest! {
    #[test]
    fn every_frame_fits_and_a_burst_and_the_queue_stay_small(
        rate in Rate::MIN..=Rate::MAX,
        mtu in 68_u32..=65_535,
    ) {
        let bucket = TokenBucket::of(Rate::try_from(rate).unwrap(), mtu);
        let frame = u64::from(mtu) + HEADER;
        let depth = bytes(bucket.rate, bucket.depth);
        prop_assert!(depth >= frame, "{bucket:?}");
        prop_assert!(depth <= (bucket.rate / 100).max(2 * frame + 1), "{bucket:?}");
        prop_assert!(u64::from(bucket.depth) * TICK_NS <= LONGEST_NS);
        prop_assert!((frame..=LARGEST_QUEUE).contains(&u64::from(bucket.queue)));
        if let Some(peak) = bucket.peak {
            prop_assert_eq!(bytes(peak.rate, peak.depth), frame);
            // The kernel refuses a peak rate that is not more than the rate.
            prop_assert!(peak.rate > bucket.rate);
        }
    }
}
