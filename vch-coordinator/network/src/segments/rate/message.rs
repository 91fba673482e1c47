//! Limits as the kernel's messages have them (linux/pkt_sched.h, linux/pkt_cls.h).

use super::{
    bucket::{Peak, TokenBucket},
    shaping::{Egress, Ingress},
};
use netlink_packet_route::tc::{
    TcAction, TcActionAttribute, TcActionGeneric, TcActionMirrorOption, TcActionOption,
    TcActionType, TcAttribute, TcFilterU32Option, TcHandle, TcMessage, TcMirror,
    TcMirrorActionType, TcOption, TcU32Key, TcU32Selector, TcU32SelectorFlags,
};
use nix::libc;
use rtnetlink::packet_core::{DefaultNla, Nla, NlasIterator};

/// The handle of the VCH's buckets, "vc": other programs give small ones.
pub(super) const HANDLE: TcHandle = TcHandle {
    major: 0x7663,
    minor: 0,
};
/// The handle that every ingress queueing discipline has.
const INGRESS: TcHandle = TcHandle {
    major: TcHandle::INGRESS.major,
    minor: 0,
};
/// The filter's priority; it is the only one.
const PRIORITY: u32 = 1;

const TBF: &str = "tbf";
const CLASSIFY: &str = "u32";
const MIRRED: &str = "mirred";

const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_PRATE64: u16 = 5;
const TC_LINKLAYER_ETHERNET: u8 = 1;

/// A message about the queueing discipline by which a link sends.
pub(super) fn egress(index: u32) -> TcMessage {
    about(index, TcHandle::ROOT)
}

/// A message about the queueing discipline by which a link receives.
pub(super) fn ingress(index: u32) -> TcMessage {
    about(index, TcHandle::INGRESS)
}

/// A message about the filters of what a link receives.
pub(super) fn filters(index: u32) -> TcMessage {
    about(index, INGRESS)
}

fn about(index: u32, parent: TcHandle) -> TcMessage {
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.parent = parent;
    message
}

/// A token bucket by which a link sends.
pub(super) fn bucket(index: u32, bucket: &TokenBucket) -> TcMessage {
    let mut message = egress(index);
    message.header.handle = HANDLE;
    let mut options = vec![option(TCA_TBF_PARMS, parameters(bucket))];
    options.push(option(TCA_TBF_RATE64, bucket.rate.to_ne_bytes().to_vec()));
    if let Some(peak) = bucket.peak {
        options.push(option(TCA_TBF_PRATE64, peak.rate.to_ne_bytes().to_vec()));
    }
    message.attributes = vec![
        TcAttribute::Kind(TBF.to_owned()),
        TcAttribute::Options(options),
    ];
    message
}

fn option(kind: u16, value: Vec<u8>) -> TcOption {
    TcOption::Other(DefaultNla::new(kind, value))
}

/// `struct tc_tbf_qopt`.
fn parameters(bucket: &TokenBucket) -> Vec<u8> {
    let numbers = [
        bucket.queue,
        bucket.depth,
        bucket.peak.map_or(0, |peak| peak.depth),
    ];
    let peak = bucket.peak.map_or([0; 12], |peak| rate_spec(peak.rate));
    let numbers = numbers.into_iter().flat_map(u32::to_ne_bytes);
    let rates = rate_spec(bucket.rate).into_iter().chain(peak);
    rates.chain(numbers).collect()
}

/// `struct tc_ratespec`: a frame counts as it is, without preamble and checksum, as links' counters count it. A rate
/// that it has no room for is in an attribute of its own.
fn rate_spec(rate: u64) -> [u8; 12] {
    let [a, b, c, d] = u32::try_from(rate).unwrap_or(u32::MAX).to_ne_bytes();
    [0, TC_LINKLAYER_ETHERNET, 0, 0, 0, 0, 0, 0, a, b, c, d]
}

/// The queueing discipline to which the filter belongs.
pub(super) fn ingress_discipline(index: u32) -> TcMessage {
    let mut message = ingress(index);
    message.header.handle = INGRESS;
    message
        .attributes
        .push(TcAttribute::Kind("ingress".to_owned()));
    message
}

/// A filter that leads all that a link receives to another one.
pub(super) fn redirect(index: u32, to: u32) -> TcMessage {
    let mut message = filters(index);
    message.header.info = filter_info();
    let mut everything = TcU32Selector::default();
    everything.flags = TcU32SelectorFlags::Terminal;
    everything.nkeys = 1;
    everything.keys = vec![TcU32Key::default()];
    let mut generic = TcActionGeneric::default();
    generic.action = TcActionType::Stolen;
    let mut mirror = TcMirror::default();
    mirror.generic = generic;
    mirror.eaction = TcMirrorActionType::EgressRedir;
    mirror.ifindex = to;
    let mut action = TcAction::default();
    action.attributes = vec![
        TcActionAttribute::Kind(MIRRED.to_owned()),
        TcActionAttribute::Options(vec![TcActionOption::Mirror(TcActionMirrorOption::Parms(
            mirror,
        ))]),
    ];
    message.attributes = vec![
        TcAttribute::Kind(CLASSIFY.to_owned()),
        TcAttribute::Options(vec![
            TcOption::U32(TcFilterU32Option::Selector(everything)),
            TcOption::U32(TcFilterU32Option::Action(vec![action])),
        ]),
    ];
    message
}

