use super::*;

const ONE: Incarnation = Incarnation([1; 16]);
const TWO: Incarnation = Incarnation([2; 16]);

#[test]
fn a_life_begins_with_the_first_incarnation_and_with_each_other_one() {
    let mut latest = LatestRun::default();
    let told = [ONE, ONE, TWO, TWO, ONE].map(|incarnation| latest.begins(incarnation));
    assert_eq!(told, [true, false, true, false, true]);
}

#[test]
fn the_kernel_takes_an_incarnation() {
    let taken = reseed(Path::new(DEVICE), ONE);
    assert!(taken.is_ok(), "it needs CAP_SYS_ADMIN: {taken:?}");
}

#[test]
fn a_refusal_is_told_once_and_says_what_to_do() {
    // It takes the bytes and knows no such request, as the kernel answers who lacks the right.
    let mut reseeder = Reseeder::of(Path::new("/dev/null"));
    let told = reseeder.live(ONE).map(|error| error.to_string());
    assert!(told.is_some_and(|text| text.contains("CAP_SYS_ADMIN")));
    assert!(reseeder.live(TWO).is_none());
}

#[test]
fn a_missing_device_is_named() {
    let mut reseeder = Reseeder::of(Path::new("/nowhere/urandom"));
    let told = reseeder.live(ONE).map(|error| error.to_string());
    assert!(told.is_some_and(|text| text.contains("/nowhere/urandom")));
}
