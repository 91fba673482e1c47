use super::gaps;

#[test]
fn all_numbers_but_those_kept_are_closed() {
    assert_eq!(gaps(&[]), [(3, u32::MAX)]);
    assert_eq!(gaps(&[0, 1, 2, -1]), [(3, u32::MAX)]);
    assert_eq!(gaps(&[3, 4]), [(5, u32::MAX)]);
    assert_eq!(gaps(&[9, 4]), [(3, 3), (5, 8), (10, u32::MAX)]);
    assert_eq!(gaps(&[5, 5]), [(3, 4), (6, u32::MAX)]);
}
