//! A message of each kind in version 2.

use super::v1;
use crate::wire::{Reply, Request, v1::Request as Request1};
use protocol::process::{CgroupLimits, CpuMax, Listed, Process};

fn process() -> Process {
    Process {
        privileged: true,
        ..v1::process().into()
    }
}

fn bounds() -> CgroupLimits {
    CgroupLimits {
        memory: Some(64 << 20),
        memory_low: Some(1),
        tasks: Some(100),
        cpu_weight: Some(39),
        cpu_max: Some(CpuMax {
            quota_us: 50_000,
            period_us: 100_000,
        }),
        cpus: "0-2".to_owned(),
        memory_nodes: "0".to_owned(),
    }
}

/// Returns all requests in version 2: first those that version 1 has too, then those that only
/// version 2 has.
pub fn requests() -> Vec<(&'static str, Request)> {
    let mut all: Vec<(&str, Request)> = v1::requests()
        .into_iter()
        .map(|(name, request)| match request {
            Request1::Exec(process) if !process.args.is_empty() => {
                (name, Request::Exec(Box::new(self::process())))
            }
            request => (name, request.into()),
        })
        .collect();
    let unfiltered = Process {
        unfiltered: true,
        ..v1::process().into()
    };
    all.push(("exec-unfiltered", Request::Exec(Box::new(unfiltered))));
    all.push(("update", Request::Update(Box::new(bounds()))));
    all
}

pub fn replies() -> Vec<(&'static str, Reply)> {
    let mut all: Vec<(&str, Reply)> = v1::replies()
        .into_iter()
        .map(|(name, reply)| match Reply::from(reply) {
            Reply::Listed(listed) => (name, Reply::Listed(with_state(listed))),
            reply => (name, reply),
        })
        .collect();
    let refused = vec!["cpuset.cpus=9: no such processor".to_owned()];
    all.push(("updated", Reply::Updated(refused)));
    all
}

fn with_state(listed: Vec<Listed>) -> Vec<Listed> {
    let with_state = |one| Listed {
        state: "Ss+".to_owned(),
        memory_kib: [1_000, 20],
        ..one
    };
    listed.into_iter().map(with_state).collect()
}
