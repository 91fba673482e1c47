use super::signal_number;

#[test]
fn a_signal_is_known_by_number_and_by_name_with_and_without_sig() {
    for (text, number) in [
        ("1", 1),
        ("64", 64),
        ("TERM", 15),
        ("SIGINT", 2),
        ("sigkill", 9),
        ("CLD", 17),
        ("POLL", 29),
        ("RTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("rtmin+15", 49),
        ("RTMAX-14", 50),
        ("SIGRTMAX-1", 63),
        ("SIGRTMAX", 64),
    ] {
        assert_eq!(signal_number(text), Some(number), "{text}");
    }
}

#[test]
fn what_is_no_signal_is_none() {
    for text in [
        "", "0", "65", "-1", "256", "FOO", "SIG", "RTMIN+16", "RTMIN+0", "RTMAX-15", "RTMIN-1",
        "RTMIN+", "RTMAX+1",
    ] {
        assert_eq!(signal_number(text), None, "{text}");
    }
}
