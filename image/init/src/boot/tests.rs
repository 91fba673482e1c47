use super::{DIRS, MOUNTS, PARAMETERS, load_modules, prepare, set_domain, set_parameters};
use crate::guest_lab::{in_guest, mount_new};
use std::{fs, path::Path};

#[test]
fn a_guest_has_a_root_that_can_be_left() {
    in_guest("boot::tests::a_guest_has_a_root_that_can_be_left", || {
        fs::create_dir_all("/lib/modules").unwrap();
        fs::write("/lib/modules/order", "absent\n").unwrap();
        fs::write("/sbin/tether-net", "the agent").unwrap();
        prepare().unwrap();
        let agent = fs::read_to_string("/sbin/tether-net").unwrap();
        assert_eq!(agent, "the agent");
        for dir in DIRS {
            assert!(Path::new("/").join(dir).is_dir(), "{dir}");
        }
        let names = fs::read_dir("/").unwrap().count();
        assert_eq!(names, DIRS.len(), "nothing of the old root");
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let shown: Vec<(&str, &str)> = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .map(|fields| (fields[2], fields[1]))
            .collect();
        assert_eq!(shown[shown.len() - 5], ("tmpfs", "/"));
        for (mount, shown) in MOUNTS.iter().zip(&shown[shown.len() - 4..]) {
            let target = format!("/{}", mount.target);
            assert_eq!((mount.kind, &*target), *shown);
        }
        let loader = fs::read_link("/sbin/modprobe").unwrap();
        assert_eq!(loader, Path::new("/proc/1/exe"));
        let flags = fs::read_to_string("/sys/class/net/lo/flags").unwrap();
        let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).unwrap();
        assert_eq!(flags & 1, 1, "IFF_UP: {flags:#x}");
    });
}

#[test]
fn an_initramfs_without_modules_is_none() {
    in_guest("boot::tests::an_initramfs_without_modules_is_none", || {
        fs::create_dir_all("/lib/modules").unwrap();
        let error = prepare().unwrap_err();
        assert_eq!(error.to_string(), "cannot read the order of modules");
    });
}

#[test]
fn modules_leave_memory_whether_they_are_loaded_or_not() {
    in_guest(
        "boot::tests::modules_leave_memory_whether_they_are_loaded_or_not",
        || {
            let dir = Path::new("/tmp");
            fs::write(dir.join("order"), "one\ntwo\n").unwrap();
            fs::write(dir.join("one.ko"), "no module").unwrap();
            load_modules(dir).unwrap();
            assert!(!dir.join("one.ko").exists());
            assert!(dir.join("order").exists());
        },
    );
}

#[test]
fn parameters_are_set_as_far_as_the_kernel_has_them() {
    in_guest(
        "boot::tests::parameters_are_set_as_far_as_the_kernel_has_them",
        || {
            let root = Path::new("/proc/sys");
            mount_new("tmpfs", root, "");
            for dir in ["net/ipv4", "fs"] {
                fs::create_dir_all(root.join(dir)).unwrap();
            }
            set_parameters();
            for (name, value) in PARAMETERS {
                let set = fs::read_to_string(root.join(name));
                if name.starts_with("kernel/") {
                    assert!(set.is_err(), "this kernel has no such tree");
                } else {
                    assert_eq!(set.unwrap(), value, "{name}");
                }
            }
        },
    );
}

#[test]
fn the_domain_is_the_kernel_s() {
    in_guest("boot::tests::the_domain_is_the_kernel_s", || {
        set_domain("example.org").unwrap();
        let domain = fs::read_to_string("/proc/sys/kernel/domainname").unwrap();
        assert_eq!(domain, "example.org\n");
    });
}
