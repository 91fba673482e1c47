//! The bytes of short responses, which dockerd's clients have always relied on.

use crate::{
    Version,
    containers::created::{Created, Updated, Waited},
    execs::{ExecCreated, ExecInspect, ProcessConfig},
    images::progress::ProgressLine,
    prune::{
        BuildCachePruned, ContainersPruned, ImageRemoval, ImagesPruned, NetworksPruned,
        VolumesPruned, some,
    },
    registry::{DistributionInspect, LOGGED_IN},
    system::Usage,
    volumes::VolumeList,
};
use serde::Serialize;
use std::collections::BTreeMap;
use vch_image_store::{Descriptor, Distribution};

fn text(answer: impl Serialize) -> String {
    serde_json::to_string(&answer).unwrap()
}

#[test]
fn what_was_done_with_a_container_is_told_in_few_words() {
    let made = Created {
        id: "ab".to_owned(),
        warnings: Vec::new(),
    };
    assert_eq!(text(made), r#"{"Id":"ab","Warnings":[]}"#);
    let warnings = some(Vec::new());
    assert_eq!(text(Updated { warnings }), r#"{"Warnings":null}"#);
    let warnings = some(vec!["later".to_owned()]);
    assert_eq!(text(Updated { warnings }), r#"{"Warnings":["later"]}"#);
    assert_eq!(
        text(Waited::of(3, Version(41))),
        r#"{"Error":null,"StatusCode":3}"#
    );
    assert_eq!(text(Waited::of(3, Version(42))), r#"{"StatusCode":3}"#);
}

#[test]
fn a_process_beside_a_containers_own_is_shown_with_what_it_runs() {
    let id = "ef".to_owned();
    assert_eq!(text(ExecCreated { id }), r#"{"Id":"ef"}"#);
    let mut shown = ExecInspect {
        id: "ef".to_owned(),
        running: false,
        exit_code: None,
        process_config: ProcessConfig {
            tty: true,
            entrypoint: "sh".to_owned(),
            arguments: vec!["-c".to_owned()],
            privileged: false,
            user: "web".to_owned(),
        },
        open_stdin: true,
        open_stderr: false,
        open_stdout: true,
        can_remove: false,
        container_id: "ab".to_owned(),
        detach_keys: String::new(),
        pid: 0,
    };
    assert_eq!(
        text(&shown),
        r#"{"ID":"ef","Running":false,"ExitCode":null,"ProcessConfig":{"tty":true,"entrypoint":"sh","arguments":["-c"],"privileged":false,"user":"web"},"OpenStdin":true,"OpenStderr":false,"OpenStdout":true,"CanRemove":false,"ContainerID":"ab","DetachKeys":"","Pid":0}"#
    );
    shown.process_config.user.clear();
    shown.exit_code = Some(7);
    assert!(text(&shown).contains(r#""ExitCode":7,"#));
    assert!(text(&shown).contains(r#""privileged":false},"#));
}

#[test]
fn a_prune_tells_null_where_nothing_went() {
    let none = ContainersPruned {
        containers_deleted: some(Vec::new()),
        space_reclaimed: 0,
    };
    assert_eq!(
        text(none),
        r#"{"ContainersDeleted":null,"SpaceReclaimed":0}"#
    );
    let images = ImagesPruned {
        images_deleted: some(vec![
            ImageRemoval::Untagged("a:1".to_owned()),
            ImageRemoval::Deleted("sha256:1".to_owned()),
        ]),
        space_reclaimed: 9,
    };
    assert_eq!(
        text(images),
        r#"{"ImagesDeleted":[{"Untagged":"a:1"},{"Deleted":"sha256:1"}],"SpaceReclaimed":9}"#
    );
    let networks_deleted = some(vec!["web".to_owned()]);
    assert_eq!(
        text(NetworksPruned { networks_deleted }),
        r#"{"NetworksDeleted":["web"]}"#
    );
    assert_eq!(
        text(VolumesPruned::default()),
        r#"{"VolumesDeleted":[],"SpaceReclaimed":0}"#
    );
    assert_eq!(
        text(BuildCachePruned::default()),
        r#"{"CachesDeleted":null,"SpaceReclaimed":0}"#
    );
    assert_eq!(
        text(VolumeList::default()),
        r#"{"Volumes":[],"Warnings":null}"#
    );
}

#[test]
fn what_is_not_counted_of_the_use_is_null() {
    let mut usage = Usage {
        layers_size: 0,
        images: None,
        containers: Some(Vec::new()),
        volumes: Some([]),
        build_cache: None,
        builder_size: None,
    };
    assert_eq!(
        text(&usage),
        r#"{"LayersSize":0,"Images":null,"Containers":[],"Volumes":[],"BuildCache":null}"#
    );
    usage.builder_size = Some(0);
    assert!(text(&usage).ends_with(r#""BuildCache":null,"BuilderSize":0}"#));
}

#[test]
fn registries_and_progress_have_dockerds_words() {
    let found = Distribution {
        descriptor: Descriptor {
            media_type: "m".to_owned(),
            digest: format!("sha256:{}", "a".repeat(64)).parse().unwrap(),
            size: 7,
            platform: None,
            annotations: BTreeMap::new(),
        },
        platforms: Vec::new(),
    };
    let digest = found.descriptor.digest;
    assert_eq!(
        text(DistributionInspect::from(found)),
        format!(
            r#"{{"Descriptor":{{"mediaType":"m","digest":"{digest}","size":7}},"Platforms":null}}"#
        )
    );
    assert_eq!(
        text(LOGGED_IN),
        r#"{"Status":"Login Succeeded","IdentityToken":""}"#
    );
    assert_eq!(
        text(ProgressLine::failed("no")),
        r#"{"errorDetail":{"message":"no"},"error":"no"}"#
    );
    let status = "sha256:1".to_owned();
    assert_eq!(
        text(ProgressLine::Status { status }),
        r#"{"status":"sha256:1"}"#
    );
}
