use super::*;

fn list(nets: &[&str]) -> ClientList {
    let nets: Vec<IpNet> = nets.iter().map(|net| net.parse().unwrap()).collect();
    ClientList::new(&nets)
}

#[test]
fn lists_of_the_same_subnets_share_a_chain_and_no_others_do() {
    let one = list(&["10.0.0.0/8", "fd00::/8"]);
    assert_eq!(one, list(&["fd00::/8", "10.0.0.0/8", "10.0.0.0/8"]));
    assert_ne!(one.chain().unwrap(), list(&["10.0.0.0/8"]).chain().unwrap());
    assert_ne!(
        list(&["10.0.0.0/8"]).chain().unwrap(),
        list(&["10.0.0.0/9"]).chain().unwrap()
    );
    assert!(ClientList::is_chain(&one.chain().unwrap()));
}

#[test]
fn a_client_of_the_list_goes_on_and_any_other_ends_here() {
    let rules = list(&["10.0.0.0/8", "fd00::/8"]).rules().unwrap();
    let words: Vec<String> = rules.iter().map(ToString::to_string).collect();
    let without_comments = words.iter().map(|words| words.split(" comment").next());
    assert!(without_comments.eq([
        Some("ip saddr 10.0.0.0/8 return"),
        Some("ip6 saddr fd00::/8 return"),
        Some("drop")
    ]));
}

#[test]
fn the_fingerprint_is_that_of_fnv_1a() {
    // Test vectors of RFC 9923's authors: the empty string and "a".
    assert_eq!(fingerprint(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
    assert_eq!(fingerprint(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
}
