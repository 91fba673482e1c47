use super::*;

fn server(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn with_upstreams(upstreams: &[&str]) -> Result<(), ConfigError> {
    let upstreams = upstreams.iter().map(|text| server(text)).collect();
    Config {
        upstreams,
        ..Config::default()
    }
    .check()
}

#[test]
fn the_defaults_are_possible() {
    assert_eq!(Config::default().check(), Ok(()));
    assert_eq!(
        with_upstreams(&["192.0.2.1:53", "[2001:db8::1]:53"]),
        Ok(())
    );
}

#[test]
fn a_number_out_of_bounds_is_named_with_its_bounds() {
    let config = Config {
        threads: 0,
        ..Config::default()
    };
    assert_eq!(
        config.check().unwrap_err().to_string(),
        "dns: threads = 0 is not possible: use 1 to 64"
    );
    let config = Config {
        idle_timeout: Duration::from_secs(61),
        ..Config::default()
    };
    assert_eq!(
        config.check().unwrap_err().to_string(),
        "dns: idle_timeout = 61s is not possible: use 10ms to 60s"
    );
}

#[test]
fn upstreams_that_cannot_answer_are_refused() {
    assert!(matches!(
        with_upstreams(&["192.0.2.1:53", "192.0.2.1:53"]),
        Err(ConfigError::UpstreamTwice { .. })
    ));
    for odd in ["0.0.0.0:53", "224.0.0.251:53", "192.0.2.1:0"] {
        assert!(matches!(
            with_upstreams(&[odd]),
            Err(ConfigError::UpstreamAddress { .. })
        ));
    }
    let many: Vec<String> = (1..=9).map(|n| format!("192.0.2.{n}:53")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(matches!(
        with_upstreams(&many),
        Err(ConfigError::Number { value: 9, .. })
    ));
}
