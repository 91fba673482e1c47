use super::*;

#[test]
fn a_reference_pattern_is_gos_path_match() {
    for (pattern, text, wanted) in [
        ("busybox", "busybox", true),
        ("busy*", "busybox:latest", true),
        ("*box", "busybox", true),
        ("*:v1", "web:v1", true),
        ("b?sybox", "busybox", true),
        ("busy", "busybox", false),
        ("*", "example.org/web", false),
        ("*/*", "example.org/web", true),
        ("*", "", true),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "aXbY", false),
    ] {
        assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
    }
}
