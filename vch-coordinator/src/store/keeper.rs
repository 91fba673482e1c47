//! The one writer: a thread that owns ledger and store.
//!
//! It takes what is waiting, decides each command against the ledger, writes all of them in one
//! commit, and only then answers and publishes, in the order of their revisions.

use super::{
    Store, StoreError,
    database::{Group, Loaded},
};
use crate::effects::work::{Work, follow};
use ipnet::IpNet;
use protocol::message::Report;
use std::{
    sync::Arc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use vch_ledger::{
    Answer, Command, ContainerId, Ledger, LoadError, Refusal, Revision, RowKey, Settings,
    Surroundings, Transaction,
};

/// Jobs that may wait: beyond it callers do, so a slow disk slows callers and not memory.
const WAITING_JOBS: usize = 1024;
/// Jobs that share one commit.
const GROUP: usize = 256;

/// A route of the host, not made by us, that overlaps a subnet.
pub type HostOverlap = Arc<dyn Fn(&IpNet) -> Option<IpNet> + Send + Sync>;

/// A transaction that is durable, with what the effects must make of it.
#[derive(Debug)]
pub struct Committed {
    /// Its number.
    pub revision: Revision,
    /// What the caller is told.
    pub answer: Answer,
    /// What must be so from now on.
    pub work: Work,
}

/// A command's outcome: committed and queued for the effects, or refused with nothing changed.
pub type Decision = Result<Arc<Committed>, Refusal>;

/// A publication: the transaction, and who wants to know when the effects have followed it.
pub struct Published {
    /// The transaction.
    pub committed: Arc<Committed>,
    /// Told the effects' outcome.
    pub settled: oneshot::Sender<Result<(), crate::effects::EffectError>>,
}

enum Job {
    Decide(Command, oneshot::Sender<(Decision, Option<Settled>)>),
    Report(ContainerId, Report, oneshot::Sender<()>),
    Read(Box<dyn FnOnce(&Ledger) + Send>),
    End,
}

/// Resolves when the effects have followed a transaction.
pub type Settled = oneshot::Receiver<Result<(), crate::effects::EffectError>>;

/// The keeper does not answer any more.
#[derive(Clone, Copy, Debug, Error)]
#[error("the coordinator is stopping or its store has failed: see its log, then ask again")]
pub struct KeeperError;

/// Asks the keeper; cheap to clone.
#[derive(Clone)]
pub struct Keeper {
    jobs: mpsc::Sender<Job>,
}

/// The running thread.
pub struct KeeperThread {
    thread: thread::JoinHandle<Result<(), StoreError>>,
}

impl KeeperThread {
    /// Waits for its end, which comes when every [`Keeper`] is dropped, by [`Keeper::end`] or when
    /// the store fails.
    pub fn join(self) -> Result<(), StoreError> {
        self.thread.join().unwrap_or(Ok(()))
    }
}

/// A keeper at its start.
pub struct Kept {
    /// Asks it.
    pub keeper: Keeper,
    /// Its thread.
    pub thread: KeeperThread,
    /// What it commits from now on, in order.
    pub published: mpsc::Receiver<Published>,
    /// What must be so at the start.
    pub whole: Work,
}

/// Why the ledger does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The rows contradict one another or the configuration.
    #[error("the store's rows do not make a ledger")]
    Load(#[from] LoadError),
    /// The networks that every VCH has can't be made.
    #[error("the predefined networks cannot be made: {0}")]
    Bootstrap(Refusal),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No thread could be made.
    #[error("no thread for the keeper")]
    Thread(#[source] std::io::Error),
}

struct Desk {
    ledger: Ledger,
    store: Store,
    host_overlap: HostOverlap,
    published: mpsc::Sender<Published>,
}

impl Keeper {
    /// Loads the ledger, makes the predefined networks where they are missing, and starts the
    /// thread.
    pub fn spawn(
        store: Store,
        loaded: Loaded,
        settings: Settings,
        host_overlap: HostOverlap,
    ) -> Result<Kept, StartError> {
        let mut ledger = Ledger::load(settings, loaded.rows, loaded.revision)?;
        let made = surrounded(&host_overlap, |around| ledger.bootstrap(around))
            .map_err(StartError::Bootstrap)?;
        if let Some(transaction) = made {
            store.write(&group_of([&transaction]))?;
        }
        let work = Work::whole(&ledger);
        let (jobs, inbox) = mpsc::channel(WAITING_JOBS);
        let (publish, published) = mpsc::channel(WAITING_JOBS);
        let desk = Desk {
            ledger,
            store,
            host_overlap,
            published: publish,
        };
        let thread = thread::Builder::new()
            .name("keeper".to_owned())
            .spawn(move || desk.serve(inbox))
            .map_err(StartError::Thread)?;
        Ok(Kept {
            keeper: Self { jobs },
            thread: KeeperThread { thread },
            published,
            whole: work,
        })
    }

    /// Decides a command; when this returns a transaction it is durable. The second value resolves
    /// when the effects on the VCH have followed.
    pub async fn decide(
        &self,
        command: Command,
    ) -> Result<(Decision, Option<Settled>), KeeperError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Decide(command, answer);
        self.jobs.send(job).await.map_err(|_| KeeperError)?;
        answered.await.map_err(|_| KeeperError)
    }

    /// Keeps a container's report; durable when this returns.
    pub async fn record(&self, container: ContainerId, report: Report) -> Result<(), KeeperError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Report(container, report, answer);
        self.jobs.send(job).await.map_err(|_| KeeperError)?;
        answered.await.map_err(|_| KeeperError)
    }

    /// Ends the thread after what was asked before; whoever asks later is told [`KeeperError`].
    pub async fn end(&self) {
        // It has ended already then.
        let _ = self.jobs.send(Job::End).await;
    }

    /// Resolves when the thread has ended: the store failed.
    pub async fn ended(&self) {
        self.jobs.closed().await;
    }

    /// Looks at the ledger, as it is after everything decided so far.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Ledger) -> T + Send + 'static,
    ) -> Result<T, KeeperError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Read(Box::new(move |ledger| {
            // The caller may have gone away.
            let _ = answer.send(look(ledger));
        }));
        self.jobs.send(job).await.map_err(|_| KeeperError)?;
        answered.await.map_err(|_| KeeperError)
    }
}

