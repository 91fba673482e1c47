use super::*;

const ALL: [TimeBound; 5] = [
    TimeBound::List,
    TimeBound::Prune,
    TimeBound::NetworkPrune,
    TimeBound::Events("until"),
    TimeBound::Logs("since"),
];

#[test]
fn every_request_reads_the_same_times() {
    let now = Duration::from_secs(2_000_000_000);
    let at = |seconds| Ok(Some(Duration::from_secs(seconds)));
    for bound in ALL {
        assert_eq!(bound.read(None, now), Ok(None));
        assert_eq!(bound.read(Some("1136073845"), now), at(1_136_073_845));
        assert_eq!(bound.read(Some("10m"), now), at(1_999_999_400));
        let date = "2006-01-02T15:04:05Z";
        assert_eq!(bound.read(Some(date), now), at(1_136_214_245));
        let zero = match bound {
            TimeBound::Logs(_) => Ok(None),
            _ => at(0),
        };
        assert_eq!(bound.read(Some("0"), now), zero);
    }
}

#[test]
fn what_is_no_time_is_refused_in_each_requests_words() {
    let messages = ALL.map(|bound| {
        let error = bound.read(Some("never"), Duration::ZERO).unwrap_err();
        assert_eq!(error.status.as_u16(), 400);
        error.message.to_string()
    });
    assert_eq!(
        messages,
        [
            "invalid filter 'until=never'",
            "invalid filter 'until=never': give a time or an age",
            "failed to parse value as time or duration: \"never\"",
            "failed to parse value for \"until\": never: write seconds since 1970, a duration as 10m or a date",
            "invalid value for \"since\": never: give seconds since 1970, or an RFC 3339 time",
        ]
    );
}
