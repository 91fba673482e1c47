use super::{DEFAULTS, values};
use protocol::process::{CgroupLimits, CpuMax};

#[test]
fn a_bound_that_is_not_set_is_taken_away() {
    let values = values(&CgroupLimits::default());
    let shown: Vec<(&str, &str)> = values
        .iter()
        .map(|(file, value)| (*file, &**value))
        .collect();
    assert_eq!(shown, DEFAULTS);
}

#[test]
fn each_bound_goes_to_its_file() {
    let values = values(&CgroupLimits {
        memory: Some(64 << 20),
        memory_low: Some(1 << 20),
        tasks: Some(7),
        cpu_weight: Some(39),
        cpu_max: Some(CpuMax {
            quota_us: 50_000,
            period_us: 100_000,
        }),
        cpus: "0-1".to_owned(),
        memory_nodes: "0".to_owned(),
    });
    let shown: Vec<String> = values
        .iter()
        .map(|(file, value)| format!("{file}={value}"))
        .collect();
    let expected = [
        "memory.max=67108864",
        "memory.low=1048576",
        "pids.max=7",
        "cpu.weight=39",
        "cpu.max=50000 100000",
        "cpuset.cpus=0-1",
        "cpuset.mems=0",
    ];
    assert_eq!(shown, expected);
}
