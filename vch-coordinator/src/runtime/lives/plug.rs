//! NICs of running VMs. A container that somebody else runs is his.

use crate::runtime::{Nic, Nics, Runtime, hook::HookError, launch::nic_id};
use futures_util::{FutureExt, future::BoxFuture};
use protocol::spec::MacAddress;
use vch_ledger::ContainerId;
use vch_shim::{Client, ClientError};

impl Runtime {
    /// A running VM's shim, once nobody is starting or stopping it.
    async fn shim_of(&self, nic: &Nic) -> Option<Client> {
        let id: ContainerId = nic.container_id.parse().ok()?;
        let looked = self.look(id).await.ok()??;
        let machine = self.machine(id, &looked.life);
        let _turn = machine.turn.lock().await;
        let looked = self.look(id).await.ok()??;
        let client = self.client(&looked).ok()?;
        looked.container.runs().then_some(client)
    }

    async fn asked<F: Future<Output = Result<(), ClientError>>>(
        &self,
        what: &'static str,
        nic: &Nic,
        ask: impl FnOnce(Client) -> F,
    ) -> Result<(), HookError> {
        let Some(client) = self.shim_of(nic).await else {
            return Ok(());
        };
        match ask(client).await {
            // The VM has ended meanwhile: it has no NIC any more.
            Ok(()) | Err(ClientError::Gone(_)) => Ok(()),
            Err(error) => Err(HookError::Refused {
                what,
                mac: nic.mac.clone(),
                container: nic.container.clone(),
                reason: error.to_string(),
            }),
        }
    }
}

/// A NIC as a shim knows it; `None` where its MAC address is none, which the ledger gives to nobody.
fn known(nic: &Nic) -> Option<vch_shim::Nic> {
    let mac: MacAddress = nic.mac.parse().ok()?;
    Some(vch_shim::Nic {
        id: nic_id(&nic.endpoint_id),
        mac: mac.octets(),
        tap: nic.tap.clone(),
    })
}

impl Nics for Runtime {
    fn plug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), HookError>> {
        let ask = async |client: Client| match known(nic) {
            Some(nic) => client.plug(nic).await,
            None => Ok(()),
        };
        self.asked("plug", nic, ask).boxed()
    }

    fn unplug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), HookError>> {
        let ask = async |client: Client| client.unplug(&nic_id(&nic.endpoint_id)).await;
        self.asked("unplug", nic, ask).boxed()
    }

    fn replug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), HookError>> {
        let ask = async |client: Client| match known(nic) {
            Some(nic) => client.replug(nic).await,
            None => Ok(()),
        };
        self.asked("replug", nic, ask).boxed()
    }
}
