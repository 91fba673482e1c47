use super::{bytes, nic_id, set, uid};
use protocol::process::Start;
use vch_shim::Launch;

/// Some container's.
pub fn sample() -> Launch {
    Launch {
        container: "c".repeat(64),
        folder: "/nowhere".into(),
        sockets: "/nowhere".into(),
        program: "qemu".into(),
        kernel: "/nowhere/vmlinux".into(),
        initramfs: "/nowhere/vm.cpio".into(),
        kvm: false,
        memory_mib: 256,
        cpus: 1,
        image_disk: "/nowhere/image".into(),
        upper_disk: "/nowhere/upper".into(),
        template: None,
        nics: Vec::new(),
        uid: 1,
        start: Start {
            image_disk: "image".to_owned(),
            upper_disk: "upper".to_owned(),
            shm_bytes: 1,
            network_deadline_ms: 1,
            ..Start::default()
        },
        log_bytes: 1,
        log_files: 1,
        boot_deadline_ms: 1,
    }
}

#[test]
fn a_variable_takes_the_place_of_the_one_of_its_name() {
    let mut all = vec!["PATH=/bin".to_owned(), "TERM=xterm".to_owned()];
    set(&mut all, "PATH=/usr/bin");
    set(&mut all, "A=b=c");
    set(&mut all, "TERM");
    set(&mut all, "NEVER");
    assert_eq!(all, ["PATH=/usr/bin", "A=b=c"]);
}

#[test]
fn sizes_of_logs_are_docker_s() {
    let read = ["7", "10k", "10m", "1g", "1gb", "x", "5t", ""].map(bytes);
    let expected = [
        Some(7),
        Some(10 << 10),
        Some(10 << 20),
        Some(1 << 30),
        Some(1 << 30),
    ];
    assert_eq!(read[..5], expected);
    assert_eq!(read[5..], [None; 3]);
}

#[test]
fn each_vm_has_a_user_of_its_own() {
    let one = uid(&"a".repeat(64));
    assert_ne!(one, uid(&"b".repeat(64)));
    assert!(one >= super::FIRST_UID);
    assert_eq!(nic_id("0123456789abcdef"), "n0123456789ab");
}
