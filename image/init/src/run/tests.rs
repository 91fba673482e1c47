//! The loop with a fake line: a socket pair in place of the virtserialport, and real namespaces, mounts and processes.

use super::{VERSION, same_release, serve};
use crate::{
    cgroup,
    guest_lab::{Disks, Shim, eventually, in_guest, may_raise_limits},
    start_error::StartError,
};
use nix::{
    mount::{MntFlags, umount2},
    sys::resource::{Resource, getrlimit},
};
use protocol::process::{
    COVERED, CgroupLimits, Fault, FromInit, Output, Phase, Process, ProcessId, READ_ONLY, Start,
    TerminalSize, Tmpfs, ToInit, WINDOW,
};
use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::Path,
};

const MAIN: ProcessId = ProcessId::MAIN;
/// Docker's default capabilities.
const DEFAULT: [u8; 14] = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31];
const SIGTERM: u8 = 15;
const SIGKILL: u8 = 9;

fn shell(script: &str) -> Process {
    Process {
        args: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        capabilities: DEFAULT.to_vec(),
        ..Process::default()
    }
}

fn start(process: Process) -> Start {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Start {
        image_disk: Disks::IMAGE.to_owned(),
        writable_disk: Disks::WRITABLE.to_owned(),
        shm_bytes: 1 << 20,
        network_deadline_ms: 20_000,
        masked_paths: texts(COVERED),
        read_only_paths: texts(READ_ONLY),
        process,
        ..Start::default()
    }
}

/// An init that has greeted a shim; the guest has no agent, and so no network to wait for.
fn booted() -> Shim {
    cgroup::make().unwrap();
    // Of an earlier init of the same test.
    let _ = fs::remove_file("/run/notify");
    let mut shim = Shim::new(|line| serve(line, 7));
    assert_eq!(shim.next(), FromInit::Ready { version: VERSION });
    assert_eq!(shim.hello(), [Phase::Init, Phase::Devices]);
    shim
}

/// Runs a container with one process to its end.
fn ran(start: &Start) -> (String, String, u8) {
    let _disks = Disks::new();
    let mut shim = booted();
    shim.start(start);
    let (stdout, stderr, exit) = shim.ended(MAIN);
    assert_eq!(shim.power_off(), 0);
    (stdout, stderr, exit.code)
}

#[test]
fn a_container_runs_to_its_end_phase_by_phase() {
    in_guest(
        "run::tests::a_container_runs_to_its_end_phase_by_phase",
        || {
            let disks = Disks::new();
            let mut shim = booted();
            shim.start(&start(shell(
                "echo $$; cat /data/greeting; echo kept > /data/file; echo wrong >&2; exit 3",
            )));
            let mut phases = Vec::new();
            while phases.last() != Some(&Phase::Process) {
                if let FromInit::Phase { phase, .. } = shim.next() {
                    phases.push(phase);
                }
            }
            let expected = [Phase::Mounted, Phase::Agent, Phase::Network, Phase::Process];
            assert_eq!(phases, expected);
            assert_eq!(shim.next(), FromInit::Started { id: MAIN, pid: 1 });
            let (stdout, stderr, exit) = shim.ended(MAIN);
            assert_eq!(stdout, "1\nof the image\n");
            assert_eq!(stderr, "wrong\n");
            assert_eq!((exit.code, exit.out_of_memory), (3, false));
            assert_eq!(shim.power_off(), 0);
            drop(disks);
        },
    );
}

