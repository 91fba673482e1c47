use crate::version::*;

fn stripped(path: &str) -> Result<(String, Option<Version>), DockerError> {
    let request = Request::builder().uri(path).body(()).unwrap();
    let request = strip(request)?;
    let version = request.extensions().get().copied();
    Ok((request.uri().to_string(), version))
}

#[test]
fn a_version_is_taken_off_the_path_and_kept() {
    let seen = stripped("/v1.41/networks/a%2Fb?filters=%7B%7D").unwrap();
    assert_eq!(
        seen,
        (
            "/networks/a%2Fb?filters=%7B%7D".to_owned(),
            Some(Version(41))
        )
    );
    assert_eq!(stripped("/_ping").unwrap(), ("/_ping".to_owned(), None));
    // The path only begins like a version.
    assert_eq!(stripped("/version").unwrap(), ("/version".to_owned(), None));
    assert_eq!(stripped("/v1.41").unwrap(), ("/v1.41".to_owned(), None));
}

#[test]
fn a_version_that_is_not_ours_is_refused_in_dockerds_words() {
    for (path, words) in [
        (
            "/v1.23/info",
            "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
        ),
        (
            "/v0.9/info",
            "client version 0.9 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
        ),
        (
            "/v1.52/info",
            "client version 1.52 is too new. Maximum supported API version is 1.51",
        ),
        (
            "/v2.0/info",
            "client version 2.0 is too new. Maximum supported API version is 1.51",
        ),
    ] {
        assert_eq!(stripped(path), Err(DockerError::invalid(words)), "{path}");
    }
    assert_eq!(stripped("/v1.24/info").unwrap().1, Some(Version::OLDEST));
    assert_eq!(stripped("/v1.51/info").unwrap().1, Some(Version::NEWEST));
}
