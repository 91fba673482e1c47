use super::{load, matches};
use crate::guest_lab::{Disks, in_guest, mount_new};
use std::{fs, io, path::Path};

fn resolve(index: &str, wanted: &str) -> Vec<String> {
    super::resolve(index, wanted).order
}

const INDEX: &str = "module bridge llc stp\nmodule llc\nmodule nft_chain_nat nf_tables\nmodule stp llc\n\
                     alias rtnl-link-bridge bridge\nalias nft-chain-2-nat nft_chain_nat\n\
                     alias pci:v00001AF4d*sv* virtio_pci\nalias net-pf-7[0-9] llc\n";

#[test]
fn a_name_and_an_alias_bring_a_module_behind_its_needs() {
    assert_eq!(resolve(INDEX, "bridge"), ["llc", "stp", "bridge"]);
    assert_eq!(resolve(INDEX, "rtnl-link-bridge"), ["llc", "stp", "bridge"]);
    assert_eq!(
        resolve(INDEX, "nft-chain-2-nat"),
        ["nf_tables", "nft_chain_nat"]
    );
    assert_eq!(
        resolve(INDEX, "nft-chain-nat"),
        ["nf_tables", "nft_chain_nat"]
    );
    assert_eq!(resolve(INDEX, "net-pf-71"), ["llc"]);
    assert!(resolve(INDEX, "net-pf-40").is_empty());
    assert!(resolve(INDEX, "").is_empty());
    assert_eq!(super::resolve(INDEX, "rtnl-link-bridge").asked, ["bridge"]);
}

#[test]
fn patterns_are_those_of_modules_aliases() {
    for (pattern, text, expected) in [
        ("", "", true),
        ("a", "", false),
        ("a*c", "abbc", true),
        ("a*c", "abbd", false),
        ("a?c", "abc", true),
        ("[a-c]x", "bx", true),
        ("[a-c]x", "dx", false),
        ("[xyz", "x", false),
        ("pci:v00001AF4d*sv*", "pci:v00001AF4d1000sv1AF4", true),
    ] {
        let found = matches(pattern.as_bytes(), text.as_bytes());
        assert_eq!(found, expected, "{pattern} {text}");
    }
}

#[test]
fn modules_come_from_their_disk_when_the_first_is_wanted() {
    in_guest(
        "modprobe::tests::modules_come_from_their_disk_when_the_first_is_wanted",
        || {
            let error = load("llc").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            let expected = "the VM has no disk with the serial number modules";
            assert_eq!(error.to_string(), expected);

            let files = Path::new("/tmp/modules");
            fs::create_dir(files).unwrap();
            fs::write(files.join("index"), INDEX).unwrap();
            fs::write(files.join("stp.ko"), "no module").unwrap();
            let _disks = Disks::squashfs(files, super::DISK);
            // What the kernel has already.
            let there = Path::new("/sys/module");
            mount_new("tmpfs", there, "");
            fs::create_dir(there.join("llc")).unwrap();
            fs::write(there.join("llc/initstate"), "live\n").unwrap();

            assert!(load("net-pf-71").unwrap());
            assert!(Path::new(super::INDEX).exists(), "it is mounted");
            assert!(!load("of-no-module").unwrap());
            let error = load("stp").unwrap_err().to_string();
            assert!(error.starts_with("module stp: "), "{error}");
            let error = load("bridge").unwrap_err().to_string();
            assert!(error.starts_with("module bridge: No such file"), "{error}");
        },
    );
}
