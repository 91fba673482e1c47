//! Tests of the NIC that an interface gets, and of how the NIC gets its name.

use super::*;

#[test]
fn an_interface_that_left_the_spec_is_cleared_and_set_down() {
    let mut now = observed([(2, settled("eth0", 1)), (3, settled("eth1", 2))]);
    now.addresses.insert(address(2, "10.0.0.2/24", true));
    now.addresses.insert(address(3, "10.1.0.2/24", true));
    assert_eq!(
        steps(&now, &spec([interface("eth1", 2, &["10.1.0.2/24"])])),
        [
            "remove address 10.0.0.2/24 from eth0",
            "set eth0 down",
            "take the mark off eth0",
        ]
    );
}

#[test]
fn two_nics_swap_their_names_by_way_of_a_third() {
    let now = observed([(2, settled("eth0", 1)), (3, settled("eth1", 2))]);
    let wanted = spec([interface("eth1", 1, &[]), interface("eth0", 2, &[])]);
    assert_eq!(
        steps(&now, &wanted),
        [
            "set eth1 down",
            "rename link 2 to tn-2 for eth1",
            "set eth0 down",
            "rename link 3 to eth0 for eth0",
            "rename link 2 to eth1 for eth1",
            "set eth1 up",
            "set eth0 up",
        ]
    );
}

#[test]
fn names_that_move_up_need_no_third() {
    let now = observed([(2, settled("eth0", 1)), (3, settled("eth1", 2))]);
    let wanted = spec([interface("eth1", 1, &[]), interface("eth2", 2, &[])]);
    let renames: Vec<String> = steps(&now, &wanted)
        .into_iter()
        .filter(|s| s.starts_with("rename"))
        .collect();
    assert_eq!(
        renames,
        [
            "rename link 3 to eth2 for eth2",
            "rename link 2 to eth1 for eth1",
        ]
    );
}

#[test]
fn a_released_link_makes_room_for_its_name() {
    let now = observed([(2, settled("eth0", 1)), (3, link("eth1", 2))]);
    let said = steps(&now, &spec([interface("eth0", 2, &[])]));
    assert!(said.contains(&"rename link 2 to tn-2 for eth0".to_owned()));
    assert!(said.contains(&"rename link 3 to eth0 for eth0".to_owned()));
}

#[test]
fn a_name_that_a_foreign_link_bears_is_a_conflict_and_nothing_goes_down() {
    let now = observed([(2, link("eth0", 1)), (3, settled("eth1", 2))]);
    let plan = plan(&now, &spec([interface("eth0", 2, &["10.0.0.2/24"])]), &[]);
    assert_eq!(step_texts(&plan), ["add address 10.0.0.2/24 to eth0"]);
    let [Outlook::Present { conflict, .. }] = &plan.outlooks[..] else {
        panic!("{:?}", plan.outlooks);
    };
    assert_eq!(conflict.as_ref().map(|c| c.errno), Some(libc::EEXIST));
}

#[test]
fn a_nic_that_is_not_there_is_waited_for() {
    let plan = plan(&observed([]), &spec([interface("eth0", 1, &[])]), &[]);
    assert_eq!(plan.outlooks, [Outlook::Waiting]);
    assert!(plan.steps.is_empty());
}

#[test]
fn loopback_comes_up_and_never_carries_an_interface() {
    let mut lo = link("lo", 1);
    lo.kind = LinkKind::Loopback;
    let plan = plan(
        &observed([(1, lo)]),
        &spec([interface("eth0", 1, &[])]),
        &[],
    );
    assert_eq!(step_texts(&plan), ["set loopback up"]);
    assert_eq!(plan.outlooks, [Outlook::Waiting]);
}

#[test]
fn a_nic_is_found_by_its_position_on_the_bus_whatever_its_address() {
    let location = |path: &str, slot| PciLocation {
        path: path.parse().unwrap(),
        slot,
    };
    let mut near = link("eth0", 7);
    near.pci = Some(location("03.0", None));
    let mut far = link("eth1", 1);
    far.pci = Some(location("02.0/00.0", Some(5)));
    let mut by_path = interface("a", 1, &[]);
    by_path.nic = NicMatch::PciPath("03.0".parse().unwrap());
    let mut by_slot = interface("b", 2, &[]);
    by_slot.nic = NicMatch::PciSlot(5);
    let plan = plan(
        &observed([(2, near), (3, far)]),
        &spec([by_path, by_slot]),
        &[],
    );
    let links: Vec<u32> = plan.steps.iter().map(|p| p.step.link()).collect();
    assert!(links.contains(&2) && links.contains(&3));
    assert!(step_texts(&plan).contains(&"set MAC address 02:00:00:00:00:01 on a".to_owned()));
    assert!(step_texts(&plan).contains(&"set MAC address 02:00:00:00:00:02 on b".to_owned()));
}

#[test]
fn the_address_of_the_hardware_counts_before_the_present_one() {
    let mut first = settled("x", 1);
    first.permanent_mac = Some(mac(2));
    let mut second = settled("y", 2);
    second.permanent_mac = Some(mac(1));
    let plan = plan(
        &observed([(2, first), (3, second)]),
        &spec([interface("eth0", 1, &[])]),
        &[],
    );
    let conflict = None;
    assert_eq!(plan.outlooks, [Outlook::Present { link: 3, conflict }]);
}

#[test]
fn a_nic_without_an_address_of_its_own_is_found_again_after_it_got_another() {
    let mut wanted = interface("eth0", 1, &[]);
    wanted.mac = mac(9);
    let now = observed([(2, settled("eth0", 9))]);
    assert!(steps(&now, &spec([wanted])).is_empty());
}
