//! Follows a run from the guest's init to the end of the container's process.

use crate::{
    guest::{self, Breach, Guest, GuestEvent},
    launch::Launch,
    outcome::{Failure, Outcome},
    phase::Phase,
    server::fault_code,
    stage::{Stage, now_ms, now_us},
};
use protocol::process::{Fault, Phase as GuestPhase, ToInit, VERSION};
use std::time::Duration;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout, timeout_at},
};

/// The name of the phase that ends when the guest's init has answered.
pub const INIT: &str = "init";
/// The code of the failure that the guest violated the protocol `vch.process`.
pub const BREACH: &str = "channel";
/// Beyond the guest's own deadline for the network: its init gives a process 30 s from then on.
const NETWORK_SLACK: Duration = Duration::from_secs(45);
/// The most phases of a start: three of the shim's own, and each of the guest's once.
const MAX_PHASES: usize = 16;
/// Exit code where a container did not run for another reason than its command, as Docker has it.
const NOT_RUN: u8 = 125;
/// The exit code of a process that was killed: 128 + SIGKILL.
const KILLED: u8 = 137;

/// The sources of events by which a run is followed.
pub struct Run<'a> {
    /// What the shim was started with.
    pub launch: &'a Launch,
    /// The handle to the guest's init.
    pub guest: &'a Guest,
    /// How far the run has come, as clients are told.
    pub stage: &'a watch::Sender<Stage>,
    /// The events of the container's own process and of the line to init.
    pub events: &'a mut mpsc::Receiver<GuestEvent>,
}

/// Why there is nothing more to hear of a guest's init.
enum Gone {
    /// The line is closed.
    Closed,
    /// It is not listened to any more.
    Broke(Breach),
}

impl Run<'_> {
    /// Follows the run from the greeting of the guest's init to the end of the container's process; returns its outcome.
    /// Returns `None` if the line to init was closed before: the VM has ended, and QEMU's exit status says why.
    pub async fn whole(&mut self) -> Option<Outcome> {
        match self.until_gone().await {
            Ok(outcome) => Some(outcome),
            Err(Gone::Closed) => None,
            Err(Gone::Broke(breach)) => Some(torn_down(self.stage, BREACH, breach.to_string())),
        }
    }

    async fn until_gone(&mut self) -> Result<Outcome, Gone> {
        let now_ms = now_ms();
        let seed = match guest::random() {
            Ok(seed) => seed,
            Err(error) => return Ok(failed("channel", format!("no random bytes: {error}"))),
        };
        let hello = ToInit::Hello {
            version: VERSION,
            now_ms,
            seed,
        };
        self.guest.tell(hello).await;
        let deadline = self.launch.boot_deadline();
        match timeout(deadline, self.ready()).await {
            Ok(Ok(VERSION)) => {}
            Ok(Ok(version)) => return Ok(failed("vm-version", other_version(version))),
            Ok(Err(gone)) => return Err(gone),
            Err(_) => {
                let text = format!("the VM's init has not answered within {deadline:?}");
                return Ok(failed("boot-timeout", text));
            }
        }
        note(self.stage, INIT, None);
        let start = Box::new(self.launch.start.clone());
        self.guest.tell(ToInit::Start(start)).await;
        let network = Duration::from_millis(self.launch.start.network_deadline_ms.into());
        self.process(Instant::now() + network + NETWORK_SLACK).await
    }

    /// Waits until init answers; returns the version that it speaks.
    async fn ready(&mut self) -> Result<u16, Gone> {
        loop {
            match self.events.recv().await {
                Some(GuestEvent::Ready(version)) => return Ok(version),
                Some(GuestEvent::Closed) | None => return Err(Gone::Closed),
                Some(GuestEvent::Broke(breach)) => return Err(Gone::Broke(breach)),
                Some(_) => {}
            }
        }
    }

    /// Follows the process from its start to its end.
    async fn process(&mut self, deadline: Instant) -> Result<Outcome, Gone> {
        loop {
            let started = self.stage.borrow().started_ms;
            let event = match started {
                Some(_) => self.events.recv().await,
                None => match timeout_at(deadline, self.events.recv()).await {
                    Ok(event) => event,
                    Err(_) => {
                        let text = "the VM's init did not start the process in time";
                        return Ok(failed("boot-timeout", text.to_owned()));
                    }
                },
            };
            match event {
                Some(GuestEvent::Phase(phase, uptime)) => {
                    note(self.stage, phase_name(phase), Some(uptime));
                }
                Some(GuestEvent::Started) => {
                    self.stage
                        .send_modify(|stage| stage.started_ms = Some(now_ms()));
                }
                Some(GuestEvent::NotStarted(fault, reason)) => {
                    return Ok(Outcome {
                        code: match fault {
                            Fault::NotFound => 127,
                            Fault::NotExecutable => 126,
                            _ => NOT_RUN,
                        },
                        ..failed(fault_code(fault), reason)
                    });
                }
                Some(GuestEvent::Exited(exit)) => {
                    return Ok(Outcome {
                        code: exit.code,
                        out_of_memory: exit.out_of_memory,
                        started_ms: started.unwrap_or(0),
                        finished_ms: now_ms(),
                        ..Outcome::default()
                    });
                }
                Some(GuestEvent::Closed) | None => return Err(Gone::Closed),
                Some(GuestEvent::Broke(breach)) => return Err(Gone::Broke(breach)),
                Some(GuestEvent::Ready(_)) => {}
            }
        }
    }
}

