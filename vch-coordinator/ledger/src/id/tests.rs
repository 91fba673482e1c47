use super::{Id, NetworkId, prefix_range};
use proptest::prelude::*;

proptest! {
    #[test]
    fn an_id_survives_its_text(bytes: [u8; 32]) {
        let id = NetworkId::from_bytes(bytes);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert_eq!(id.short(), &id.to_string()[..12]);
    }

    #[test]
    fn an_id_is_in_the_range_of_a_text_exactly_if_the_text_begins_it(
        bytes: [u8; 32],
        text in "[0-9a-f]{1,4}",
        own in 1usize..=64,
    ) {
        let id = NetworkId::from_bytes(bytes);
        let shown = id.to_string();
        for prefix in [text.as_str(), &shown[..own]] {
            let (low, high) = prefix_range(prefix).unwrap();
            prop_assert_eq!((low..=high).contains(&bytes), shown.starts_with(prefix));
        }
    }

    #[test]
    fn no_text_panics(text: String) {
        let _ = prefix_range(&text);
        prop_assert!(text.len() == 64 || text.parse::<NetworkId>().is_err());
    }
}

#[test]
fn text_that_begins_no_id_has_no_range() {
    for text in ["", "g", "0x", "ABC", "é", &"0".repeat(65)] {
        assert_eq!(prefix_range(text), None, "{text}");
    }
}
