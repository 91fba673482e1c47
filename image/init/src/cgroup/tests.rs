use super::{
    DEFAULTS, DIR, PARENT, enter, kill, killed_for_memory, limit, make, processes, value, values,
};
use crate::{
    fork::{fork, leave},
    guest_lab::{eventually, in_guest, mount_new},
};
use nix::{
    sys::{
        signal::Signal,
        wait::{WaitStatus, waitpid},
    },
    unistd::pause,
};
use protocol::process::{CgroupLimits, CpuMax};
use std::{fs, path::Path};

#[test]
fn a_bound_that_is_not_set_is_taken_away() {
    let values = values(&CgroupLimits::default());
    let shown: Vec<(&str, &str)> = values
        .iter()
        .map(|(file, value)| (*file, &**value))
        .collect();
    assert_eq!(shown, DEFAULTS);
}

#[test]
fn each_bound_goes_to_its_file() {
    let values = values(&CgroupLimits {
        memory: Some(64 << 20),
        memory_low: Some(1 << 20),
        tasks: Some(7),
        cpu_weight: Some(39),
        cpu_max: Some(CpuMax {
            quota_us: 50_000,
            period_us: 100_000,
        }),
        cpus: "0-1".to_owned(),
        memory_nodes: "0".to_owned(),
    });
    let shown: Vec<String> = values
        .iter()
        .map(|(file, value)| format!("{file}={value}"))
        .collect();
    let expected = [
        "memory.max=67108864",
        "memory.low=1048576",
        "pids.max=7",
        "cpu.weight=39",
        "cpu.max=50000 100000",
        "cpuset.cpus=0-1",
        "cpuset.mems=0",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn a_number_is_found_by_its_name() {
    let text = "oom 3\noom_kill 2\nlow max\n";
    assert_eq!((value(text, "oom"), value(text, "oom_kill")), (3, 2));
    assert_eq!((value(text, "low"), value(text, "high")), (0, 0));
}

#[test]
fn bounds_are_written_and_those_that_fail_are_told() {
    in_guest(
        "cgroup::tests::bounds_are_written_and_those_that_fail_are_told",
        || {
            mount_new("tmpfs", Path::new("/sys/fs/cgroup"), "");
            make().unwrap();
            let at = |file: &str| Path::new(DIR).join(file);
            for (file, _) in DEFAULTS {
                fs::write(at(file), "").unwrap();
            }
            let limits = CgroupLimits {
                memory: Some(64 << 20),
                cpus: "0-1".to_owned(),
                ..CgroupLimits::default()
            };
            assert!(limit(&limits).is_empty());
            for (file, expected) in values(&limits) {
                assert_eq!(fs::read_to_string(at(file)).unwrap(), expected, "{file}");
            }
            // Without its controller a file is not there: no bound is what the cgroup has, any other one is missed.
            for file in ["memory.max", "pids.max"] {
                fs::remove_file(at(file)).unwrap();
            }
            let [refused] = &limit(&limits)[..] else {
                panic!("{:?}", limit(&limits));
            };
            assert!(
                refused.starts_with("memory.max=67108864: No such file"),
                "{refused}"
            );
            fs::write(at("memory.events"), "oom 1\noom_kill 4\n").unwrap();
            assert_eq!(killed_for_memory(), 4);
        },
    );
}

#[test]
fn processes_below_are_found_and_killed() {
    in_guest(
        "cgroup::tests::processes_below_are_found_and_killed",
        || {
            make().unwrap();
            assert!(Path::new(PARENT).is_dir() && processes().is_empty());
            let begin = |below: Option<&str>| match fork(0).unwrap() {
                Some(pid) => pid,
                None => {
                    enter(None).unwrap();
                    if let Some(below) = below {
                        let dir = Path::new(DIR).join(below);
                        fs::create_dir(&dir).unwrap();
                        fs::write(dir.join("cgroup.procs"), "0").unwrap();
                    }
                    loop {
                        pause();
                    }
                }
            };
            let mut own = [begin(None), begin(Some("made-by-it"))];
            own.sort_unstable();
            eventually("both processes", || {
                let mut found = processes();
                found.sort_unstable();
                let below = Path::new(DIR).join("made-by-it/cgroup.procs");
                let moved = fs::read_to_string(below).is_ok_and(|text| !text.is_empty());
                (found == own && moved).then_some(())
            });
            kill();
            for pid in own {
                let killed = WaitStatus::Signaled(pid, Signal::SIGKILL, false);
                assert_eq!(waitpid(pid, None), Ok(killed));
            }
            assert!(processes().is_empty());
        },
    );
}

#[test]
fn a_process_enters_the_cgroup_beside_the_first_one() {
    in_guest(
        "cgroup::tests::a_process_enters_the_cgroup_beside_the_first_one",
        || {
            make().unwrap();
            let Some(first) = fork(0).unwrap() else {
                enter(None).unwrap();
                loop {
                    pause();
                }
            };
            eventually("the first process", || {
                (processes() == [first]).then_some(())
            });
            let Some(second) = fork(0).unwrap() else {
                enter(Some(first)).unwrap();
                let own = fs::read_to_string("/proc/self/cgroup").unwrap();
                leave(i32::from(!own.trim_end().ends_with("::/vch/container")))
            };
            assert_eq!(waitpid(second, None), Ok(WaitStatus::Exited(second, 0)));
            kill();
            waitpid(first, None).unwrap();
        },
    );
}
