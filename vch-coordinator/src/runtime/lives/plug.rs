//! NICs of running VMs. A container that somebody else runs is his.

use crate::{
    effects::{NicError, Nics},
    runtime::{Runtime, launch::nic_id},
};
use futures_util::{FutureExt, future::BoxFuture};
use vch_ledger::desired::Nic;
use vch_shim::{Client, ClientError};

impl Runtime {
    /// A running VM's shim, once nobody is starting or stopping it.
    async fn shim_of(&self, nic: &Nic) -> Option<Client> {
        let id = nic.container_id;
        let looked = self.get(id).await.ok()??;
        let machine = self.machine(id, &looked.life);
        let _turn = machine.turn.lock().await;
        let looked = self.get(id).await.ok()??;
        let client = self.client(&looked).ok()?;
        looked.container.runs().then_some(client)
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
            // The VM has ended meanwhile: it has no NIC any more.
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

/// Returns a NIC as a shim knows it.
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
