//! Plugs, unplugs and reattaches NICs of running VMs through their shims. NICs of VMs that another
//! program runs are left alone.

use crate::{Runtime, launch::nic_id};
use futures_util::{FutureExt, future::BoxFuture};
use vch_ledger::desired::Nic;
use vch_network::{NicError, Nics};
use vch_shim::{Client, ClientError};

impl Runtime {
    /// Returns a client of the shim of a NIC's VM; `None` if the VM does not run. Waits until a
    /// start that is under way is over.
    async fn shim_of(&self, nic: &Nic) -> Option<Client> {
        let id = nic.container_id;
        let snapshot = self.get(id).await.ok()??;
        self.handle_of(&snapshot).started().await;
        let snapshot = self.get(id).await.ok()??;
        let client = self.client(&snapshot).ok()?;
        snapshot.container.runs().then_some(client)
    }

    async fn asked<F: Future<Output = Result<(), ClientError>>>(
        &self,
        operation: &'static str,
        nic: &Nic,
        ask: impl FnOnce(Client) -> F,
    ) -> Result<(), NicError> {
        let Some(client) = self.shim_of(nic).await else {
            return Ok(());
        };
        match ask(client).await {
            // The VM has ended meanwhile and has no NIC any more.
            Ok(()) | Err(ClientError::Gone(_)) => Ok(()),
            Err(error) => Err(NicError::Refused {
                operation,
                mac: nic.mac,
                container: nic.container.clone(),
                reason: error.to_string(),
            }),
        }
    }
}

/// Returns a NIC in the form that shims use.
fn known(nic: &Nic) -> vch_shim::Nic {
    vch_shim::Nic {
        id: nic_id(nic.endpoint_id),
        mac: nic.mac.octets(),
        tap: nic.tap.to_string(),
    }
}

impl Nics for Runtime {
    fn plug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>> {
        let ask = async |client: Client| client.plug(known(nic)).await;
        self.asked("plug", nic, ask).boxed()
    }

    fn unplug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>> {
        let ask = async |client: Client| client.unplug(&nic_id(nic.endpoint_id)).await;
        self.asked("unplug", nic, ask).boxed()
    }

    fn reattach<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>> {
        let ask = async |client: Client| client.reattach(known(nic)).await;
        self.asked("replug", nic, ask).boxed()
    }
}

#[cfg(test)]
mod tests;
