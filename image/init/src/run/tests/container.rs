//! Tests of the container that a start requests: rights, view, privileges, and refusals.

use super::booted::{MAIN, booted, ran, shell, start};
use crate::{
    guest_lab::{Disks, in_guest, may_raise_limits},
    start_error::StartError,
};
use nix::{
    mount::{MntFlags, umount2},
    sys::resource::{Resource, getrlimit},
};
use protocol::process::{CgroupLimits, Fault, Process, Start, Tmpfs};
use std::fs;

#[test]
fn a_process_runs_as_its_user_with_its_rights_and_no_more() {
    in_guest(|| {
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
    });
}

#[test]
fn the_view_of_a_container_is_docker_s() {
    in_guest(|| {
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
    in_guest(|| {
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
    });
}

#[test]
fn a_container_that_cannot_be_made_is_refused_in_words() {
    in_guest(|| {
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
    });
}
