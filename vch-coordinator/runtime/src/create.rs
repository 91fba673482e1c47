//! Creates containers, and changes their endpoints on networks.

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

/// The description of a container to create with [`Runtime::create`]. The caller need not set `add.channel`, nor
/// `container` in each of `connect`: the runtime overwrites them.
#[derive(Clone, Debug)]
pub struct Create {
    /// The container's name, host name, resolver settings and published ports.
    pub add: AddContainer,
    /// The description of what the container's VM runs: image, process, limits and options.
    pub workload: Workload,
    /// The networks to connect the container to, each with the wanted addresses and names.
    pub connect: Vec<Connect>,
}

impl Runtime {
    /// Creates a container with its network endpoints in one transaction, and returns its ID.
    /// Starts nothing.
    ///
    /// As in dockerd, a missing network or a taken address is not an error now: the container is
    /// created without any endpoint, and its next start connects the networks or fails. An address
    /// that its network can never have is refused at once.
    ///
    /// # Errors
    /// Returns an error, and creates nothing, in these cases:
    /// - [`RuntimeError::Disabled`] if the coordinator is configured to start no VMs.
    /// - [`RuntimeError::Request`] if the ledger refuses the container.
    /// - [`RuntimeError::File`] if no path for its sockets can be made.
    /// - [`RuntimeError::Unwritable`] if its workload cannot be serialized.
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
        // Ports follow the endpoints, which determine the families of the container's addresses.
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

    /// Removes a connection to a network that the container awaits ([`Workload::awaited`]): one that
    /// [`create`](Self::create) could not make, and that the next start would make. `network` is the network as the
    /// user named it. Returns whether there was one; `false` also if the container does not exist.
    ///
    /// # Errors
    /// Returns an error, and changes nothing, in these cases:
    /// - [`RuntimeError::Document`] if a stored document of the container cannot be read.
    /// - [`RuntimeError::Request`] if the change cannot be stored.
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

    /// Connects a container to a further network, including a container whose VM another program runs. `record` is
    /// called with the document [`Workload::api_document`], which is stored as `record` leaves it in the same
    /// transaction; it is not called for a container of another program.
    ///
    /// # Errors
    /// Returns an error, and changes nothing, in these cases:
    /// - [`RuntimeError::Document`] if a stored document of the container cannot be read.
    /// - [`RuntimeError::Request`] if the ledger refuses the endpoint or it cannot be set up.
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
            record(&mut workload.api_document);
            commands.push(document(&id.into(), DocumentKind::Workload, &workload)?);
        }
        self.0.requests.carry_out(Command::Batch(commands)).await?;
        Ok(())
    }

    /// Returns a new channel to the agent: a serial line of the VM, at a socket path with a random
    /// name.
    ///
    /// # Errors
    /// Returns [`RuntimeError::File`] if no random name can be drawn, or if the path is too long for a socket.
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

/// Returns whether an endpoint that was refused for this reason may be possible later.
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

#[cfg(test)]
mod tests;
