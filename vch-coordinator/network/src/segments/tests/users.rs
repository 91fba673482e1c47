//! Ordinary users of the VCH reach no tap.

use super::*;
use crate::segments::tap::Tap;
use std::process::Command;

/// The commands by which an ordinary user that may open `/dev/net/tun` would take a tap. udev's rules let every user
/// open it, but some machines' device is root's alone, so the test makes its own. `ip` opens the tap by name
/// (TUNSETIFF) before it removes it.
const ATTACK: &str = "mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && \
     exec setpriv --reuid=65534 --regid=65534 --clear-groups ip tuntap del dev \"$0\" mode tap";

/// Answers with what `ip` complains of.
fn attack(tap: &str) -> Result<(), String> {
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", ATTACK, tap])
        .output()
        .expect("these tests need `unshare` and `setpriv`: install the package util-linux");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).ok_or(told)
}

fn assert_closed(tap: &str) {
    let told = attack(tap).expect_err("an ordinary user opens no tap of the VCH");
    assert!(told.contains("TUNSETIFF"), "{told}");
    assert!(told.contains("not permitted"), "{told}");
    assert!(links().contains(tap));
}

#[test]
fn an_ordinary_user_can_open_no_tap() {
    in_namespace(async |_room| {
        ip("tuntap add dev open mode tap vnet_hdr");
        attack("open")
            .expect("a tap without an owner is open to everybody, unless this test is wrong");
        let (segments, _thread) = spawn().await;
        let bridge = bridge("br-1", &[GATEWAY]);
        segments.ensure_bridge(&bridge).await.unwrap();
        segments.ensure_port(&tap("vt-1")).await.unwrap();
        assert_closed("vt-1");
    });
}

#[test]
fn a_tap_that_an_older_release_left_open_is_closed_at_the_start() {
    in_namespace(async |_room| {
        let (segments, thread) = spawn().await;
        let desired = samples::desired(&[bridge("br-1", &[GATEWAY])], &[tap("vt-1"), tap("vt-2")]);
        segments.reconcile(&desired).await.unwrap();
        drop(segments);
        thread.ended().await;
        let marked = |tap: &str| {
            let told = ip(&format!("-o link show {tap}"));
            told.split(" group ")
                .nth(1)
                .unwrap()
                .split(' ')
                .next()
                .unwrap()
                .to_owned()
        };
        let group = marked("vt-1");
        for tap in ["vt-1", "vt-2"] {
            ip(&format!("link del {tap}"));
            ip(&format!("tuntap add dev {tap} mode tap vnet_hdr"));
            ip(&format!("link set {tap} group {group} master br-1 up"));
        }
        let before = ip("-o link show vt-1");
        // A VM runs on it: it keeps its tap.
        let vm = Tap::open_existing(&name("vt-2")).unwrap();
        let (segments, _thread) = spawn().await;
        let mut watch = segments.watch();
        segments.reconcile(&desired).await.unwrap();
        assert_closed("vt-1");
        let number = |told: &str| told.split(':').next().unwrap().to_owned();
        assert_eq!(
            number(&ip("-o link show vt-1")),
            number(&before),
            "it is the same tap"
        );
        drop(vm);
        // Its end is noticed, and the tap is closed behind it.
        let changed = tokio::time::timeout(Duration::from_secs(5), watch.changed()).await;
        assert_eq!(
            changed.expect("it is noticed").unwrap(),
            [name("vt-2")].into()
        );
        segments.reconcile(&desired).await.unwrap();
        assert_closed("vt-2");
    });
}
