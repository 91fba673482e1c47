use super::*;

#[test]
fn keys_stand_as_they_came_and_a_value_is_replaced_where_it_is() {
    let text = r#"{"b":1,"a":2,"c":3}"#;
    let mut all: Ordered<u32> = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&all).unwrap(), text);
    all.insert("a".to_owned(), 9);
    all.insert("0".to_owned(), 7);
    assert_eq!(
        serde_json::to_string(&all).unwrap(),
        r#"{"b":1,"a":9,"c":3,"0":7}"#
    );
    assert_eq!((all.get("a"), all.get("z")), (Some(&9), None));
    assert!(!all.is_empty() && Ordered::<u32>::default().is_empty());
}
