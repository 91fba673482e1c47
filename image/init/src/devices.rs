//! Which devices a process of the container opens: a device program on its cgroup (bpf(2), the
//! kernel's `bpf_cgroup_dev_ctx` in linux/bpf.h), with Docker's list.
//!
//! Whoever may make device nodes (CAP_MKNOD is among Docker's default capabilities) makes them, and
//! opens none but these.

#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper in nix")]

use crate::cgroup;
use nix::{errno::Errno, libc};
use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
/// `BPF_PROG_TYPE_CGROUP_DEVICE`.
const KIND: u32 = 15;
/// `BPF_CGROUP_DEVICE`.
const PLACE: u32 = 6;

/// Majors and minors of character devices (the kernel's `admin-guide/devices`): null, zero, full,
/// random, urandom; tty, console, ptmx.
const OPEN: [(i32, i32); 8] = [
    (1, 3),
    (1, 5),
    (1, 7),
    (1, 8),
    (1, 9),
    (5, 0),
    (5, 1),
    (5, 2),
];
/// Pseudo-terminals: every minor.
const TERMINALS: i32 = 136;

/// `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    value: i32,
}

#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    place: u32,
    flags: u32,
}

const fn instruction(code: u8, to: u8, from: u8, offset: i16, value: i32) -> Instruction {
    Instruction {
        code,
        registers: from << 4 | to,
        offset,
        value,
    }
}

/// Loads a 32-bit word of the context.
const fn word(to: u8, offset: i16) -> Instruction {
    instruction(0x61, to, 1, offset, 0)
}

/// Skips `by` instructions where the register has this value.
const fn skip_if(register: u8, value: i32, by: i16) -> Instruction {
    instruction(0x15, register, 0, by, value)
}

/// The same where it has not.
const fn skip_unless(register: u8, value: i32, by: i16) -> Instruction {
    instruction(0x55, register, 0, by, value)
}

const fn answer(value: i32) -> [Instruction; 2] {
    [
        instruction(0xb7, 0, 0, 0, value),
        instruction(0x95, 0, 0, 0, 0),
    ]
}

fn program() -> Vec<Instruction> {
    let mut all = vec![
        // r2 = access << 16 | type; r4 = major; r5 = minor
        word(2, 0),
        word(4, 4),
        word(5, 8),
        instruction(0xbf, 3, 2, 0, 0),
        instruction(0x77, 3, 0, 0, 16),
        instruction(0x57, 2, 0, 0, 0xffff),
        // Making a node, and nothing else, is allowed.
        skip_unless(3, 1, 2),
    ];
    all.extend(answer(1));
    // Only character devices are opened.
    all.push(skip_if(2, 2, 2));
    all.extend(answer(0));
    all.push(skip_unless(4, TERMINALS, 2));
    all.extend(answer(1));
    for (major, minor) in OPEN {
        all.push(skip_unless(4, major, 3));
        all.push(skip_unless(5, minor, 2));
        all.extend(answer(1));
    }
    all.extend(answer(0));
    all
}

/// Confines the container's cgroup.
pub fn confine() -> io::Result<()> {
    let program = program();
    let license = c"Apache-2.0";
    let load = Load {
        kind: KIND,
        count: u32::try_from(program.len()).unwrap_or(u32::MAX),
        instructions: program.as_ptr().addr() as u64,
        license: license.as_ptr().addr() as u64,
        ..Load::default()
    };
    // SAFETY: the attributes and what they point to live through the call.
    let loaded = unsafe { bpf(PROG_LOAD, &load) }?;
    // SAFETY: the kernel has just given this descriptor to nobody else.
    let loaded = unsafe { OwnedFd::from_raw_fd(loaded) };
    let folder = File::open(cgroup::FOLDER)?;
    let number = |descriptor: i32| u32::try_from(descriptor).unwrap_or(u32::MAX);
    let attach = Attach {
        target: number(folder.as_raw_fd()),
        program: number(loaded.as_raw_fd()),
        place: PLACE,
        flags: 0,
    };
    // SAFETY: as above. What is attached stays when the descriptors are closed.
    unsafe { bpf(PROG_ATTACH, &attach) }?;
    Ok(())
}

unsafe fn bpf<T>(command: libc::c_int, attributes: &T) -> Result<i32, Errno> {
    // SAFETY: the caller's.
    let done = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            size_of::<T>(),
        )
    };
    let done = Errno::result(done)?;
    // A descriptor, or 0.
    Ok(i32::try_from(done).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests;
