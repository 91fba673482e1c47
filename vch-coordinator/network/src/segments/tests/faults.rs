//! Links that can't be made: the error says why, and no part of them stays behind.

use super::*;
use nix::errno::Errno;
use std::path::PathBuf;

#[test]
fn a_foreign_link_with_the_name_is_told_and_left_alone() {
    in_namespace(async |_room| {
        ip("link add br-1 type bridge");
        let (segments, _thread) = spawn().await;
        let error = segments.ensure_bridge(&bridge("br-1", &[GATEWAY])).await;
        let error = error.unwrap_err();
        assert_eq!(error.code(), "link-name-taken");
        let told = error.to_string();
        assert!(
            told.contains("br-1 is held by a bridge link (index "),
            "{told}"
        );
        let error = segments.ensure_port(&tap("vt-1")).await.unwrap_err();
        assert_eq!(error.code(), "bridge-name-taken");
        assert_eq!(segments.remove_bridge(&name("br-1")).await, Ok(false));
        assert!(ip("-o link show br-1").contains("state DOWN"), "untouched");
        assert!(!links().contains("vt-1"));
    });
}

#[test]
fn a_port_without_its_bridge_is_not_made() {
    in_namespace(async |_room| {
        let before = links();
        let (segments, _thread) = spawn().await;
        let error = segments.ensure_port(&tap("vt-1")).await.unwrap_err();
        assert_eq!(error.code(), "no-bridge");
        assert_eq!(links(), before);
    });
}

#[test]
fn a_path_that_leads_to_no_namespace_is_told() {
    in_namespace(async |room| {
        let (segments, _thread) = spawn().await;
        segments.ensure_bridge(&bridge("br-1", &[])).await.unwrap();
        let before = links();
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let mut port = veth("vt-2", &room.neighbour());
        let wrong: [(PathBuf, Errno); 3] = [
            (dir.path().join("missing"), Errno::ENOENT),
            (pipe, Errno::EINVAL),
            (file, Errno::EINVAL),
        ];
        for (path, source) in wrong {
            let PortKind::Veth { netns, .. } = &mut port.kind else {
                panic!("a pair");
            };
            netns.clone_from(&path);
            let expected = SegmentError::NoNamespace {
                port: port.name.clone(),
                path,
                source,
            };
            assert_eq!(segments.ensure_port(&port).await, Err(expected));
        }
        assert_eq!(links(), before);
    });
}

#[test]
fn a_name_that_is_taken_in_the_namespace_is_told() {
    in_namespace(async |room| {
        let (segments, _thread) = spawn().await;
        segments.ensure_bridge(&bridge("br-1", &[])).await.unwrap();
        let before = links();
        let peer = room.neighbour();
        peer.run(|| ip("link add eth0 type bridge"));
        let error = segments
            .ensure_port(&veth("vt-2", &peer))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "peer-name-taken");
        assert_eq!(links(), before);
    });
}

#[test]
fn an_address_that_the_kernel_refuses_leaves_no_bridge() {
    in_namespace(async |_room| {
        let before = links();
        let (segments, _thread) = spawn().await;
        let error = segments
            .ensure_bridge(&bridge("br-1", &["ff02::1/64"]))
            .await;
        let told = error.unwrap_err().to_string();
        assert_eq!(told, "could not add address ff02::1/64 to br-1");
        assert_eq!(links(), before);
    });
}

#[test]
fn a_reconcile_makes_what_it_can_and_names_what_it_can_not() {
    in_namespace(async |_room| {
        ip("link add vt-1 type bridge");
        let (segments, _thread) = spawn().await;
        let desired = samples::desired(&[bridge("br-1", &[GATEWAY])], &[tap("vt-1"), tap("vt-3")]);
        let done = segments.reconcile(&desired).await.unwrap();
        let failed: Vec<_> = done
            .failed
            .iter()
            .map(|(n, e)| (n.as_str(), e.code()))
            .collect();
        assert_eq!(failed, [("vt-1", "link-name-taken")]);
        assert!(ip("-o link show vt-3").contains("master br-1"));
    });
}

#[test]
fn what_is_asked_after_the_end_is_refused() {
    in_namespace(async |_room| {
        let (segments, thread) = spawn().await;
        let mut watch = segments.watch();
        drop(segments);
        thread.ended().await;
        assert_eq!(watch.changed().await, Err(SegmentError::Stopped));
    });
}