/// An answer that waits for the commit of its group.
enum Held {
    Decision(oneshot::Sender<(Decision, Option<Settled>)>, Decision),
    Report(oneshot::Sender<()>),
    Read(Box<dyn FnOnce(&Ledger) + Send>),
}

impl Desk {
    fn serve(mut self, mut inbox: mpsc::Receiver<Job>) -> Result<(), StoreError> {
        while let Some(first) = inbox.blocking_recv() {
            let mut group = Group::default();
            let mut held = Vec::new();
            let mut goes_on = self.take(first, &mut group, &mut held);
            while goes_on
                && held.len() < GROUP
                && let Ok(job) = inbox.try_recv()
            {
                goes_on = self.take(job, &mut group, &mut held);
            }
            if !group.is_empty() {
                // After a failed commit nobody can say what the disk holds: the coordinator ends,
                // and its next start reads what is there. Who waits is told that it stopped.
                self.store.write(&group)?;
            }
            for one in held {
                self.answer(one);
            }
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// Whether more may be taken.
    fn take(&mut self, job: Job, group: &mut Group, held: &mut Vec<Held>) -> bool {
        match job {
            Job::Decide(command, answer) => {
                let ledger = &mut self.ledger;
                let decided =
                    surrounded(&self.host_overlap, |around| ledger.decide(command, around));
                let decision = decided.map(|transaction| {
                    add(group, &transaction);
                    Arc::new(Committed {
                        revision: transaction.revision,
                        work: follow(&self.ledger, &transaction),
                        answer: transaction.answer,
                    })
                });
                held.push(Held::Decision(answer, decision));
            }
            Job::Report(container, report, answer) => {
                // A container that has just been removed leaves no report behind.
                if self.ledger.container_by_id(container).is_some() {
                    group.reports.insert(container, Some(report));
                }
                held.push(Held::Report(answer));
            }
            Job::Read(look) => held.push(Held::Read(look)),
            Job::End => return false,
        }
        true
    }

    fn answer(&self, held: Held) {
        // Whoever asked may have gone away: the transaction stands all the same.
        match held {
            Held::Report(answer) => {
                let _ = answer.send(());
            }
            // Looked at after the commit: what is shown is durable.
            Held::Read(look) => look(&self.ledger),
            Held::Decision(answer, Err(refusal)) => {
                let _ = answer.send((Err(refusal), None));
            }
            Held::Decision(answer, Ok(committed)) => {
                let (settled, waiting) = oneshot::channel();
                let published = Published {
                    committed: Arc::clone(&committed),
                    settled,
                };
                // Fails only while the coordinator stops: at its next start the ledger is followed.
                let _ = self.published.blocking_send(published);
                let _ = answer.send((Ok(committed), Some(waiting)));
            }
        }
    }
}

fn surrounded<T>(host_overlap: &HostOverlap, decide: impl FnOnce(&mut Surroundings<'_>) -> T) -> T {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    decide(&mut Surroundings {
        // The kernel's pool is ready before any coordinator starts: getrandom(2) fails only for
        // want of the system call, and `Store::open` has used it.
        random: &mut |bytes| {
            let _ = getrandom::fill(bytes);
        },
        now_ms: now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX)),
        host_overlap: &**host_overlap,
    })
}

fn group_of<'a>(transactions: impl IntoIterator<Item = &'a Transaction>) -> Group {
    let mut group = Group::default();
    for transaction in transactions {
        add(&mut group, transaction);
    }
    group
}

fn add(group: &mut Group, transaction: &Transaction) {
    for change in &transaction.changes {
        if let (RowKey::Container(container), None) = (change.key, &change.after) {
            group.reports.insert(container, None);
        }
    }
    group.changes.extend(transaction.changes.iter().cloned());
    group.revision = Some(transaction.revision);
}

#[cfg(test)]
mod tests;