#[test]
fn input_reaches_the_process_and_ends_behind_what_was_sent() {
    let name = "run::tests::input_reaches_the_process_and_ends_behind_what_was_sent";
    in_guest(name, || {
        let _disks = Disks::new();
        let mut shim = booted();
        // Before there is a process: it waits.
        let input = |bytes: &[u8]| ToInit::Input {
            id: MAIN,
            bytes: bytes.to_vec(),
        };
        shim.send(&input(b"early "));
        shim.start(&start(Process {
            input: true,
            ..shell("cat; echo end")
        }));
        shim.started(MAIN);
        shim.send(&input(b"and late\n"));
        shim.send(&ToInit::InputEnd { id: MAIN });
        let mut taken = 0;
        let mut seen = Vec::new();
        shim.until(|message| {
            match message {
                FromInit::Taken { bytes, .. } => taken += bytes,
                FromInit::Output { bytes, .. } => seen.extend_from_slice(bytes),
                FromInit::Exited { .. } => return Some(()),
                _ => {}
            }
            None
        });
        assert_eq!(String::from_utf8(seen).unwrap(), "early and late\nend\n");
        assert_eq!(taken, 15);
        assert_eq!(shim.power_off(), 0);
    });
}

#[test]
fn output_stops_at_its_window_and_goes_on_as_it_is_given_back() {
    let name = "run::tests::output_stops_at_its_window_and_goes_on_as_it_is_given_back";
    in_guest(name, || {
        let _disks = Disks::new();
        let mut shim = booted();
        let lines = 100_000;
        let script = format!("i=0; while [ $i -lt {lines} ]; do echo 0123456789; i=$((i+1)); done");
        shim.start(&start(shell(&script)));
        shim.started(MAIN);
        let mut under_way = 0;
        shim.until(|message| {
            if let FromInit::Output { bytes, .. } = message {
                under_way += u32::try_from(bytes.len()).unwrap();
            }
            (under_way == WINDOW).then_some(())
        });
        // Nothing more comes of it, while the rest of init goes on.
        shim.send(&ToInit::Usage { request: 5 });
        match shim.next() {
            FromInit::Used { request: 5, .. } => {}
            other => panic!("{other:?}"),
        }
        shim.send(&ToInit::Taken {
            id: MAIN,
            stream: Output::Stdout,
            bytes: under_way,
        });
        let (rest, _, exit) = shim.ended(MAIN);
        assert_eq!(rest.len() + WINDOW as usize, lines * 11);
        assert_eq!(exit.code, 0);
        assert_eq!(shim.power_off(), 0);
    });
}

#[test]
fn others_run_beside_the_main_process_and_end_with_it() {
    in_guest(
        "run::tests::others_run_beside_the_main_process_and_end_with_it",
        || {
            let _disks = Disks::new();
            let mut shim = booted();
            shim.start(&start(shell("sleep 1000")));
            shim.started(MAIN);
            let exec = |id, process| ToInit::Exec {
                id: ProcessId(id),
                process: Box::new(process),
            };
            shim.send(&exec(1, shell("echo $$; readlink /proc/1/exe; exit 4")));
            let inner = shim.started(ProcessId(1));
            let (stdout, _, exit) = shim.ended(ProcessId(1));
            assert!(stdout.starts_with(&format!("{inner}\n")), "{stdout}");
            assert_eq!(exit.code, 4);

            shim.send(&exec(
                2,
                Process {
                    args: vec!["nothing-of-that-name".to_owned()],
                    ..shell("")
                },
            ));
            let StartError { fault, reason } = shim.not_started(ProcessId(2));
            assert_eq!(fault, Fault::NotFound);
            assert!(reason.contains("not found in $PATH"), "{reason}");
            shim.send(&exec(
                2,
                Process {
                    user: "nobody".to_owned(),
                    ..shell("")
                },
            ));
            assert_eq!(shim.not_started(ProcessId(2)).fault, Fault::User);

            shim.send(&exec(3, shell("sleep 2000")));
            shim.started(ProcessId(3));
            shim.send(&ToInit::List { request: 9 });
            let listed = shim.until(|message| match message {
                FromInit::Listed {
                    request: 9,
                    processes,
                } => Some(processes.clone()),
                _ => None,
            });
            let mut commands: Vec<_> = listed.iter().map(|one| &*one.command_line).collect();
            commands.sort_unstable();
            assert!(
                commands.iter().any(|line| line.contains("sleep 1000")),
                "{commands:?}"
            );
            assert!(
                commands.iter().any(|line| line.contains("sleep 2000")),
                "{commands:?}"
            );
            assert_eq!((listed[0].pid, listed[0].parent), (1, 0));

            shim.send(&ToInit::Signal {
                id: MAIN,
                signal: SIGKILL,
            });
            // What was begun beside it is told first.
            let mut ends = Vec::new();
            while ends.len() < 2 {
                if let FromInit::Exited { id, exit } = shim.next() {
                    ends.push((id, exit.code));
                }
            }
            assert_eq!(ends, [(ProcessId(3), 137), (MAIN, 137)]);
            shim.send(&exec(4, shell("true")));
            assert_eq!(
                shim.not_started(ProcessId(4)).reason,
                "the container does not run"
            );
            assert_eq!(shim.power_off(), 0);
        },
    );
}

