use super::{GENERALIZED_TIME, UTC_TIME, ends, moment};
use std::time::{Duration, SystemTime};

fn seconds(tag: u8, text: &str) -> Option<u64> {
    let moment = moment(tag, text.as_bytes())?;
    Some(
        moment
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
}

#[test]
fn times_of_both_kinds_are_read() {
    assert_eq!(seconds(UTC_TIME, "700101000000Z"), Some(0));
    assert_eq!(seconds(UTC_TIME, "240229235959Z"), Some(1_709_251_199));
    assert_eq!(seconds(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
    assert_eq!(
        seconds(GENERALIZED_TIME, "20500301000000Z"),
        Some(2_529_705_600)
    );
    assert_eq!(seconds(UTC_TIME, "241301000000Z"), None);
    assert_eq!(seconds(UTC_TIME, "2402292359Z"), None);
    assert_eq!(seconds(0x04, "240229235959Z"), None);
}

#[test]
fn a_certificate_ends_when_it_says() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut wanted = rcgen::CertificateParams::new(vec!["vch".to_owned()]).unwrap();
    wanted.not_after = rcgen::date_time_ymd(2031, 2, 3);
    let certificate = wanted.self_signed(&key).unwrap();
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_927_843_200);
    assert_eq!(ends(certificate.der()), Some(end));
    for cut in 0..40 {
        assert_eq!(ends(&certificate.der()[..cut]), None);
    }
}
