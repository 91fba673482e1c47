//! The register of execs: further processes in running containers.

use docker_model::DockerError;
use parking_lot::{Mutex, MutexGuard};
use protocol::process::{Process, ProcessId};
use std::{collections::BTreeMap, fmt::Write, sync::Arc};
use vch_ledger::ContainerId;

/// The maximum number of execs. If it is exceeded, the oldest one that does not run is forgotten.
const MOST: usize = 4096;

/// The exit code of a process whose end is unknown: Docker's for one that could not be started.
const GIVEN_UP: i64 = 126;

/// The register of execs (processes that `docker exec` adds to running containers) since the coordinator started, by
/// ID. At most 4,096 are kept: beyond that, the oldest that is not running is forgotten. Clones share one register.
#[derive(Clone, Debug, Default)]
pub struct Execs(Arc<Mutex<ExecTable>>);

#[derive(Debug, Default)]
struct ExecTable {
    next: u64,
    execs: BTreeMap<String, Exec>,
}

/// A further process in a container, as the client requested it with `docker exec`.
#[derive(Clone, Debug)]
pub struct Exec {
    /// The sequence number, by which the oldest exec is known. [`Execs::add`] sets it.
    pub number: u64,
    /// The container that the process runs in.
    pub container: ContainerId,
    /// The command, user, environment and terminal of the process.
    pub process: Process,
    /// Whether the client attaches to standard input, standard output and standard error.
    pub attach: [bool; 3],
    /// The keys that detach the client, such as `ctrl-p,ctrl-q`; `None` for the default.
    pub detach_keys: Option<String>,
    /// How far the exec is.
    pub state: Stage,
}

/// How far an exec is: an exec is created first, and started by another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The exec was created, and not started yet.
    Created,
    /// The process is being started.
    Starting,
    /// The process runs: its ID in the VM's protocol, and its process number in the VM.
    Running(ProcessId, u32),
    /// The process ended with this exit code.
    Ended(i64),
}

impl Execs {
    fn table(&self) -> MutexGuard<'_, ExecTable> {
        // No code panics while it holds the lock, and the data would stay consistent in any case.
        self.0.lock()
    }

    /// Adds an exec, and returns its new random ID, 64 hexadecimal digits. The process is not started. If 4,096 execs
    /// are kept already, the oldest that is not running is forgotten.
    ///
    /// # Errors
    /// Returns a [`DockerError`] of status 500 if no random ID can be drawn, and of status 409 if all 4,096 execs are
    /// running.
    pub fn add(&self, exec: Exec) -> Result<String, DockerError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| DockerError::failed(error.to_string()))?;
        let mut id = String::new();
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(id, "{byte:02x}");
        }
        let mut table = self.table();
        if table.execs.len() >= MOST {
            let ended = table.execs.iter();
            let ended = ended
                .filter(|(_, exec)| !matches!(exec.state, Stage::Starting | Stage::Running(..)));
            let oldest = ended.min_by_key(|(_, exec)| exec.number);
            let oldest = oldest.map(|(id, _)| id.clone());
            let oldest = oldest.ok_or_else(|| {
                DockerError::conflict(format!("{MOST} processes of `docker exec` run: end some"))
            })?;
            table.execs.remove(&oldest);
        }
        table.next += 1;
        let number = table.next;
        table.execs.insert(id.clone(), Exec { number, ..exec });
        Ok(id)
    }

    /// Returns a copy of the exec with this ID, in its present state.
    ///
    /// # Errors
    /// Returns a [`DockerError`] of status 404 if no exec has the ID.
    pub fn get(&self, id: &str) -> Result<Exec, DockerError> {
        let found = self.table().execs.get(id).cloned();
        found.ok_or_else(|| unknown(id))
    }

    /// Returns the sole right to start the exec with this ID: from now on every other claim is refused, since an exec
    /// runs only once. If the claim is dropped before its owner has reported how the process ended, the exec counts as
    /// ended with exit code 126.
    ///
    /// # Errors
    /// Returns a [`DockerError`] of status 404 if no exec has the ID, and of status 409 if it was claimed before.
    pub fn claim(&self, id: &str) -> Result<Claim, DockerError> {
        let mut table = self.table();
        let exec = table.execs.get_mut(id).ok_or_else(|| unknown(id))?;
        match exec.state {
            Stage::Created => {
                exec.state = Stage::Starting;
                Ok(Claim {
                    execs: self.clone(),
                    id: id.to_owned(),
                    exec: exec.clone(),
                    done: false,
                })
            }
            Stage::Starting | Stage::Running(..) => Err(DockerError::conflict(format!(
                "Error: Exec command {id} is already running"
            ))),
            Stage::Ended(_) => Err(DockerError::conflict(format!(
                "Error: Exec command {id} has already run"
            ))),
        }
    }

    fn set(&self, id: &str, state: Stage) {
        if let Some(exec) = self.table().execs.get_mut(id) {
            exec.state = state;
        }
    }

    /// Returns the IDs of the execs of a container whose process runs at present: created, starting and ended ones are
    /// left out.
    pub fn of(&self, container: ContainerId) -> Vec<String> {
        let table = self.table();
        let own = table.execs.iter().filter(|(_, exec)| {
            exec.container == container && matches!(exec.state, Stage::Running(..))
        });
        own.map(|(id, _)| id.clone()).collect()
    }
}

