use super::*;
use crate::message::{DecodeError, Message};

fn start() -> Start {
    Start {
        image_disk: "image".to_owned(),
        writable_disk: "upper".to_owned(),
        read_only: true,
        shm_bytes: 64 << 20,
        tmpfs: vec![Tmpfs {
            path: "/run".to_owned(),
            options: "size=1m".to_owned(),
        }],
        sysctls: vec![("net.ipv4.ip_forward".to_owned(), "0".to_owned())],
        reaper: true,
        network_deadline_ms: 1_000,
        process: Process {
            args: vec!["sh".to_owned(), "-c".to_owned(), "exit 1".to_owned()],
            environment: vec!["A=b".to_owned()],
            terminal: Some(TerminalSize {
                rows: 24,
                columns: 80,
            }),
            capabilities: vec![0, 31],
            limits: vec![(7, 1024, 4096)],
            ..Process::default()
        },
        privileged: true,
        domain: "d.example".to_owned(),
        cgroup: CgroupLimits {
            memory: Some(64 << 20),
            cpu_max: Some(CpuMax {
                quota_us: 50_000,
                period_us: 100_000,
            }),
            cpus: "0".to_owned(),
            ..CgroupLimits::default()
        },
        devices: vec![Device {
            source: "/dev/net/tun".to_owned(),
            path: "/dev/net/tun".to_owned(),
            access: "rwm".to_owned(),
        }],
        masked_paths: vec!["/proc/kcore".to_owned()],
        read_only_paths: vec!["/proc/sys".to_owned()],
        volumes: vec!["/data".to_owned()],
    }
}

#[test]
fn cpu_shares_become_the_weights_that_runc_gives_them() {
    let weights = [0, 1, 2, 512, 1024, 262_144, u64::MAX].map(cpu_weight);
    let expected = [
        None,
        Some(1),
        Some(1),
        Some(20),
        Some(39),
        Some(10_000),
        Some(10_000),
    ];
    assert_eq!(weights, expected);
}

#[test]
fn messages_come_out_as_they_went_in() {
    let id = ProcessId(7);
    let to = [
        ToInit::Hello {
            version: VERSION,
            now_ms: 1,
            seed: [7; 32],
        },
        ToInit::Start(Box::new(start())),
        ToInit::Exec {
            id,
            process: Box::default(),
        },
        ToInit::Input {
            id,
            bytes: vec![0, 255],
        },
        ToInit::Taken {
            id,
            stream: Output::Stderr,
            bytes: 3,
        },
        ToInit::PowerOff,
        ToInit::Update {
            request: 1,
            cgroup: Box::new(start().cgroup),
        },
        ToInit::Clock { now_ms: 1 },
    ];
    for message in to {
        let bytes = message.encode().unwrap();
        assert_eq!(ToInit::decode(&bytes).unwrap(), message);
    }
    let from = [
        FromInit::Ready { version: VERSION },
        FromInit::NotStarted {
            id,
            fault: Fault::NotFound,
            reason: "x".to_owned(),
        },
        FromInit::Output {
            id,
            stream: Output::Stdout,
            bytes: vec![7; MAX_CHUNK],
        },
        FromInit::Used {
            request: 1,
            usage: Usage::default(),
        },
        FromInit::Updated {
            request: 1,
            refused: vec!["cpuset.cpus=9: no such processor".to_owned()],
        },
    ];
    for message in from {
        let bytes = message.encode().unwrap();
        assert_eq!(FromInit::decode(&bytes).unwrap(), message);
    }
}

#[test]
fn what_is_too_long_is_refused() {
    let too_many = |field: &str, decoded: Result<ToInit, DecodeError>| match decoded {
        Err(DecodeError::TooMany { field: named, .. }) => assert_eq!(named, field),
        other => panic!("{other:?}"),
    };
    let input = ToInit::Input {
        id: ProcessId::MAIN,
        bytes: vec![0; MAX_CHUNK + 1],
    };
    too_many("bytes", ToInit::decode(&input.encode().unwrap()));
    let mut long = start();
    long.process.args = vec![String::new(); MAX_WORDS + 1];
    let long = ToInit::Start(Box::new(long));
    too_many("words", ToInit::decode(&long.encode().unwrap()));
}
