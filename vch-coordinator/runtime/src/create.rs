//! Containers are made, and get their endpoints on networks.

use super::{
    Runtime, RuntimeError,
    event::ContainerAction,
    runtime::document,
    workload::{Awaited, Workload},
};
use serde_json::Value;
use vch_engine::RequestError;
use vch_ledger::{
    AddContainer, Answer, Channel, Command, Connect, ContainerId, DocumentKind, Refusal, SocketPath,
};

/// A container to be made. What starts it knows its channel: `add.channel` is not looked at, nor is
/// the container that each of `connect` names.
#[derive(Clone, Debug)]
pub struct Create {
    /// Its row.
    pub add: AddContainer,
    /// What it runs.
    pub workload: Workload,
    /// Its endpoints.
    pub connect: Vec<Connect>,
}

impl Runtime {
    /// Makes a container, with its endpoints and what it runs, as one transaction. As with dockerd, an endpoint
    /// that it can't have now is asked for again when it starts: the network may be made meanwhile, or
    /// its address become free. An address that its network can never have is refused at once.
    ///
    /// # Errors
    /// [`RuntimeError`]; there is nothing of it then.
    pub async fn create(&self, mut request: Create) -> Result<ContainerId, RuntimeError> {
        if self.0.vms.is_none() {
            return Err(RuntimeError::Disabled);
        }
        request.add.channel = self.channel()?;
        let made = self.made(request.clone()).await;
        let id = match made {
            Err(RuntimeError::Request(RequestError::Refused(refusal))) if awaits(&refusal) => {
                let awaited = request.connect.drain(..);
                request.workload.awaited =
                    awaited.map(|endpoint| Awaited::from(&endpoint)).collect();
                self.made(request).await?
            }
            made => made?,
        };
        self.tell(id, ContainerAction::Created).await;
        Ok(id)
    }

    async fn made(&self, request: Create) -> Result<ContainerId, RuntimeError> {
        let Create {
            mut add,
            workload,
            connect,
        } = request;
        let name = add.name.clone();
        // Behind its endpoints: of which families it has addresses is known then.
        let ports = std::mem::take(&mut add.ports);
        let mut commands = vec![
            Command::AddContainer(add),
            document(&name.as_str().into(), DocumentKind::Workload, &workload)?,
        ];
        commands.extend(connect.into_iter().map(|mut connect| {
            connect.container = name.as_str().into();
            Command::Connect(connect)
        }));
        if !ports.is_empty() {
            commands.push(Command::PublishPorts {
                container: name.as_str().into(),
                ports,
            });
        }
        let outcome = self.0.requests.carry_out(Command::Batch(commands)).await?;
        let Answer::Batch(answers) = &outcome.committed.answer else {
            return Err(RuntimeError::NotOurs(name.to_string()));
        };
        let made = answers.iter().find_map(|answer| match answer {
            Answer::ContainerAdded { container } => Some(*container),
            _ => None,
        });
        made.ok_or_else(|| RuntimeError::NotOurs(name.to_string()))
    }

    /// An endpoint that a container waits for is not asked for any more; whether it was.
    ///
    /// # Errors
    /// [`RuntimeError`]; nothing has changed then.
    pub async fn cancel_pending(
        &self,
        id: ContainerId,
        network: &str,
    ) -> Result<bool, RuntimeError> {
        let Some(snapshot) = self.get(id).await? else {
            return Ok(false);
        };
        let handle = self.handle_of(&snapshot);
        let _edits = handle.edits.lock().await;
        let snapshot = self.require(id).await?;
        let mut workload = Workload::clone(&snapshot.workload);
        workload
            .awaited
            .retain(|endpoint| endpoint.network != network);
        if workload == *snapshot.workload {
            return Ok(false);
        }
        self.keep(id, DocumentKind::Workload, &workload).await?;
        Ok(true)
    }

    /// Connects a container to a further network, also one whose VM another program runs. `record` changes the document
    /// [`Workload::shown`] in the same transaction.
    ///
    /// # Errors
    /// [`RuntimeError`]; nothing has changed then.
    pub async fn connect(
        &self,
        id: ContainerId,
        request: Connect,
        record: impl FnOnce(&mut Value) + Send,
    ) -> Result<(), RuntimeError> {
        let mut commands = vec![Command::Connect(request)];
        let handle = self
            .get(id)
            .await?
            .map(|snapshot| self.handle_of(&snapshot));
        let _edits = match &handle {
            Some(handle) => Some(handle.edits.lock().await),
            None => None,
        };
        if handle.is_some() {
            let snapshot = self.require(id).await?;
            let mut workload = Workload::clone(&snapshot.workload);
            record(&mut workload.shown);
            commands.push(document(&id.into(), DocumentKind::Workload, &workload)?);
        }
        self.0.requests.carry_out(Command::Batch(commands)).await?;
        Ok(())
    }

    /// A line of the VM's for its agent, at an address that no other container has.
    fn channel(&self) -> Result<Channel, RuntimeError> {
        let mut token = [0; 6];
        getrandom::fill(&mut token).map_err(|error| RuntimeError::File {
            what: "draw a random name in",
            path: self.0.dirs.run.clone(),
            source: std::io::Error::other(error.to_string()),
        })?;
        let token: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = self.0.dirs.sockets(&token).join("tether.sock");
        let text = path.to_string_lossy().into_owned();
        let path = SocketPath::try_from(text).map_err(|error| RuntimeError::File {
            what: "make a socket at",
            path,
            source: std::io::Error::other(error.to_string()),
        })?;
        Ok(Channel::Chardev { path })
    }
}

/// Whether an endpoint that is refused so may be had later.
fn awaits(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NetworkNotFound(_)
            | Refusal::AddressInUse { .. }
            | Refusal::AddressReserved { .. }
            | Refusal::AddressesExhausted { .. }
            | Refusal::MacTaken { .. }
    )
}
