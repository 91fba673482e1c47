use super::*;
use vch_image_store::{ImageError, Limits, Settings};

/// Opens a store without images, whose helper is missing.
fn store(dir: &Path) -> Store {
    let settings = Settings {
        dir: dir.join("images"),
        helper: dir.join("vch-image"),
        first_user: Settings::FIRST_USER,
        writable_layer_bytes: 1 << 20,
        insecure: Vec::new(),
        limits: Limits::default(),
        free_bytes: Some(0),
    };
    Store::open(settings).unwrap()
}

#[tokio::test]
async fn an_image_is_found_by_its_digest_alone() {
    let dir = tempfile::tempdir().unwrap();
    let disks: &dyn Disks = &store(dir.path());
    let error = disks.root("busybox").await.unwrap_err();
    assert!(
        matches!(&error, RuntimeError::NoImage(image) if image == "busybox"),
        "{error:?}"
    );
    let missing = format!("sha256:{}", "0".repeat(64));
    let error = disks.root(&missing).await.unwrap_err();
    assert!(
        matches!(error, RuntimeError::Image(ImageError::Unknown(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_writable_layer_that_cannot_be_made_is_an_error_of_the_image_store() {
    let dir = tempfile::tempdir().unwrap();
    let disks: &dyn Disks = &store(dir.path());
    let path = dir.path().join("missing/upper.ext4");
    let error = disks.writable_layer(&path, Some(1 << 20)).await;
    let error = error.unwrap_err();
    assert!(matches!(error, RuntimeError::Image(_)), "{error:?}");
    assert!(!path.exists());
}
