//! Limits the devices that the container's processes may open, by a device program on their cgroup
//! (bpf(2), the kernel's `bpf_cgroup_dev_ctx` in linux/bpf.h), with Docker's list.
//!
//! A process that may make device nodes (CAP_MKNOD is among Docker's default capabilities) can make
//! any node, but open only the listed devices. A privileged container may open every device except
//! the channels of agent and init.

#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper in nix")]

use crate::{
    cgroup,
    container::nodes,
    start_error::{StartError, failed},
};
use nix::{errno::Errno, libc};
use protocol::process::Start;
use std::{
    fs::{self, File},
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
/// `BPF_PROG_TYPE_CGROUP_DEVICE`.
const KIND: u32 = 15;
/// `BPF_CGROUP_DEVICE`.
const ATTACH_TYPE: u32 = 6;
/// `BPF_F_ALLOW_MULTI`: the container may have programs on cgroups of its own, beside this one.
const BESIDE_OTHERS: u32 = 2;
/// `BPF_DEVCG_ACC_*`: making a node, reading, writing.
const MAKE: u8 = 1;
const READ: u8 = 2;
const WRITE: u8 = 4;
/// `BPF_DEVCG_DEV_BLOCK` and `BPF_DEVCG_DEV_CHAR`.
const BLOCK: u8 = 1;
const CHARACTER: u8 = 2;
/// The driver of the channels, as /proc/devices names it.
const CHANNELS: &str = "virtio-portsdev";

/// Majors and minors of character devices (the kernel's `admin-guide/devices`): null, zero, full,
/// random, urandom; tty, console, ptmx; net/tun, which Docker's list has, too.
const OPEN: [(u32, u32); 9] = [
    (1, 3),
    (1, 5),
    (1, 7),
    (1, 8),
    (1, 9),
    (5, 0),
    (5, 1),
    (5, 2),
    (10, 200),
];
/// Pseudo-terminals: every minor.
const TERMINALS: u32 = 136;

/// Devices, and what may be done with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    /// [`BLOCK`] or [`CHARACTER`].
    kind: u8,
    major: u32,
    /// `None` stands for all.
    minor: Option<u32>,
    /// Bits of [`MAKE`], [`READ`], [`WRITE`].
    access: u8,
}

/// The devices that a container may open.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rules {
    /// These alone; any node is made.
    Listed(Vec<Rule>),
    /// All but the character devices of these majors, of which not even nodes are made.
    AllBut(Vec<u32>),
}

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
    attach_type: u32,
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

/// Returns the load of a 32-bit word of the context.
const fn word(to: u8, offset: i16) -> Instruction {
    instruction(0x61, to, 1, offset, 0)
}

/// Returns a jump over `by` instructions where the register has another value.
const fn skip_unless(register: u8, value: i32, by: i16) -> Instruction {
    instruction(0x55, register, 0, by, value)
}

const fn answer(value: i32) -> [Instruction; 2] {
    [
        instruction(0xb7, 0, 0, 0, value),
        instruction(0x95, 0, 0, 0, 0),
    ]
}

fn program(rules: &Rules) -> Vec<Instruction> {
    let mut all = vec![
        // r2 = type; r3 = access; r4 = major; r5 = minor
        word(2, 0),
        word(4, 4),
        word(5, 8),
        instruction(0xbf, 3, 2, 0, 0),
        instruction(0x77, 3, 0, 0, 16),
        instruction(0x57, 2, 0, 0, 0xffff),
    ];
    match rules {
        Rules::AllBut(majors) => {
            for major in majors {
                all.push(skip_unless(2, CHARACTER.into(), 3));
                all.push(skip_unless(4, immediate(*major), 2));
                all.extend(answer(0));
            }
            all.extend(answer(1));
        }
        Rules::Listed(rules) => {
            // Making a node, and nothing else, is allowed.
            all.push(skip_unless(3, MAKE.into(), 2));
            all.extend(answer(1));
            for rule in rules {
                all.extend(allowed(*rule));
            }
            all.extend(answer(0));
        }
    }
    all
}

/// Returns the instructions that answer for one rule, and go on behind it where the rule does not hold.
fn allowed(rule: Rule) -> Vec<Instruction> {
    let forbidden = !rule.access & (MAKE | READ | WRITE);
    let mut test = vec![(2, rule.kind.into()), (4, immediate(rule.major))];
    test.extend(rule.minor.map(|minor| (5, immediate(minor))));
    // Behind the tests: r6 = access & forbidden, its test, the answer.
    let mut behind = vec![
        instruction(0xbf, 6, 3, 0, 0),
        instruction(0x57, 6, 0, 0, forbidden.into()),
        skip_unless(6, 0, 2),
    ];
    behind.extend(answer(1));
    let mut all = Vec::new();
    let mut left = test.len() + behind.len();
    for (register, value) in test {
        left -= 1;
        all.push(skip_unless(
            register,
            value,
            i16::try_from(left).unwrap_or(i16::MAX),
        ));
    }
    all.extend(behind);
    all
}

/// Converts a major (12 bits) or a minor (20 bits) to an operand.
fn immediate(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Derives a container's rules.
///
/// # Errors
/// Returns [`Fault::Other`](protocol::process::Fault::Other) if the VM lacks a requested device, or /proc/devices can't be read.
fn rules(start: &Start) -> Result<Rules, StartError> {
    if start.privileged {
        let text = fs::read_to_string("/proc/devices").map_err(failed("read /proc/devices"))?;
        return Ok(Rules::AllBut(majors(&text, CHANNELS)));
    }
    let character = |major, minor| Rule {
        kind: CHARACTER,
        major,
        minor,
        access: MAKE | READ | WRITE,
    };
    let mut rules = vec![character(TERMINALS, None)];
    rules.extend(OPEN.map(|(major, minor)| character(major, Some(minor))));
    for device in &start.devices {
        let (block, major, minor) = nodes::asked(device)?.numbers();
        let letters = [('m', MAKE), ('r', READ), ('w', WRITE)];
        let asked = letters
            .iter()
            .filter(|(letter, _)| device.access.contains(*letter));
        rules.push(Rule {
            kind: if block { BLOCK } else { CHARACTER },
            major,
            minor: Some(minor),
            access: asked.fold(0, |access, (_, bit)| access | bit),
        });
    }
    Ok(Rules::Listed(rules))
}

/// Returns the majors of a driver of character devices, by /proc/devices (proc(5)).
fn majors(text: &str, driver: &str) -> Vec<u32> {
    let characters = text.split("Block devices:").next().unwrap_or_default();
    let lines = characters
        .lines()
        .filter_map(|line| line.trim().split_once(' '));
    let own = lines.filter(|(_, name)| name.trim() == driver);
    own.filter_map(|(major, _)| major.parse().ok()).collect()
}

/// Attaches the device program of a container to its cgroup's parent.
///
/// # Errors
/// Returns [`Fault::Other`](protocol::process::Fault::Other) if a device's numbers can't be read,
/// or if the kernel refuses the program.
pub fn confine(start: &Start) -> Result<(), StartError> {
    let program = program(&rules(start)?);
    attach(&program).map_err(failed("confine the container's devices"))
}

fn attach(program: &[Instruction]) -> io::Result<()> {
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
    let dir = File::open(cgroup::PARENT)?;
    let number = |descriptor: i32| u32::try_from(descriptor).unwrap_or(u32::MAX);
    let attach = Attach {
        target: number(dir.as_raw_fd()),
        program: number(loaded.as_raw_fd()),
        attach_type: ATTACH_TYPE,
        flags: BESIDE_OTHERS,
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
