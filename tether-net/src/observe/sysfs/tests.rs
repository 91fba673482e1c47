use super::*;
use crate::observe::LinkKind;
use std::fs;
use std::os::unix::fs::symlink;

fn link(name: &str) -> Link {
    Link {
        name: name.to_owned(),
        kind: LinkKind::Ethernet,
        mac: Some("02:00:00:00:00:07".parse().unwrap()),
        permanent_mac: None,
        pci: None,
        mtu: 1500,
        up: true,
        carrier: true,
        marked: false,
        sysctls: Sysctls::default(),
    }
}

/// Makes a `/sys` in which eth0, of index 2, is behind a root port in physical slot 5.
fn tree() -> tempfile::TempDir {
    let sys = tempfile::tempdir().unwrap();
    let at = |path: &str| sys.path().join(path);
    let device = "devices/pci0000:00/0000:00:02.0/0000:01:00.0/virtio2";
    fs::create_dir_all(at(device).join("net/eth0")).unwrap();
    fs::create_dir_all(at("class/net")).unwrap();
    fs::create_dir_all(at("bus/pci/slots/5")).unwrap();
    fs::create_dir_all(at("bus/pci/slots/odd-name")).unwrap();
    fs::write(at("bus/pci/slots/5/address"), "0000:01:00\n").unwrap();
    fs::write(at("bus/pci/slots/odd-name/address"), "0000:01:00\n").unwrap();
    let net = at(device).join("net/eth0");
    symlink(at(device), net.join("device")).unwrap();
    fs::write(net.join("ifindex"), "2\n").unwrap();
    fs::write(net.join("address"), "02:00:00:00:00:07\n").unwrap();
    symlink(&net, at("class/net/eth0")).unwrap();
    sys
}

#[test]
fn a_location_is_the_way_from_the_root_bus_and_its_slot() {
    let sys = tree();
    let location = Sysfs::at(sys.path(), "/none").pci_location(2, &link("eth0"));
    let location = location.unwrap();
    assert_eq!(location.path, "02.0/00.0".parse().unwrap());
    assert_eq!(location.slot, Some(5));
}

#[test]
fn an_entry_of_another_namespaces_link_does_not_count() {
    let sys = tree();
    let sysfs = Sysfs::at(sys.path(), "/none");
    assert_eq!(sysfs.pci_location(3, &link("eth0")), None);
    let mut other = link("eth0");
    other.mac = Some("02:00:00:00:00:08".parse().unwrap());
    assert_eq!(sysfs.pci_location(2, &other), None);
    assert_eq!(sysfs.pci_location(2, &link("../net/eth0")), None);
}

#[test]
fn only_names_of_pci_functions_are_steps() {
    assert_eq!(slot_and_function("0000:1f:1f.7"), Some((31, 7)));
    for name in [
        "pci0000:00",
        "virtio2",
        "0000:00:0.0",
        "00:1f.7",
        "0000:00:+1.0",
        "0000:00:01.0:x",
    ] {
        assert_eq!(slot_and_function(name), None, "{name}");
    }
}

#[test]
fn sysctls_are_read_by_the_links_name_and_missing_ones_are_told_apart() {
    let root = tempfile::tempdir().unwrap();
    let conf = root.path().join("net/ipv4/conf/eth0");
    fs::create_dir_all(&conf).unwrap();
    fs::write(conf.join("promote_secondaries"), "1\n").unwrap();
    let sysfs = Sysfs::at("/none", root.path());
    let sysctls = sysfs.sysctls("eth0");
    assert_eq!(sysctls.promotes_secondaries, Some(true));
    assert_eq!(sysctls.refuses_router_advertisements, None);
    assert_eq!(sysfs.sysctl("ipv4", "..", "x"), None);
}
