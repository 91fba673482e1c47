//! One life of a coordinator, from its store's opening to the power failure.

use super::{
    dice::Dice,
    disk::Disk,
    requests::{StoreRequest, request},
    world::{Amid, Difference, WorldState, open},
};
use crate::{
    Changes, LedgerHandle, SpawnedWriter, Store,
    database::Loaded,
    environment::{HostChecks, SystemEnvironment},
};
use std::{
    collections::BTreeSet,
    future::Future,
    pin::pin,
    sync::mpsc,
    task::{self, Poll},
};
use tokio::sync::oneshot;
use vch_ledger::{Answer, Command, Environment, Ledger, Revision};

/// Groups in a life whose power lasts.
const GROUPS: usize = 20;
/// Most requests that share a commit.
const GROUP: usize = 8;

pub(super) struct StoreRun {
    dice: Dice,
    /// The random numbers and times that the ledger gets, once for the writer and once for the
    /// model.
    given: Given,
    /// The state that was acknowledged.
    pub sure: WorldState,
    /// The state on the disk if the commit in progress was completed.
    pub maybe: Option<WorldState>,
    /// The last revision that a follower received.
    pub told: Revision,
    pub acknowledged: usize,
    /// The names of the answers that the writer gave.
    pub answers: BTreeSet<String>,
    pub amid: Amid,
}

/// Chance and time of one life.
#[derive(Clone)]
struct Given {
    dice: Dice,
    now_ms: u64,
}

impl Given {
    fn environment(&self) -> SystemEnvironment {
        let (mut chance, mut now_ms) = (self.dice.clone(), self.now_ms);
        SystemEnvironment {
            host: HostChecks::alone(),
            random: Box::new(move |bytes| chance.fill(bytes)),
            clock: Box::new(move || {
                now_ms += 1;
                now_ms
            }),
        }
    }

    fn decide<T>(&mut self, decide: impl FnOnce(&mut Environment<'_>) -> T) -> (T, u64) {
        self.now_ms += 1;
        let decided = decide(&mut Environment {
            random: &mut |bytes| self.dice.fill(bytes),
            now_ms: self.now_ms,
            host_overlap: &|_| None,
            listener: &|_| None,
        });
        (decided, self.now_ms)
    }
}

/// The answer that the model expects of the writer: the refusal's code if refused, `None` for a
/// report.
type Verdict = Option<Result<Answer, &'static str>>;

impl StoreRun {
    pub fn of(state: WorldState, dice: &mut Dice) -> Self {
        let mut own = || Dice::new(dice.roll());
        let told = state.ledger.revision();
        Self {
            dice: own(),
            given: Given {
                dice: own(),
                now_ms: 1_764_000_000_000,
            },
            sure: state,
            maybe: None,
            told,
            acknowledged: 0,
            answers: BTreeSet::new(),
            amid: Amid::Opening,
        }
    }

    /// Runs requests until the power fails. The disk is closed when this returns.
    ///
    /// # Errors
    /// Returns [`Difference`] if an answer does not agree with the model.
    pub async fn live(&mut self, disk: &Disk) -> Result<(), Difference> {
        let opened = open(disk, &mut self.dice);
        let lived = match opened {
            Ok((store, loaded)) => self.serve(disk, store, loaded).await,
            Err(_) if disk.has_power() => Err(Difference::Unreadable),
            Err(_) => Ok(()),
        };
        disk.cut_power();
        lived
    }

    async fn serve(&mut self, disk: &Disk, store: Store, loaded: Loaded) -> Result<(), Difference> {
        self.amid = Amid::Starting;
        let environment = self.given.environment();
        let mut begun = self.sure.clone();
        let (made, at_ms) = self
            .given
            .decide(|environment| begun.ledger.bootstrap(environment).unwrap());
        if let Some(made) = made {
            begun.follow(&made, at_ms);
            self.maybe = Some(begun);
        }
        let settings = self.sure.ledger.settings().clone();
        let kept = match LedgerHandle::spawn_amid(environment, store, loaded, settings) {
            Ok(kept) => kept,
            Err(_) if disk.has_power() => return Err(Difference::Unreadable),
            Err(_) => return Ok(()),
        };
        self.acknowledge();
        self.amid = Amid::Rest;
        let SpawnedWriter {
            ledger_handle,
            thread,
            mut published,
            ..
        } = kept;
        let changes = ledger_handle.changes_since(self.told).await;
        let mut changes = changes.map_err(|_| Difference::Answer)?;
        let mut asked = Ok(());
        for _ in 0..GROUPS {
            asked = self.group(&ledger_handle).await;
            while published.try_recv().is_ok() {}
            asked = asked.and(self.listen(&mut changes));
            if asked.is_err() || !disk.has_power() {
                break;
            }
        }
        let failed_early = self.maybe.is_some() && disk.has_power();
        disk.cut_power();
        drop((ledger_handle, published));
        // It may have ended because the disk did.
        let _ = thread.join();
        if failed_early {
            return Err(Difference::Answer);
        }
        asked
    }

