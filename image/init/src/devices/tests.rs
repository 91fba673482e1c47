//! Tests of the device program, run by an interpreter of the part of eBPF that it uses (the kernel's
//! `bpf/standardization/instruction-set`).

use super::{Instruction, Rules, majors, program, rules};
use protocol::process::{Device, Start};

const MAKE: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 4;
const BLOCK: u32 = 1;
const CHARACTER: u32 = 2;

/// Returns whether the program allows a process this access to a device.
fn allows(program: &[Instruction], access: u32, kind: u32, major: u32, minor: u32) -> bool {
    let context = [access << 16 | kind, major, minor];
    let mut registers = [0_u64; 11];
    let mut next = 0;
    for _ in 0..1_000 {
        let Instruction {
            code,
            registers: pair,
            offset,
            value,
        } = program[next];
        next += 1;
        let to = usize::from(pair & 0xf);
        let from = usize::from(pair >> 4);
        let number = u64::try_from(value).unwrap();
        let holds = match code {
            0x61 => {
                assert_eq!(from, 1, "only the context is read");
                registers[to] = context[usize::try_from(offset).unwrap() / 4].into();
                false
            }
            0xbf => {
                registers[to] = registers[from];
                false
            }
            0x77 => {
                registers[to] >>= number;
                false
            }
            0x57 => {
                registers[to] &= number;
                false
            }
            0xb7 => {
                registers[to] = number;
                false
            }
            0x95 => return registers[0] != 0,
            0x15 => registers[to] == number,
            0x55 => registers[to] != number,
            other => panic!("code {other:#x}"),
        };
        if holds {
            next += usize::try_from(offset).unwrap();
        }
    }
    panic!("it does not end");
}

#[test]
fn nodes_are_made_and_only_docker_s_devices_open() {
    let open = [
        (1, 3),
        (1, 5),
        (1, 7),
        (1, 8),
        (1, 9),
        (5, 0),
        (5, 1),
        (5, 2),
        (136, 0),
        (136, 77),
        (10, 200),
    ];
    let program = program(&rules(&Start::default()).unwrap());
    let allows = |access, kind, major, minor| allows(&program, access, kind, major, minor);
    for major in 0..300 {
        for minor in (0..80).chain([200]) {
            let expected = open.contains(&(major, minor)) || major == 136;
            for access in [READ, WRITE, READ | WRITE, READ | WRITE | MAKE] {
                assert_eq!(
                    allows(access, CHARACTER, major, minor),
                    expected,
                    "{major}:{minor}"
                );
                assert!(
                    !allows(access, BLOCK, major, minor),
                    "block {major}:{minor}"
                );
            }
            for kind in [BLOCK, CHARACTER] {
                assert!(allows(MAKE, kind, major, minor));
            }
        }
    }
}

#[test]
fn a_device_that_was_asked_for_opens_as_it_was_asked_for() {
    let device = |access: &str| Device {
        source: "/dev/fuse".to_owned(),
        path: "/dev/fuse".to_owned(),
        access: access.to_owned(),
    };
    for (access, read, write) in [("rwm", true, true), ("r", true, false), ("w", false, true)] {
        let start = Start {
            devices: vec![device(access)],
            ..Start::default()
        };
        let program = program(&rules(&start).unwrap());
        let fuse = |access| allows(&program, access, CHARACTER, 10, 229);
        assert_eq!((fuse(READ), fuse(WRITE)), (read, write), "{access}");
        assert_eq!(fuse(READ | WRITE), read && write, "{access}");
        assert!(!allows(&program, READ, CHARACTER, 10, 230), "its neighbour");
        assert!(
            !allows(&program, READ, BLOCK, 10, 229),
            "a disk of its numbers"
        );
    }
}

#[test]
fn a_privileged_container_opens_all_but_the_channels() {
    let text =
        "Character devices:\n  1 mem\n243 virtio-portsdev\n\nBlock devices:\n252 virtio-portsdev\n";
    let channels = majors(text, "virtio-portsdev");
    assert_eq!(channels, [243]);
    let program = program(&Rules::AllBut(channels));
    for access in [MAKE, READ, WRITE, READ | WRITE | MAKE] {
        for (kind, major) in [(BLOCK, 254), (BLOCK, 243), (CHARACTER, 1), (CHARACTER, 10)] {
            assert!(allows(&program, access, kind, major, 1), "{kind} {major}");
        }
        for minor in [0, 1, 2] {
            assert!(!allows(&program, access, CHARACTER, 243, minor));
        }
    }
}
