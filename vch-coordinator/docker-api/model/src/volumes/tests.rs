use crate::volumes::check_bind;

fn check_target(path: &str) -> Result<(), String> {
    match path.starts_with('/') {
        true => Ok(()),
        false => Err("not absolute".to_owned()),
    }
}

#[test]
fn what_is_no_volume_is_told_from_what_is_one() {
    for bind in [
        "/x",
        "data:/x",
        "/x:/y",
        "/x:/y:ro",
        "data:/x:rw,z,nocopy",
        "/x:/y:ro,rshared",
    ] {
        assert_eq!(check_bind(bind, check_target), Ok(()), "{bind}");
    }
    for (bind, words) in [
        ("", "invalid volume specification: ''"),
        (":/x", "invalid volume specification: ':/x'"),
        ("/x:ro", "invalid volume specification: '/x:ro'"),
        ("a:/b:ro:d", "invalid volume specification: 'a:/b:ro:d'"),
        ("/x:/y:words", "invalid mode: words"),
        ("/x:/y:ro,rw", "invalid mode: ro,rw"),
        ("/x:relative", "for type \"bind\": not absolute"),
        ("data:relative", "for type \"volume\": not absolute"),
        ("a b:/x", "\"a b\" includes invalid characters"),
        ("relative/path:/x", "use absolute path"),
        ("a:/x", "volume name is too short"),
    ] {
        let error = check_bind(bind, check_target).unwrap_err();
        assert_eq!(error.status.as_u16(), 400, "{bind}");
        assert!(error.message.contains(words), "{bind}: {}", error.message);
    }
}
