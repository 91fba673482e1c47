use super::{Launch, LaunchError, MAX_LAUNCH, Nic};
use protocol::process::Start;
use std::{io, path::Path, time::Duration};
use vch_qemu::Accelerator;

/// Returns a launch whose files are in a directory; they need not exist.
pub fn launch(dir: &Path) -> Launch {
    Launch {
        container: "c".repeat(64),
        dir: dir.to_owned(),
        sockets: dir.join("sockets"),
        program: dir.join("qemu"),
        kernel: dir.join("kernel"),
        initramfs: dir.join("initramfs"),
        modules_disk: None,
        kvm: false,
        memory_mib: 64,
        cpus: 1,
        image_disk: dir.join("image"),
        writable_disk: dir.join("upper"),
        template: None,
        nics: Vec::new(),
        uid: 1_234_567,
        cgroup: None,
        start: Start::default(),
        log_bytes: 1 << 20,
        log_files: 2,
        boot_deadline_ms: 20_000,
    }
}

#[test]
fn a_launch_is_read_as_it_was_written() {
    let launch = Launch {
        nics: vec![Nic {
            id: "n1".to_owned(),
            mac: [2, 0, 0, 0, 0, 1],
            tap: "vt-1".to_owned(),
        }],
        kvm: true,
        ..launch(Path::new("/srv/c"))
    };
    let text = serde_json::to_vec(&launch).unwrap();
    let read = Launch::read(&text[..]).unwrap();
    assert_eq!(read, launch);
    assert_eq!(read.accelerator(), Accelerator::Kvm);
    assert_eq!(read.boot_deadline(), Duration::from_secs(20));
}

#[test]
fn a_launch_of_a_coordinator_that_knew_less_is_read() {
    let mut value = serde_json::to_value(launch(Path::new("/srv/c"))).unwrap();
    for later in ["modules_disk", "cgroup", "template"] {
        value.as_object_mut().unwrap().remove(later).unwrap();
    }
    let read = Launch::read(&serde_json::to_vec(&value).unwrap()[..]).unwrap();
    assert_eq!(read, launch(Path::new("/srv/c")));
}

#[test]
fn what_is_no_launch_says_why() {
    let malformed = Launch::read(&b"{\"container\": 1}"[..]).unwrap_err();
    assert!(
        matches!(malformed, LaunchError::Malformed(_)),
        "{malformed}"
    );
    let endless = Launch::read(io::repeat(b' ')).unwrap_err();
    assert!(matches!(endless, LaunchError::TooLong), "{endless}");
    assert!(endless.to_string().contains(&MAX_LAUNCH.to_string()));
    let mut value = serde_json::to_value(launch(Path::new("/srv/c"))).unwrap();
    value["later"] = true.into();
    let unknown = Launch::read(&serde_json::to_vec(&value).unwrap()[..]).unwrap_err();
    assert!(matches!(unknown, LaunchError::Malformed(_)), "{unknown}");
}
