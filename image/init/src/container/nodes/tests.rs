use super::{Node, asked, of};
use protocol::process::{Device, Start};

fn device(source: &str, path: &str) -> Device {
    Device {
        source: source.to_owned(),
        path: path.to_owned(),
        access: "rwm".to_owned(),
    }
}

#[test]
fn a_container_has_the_usual_devices_and_those_that_were_asked_for() {
    let start = Start {
        devices: vec![
            device("/dev/net/tun", "/dev/net/tun"),
            device("/dev/zero", "/dev/nothing"),
        ],
        ..Start::default()
    };
    let nodes = of(&start).unwrap();
    let shown: Vec<(String, (bool, u32, u32))> = nodes
        .iter()
        .map(|node| (node.path.display().to_string(), node.numbers()))
        .collect();
    let expected = [
        ("/dev/null", (false, 1, 3)),
        ("/dev/zero", (false, 1, 5)),
        ("/dev/full", (false, 1, 7)),
        ("/dev/random", (false, 1, 8)),
        ("/dev/urandom", (false, 1, 9)),
        ("/dev/tty", (false, 5, 0)),
        ("/dev/net/tun", (false, 10, 200)),
        ("/dev/nothing", (false, 1, 5)),
    ];
    let expected = expected.map(|(path, numbers)| (path.to_owned(), numbers));
    assert_eq!(shown, expected);
}

#[test]
fn a_privileged_container_has_all_of_the_vm_s_but_its_channels() {
    let start = Start {
        privileged: true,
        ..Start::default()
    };
    let nodes = of(&start).unwrap();
    let has = |path: &str| nodes.iter().any(|node: &Node| node.path.ends_with(path));
    assert!(has("fuse") && has("net/tun") && has("kmsg"));
    assert!(!has("ptmx") && !nodes.iter().any(|node| node.path.starts_with("/dev/pts")));
}

#[test]
fn what_is_no_device_of_the_vm_is_refused() {
    for (source, why) in [
        ("/dev/missing", "No such file"),
        ("/etc/passwd", "not a device node"),
    ] {
        let reason = asked(&device(source, "/dev/x")).unwrap_err().reason;
        assert!(reason.contains(why) && reason.contains(source), "{reason}");
    }
}