#[test]
fn a_terminal_has_a_size_that_changes_and_is_the_console() {
    in_guest(
        "run::tests::a_terminal_has_a_size_that_changes_and_is_the_console",
        || {
            let _disks = Disks::new();
            let mut shim = booted();
            let size = |rows, columns| TerminalSize { rows, columns };
            shim.start(&start(Process {
                terminal: Some(size(33, 44)),
                input: true,
                ..shell("stty size; read word; stty size; test -c /dev/console && echo $word")
            }));
            shim.started(MAIN);
            let mut screen = String::new();
            let mut show = |shim: &mut Shim, until: &str| {
                shim.until(|message| {
                    if let FromInit::Output { bytes, stream, .. } = message {
                        assert_eq!(*stream, Output::Stdout, "a terminal is one stream");
                        screen.push_str(&String::from_utf8_lossy(bytes));
                    }
                    screen.contains(until).then_some(())
                });
            };
            show(&mut shim, "33 44");
            shim.send(&ToInit::Resize {
                id: MAIN,
                size: size(55, 66),
            });
            // A terminal's input has no end but the one that is typed.
            shim.send(&ToInit::InputEnd { id: MAIN });
            shim.send(&ToInit::Input {
                id: MAIN,
                bytes: b"typed\n".to_vec(),
            });
            show(&mut shim, "55 66");
            let (rest, _, exit) = shim.ended(MAIN);
            assert!(
                format!("{screen}{rest}").matches("typed").count() >= 2,
                "{screen}{rest}"
            );
            assert_eq!(exit.code, 0);
            assert_eq!(shim.power_off(), 0);
        },
    );
}

#[test]
fn a_process_runs_as_its_user_with_its_rights_and_no_more() {
    in_guest(
        "run::tests::a_process_runs_as_its_user_with_its_rights_and_no_more",
        || {
            let (stdout, stderr, code) = ran(&start(Process {
                user: "www".to_owned(),
                groups: vec!["root".to_owned()],
                dir: "/made/for/it".to_owned(),
                no_new_privileges: true,
                limits: vec![(7, 512, 1024)],
                oom_score: 500,
                ..shell(
                    "id -u; id -g; id -G; pwd; echo $HOME; ulimit -n; cat /proc/self/oom_score_adj; \
                 while read name value; do case $name in CapEff:|CapBnd:|NoNewPrivs:|Seccomp:) \
                 echo $name $value;; esac; done < /proc/self/status",
                )
            }));
            assert_eq!(stderr, "");
            let expected = "33\n34\n0 34\n/made/for/it\n/var/www\n512\n500\nCapEff: 0000000000000000\n\
                        CapBnd: 00000000a80425fb\nNoNewPrivs: 1\nSeccomp: 2\n";
            let expected = if may_raise_limits() {
                expected.to_owned()
            } else {
                let own = getrlimit(Resource::RLIMIT_NOFILE).unwrap().0;
                expected.replace("\n512\n", &format!("\n{own}\n"))
            };
            // `id -G` names the group of the process first.
            assert_eq!(stdout.replace("34 0", "0 34"), expected);
            assert_eq!(code, 0);
        },
    );
}

