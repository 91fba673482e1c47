use super::*;

fn failing_after(image: &[u8], writes: &[(u64, &[u8])]) -> Disk {
    let disk = Disk::holding(image.to_vec(), Power::Good);
    for (offset, bytes) in writes {
        disk.write(*offset, bytes).unwrap();
    }
    disk.cut_power();
    disk
}

#[test]
fn what_was_synced_stays_and_what_was_not_is_kept_lost_or_torn() {
    let disk = Disk::holding(vec![0; 1024], Power::Operations(3));
    disk.write(0, &[1; 1024]).unwrap();
    disk.sync_data().unwrap();
    disk.write(0, &[2; 1024]).unwrap();
    let error = disk.write(0, &[3; 1024]).unwrap_err();
    assert!(error.to_string().contains("power"), "{error}");
    let (mut lost, mut whole, mut torn) = (0, 0, 0);
    for seed in 0..200 {
        let image = disk.after_failure(&mut Dice::new(seed));
        assert_eq!(image.len(), 1024);
        assert!(image.iter().all(|byte| *byte == 1 || *byte == 2));
        match image.iter().filter(|byte| **byte == 2).count() {
            0 => lost += 1,
            1024 => whole += 1,
            _ => torn += 1,
        }
    }
    assert!(
        lost > 20 && whole > 20 && torn > 20,
        "{lost} {whole} {torn}"
    );
}

#[test]
fn a_later_write_may_overtake_an_earlier_one() {
    let disk = failing_after(&[0; 8], &[(0, &[1; 4]), (4, &[1; 4])]);
    let images = (0..200).map(|seed| disk.after_failure(&mut Dice::new(seed)));
    assert!(
        images
            .into_iter()
            .any(|image| image == [0, 0, 0, 0, 1, 1, 1, 1])
    );
}

#[test]
fn a_disk_that_lies_keeps_nothing_for_certain() {
    let disk = Disk::lying(vec![0; 8], Power::Good);
    disk.write(0, &[1; 8]).unwrap();
    disk.sync_data().unwrap();
    assert_eq!(disk.cached(), [1; 8]);
    disk.cut_power();
    let mut images = (0..200).map(|seed| disk.after_failure(&mut Dice::new(seed)));
    assert!(images.any(|image| image == [0; 8]));
}

#[test]
fn power_may_fail_in_a_sync_of_its_own() {
    let disk = Disk::holding(vec![0; 8], Power::Syncs(1));
    for byte in 1..3 {
        disk.write(0, &[byte; 8]).unwrap();
        assert_eq!(disk.sync_data().is_ok(), byte == 1);
    }
    assert!(!disk.has_power());
    let images: Vec<_> = (0..200)
        .map(|seed| disk.after_failure(&mut Dice::new(seed)))
        .collect();
    assert!(images.contains(&vec![1; 8]) && images.contains(&vec![2; 8]));
}