/// Returns the message for an init that speaks another version.
fn other_version(version: u16) -> String {
    format!(
        "the VM's init speaks version {version} of vch.process, this shim version {VERSION}: make the VM's image and \
         the VCH from one release (`make image`)"
    )
}

fn phase_name(phase: GuestPhase) -> &'static str {
    match phase {
        GuestPhase::Init => INIT,
        GuestPhase::Devices => "devices",
        GuestPhase::Mounted => "mounted",
        GuestPhase::Agent => "agent",
        GuestPhase::Network => "network",
        GuestPhase::Process => "process",
    }
}

/// Appends a phase that has ended now to the stage, unless the stage has 16 already.
pub fn note(stage: &watch::Sender<Stage>, name: &str, uptime_us: Option<u64>) {
    stage.send_if_modified(|stage| {
        let room = stage.phases.len() < MAX_PHASES;
        if room {
            stage.phases.push(Phase {
                name: name.to_owned(),
                at_us: now_us(),
                uptime_us,
            });
        }
        room
    });
}

/// Returns the outcome of a process that did not run.
pub fn failed(code: &str, text: String) -> Outcome {
    let code = Failure {
        code: code.to_owned(),
        text,
    };
    Outcome {
        code: NOT_RUN,
        finished_ms: now_ms(),
        failure: Some(code),
        ..Outcome::default()
    }
}

/// Returns the outcome of a run that a client's request ended: exit code 137.
pub fn killed(stage: &watch::Sender<Stage>) -> Outcome {
    Outcome {
        code: KILLED,
        started_ms: stage.borrow().started_ms.unwrap_or(0),
        finished_ms: now_ms(),
        ..Outcome::default()
    }
}

/// Returns the outcome of a run whose QEMU ended by itself.
pub fn died(stage: &watch::Sender<Stage>, text: String) -> Outcome {
    torn_down(stage, "vm-died", text)
}

fn torn_down(stage: &watch::Sender<Stage>, code: &str, text: String) -> Outcome {
    let started_ms = stage.borrow().started_ms.unwrap_or(0);
    Outcome {
        started_ms,
        code: if started_ms > 0 { KILLED } else { NOT_RUN },
        ..failed(code, text)
    }
}

#[cfg(test)]
mod tests;
