//! Carries out requests, from a ledger command to the answer for its caller.
//!
//! A request is answered when it is durable and in force on the VCH. If the container's agent is connected, the request
//! also waits for the agent's report, up to a deadline, and is then answered as `pending`; without a connected agent it
//! is answered at once. An addition that the data plane or the guest refuses is undone by a second transaction; a
//! removal is never undone.

use protocol::spec::{InterfaceName, SpecId};
use std::{error::Error, sync::Arc, time::Duration};
use thiserror::Error;
use vch_ledger::{Answer, Command, ContainerId, Refusal};
use vch_network::tether::{EndpointState, Tether, failures};
use vch_store::{Committed, FollowError, LedgerHandle, WriterError};

/// Why a request was not carried out. Nothing has changed then, or the change was undone; only [`Self::NotKept`] may
/// leave a stored change.
#[derive(Clone, Debug, Error)]
pub enum RequestError {
    /// The ledger refused the command.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The VCH could not carry out the addition: its kernel or a file operation refused it. The addition was undone.
    #[error("{what} was undone")]
    Effect {
        /// The addition that was undone, as words for the message: `the network`, `the start`.
        what: &'static str,
        /// The error of the data plane. It is shared, because several requests may be answered with it.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The guest in the container's VM refused the addition. The addition was undone.
    #[error("{what} was undone, the container's agent refused it: {reason}")]
    Guest {
        /// The addition that was undone, as words for the message: `the connection`.
        what: &'static str,
        /// The reason, as the agent reported it.
        reason: String,
    },
    /// The disk is full, or the coordinator is shutting down. Most often the request was not stored. If its change had
    /// been stored before the disk was full or the shutdown began, the change stays, and is in force at the latest
    /// after the next start.
    #[error(transparent)]
    NotKept(#[from] WriterError),
}

/// How far a request has come when it is answered: `Done`, or `Pending`. No later answer follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The change is in force on the VCH. If it connects a running container to a network or disconnects it, the agent
    /// in the VM has reported it too.
    Done,
    /// The change is durable, and one of two things is outstanding: a removal is still retried on the VCH, or the agent
    /// in the VM has not reported the change as made (it is not connected, is slow, awaits the NIC, or can't make a
    /// removal).
    Pending,
}

/// The result of a request that was carried out.
pub struct Outcome {
    /// The stored transaction, with the answer for the caller.
    pub committed: Arc<Committed>,
    /// Whether the change is in force (`Done`), or a retry or the report of the agent is still outstanding (`Pending`).
    pub progress: Progress,
}

/// The executor of the requests of the APIs and of the runtime. Clones share the ledger and the agent sessions.
#[derive(Clone)]
pub struct Requests {
    /// The handle by which the ledger decides commands.
    pub ledger_handle: LedgerHandle,
    /// The agent sessions, whose reports requests wait for.
    pub tether: Arc<Tether>,
    /// The longest time for which a request waits for the agent's report before it is answered as `pending`: the change is
    /// durable, and the agent has not confirmed it yet.
    pub report_deadline: Duration,
    /// Whether NICs are plugged into running VMs (by the VCH or a hook). If so, a report that still waits for an added
    /// NIC is out of date, and the request waits for a newer one. If false, the NIC may come much later, and the
    /// request is answered as `pending`.
    pub plugs: bool,
}

impl Requests {
    /// Lets the ledger decide a command, and waits until the change is in force on the VCH; undoes an addition that
    /// failed. If the command connects a running container to a network or disconnects it, and the agent is connected,
    /// also waits for the agent's report, at most for `report_deadline`.
    ///
    /// # Errors
    /// Returns
    /// - [`RequestError::Refused`] if the ledger refuses the command,
    /// - [`RequestError::Effect`] if the data plane could not make the addition,
    /// - [`RequestError::Guest`] if the agent reports that the guest refuses the addition,
    /// - [`RequestError::NotKept`] if the disk is full or the coordinator is shutting down.
    pub async fn carry_out(&self, command: Command) -> Result<Outcome, RequestError> {
        let (decision, settled) = self.ledger_handle.decide(command).await?;
        let committed = decision?;
        let settled = match settled {
            // The reconciler has ended: the change is committed, but not in force on the VCH.
            Some(settled) => settled.await.map_err(|_| WriterError::Ended)?,
            None => Ok(()),
        };
        if let Err(error) = settled {
            return self.data_plane_failed(committed, error).await;
        }
        let Some(wait) = awaited(&committed) else {
            let progress = Progress::Done;
            return Ok(Outcome {
                committed,
                progress,
            });
        };
        match self.hear(&wait).await {
            Heard::Nothing(progress) => Ok(Outcome {
                committed,
                progress,
            }),
            Heard::Refused(reason) => match undo(&committed.answer) {
                Some((what, undo)) => {
                    self.undo(undo).await?;
                    Err(RequestError::Guest { what, reason })
                }
                None => Ok(Outcome {
                    committed,
                    progress: Progress::Pending,
                }),
            },
        }
    }

