//! Any bytes as two layers: refused, or merged into an archive that is itself a layer with the same tree.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vch_image_store::layer::Unpacked;
use vch_image_store::merge::{Plan, Tree, emit, entries};
use vch_image_store::{Limits, tar};

const LIMITS: fn() -> Limits = || Limits {
    entries: 1_000,
    unpacked_bytes: 1 << 20,
    ..Limits::default()
};

fuzz_target!(|data: &[u8]| {
    let Some((at, bytes)) = data.split_first() else {
        return;
    };
    // Layers are whole blocks, but for the last.
    let at = (usize::from(*at) * 512).min(bytes.len());
    let (lower, upper) = bytes.split_at(at);
    let (Some(lower), Some(upper)) = (unpacked(lower), unpacked(upper)) else {
        return;
    };
    let layers = [lower.as_slice(), upper.as_slice()];
    let Some(plan) = planned(&layers) else {
        return;
    };
    let Ok(whole) = emit(&plan, layers, LIMITS(), Vec::new()) else {
        return;
    };
    let mut reader = tar::Reader::new(whole.as_slice(), Limits::default());
    let mut paths = std::collections::BTreeSet::new();
    while let Some(entry) = reader.next_entry().expect("what is written can be read") {
        let outside = entry
            .path
            .split(|byte| *byte == b'/')
            .any(|name| name == b"..");
        assert!(!outside, "no path leads out");
        assert!(paths.insert(entry.path), "each path is there once");
    }
});

fn unpacked(layer: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut unpacked = Unpacked::new(layer, 1 << 20).ok()?;
    std::io::Read::read_to_end(&mut unpacked, &mut bytes).ok()?;
    Some(bytes)
}

fn planned(layers: &[&[u8]]) -> Option<Plan> {
    let mut tree = Tree::new(LIMITS());
    for layer in layers {
        tree.apply(entries(*layer, LIMITS()).ok()?.0).ok()?;
    }
    Some(tree.plan())
}
