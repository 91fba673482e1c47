use super::{DeviceQuery, disk, port};
use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

fn wanted<'a>(class: &'a Path, value: &'a str) -> DeviceQuery<'a> {
    DeviceQuery {
        class: class.to_str().unwrap(),
        ..disk(value)
    }
}

#[test]
fn a_device_is_found_by_the_text_of_its_attribute() {
    let class = tempfile::tempdir().unwrap();
    for (device, serial) in [("vda", "image\n"), ("vdb", "writable\n"), ("vdc", "")] {
        let dir = class.path().join(device);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("serial"), serial).unwrap();
    }
    // A disk may have no serial number.
    fs::create_dir(class.path().join("vdd")).unwrap();
    let found = wanted(class.path(), "writable").find().unwrap();
    assert_eq!(found, Path::new("/dev/vdb"));
    let error = wanted(class.path(), "modules").find().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let expected = "the VM has no disk with the serial number modules";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn without_a_driver_there_is_no_device() {
    let dir = tempfile::tempdir().unwrap();
    let class = dir.path().join("virtio-ports");
    let wanted = DeviceQuery {
        class: class.to_str().unwrap(),
        ..port("vch.process")
    };
    let error = wanted.find().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "the VM has no virtserialport vch.process"
    );
    let error = wanted.wait_until(Instant::now()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    fs::write(&class, "").unwrap();
    let error = wanted.find().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
}

#[test]
fn a_device_that_appears_later_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let class = dir.path().join("block");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(20);
            wanted(&class, "image").wait_until(deadline)
        });
        // Whole at once, as sysfs shows it.
        let made = dir.path().join("made");
        fs::create_dir_all(made.join("vda")).unwrap();
        fs::write(made.join("vda/serial"), "image\n").unwrap();
        fs::rename(&made, &class).unwrap();
        assert_eq!(waiter.join().unwrap().unwrap(), Path::new("/dev/vda"));
    });
}
