//! The parameters of token buckets, computed without I/O.

use vch_ledger::Rate;

/// Nanoseconds of one of the kernel's ticks (`PSCHED_SHIFT` of linux/pkt_sched.h).
const TICK_NS: u64 = 64;
const SECOND_NS: u64 = 1_000_000_000;
/// The kernel keeps the time in which a bucket fills as 32 bits of nanoseconds.
const LONGEST_NS: u64 = u32::MAX as u64;
/// In a bucket is what the rate gives in this time: so late may the kernel's timer be without a loss. It is 0.1 % of 10 s.
const DEPTH_NS: u64 = 10_000_000;
/// Bytes of the header of an Ethernet frame with a VLAN tag (IEEE 802.1Q).
const HEADER: u64 = 18;
/// Frames wait as long as this: about a long path's round trip, for which TCP needs a queue.
const WAIT_MS: u64 = 50;
/// A slow link's queue has this many frames.
const FEWEST_FRAMES: u64 = 32;
/// What a guest can make the kernel keep: the largest queue, in bytes.
const LARGEST_QUEUE: u64 = 4 << 20;
/// Up to this rate, 1 Gbit/s, packets that are larger than a frame are cut into the frames that they stand for, so that
/// these are paced, and the receiver counts them as the bucket does. Above it that costs a processor: such a packet passes
/// whole, and is charged as its frames.
const CUT_UP_TO: u64 = 125_000_000;

/// The parameters of a token bucket filter (tc-tbf(8)), as the kernel keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    /// The rate at which tokens are added, in bytes of Ethernet frames per second.
    pub rate: u64,
    /// The depth of the bucket: the time in which the rate fills it, in ticks of 64 ns.
    pub depth: u32,
    /// A second bucket with a peak rate, whose depth is the largest packet that is not cut into frames; `None` if
    /// packets are not cut.
    pub peak: Option<Peak>,
    /// The length of the queue of waiting frames, in bytes.
    pub queue: u32,
}

/// The second bucket of a token bucket filter, with a peak rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// The peak rate, in bytes per second.
    pub rate: u64,
    /// The depth of the bucket: the time in which the peak rate fills it, in ticks of 64 ns.
    pub depth: u32,
}

impl TokenBucket {
    /// Returns the bucket that limits a link with this MTU (in bytes) to the rate.
    pub fn of(rate: Rate, mtu: u32) -> Self {
        let rate = rate.bytes();
        let frame = u64::from(mtu) + HEADER;
        let two_frames = (2 * frame * SECOND_NS).div_ceil(rate);
        let depth = DEPTH_NS.max(two_frames).min(LONGEST_NS) / TICK_NS;
        let fewest = FEWEST_FRAMES * frame;
        let queue = (rate * WAIT_MS / 1000).clamp(fewest, LARGEST_QUEUE.max(fewest));
        Self {
            rate,
            depth: number(depth),
            peak: (rate <= CUT_UP_TO).then(|| Peak::passing(frame)),
            queue: number(queue),
        }
    }
}

impl Peak {
    /// Returns the fastest bucket that holds one frame: it holds back nothing, but what is larger.
    fn passing(frame: u64) -> Self {
        Self {
            rate: (frame * SECOND_NS).div_ceil(TICK_NS),
            depth: 1,
        }
    }
}

/// A number that is far below 2^32 by the bounds of rate and MTU.
fn number(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
