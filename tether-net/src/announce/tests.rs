use super::*;

fn mac() -> MacAddress {
    MacAddress::try_from([2, 0x42, 0, 0, 0, 7]).unwrap()
}

#[test]
fn an_arp_announcement_asks_everybody_for_the_own_address() {
    let said = announcement("10.0.0.2".parse().unwrap(), mac());
    assert_eq!((said.ethertype, said.destination), (0x0806, [0xff; 6]));
    let expected = [
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0x42, 0, 0, 0, 7, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    ];
    assert_eq!(said.payload, expected);
}

#[test]
fn a_neighbour_advertisement_has_a_sound_checksum_and_tells_the_mac() {
    let said = announcement("fd00::2".parse().unwrap(), mac());
    assert_eq!(
        (said.ethertype, said.destination),
        (0x86dd, [0x33, 0x33, 0, 0, 0, 1])
    );
    let packet = said.payload;
    assert_eq!(packet.len(), 40 + 32);
    assert_eq!(packet[6..8], [58, 255]);
    assert_eq!(packet[40], 136);
    assert_eq!(packet[66..], mac().octets());
    let mut pseudo = packet[8..40].to_vec();
    pseudo.extend([0, 0, 0, 32, 0, 0, 0, 58]);
    pseudo.extend(&packet[40..]);
    // RFC 1071: over bytes that bear their checksum the sum is all ones.
    assert_eq!(checksum(&pseudo), 0);
}