/// The right to start an exec. The owner reports how the process starts and ends. If the claim is dropped before
/// the end is known, the exec counts as ended with exit code 126, so that no exec runs in the register forever.
#[derive(Debug)]
pub struct Claim {
    execs: Execs,
    id: String,
    /// The exec as the client requested it.
    pub exec: Exec,
    done: bool,
}

impl Claim {
    /// Returns the exec's ID.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Gives the right back: the exec can be started later. Used if its container does not run.
    pub fn put_back(mut self) {
        self.done = true;
        self.execs.set(&self.id, Stage::Created);
    }

    /// Records that the process runs: its ID in the VM's protocol, and its process number in the VM.
    pub fn runs(&self, process: ProcessId, pid: u32) {
        self.execs.set(&self.id, Stage::Running(process, pid));
    }

    /// Records that the process ended with this exit code.
    pub fn ended(mut self, code: i64) {
        self.done = true;
        self.execs.set(&self.id, Stage::Ended(code));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.done {
            self.execs.set(&self.id, Stage::Ended(GIVEN_UP));
        }
    }
}

fn unknown(id: &str) -> DockerError {
    let id: String = id.chars().take(64).collect();
    DockerError::not_found(format!("No such exec instance: {id}"))
}

#[cfg(test)]
mod tests {
    use super::{Exec, Execs, GIVEN_UP, MOST, Stage};
    use protocol::process::{Process, ProcessId};
    use vch_ledger::{ContainerId, Id};

    fn exec() -> Exec {
        Exec {
            number: 0,
            container: ContainerId::from_bytes([1; 32]),
            process: Process::default(),
            attach: [false; 3],
            detach_keys: None,
            state: Stage::Created,
        }
    }

    #[test]
    fn one_is_started_once() {
        let execs = Execs::default();
        let id = execs.add(exec()).unwrap();
        let claim = execs.claim(&id).unwrap();
        let again = execs.claim(&id).unwrap_err();
        assert!(again.message.ends_with("is already running"), "{again:?}");
        claim.put_back();
        let claim = execs.claim(&id).unwrap();
        claim.runs(ProcessId(1), 7);
        assert_eq!(execs.of(exec().container), std::slice::from_ref(&id));
        claim.ended(0);
        let again = execs.claim(&id).unwrap_err();
        assert!(again.message.ends_with("has already run"), "{again:?}");
        assert_eq!(execs.claim("nobody").unwrap_err().status.as_u16(), 404);
    }

    #[test]
    fn the_oldest_that_do_not_run_are_forgotten() {
        let execs = Execs::default();
        let runs = execs.add(exec()).unwrap();
        let claim = execs.claim(&runs).unwrap();
        claim.runs(ProcessId(1), 7);
        let oldest = execs.add(exec()).unwrap();
        for _ in 2..MOST {
            execs.add(exec()).unwrap();
        }
        let newest = execs.add(exec()).unwrap();
        assert!(execs.get(&oldest).is_err());
        assert!(execs.get(&runs).is_ok() && execs.get(&newest).is_ok());
    }

    #[test]
    fn what_was_begun_and_given_up_takes_no_slot_for_ever() {
        let execs = Execs::default();
        for _ in 0..2 * MOST {
            let id = execs.add(exec()).unwrap();
            drop(execs.claim(&id).unwrap());
            assert_eq!(execs.get(&id).unwrap().state, Stage::Ended(GIVEN_UP));
        }
    }
}