    fn acknowledge(&mut self) {
        if let Some(maybe) = self.maybe.take() {
            self.sure = maybe;
            self.acknowledged += 1;
        }
    }

    /// Requests that share one commit.
    async fn group(&mut self, ledger_handle: &LedgerHandle) -> Result<(), Difference> {
        let mut next = self.sure.clone();
        let mut asked = Vec::new();
        for _ in 0..=self.dice.below(GROUP) {
            let request = request(&next.ledger, &mut self.dice);
            let verdict = self.verdict(&mut next, &request);
            asked.push((request, verdict));
        }
        self.maybe = (next != self.sure).then_some(next);
        let (requests, verdicts): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
        let answers = ask_together(ledger_handle, requests).await;
        match answers.into_iter().collect::<Option<Vec<_>>>() {
            // The writer has ended, and nobody was told anything.
            None => Ok(()),
            Some(answers) if answers == verdicts => {
                self.acknowledge();
                Ok(())
            }
            Some(_) => Err(Difference::Answer),
        }
    }

    /// Receives what the follower has been told by now; after an acknowledged group that must be
    /// all of it.
    fn listen(&mut self, changes: &mut Changes) -> Result<(), Difference> {
        let mut nobody = task::Context::from_waker(task::Waker::noop());
        while let Poll::Ready(Ok(logged)) = pin!(changes.next()).poll(&mut nobody) {
            let now = self.maybe.as_ref().unwrap_or(&self.sure);
            if !now.log.contains(&logged) {
                return Err(Difference::Strange);
            }
            self.told = logged.revision;
        }
        if self.told < self.sure.ledger.revision() {
            return Err(Difference::Answer);
        }
        Ok(())
    }

    fn verdict(&mut self, state: &mut WorldState, request: &StoreRequest) -> Verdict {
        match request {
            StoreRequest::Report(container, report) => {
                if state.ledger.container_by_id(*container).is_some() {
                    state.reports.insert(*container, report.clone());
                }
                None
            }
            StoreRequest::Command(command) => {
                let ledger: &mut Ledger = &mut state.ledger;
                let decide =
                    |environment: &mut Environment<'_>| ledger.decide(command.clone(), environment);
                let (decided, at_ms) = self.given.decide(decide);
                Some(match decided {
                    Ok(done) => {
                        state.follow(&done, at_ms);
                        let answer = format!("{:?}", done.answer);
                        let name = answer.split(|c: char| !c.is_alphanumeric()).next();
                        self.answers.extend(name.map(str::to_owned));
                        Ok(done.answer)
                    }
                    Err(refusal) => Err(refusal.code()),
                })
            }
        }
    }
}

/// Asks everything while the writer is busy, so that it all shares one commit. An answer is `None`
/// where the writer has ended.
async fn ask_together(
    ledger_handle: &LedgerHandle,
    requests: Vec<StoreRequest>,
) -> Vec<Option<Verdict>> {
    let (entered, busy) = oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let gate = ledger_handle.clone();
    let gate = tokio::spawn(async move {
        // The writer may have ended.
        let _ = gate
            .read(move |_| {
                let _ = entered.send(());
                let _ = released.recv();
            })
            .await;
    });
    let _ = busy.await;
    let mut asking = Vec::new();
    for request in requests {
        asking.push(tokio::spawn(ask(ledger_handle.clone(), request)));
    }
    // On one thread tasks begin in the order in which they were spawned.
    let last = tokio::spawn(async move { drop(release) });
    let mut answers = Vec::new();
    for one in asking {
        answers.push(one.await.unwrap());
    }
    last.await.unwrap();
    gate.await.unwrap();
    answers
}

async fn ask(ledger_handle: LedgerHandle, request: StoreRequest) -> Option<Verdict> {
    match request {
        StoreRequest::Report(container, report) => {
            ledger_handle.record(container, report).await.ok()?;
            Some(None)
        }
        StoreRequest::Command(command) => Some(Some(answer(&ledger_handle, command).await?)),
    }
}

async fn answer(
    ledger_handle: &LedgerHandle,
    command: Command,
) -> Option<Result<Answer, &'static str>> {
    let (decision, _) = ledger_handle.decide(command).await.ok()?;
    Some(match decision {
        Ok(committed) => Ok(committed.answer.clone()),
        Err(refusal) => Err(refusal.code()),
    })
}