#[test]
fn the_view_of_a_container_is_docker_s() {
    in_guest("run::tests::the_view_of_a_container_is_docker_s", || {
        let (mounts, stderr, code) = ran(&Start {
            tmpfs: vec![Tmpfs {
                path: "/scratch".to_owned(),
                options: "size=64k,exec,mode=700".to_owned(),
            }],
            sysctls: vec![
                ("kernel.msgmax".to_owned(), "4096".to_owned()),
                ("net.ipv4.ip_forward".to_owned(), "1".to_owned()),
            ],
            volumes: vec!["/volume".to_owned()],
            domain: "example.org".to_owned(),
            read_only: true,
            ..start(shell(
                "echo x > /volume/file && cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward \
                 /proc/sys/kernel/domainname; (echo x > /file) 2>/dev/null || echo refused; \
                 readlink /dev/fd; cat /proc/self/mounts",
            ))
        });
        assert_eq!((&*stderr, code), ("", 0));
        let rest = mounts.strip_prefix("4096\n1\nexample.org\nrefused\n/proc/self/fd\n");
        let mounts = rest.unwrap_or_else(|| panic!("{mounts}"));
        let options = |path: &str| -> Vec<&str> {
            let mut fields = mounts
                .lines()
                .map(|line| line.split(' ').collect::<Vec<_>>());
            // The last one is on top, but for the root: a process's own is below what was mounted there later.
            let found = match path {
                "/" => fields.find(|fields| fields[1] == path),
                _ => fields.rfind(|fields| fields[1] == path),
            };
            let found = found.unwrap_or_else(|| panic!("no {path}: {mounts}"));
            [vec![found[2]], found[3].split(',').collect()].concat()
        };
        for (path, expected) in [
            ("/", &["overlay", "ro", "nodev"][..]),
            ("/proc", &["proc", "nosuid", "nodev", "noexec"]),
            ("/proc/sys", &["proc", "ro"]),
            ("/proc/acpi", &["tmpfs", "ro", "size=0k"]),
            ("/sys", &["sysfs", "ro"]),
            ("/sys/fs/cgroup", &["cgroup2", "ro"]),
            ("/dev", &["tmpfs", "nosuid", "size=65536k"]),
            ("/dev/shm", &["tmpfs", "size=1024k"]),
            ("/dev/pts", &["devpts", "gid=5"]),
            ("/dev/mqueue", &["mqueue", "nosuid"]),
            ("/scratch", &["tmpfs", "size=64k", "nodev", "nosuid"]),
            ("/volume", &["overlay", "rw"]),
        ] {
            let options = options(path);
            for option in expected {
                assert!(options.contains(option), "{path}: {option}: {options:?}");
            }
        }
        assert!(!options("/scratch").contains(&"noexec"));
        assert!(!options("/volume").contains(&"ro"));
    });
}

#[test]
fn a_privileged_container_has_the_whole_guest() {
    in_guest(
        "run::tests::a_privileged_container_has_the_whole_guest",
        || {
            let (stdout, stderr, code) = ran(&Start {
                privileged: true,
                reaper: false,
                ..start(Process {
                    privileged: true,
                    ..shell(
                        "test -w /proc/sys/kernel/hostname && test -c /dev/fuse && echo open; \
                     while read name value; do case $name in CapEff:) echo $value;; esac; done \
                     < /proc/self/status",
                    )
                })
            });
            assert_eq!((&*stderr, code), ("", 0));
            let bits = stdout
                .strip_prefix("open\n")
                .unwrap_or_else(|| panic!("{stdout}"));
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let mut lines = status.lines();
            let own = lines.find_map(|line| line.strip_prefix("CapPrm:")).unwrap();
            assert_eq!(bits.trim(), own.trim(), "as many as init has");
        },
    );
}