    async fn data_plane_failed(
        &self,
        committed: Arc<Committed>,
        error: FollowError,
    ) -> Result<Outcome, RequestError> {
        match undo(&committed.answer) {
            Some((what, command)) => {
                self.undo(command).await?;
                let source = Arc::from(error);
                Err(RequestError::Effect { what, source })
            }
            // A removal stands: it is retried until the data plane agrees.
            None => Ok(Outcome {
                committed,
                progress: Progress::Pending,
            }),
        }
    }

    /// Undoes an addition by a second transaction. Another request may have removed the thing
    /// meanwhile; a refusal is logged then.
    async fn undo(&self, command: Command) -> Result<(), WriterError> {
        let (decision, settled) = self.ledger_handle.decide(command).await?;
        match (decision, settled) {
            (Ok(_), Some(settled)) => {
                // What it leaves undone is retried with every other removal.
                let _ = settled.await;
            }
            (Ok(_), None) => {}
            (Err(refusal), _) => tracing::warn!(%refusal, "an addition could not be undone"),
        }
        Ok(())
    }

    async fn hear(&self, wait: &Awaited) -> Heard {
        let Some(mut state) = self.tether.state(wait.container) else {
            return Heard::Nothing(Progress::Pending);
        };
        if state.borrow().agent.is_none() {
            return Heard::Nothing(Progress::Pending);
        }
        // A NIC that is awaited may be plugged long after this request: no need to wait for that,
        // unless it is there already, and only the guest has not found it yet.
        let told = state.wait_for(|state| {
            let awaited = wait.interface.as_ref().is_some_and(|interface| {
                matches!(state.endpoint(wait.spec, interface), EndpointState::Waiting)
            });
            state.reported(wait.spec).is_some() && !(self.plugs && awaited)
        });
        let Ok(Ok(state)) = tokio::time::timeout(self.report_deadline, told).await else {
            return Heard::Nothing(Progress::Pending);
        };
        let Some(interface) = &wait.interface else {
            return Heard::Nothing(Progress::Done);
        };
        match state.endpoint(wait.spec, interface) {
            EndpointState::Up => Heard::Nothing(Progress::Done),
            EndpointState::Waiting | EndpointState::Pending => Heard::Nothing(Progress::Pending),
            EndpointState::Failed | EndpointState::Unsupported => {
                let words = state.report.as_ref().map(failures).unwrap_or_default();
                Heard::Refused(words.join("; "))
            }
        }
    }
}

enum Heard {
    Nothing(Progress),
    Refused(String),
}

/// The report of the container's agent that a request waits for.
struct Awaited {
    container: ContainerId,
    spec: SpecId,
    /// The added interface; `None` if one was removed.
    interface: Option<InterfaceName>,
}

fn awaited(committed: &Committed) -> Option<Awaited> {
    match &committed.answer {
        Answer::Batch(answers) => answers.iter().find_map(|one| awaits(committed, one)),
        one => awaits(committed, one),
    }
}

fn awaits(committed: &Committed, answer: &Answer) -> Option<Awaited> {
    let (container, interface) = match answer {
        Answer::Connected {
            container,
            interface,
            ..
        } => (*container, Some(interface.clone())),
        Answer::Disconnected { container, .. } => (*container, None),
        _ => return None,
    };
    let target = committed.delta.containers.get(&container)?.as_ref()?;
    Some(Awaited {
        container,
        spec: target.spec.as_ref()?.id(),
        interface,
    })
}

/// Returns the command that undoes an addition, with the noun of the addition; `None` for a
/// removal.
fn undo(answer: &Answer) -> Option<(&'static str, Command)> {
    match answer {
        Answer::NetworkCreated { network, .. } => {
            Some(("the network", Command::RemoveNetwork((*network).into())))
        }
        Answer::ContainerAdded { container } => Some((
            "the container",
            Command::RemoveContainer {
                container: (*container).into(),
                force: false,
            },
        )),
        Answer::Started { container, .. } => {
            Some(("the start", Command::StopContainer((*container).into())))
        }
        Answer::PortsPublished {
            container, ports, ..
        } => Some((
            "the publishing",
            Command::UnpublishPorts {
                container: (*container).into(),
                ports: ports.clone(),
            },
        )),
        Answer::Connected {
            container, network, ..
        } => Some((
            "the connection",
            Command::Disconnect {
                container: (*container).into(),
                network: (*network).into(),
            },
        )),
        Answer::RateSet {
            container,
            network,
            before,
        } => Some((
            "the limit",
            Command::SetRate {
                container: (*container).into(),
                network: (*network).into(),
                rate: *before,
            },
        )),
        // Of what is undone together the first is what was asked for.
        Answer::Batch(answers) => {
            let mut undone: Vec<_> = answers.iter().filter_map(undo).collect();
            let what = undone.first()?.0;
            undone.reverse();
            let commands = undone.into_iter().map(|(_, command)| command);
            Some((what, Command::Batch(commands.collect())))
        }
        _ => None,
    }
}
