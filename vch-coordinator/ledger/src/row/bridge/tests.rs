use super::*;

#[test]
fn a_prefix_leaves_room_for_every_number() {
    let prefix: InterfacePrefix = "lan".parse().unwrap();
    assert_eq!(prefix.as_str(), "lan");
    assert!("thirteen-char".parse::<InterfacePrefix>().is_ok());
    let long = "fourteen-chars".parse::<InterfacePrefix>().unwrap_err();
    assert!(long.to_string().contains("`fourteen-chars31`"), "{long}");
    assert!("a/b".parse::<InterfacePrefix>().is_err());
}