#[test]
fn a_container_that_cannot_be_made_is_refused_in_words() {
    in_guest(
        "run::tests::a_container_that_cannot_be_made_is_refused_in_words",
        || {
            let _disks = Disks::new();
            // Each of them costs its init: a container is started once.
            let refused = |start: &Start| {
                let mut shim = booted();
                shim.start(start);
                let StartError { fault, reason } = shim.not_started(MAIN);
                assert_eq!(shim.power_off(), 0);
                // The VM ends with its init, and with it all that was mounted.
                while umount2("/container/image", MntFlags::MNT_DETACH).is_ok() {}
                (fault, reason)
            };
            let (fault, reason) = refused(&Start {
                image_disk: Disks::WRITABLE.to_owned(),
                ..start(shell("true"))
            });
            assert_eq!(fault, Fault::RootFileSystem);
            assert!(reason.starts_with("cannot mount the image: "), "{reason}");

            let (fault, reason) = refused(&Start {
                sysctls: vec![("kernel.nothing".to_owned(), "1".to_owned())],
                ..start(shell("true"))
            });
            assert_eq!(fault, Fault::Other);
            assert!(
                reason.starts_with("set kernel.nothing: No such file"),
                "{reason}"
            );

            let (_, reason) = refused(&Start {
                sysctls: vec![("net.nothing".to_owned(), "1".to_owned())],
                ..start(shell("true"))
            });
            assert!(
                reason.starts_with("set net.nothing: No such file"),
                "{reason}"
            );

            let (_, reason) = refused(&start(Process {
                dir: "/data/greeting".to_owned(),
                ..shell("true")
            }));
            assert_eq!(reason, "Cannot mkdir: /data/greeting is not a directory");

            let (fault, reason) = refused(&start(Process {
                args: vec!["/data/greeting".to_owned()],
                ..shell("")
            }));
            assert_eq!(fault, Fault::NotExecutable);
            assert_eq!(reason, "exec: \"/data/greeting\": permission denied");

            let (_, reason) = refused(&Start {
                cgroup: CgroupLimits {
                    cpus: "nothing".to_owned(),
                    ..CgroupLimits::default()
                },
                ..start(shell("true"))
            });
            assert!(
                reason.starts_with("bound the container: cpuset.cpus=nothing: "),
                "{reason}"
            );
        },
    );
}

#[test]
fn a_shim_of_another_release_starts_nothing() {
    assert_eq!(same_release(VERSION), Ok(()));
    let reason = same_release(VERSION + 1).unwrap_err().reason;
    assert!(
        reason.contains(&format!("shim version {}", VERSION + 1)),
        "{reason}"
    );
}

#[test]
fn bounds_usage_and_time_are_answered_without_a_container() {
    in_guest(
        "run::tests::bounds_usage_and_time_are_answered_without_a_container",
        || {
            let mut shim = booted();
            shim.send(&ToInit::Clock { now_ms: 1 });
            shim.send(&ToInit::Clock { now_ms: 1 });
            shim.send(&ToInit::Clock {
                now_ms: u64::MAX / 4,
            });
            shim.send(&ToInit::Usage { request: 1 });
            match shim.next() {
                FromInit::Used { request: 1, usage } => {
                    assert_eq!(usage.tasks, 0);
                    assert!(usage.cpus > 0 && usage.memory_limit > 0, "{usage:?}");
                }
                other => panic!("{other:?}"),
            }
            shim.send(&ToInit::Update {
                request: 2,
                cgroup: Box::default(),
            });
            let answer = FromInit::Updated {
                request: 2,
                refused: Vec::new(),
            };
            assert_eq!(shim.next(), answer);
            shim.send(&ToInit::List { request: 3 });
            let answer = FromInit::Listed {
                request: 3,
                processes: Vec::new(),
            };
            assert_eq!(shim.next(), answer);
            // Of no process.
            shim.send(&ToInit::Signal {
                id: ProcessId(9),
                signal: SIGTERM,
            });
            assert_eq!(shim.power_off(), 0);
        },
    );
}

/// An agent that waits to begin, says by files how far it is, and lives until it is told to end.
const AGENT: &str = "#!/bin/sh\necho $$ > /run/agent\nread line && echo begun > /run/begun\n\
                     read line; echo rooted > /run/rooted\nexec sleep 1000\n";

