use super::{Units, disk, inner, inner_of, interfaces, parsed, state};
use crate::{cgroup, guest_lab::in_guest};
use protocol::process::InterfaceUsage;

const UNITS: Units = Units {
    ticks: 100,
    page_kib: 4,
};
const STATUS: &str = "Name:\tweb (1) x\nUid:\t33\t34\t35\t36\nNSpid:\t4711\t12\n";
/// proc_pid_stat(5): state, parent, group, session, terminal, foreground group, ...
const STAT: &str = "4711 (web (1) x) S 4700 4711 4711 34816 4711 4194304 1 2 3 4 150 50 0 0 20 0 3 0 \
                    4200 8192000 250 18446744073709551615";

#[test]
fn a_process_is_read_from_its_files() {
    let process = parsed(STAT, STATUS, b"web\0--port\080\0", UNITS).unwrap();
    assert_eq!(process.command_line, "web --port 80");
    assert_eq!((process.pid, process.parent, process.uid), (12, 4700, 34));
    assert_eq!((process.cpu_ms, process.started_ms), (2_000, 42_000));
    assert_eq!(process.memory_kib, [8_000, 1_000]);
    assert_eq!(process.state, "Ssl+");
}

#[test]
fn a_process_without_a_command_line_is_named() {
    let process = parsed(STAT, STATUS, b"", UNITS).unwrap();
    assert_eq!(process.command_line, "[web (1) x]");
    let long = vec![b'x'; 1_000];
    let process = parsed(STAT, STATUS, &long, UNITS).unwrap();
    assert_eq!(process.command_line.len(), super::MAX_WORDS);
}

#[test]
fn files_that_end_early_are_of_no_process() {
    for (stat, status) in [
        ("", STATUS),
        ("4711 (web) S 1 2", STATUS),
        (STAT, ""),
        (STAT, "Uid:\t33\nNSpid:\t4711\n"),
        (STAT, "Uid:\t33\t34\nNSpid:\t\n"),
    ] {
        assert_eq!(parsed(stat, status, b"", UNITS), None, "{stat} {status}");
    }
}

#[test]
fn a_state_has_the_marks_of_ps() {
    let marks = |fields: &str| {
        let fields: Vec<&str> = fields.split(' ').collect();
        state(7, &fields).unwrap()
    };
    // The state, and then by position: group 2, session 3, foreground 5, nice 16, threads 17.
    assert_eq!(marks("R 1 8 9 0 -1 0 0 0 0 0 0 0 0 0 0 0 1"), "R");
    assert_eq!(marks("R 1 8 7 0 8 0 0 0 0 0 0 0 0 0 0 0 1"), "Rs+");
    assert_eq!(marks("D 1 8 9 0 -1 0 0 0 0 0 0 0 0 0 0 -5 4"), "D<l");
    assert_eq!(marks("Z 1 8 9 0 -1 0 0 0 0 0 0 0 0 0 0 19 1"), "ZN");
}

#[test]
fn a_number_is_that_of_the_innermost_namespace() {
    assert_eq!(inner("NSpid:\t4711\t40\t3\n"), Some(3));
    assert_eq!(inner("NSpid:\t4711\n"), Some(4711));
    assert_eq!(inner("Pid:\t4711\n"), None);
    assert_eq!(inner_of(u32::MAX), 0, "no process has that number");
}

#[test]
fn traffic_is_read_by_interface() {
    let text = "Inter-|   Receive                                                |  Transmit\n \
                face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop\n    \
                lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  \
                eth0:1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0\n  broken: 1 2\n";
    let expected = InterfaceUsage {
        name: "eth0".to_owned(),
        received: [1000, 10, 1, 2],
        sent: [2000, 20, 3, 4],
    };
    assert_eq!(interfaces(text), [expected]);
}

#[test]
fn disks_are_summed() {
    let text = "254:0 rbytes=4096 wbytes=100 rios=1\n254:16 rbytes=1 wbytes=2 dbytes=9\n";
    assert_eq!((disk(text, "rbytes"), disk(text, "wbytes")), (4097, 102));
    assert_eq!(disk("", "rbytes"), 0);
    assert_eq!(disk("254:0 rbytes=x", "rbytes"), 0);
}

#[test]
fn a_container_s_use_is_that_of_its_cgroup() {
    in_guest(
        "usage::tests::a_container_s_use_is_that_of_its_cgroup",
        || {
            crate::guest_lab::mount_new("tmpfs", std::path::Path::new("/sys/fs/cgroup"), "");
            std::fs::create_dir_all(cgroup::DIR).unwrap();
            let write = |file: &str, text: &str| {
                std::fs::write(std::path::Path::new(cgroup::DIR).join(file), text).unwrap();
            };
            write(
                "cpu.stat",
                "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 0\n",
            );
            write("memory.current", "8192\n");
            write("memory.stat", "anon 1\ninactive_file 4096\n");
            write("memory.max", "65536\n");
            write("pids.current", "3\n");
            write("io.stat", "254:0 rbytes=10 wbytes=20\n");
            write("cgroup.procs", &format!("{}\n", std::process::id()));
            let usage = super::usage();
            assert_eq!(usage.cpu_ns, [5_000, 3_000, 2_000]);
            assert_eq!((usage.memory, usage.memory_limit), ([8192, 4096], 65536));
            assert_eq!((usage.tasks, usage.disk), (3, [10, 20]));
            // No bound: the machine's own.
            write("memory.max", "max\n");
            assert!(super::usage().memory_limit > 65536);
            let [own] = &super::processes()[..] else {
                panic!("{:?}", super::processes());
            };
            assert!(own.command_line.contains("container_init"), "{own:?}");
        },
    );
}
