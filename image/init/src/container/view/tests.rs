use super::{no_dir, of_the_network, options};
use nix::mount::MsFlags;
use std::io;

#[test]
fn options_of_mount_are_flags_and_data() {
    let quiet = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    for (text, flags, data) in [
        ("", quiet, ""),
        ("size=64m,mode=1777", quiet, "size=64m,mode=1777"),
        ("ro", quiet | MsFlags::MS_RDONLY, ""),
        ("ro,rw", quiet, ""),
        ("exec,size=1m", quiet - MsFlags::MS_NOEXEC, "size=1m"),
        ("suid,dev,exec", MsFlags::empty(), ""),
        ("suid,dev,exec,nosuid,nodev,noexec", quiet, ""),
        (",,noatime,", quiet | MsFlags::MS_NOATIME, ""),
    ] {
        assert_eq!(options(quiet, text), (flags, data.to_owned()), "{text:?}");
    }
}

#[test]
fn the_network_s_parameters_are_those_of_its_tree() {
    for (name, expected) in [
        ("net.ipv4.ip_forward", true),
        ("net.core.somaxconn", true),
        ("network.name", false),
        ("kernel.msgmax", false),
    ] {
        assert_eq!(of_the_network(name), expected, "{name}");
    }
}

#[test]
fn a_file_in_place_of_the_working_directory_is_told_as_dockerd_tells_it() {
    for (kind, expected) in [
        (
            io::ErrorKind::AlreadyExists,
            "Cannot mkdir: /data is not a directory",
        ),
        (
            io::ErrorKind::NotADirectory,
            "Cannot mkdir: /data is not a directory",
        ),
        (
            io::ErrorKind::StorageFull,
            "make the working directory: no storage space",
        ),
    ] {
        assert_eq!(no_dir("/data", &kind.into()).reason, expected);
    }
}