fn install_agent(script: &str) {
    fs::write("/sbin/tether-net", script).unwrap();
    fs::set_permissions("/sbin/tether-net", fs::Permissions::from_mode(0o755)).unwrap();
}

/// Says something as the agent does.
fn notify(text: &str) {
    let socket = UnixDatagram::unbound().unwrap();
    socket.send_to(text.as_bytes(), "/run/notify").unwrap();
}

fn appears(path: &str) {
    eventually(path, || Path::new(path).exists().then_some(()));
}

#[test]
fn the_agent_is_held_begins_with_the_life_and_is_awaited() {
    in_guest(
        "run::tests::the_agent_is_held_begins_with_the_life_and_is_awaited",
        || {
            install_agent(AGENT);
            let _disks = Disks::new();
            cgroup::make().unwrap();
            let mut shim = Shim::new(|line| serve(line, 7));
            appears("/run/agent");
            notify("STATUS=held\n");
            // A template is saved now.
            assert_eq!(shim.next(), FromInit::Ready { version: VERSION });
            shim.hello();
            appears("/run/begun");
            assert!(!Path::new("/run/rooted").exists());
            shim.start(&start(shell("echo up")));
            appears("/run/rooted");
            shim.until(|message| match message {
                FromInit::Phase { phase, .. } => (*phase == Phase::Agent).then_some(()),
                _ => None,
            });
            // The network is awaited: the loop answers, the process does not run.
            shim.send(&ToInit::List { request: 1 });
            shim.until(|message| match message {
                FromInit::Listed { .. } => Some(()),
                FromInit::Started { .. } => panic!("there is no network"),
                _ => None,
            });
            notify("READY=1\nSTATUS=spec 1\n");
            let (stdout, _, _) = shim.ended(MAIN);
            assert_eq!(stdout, "up\n");
            assert_eq!(shim.power_off(), 0);
        },
    );
}

#[test]
fn an_agent_that_ends_is_started_again() {
    in_guest("run::tests::an_agent_that_ends_is_started_again", || {
        install_agent("#!/bin/sh\necho $$ >> /run/agents\n");
        cgroup::make().unwrap();
        let shim = Shim::new(|line| serve(line, 7));
        eventually("a second agent", || {
            let agents = fs::read_to_string("/run/agents").unwrap_or_default();
            (agents.lines().count() >= 2).then_some(())
        });
        assert_eq!(shim.power_off(), 0);
    });
}

#[test]
fn a_network_that_does_not_come_is_told_with_the_agent_s_last_word() {
    let name = "run::tests::a_network_that_does_not_come_is_told_with_the_agent_s_last_word";
    in_guest(name, || {
        install_agent(AGENT);
        let _disks = Disks::new();
        cgroup::make().unwrap();
        let mut shim = Shim::new(|line| serve(line, 7));
        appears("/run/agent");
        notify("STATUS=held");
        assert_eq!(shim.next(), FromInit::Ready { version: VERSION });
        shim.hello();
        appears("/run/begun");
        notify("STATUS=no carrier on eth0");
        shim.start(&Start {
            network_deadline_ms: 200,
            ..start(shell("echo up"))
        });
        let StartError { fault, reason } = shim.not_started(MAIN);
        assert_eq!(fault, Fault::Network);
        let expected =
            "the network was not there after 200 ms: the agent's last word: no carrier on eth0";
        assert_eq!(reason, expected);
        assert_eq!(shim.power_off(), 0);
    });
}

#[test]
fn init_ends_with_its_line() {
    in_guest("run::tests::init_ends_with_its_line", || {
        cgroup::make().unwrap();
        let (own, its) = nix::unistd::pipe().unwrap();
        drop(own);
        let ended = serve(crate::line::Line::over(its), 7).unwrap_err();
        assert_eq!(ended.to_string(), "the line to the VCH is of no use");
    });
}