/// Priority and protocol: every one.
fn filter_info() -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "an EtherType has 16 bits")]
    let protocol = (libc::ETH_P_ALL as u16).to_be();
    PRIORITY << 16 | u32::from(protocol)
}

/// Reads the queueing discipline by which a link sends.
pub(super) fn read_egress(message: &TcMessage) -> Egress {
    if message.header.handle != HANDLE {
        return Egress::Other;
    }
    Egress::Ours(read_bucket(message))
}

/// Whether a message is about the queueing discipline by which a link sends.
pub(super) fn is_egress(message: &TcMessage) -> bool {
    message.header.parent == TcHandle::ROOT
}

/// Whether a message is about the queueing discipline by which a link receives.
pub(super) fn is_ingress(message: &TcMessage) -> bool {
    message.header.parent == TcHandle::INGRESS
}

fn kind(message: &TcMessage) -> Option<&str> {
    message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            TcAttribute::Kind(kind) => Some(kind.as_str()),
            _ => None,
        })
}

fn options(message: &TcMessage) -> &[TcOption] {
    let mut attributes = message.attributes.iter();
    let options = attributes.find_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options.as_slice()),
        _ => None,
    });
    options.unwrap_or_default()
}

fn read_bucket(message: &TcMessage) -> Option<TokenBucket> {
    if kind(message) != Some(TBF) {
        return None;
    }
    let [TcOption::Other(nested)] = options(message) else {
        return None;
    };
    let mut bytes = vec![0; nested.value_len()];
    nested.emit_value(&mut bytes);
    let (mut parameters, mut rate, mut peak_rate) = (None, None, None);
    for attribute in NlasIterator::new(bytes.as_slice()) {
        let attribute = attribute.ok()?;
        let value = attribute.value();
        match attribute.kind() {
            TCA_TBF_PARMS => parameters = Some(value.to_vec()),
            TCA_TBF_RATE64 => rate = Some(u64::from_ne_bytes(value.try_into().ok()?)),
            TCA_TBF_PRATE64 => peak_rate = Some(u64::from_ne_bytes(value.try_into().ok()?)),
            _ => {}
        }
    }
    let parameters = parameters?;
    let number = |at: usize| {
        let bytes = parameters.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_ne_bytes(bytes))
    };
    let peak_rate = peak_rate.or(Some(u64::from(number(20)?)).filter(|rate| *rate > 0));
    Some(TokenBucket {
        rate: rate.unwrap_or(u64::from(number(8)?)),
        depth: number(28)?,
        peak: match peak_rate {
            Some(rate) => Some(Peak {
                rate,
                depth: number(32)?,
            }),
            None => None,
        },
        queue: number(24)?,
    })
}

/// Reads where all filters of what a link receives lead it.
pub(super) fn read_filters<'a>(messages: impl Iterator<Item = &'a TcMessage>) -> Ingress {
    // The hash table that such filters are in is told of too.
    let real = messages.filter(|message| !is_table(message));
    match real.collect::<Vec<_>>()[..] {
        [only] => read_redirect(only).map_or(Ingress::Other, Ingress::Redirected),
        _ => Ingress::Other,
    }
}

fn is_table(message: &TcMessage) -> bool {
    let selects =
        |option: &TcOption| matches!(option, TcOption::U32(TcFilterU32Option::Selector(_)));
    kind(message) == Some(CLASSIFY) && !options(message).iter().any(selects)
}

fn read_redirect(message: &TcMessage) -> Option<u32> {
    if message.header.info != filter_info() || kind(message) != Some(CLASSIFY) {
        return None;
    }
    let (mut everything, mut to) = (false, None);
    for option in options(message) {
        match option {
            TcOption::U32(TcFilterU32Option::Selector(selector)) => {
                everything = selector.keys.iter().all(|key| key.mask == 0);
            }
            TcOption::U32(TcFilterU32Option::Action(actions)) => to = read_action(actions),
            _ => {}
        }
    }
    to.filter(|_| everything)
}

fn read_action(actions: &[TcAction]) -> Option<u32> {
    let [action] = actions else {
        return None;
    };
    action
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            TcActionAttribute::Options(options) => options.iter().find_map(|option| match option {
                TcActionOption::Mirror(TcActionMirrorOption::Parms(mirror)) => Some(mirror),
                _ => None,
            }),
            _ => None,
        })
        .filter(|mirror| {
            mirror.eaction == TcMirrorActionType::EgressRedir
                && mirror.generic.action == TcActionType::Stolen
        })
        .map(|mirror| mirror.ifindex)
}
