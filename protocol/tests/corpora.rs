//! Replays what the fuzz targets have been fed, without a fuzzer.

#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "../fuzz/fuzz_targets/checks.rs"]
mod checks;

use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut replayed = 0;
    for entry in std::fs::read_dir(directory.join(target)).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&std::fs::read(path).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 10, "the corpus of {target} is there");
}

#[test]
fn the_corpus_of_frames_holds() {
    replay("frame", checks::check_frame);
}

#[test]
fn the_corpus_of_messages_holds() {
    replay("message", checks::check_message);
}
