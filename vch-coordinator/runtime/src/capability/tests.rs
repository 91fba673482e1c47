use super::{DEFAULT, number, of};

fn owned(owned: &[&str]) -> Vec<String> {
    owned.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn a_container_has_docker_s_default_capabilities_and_what_it_asks_for() {
    let has = |add: &[&str], drop: &[&str]| of(&owned(add), &owned(drop)).unwrap();
    assert_eq!(has(&[], &[]), DEFAULT);
    assert!(has(&[], &["ALL"]).is_empty());
    assert_eq!(has(&["NET_ADMIN"], &["all"]), [12]);
    assert_eq!(has(&["ALL"], &["cap_chown"]).len(), 40);
    assert!(has(&["CAP_SYS_TIME"], &[]).contains(&25));
    assert!(!has(&[], &["mknod"]).contains(&27));
    assert_eq!(of(&owned(&["FLY"]), &[]), Err("FLY".to_owned()));
}

#[test]
fn names_have_the_kernel_s_numbers() {
    // linux/capability.h
    for (name, expected) in [("CAP_SYS_ADMIN", 21), ("SETFCAP", 31), ("cap_bpf", 39)] {
        assert_eq!(number(name), Some(expected), "{name}");
    }
}
