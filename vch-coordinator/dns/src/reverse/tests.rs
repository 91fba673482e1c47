use super::*;
use crate::Name;

fn reverse(text: &str) -> Option<(String, bool)> {
    let name: Name = text.parse().unwrap();
    parse(name.as_wire()).map(|found| (found.prefix.to_string(), found.exact))
}

#[test]
fn a_full_address_reads_as_itself() {
    assert_eq!(
        reverse("2.0.18.172.in-addr.arpa"),
        Some(("172.18.0.2/32".to_owned(), true))
    );
    let nibbles = "2.".to_owned() + &"0.".repeat(23) + "8.b.d.0.1.0.0.2.ip6.arpa";
    assert_eq!(
        reverse(&nibbles),
        Some(("2001:db8::2/128".to_owned(), true))
    );
}

#[test]
fn a_part_of_an_address_reads_as_its_prefix() {
    assert_eq!(
        reverse("18.172.in-addr.arpa"),
        Some(("172.18.0.0/16".to_owned(), true))
    );
    assert_eq!(
        reverse("in-addr.arpa"),
        Some(("0.0.0.0/0".to_owned(), true))
    );
    assert_eq!(reverse("d.f.ip6.arpa"), Some(("fd00::/8".to_owned(), true)));
}

#[test]
fn labels_that_spell_no_number_lie_below_the_prefix() {
    for text in [
        "x.18.172.in-addr.arpa",
        "256.18.172.in-addr.arpa",
        "007.18.172.in-addr.arpa",
    ] {
        assert_eq!(reverse(text), Some(("172.18.0.0/16".to_owned(), false)));
    }
    assert_eq!(
        reverse("9.4.3.2.1.in-addr.arpa"),
        Some(("1.2.3.4/32".to_owned(), false))
    );
    assert_eq!(
        reverse("10.d.f.ip6.arpa"),
        Some(("fd00::/8".to_owned(), false))
    );
}

#[test]
fn other_names_are_no_reverse_names() {
    assert_eq!(reverse("web"), None);
    assert_eq!(reverse("arpa"), None);
    assert_eq!(reverse("in-addr.arpa.example"), None);
}
