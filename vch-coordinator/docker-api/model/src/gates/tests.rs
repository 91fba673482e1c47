use super::*;

#[test]
fn a_gate_is_open_from_its_first_version_or_up_to_its_last() {
    let open = |gate: Gate| [40, 41, 42, 43].map(|minor| gate.is_open(Version(minor)));
    assert_eq!(open(CREATE_PLATFORM), [false, true, true, true]);
    assert_eq!(open(KERNEL_MEMORY), [true, true, false, false]);
    assert_eq!(CONSOLE_SIZE.then(Version(41), 1), None);
    assert_eq!(CONSOLE_SIZE.then(Version::NEWEST, 1), Some(1));
}
