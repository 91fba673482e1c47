//! The one writer: a thread that owns ledger and store.
//!
//! It takes what is waiting, decides each command against the ledger, writes all of them in one
//! commit, and only then answers and publishes, in the order of their revisions.

use super::{
    Changes, ChangesError, Logged, Store, StoreError,
    database::{Group, Loaded},
    environment::{HostChecks, SystemEnvironment},
    error::WriterError,
    jobs::{Committed, Decided, Decision, FollowJob, Job, Jobs, Published, Settled},
    metrics::CommitMetrics,
    page::{BEHIND, PAGE, Page},
};
use protocol::message::Report;
use std::{sync::Arc, thread, time::Instant};
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot};
use vch_ledger::{
    Change, Command, ContainerId, Ledger, LoadError, Refusal, Revision, RowKey, Settings,
    desired::{Delta, follow},
};
use vch_log::error_chain;
use vch_metrics::{RegisterError, Registry};

/// The capacity of the writer's queue, in jobs: beyond it callers wait, so that a slow disk costs
/// time and not memory.
const WAITING_JOBS: usize = 1024;
/// The largest number of jobs that share one commit.
const GROUP: usize = 256;

/// A handle to the ledger, which decides about networks, containers, endpoints and published ports. It sends commands
/// and requests to the thread that owns ledger and store (the writer). Clones are cheap and use the same writer.
#[derive(Clone)]
pub struct LedgerHandle {
    jobs: mpsc::Sender<Job>,
    commits: CommitMetrics,
}

/// The running thread that owns the ledger and the store: it lets the ledger decide commands, and writes the
/// transactions to disk.
pub struct WriterThread {
    thread: thread::JoinHandle<Result<(), StoreError>>,
}

impl WriterThread {
    /// Blocks the calling thread until the writer's thread has ended. It ends when every [`LedgerHandle`] is dropped,
    /// by [`LedgerHandle::end`], or when the store fails.
    ///
    /// # Errors
    /// Returns the store's error that ended the thread, or [`StoreError::WriterPanicked`] if the thread panicked.
    pub fn join(self) -> Result<(), StoreError> {
        self.thread
            .join()
            .unwrap_or(Err(StoreError::WriterPanicked))
    }
}

/// What [`LedgerHandle::spawn`] returns: the handle to the ledger, and the thread that owns ledger and store.
pub struct SpawnedWriter {
    /// The handle for commands and requests to the writer.
    pub ledger_handle: LedgerHandle,
    /// The writer's thread, which the caller must join.
    pub thread: WriterThread,
    /// Receives the transactions that are committed from now on, in order. The reconciler takes them, and makes the
    /// VCH's kernel agree with them.
    pub published: mpsc::Receiver<Published>,
    /// All that the VCH's kernel and VMs must have at the start, as a change from nothing: the desired state before the
    /// first of the `published` transactions.
    pub whole: Delta,
}

/// The reason why the thread that owns ledger and store can't start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store's rows contradict each other, or the configuration.
    #[error("the store's rows do not make a ledger")]
    Load(#[from] LoadError),
    /// The ledger refused to create one of the networks that every VCH has, or an external network of the
    /// configuration.
    #[error("the predefined networks cannot be made: {0}")]
    Bootstrap(Refusal),
    /// The store can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system can't start a thread.
    #[error("no thread for the writer of the ledger")]
    Thread(#[source] std::io::Error),
}

struct Writer {
    ledger: Ledger,
    /// The ledger's, as they were with the last commit.
    settings: Settings,
    store: Store,
    environment: SystemEnvironment,
    commits: CommitMetrics,
    published: mpsc::Sender<Published>,
    followed: broadcast::Sender<Arc<Logged>>,
}

impl LedgerHandle {
    /// Makes the ledger from the rows that the store has loaded, creates the predefined networks if they are missing,
    /// and starts the writer's thread. `host` tells which subnets and ports the machine uses itself.
    ///
    /// # Errors
    /// Returns [`StartError::Load`] if the rows contradict each other or `settings`, [`StartError::Bootstrap`] if a
    /// predefined network or an external network of `settings` is refused, [`StartError::Store`] if these can't be
    /// written to the store, [`StartError::Thread`] if the thread can't be started.
    pub fn spawn(
        store: Store,
        loaded: Loaded,
        settings: Settings,
        host: HostChecks,
    ) -> Result<SpawnedWriter, StartError> {
        Self::spawn_amid(SystemEnvironment::system(host), store, loaded, settings)
    }

    /// Starts the writer's thread in an environment, with what the store has loaded.
    ///
    /// # Errors
    /// Returns [`StartError`] if the ledger refuses what was loaded or the settings, or the thread
    /// can't be started.
    pub(super) fn spawn_amid(
        mut environment: SystemEnvironment,
        mut store: Store,
        loaded: Loaded,
        settings: Settings,
    ) -> Result<SpawnedWriter, StartError> {
        let mut ledger = Ledger::load(settings, loaded.rows, loaded.revision)?;
        let (made, at_ms) = environment.decide(|environment| ledger.bootstrap(environment));
        if let Some(transaction) = made.map_err(StartError::Bootstrap)? {
            let mut group = Group::default();
            add(&mut group, transaction.revision, at_ms, transaction.changes);
            store.write(&group)?;
        }
        let delta = Delta::whole(&ledger);
        let (jobs, inbox) = mpsc::channel(WAITING_JOBS);
        let (publish, published) = mpsc::channel(WAITING_JOBS);
        let commits = CommitMetrics::new();
        let writer = Writer {
            settings: ledger.settings().clone(),
            ledger,
            store,
            environment,
            commits: commits.clone(),
            published: publish,
            followed: broadcast::Sender::new(BEHIND),
        };
        let thread = thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || writer.serve(inbox))
            .map_err(StartError::Thread)?;
        Ok(SpawnedWriter {
            ledger_handle: Self { jobs, commits },
            thread: WriterThread { thread },
            published,
            whole: delta,
        })
    }

    /// Lets the ledger decide a command. Unless the ledger refuses it, its transaction is durable on disk when this
    /// returns. The second value then receives the outcome of applying the transaction to the VCH's kernel; it is
    /// `None` for a refusal.
    ///
    /// # Errors
    /// Returns [`WriterError::Full`] if the disk is full, [`WriterError::Ended`] if the writer has ended.
    pub async fn decide(
        &self,
        command: Command,
    ) -> Result<(Decision, Option<Settled>), WriterError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Decide(command, answer);
        self.jobs.send(job).await.map_err(|_| WriterError::Ended)?;
        answered.await.map_err(|_| WriterError::Ended)?
    }

    /// Stores the last report of a container's agent in place of the previous one. The report is durable on disk when
    /// this returns. A report about a container that the ledger does not have is ignored.
    ///
    /// # Errors
    /// Returns [`WriterError::Full`] if the disk is full, [`WriterError::Ended`] if the writer has ended.
    pub async fn record(&self, container: ContainerId, report: Report) -> Result<(), WriterError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Report(container, report, answer);
        self.jobs.send(job).await.map_err(|_| WriterError::Ended)?;
        answered.await.map_err(|_| WriterError::Ended)?
    }

    /// Returns a stream of every transaction newer than `after`, the last revision (transaction number) that the caller
    /// knows: first the stored transactions, then new ones as they are committed.
    ///
    /// # Errors
    /// Returns [`ChangesError::Compacted`] if transactions after `after` are no longer stored, and
    /// [`ChangesError::Ahead`] if `after` is newer than the newest revision. The caller must then first
    /// [`read`](Self::read) [`Ledger::rows`] and [`Ledger::revision`]. Returns [`ChangesError::Store`] if the stored
    /// transactions can't be read, and [`ChangesError::Ended`] if the writer has ended.
    pub async fn changes_since(&self, after: Revision) -> Result<Changes, ChangesError> {
        Changes::follow(Jobs(self.jobs.downgrade()), after).await
    }

    /// Requests the writer to end when the requests that are already waiting are done; [`LedgerHandle::ended`] waits
    /// for that. Later calls of this handle and its clones fail with [`WriterError::Ended`].
    pub async fn end(&self) {
        // It has ended already then.
        let _ = self.jobs.send(Job::End).await;
    }

    /// Waits until the writer has ended, by [`LedgerHandle::end`] or because the store failed.
    pub async fn ended(&self) {
        self.jobs.closed().await;
    }

    /// Adds the writer's metrics to `registry`: its commits, and the number of waiting requests.
    ///
    /// # Errors
    /// Returns [`RegisterError`] if a metric of the same name exists.
    pub fn register_metrics(&self, registry: &Registry) -> Result<(), RegisterError> {
        let jobs = self.jobs.downgrade();
        let depth = move || {
            let depth = |jobs: mpsc::Sender<Job>| jobs.max_capacity() - jobs.capacity();
            // Of a writer that has ended nothing waits.
            let depth = jobs.upgrade().map_or(0, depth);
            u64::try_from(depth).unwrap_or(u64::MAX)
        };
        self.commits.register(registry, depth)
    }

    /// Calls `look` with the ledger, after all commands that were sent before, and returns the result of `look`. The
    /// function runs on the writer's thread, so it must be short.
    ///
    /// # Errors
    /// Returns [`WriterError::Ended`] if the writer has ended.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Ledger) -> T + Send + 'static,
    ) -> Result<T, WriterError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Read(Box::new(move |ledger| {
            // The caller may have gone away.
            let _ = answer.send(look(ledger));
        }));
        self.jobs.send(job).await.map_err(|_| WriterError::Ended)?;
        answered.await.map_err(|_| WriterError::Ended)
    }
}

/// An answer that waits for the commit of its group.
enum Held {
    Decision(oneshot::Sender<Decided>, Decision),
    Report(oneshot::Sender<Result<(), WriterError>>),
    Read(Box<dyn FnOnce(&Ledger) + Send>),
    Follow(FollowJob),
}

impl Held {
    /// Answers what the full disk decided: a change that was not written is refused. Returns the job if it only
    /// reads, since it is answered later.
    fn after_full(self) -> Option<Self> {
        match self {
            // Refused by the ledger, that is; it may have been by what was forgotten since.
            Self::Decision(answer, _) => {
                let _ = answer.send(Err(WriterError::Full));
                None
            }
            Self::Report(answer) => {
                let _ = answer.send(Err(WriterError::Full));
                None
            }
            looks => Some(looks),
        }
    }
}

impl Writer {
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
            if !group.is_empty()
                && let Err(error) = self.commit(&group)
            {
                self = self.rolled_back(error)?;
                for one in held.into_iter().filter_map(Held::after_full) {
                    self.answer(one);
                }
                if goes_on {
                    continue;
                }
                break;
            }
            self.settings.clone_from(self.ledger.settings());
            for logged in group.transactions {
                // Most often nobody follows.
                let _ = self.followed.send(logged);
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

    fn commit(&mut self, group: &Group) -> Result<(), StoreError> {
        let began = Instant::now();
        let written = self.store.write(group);
        self.commits.count(began.elapsed(), &written);
        written
    }

    /// Returns a writer that goes on after a failed commit, with the store and the ledger read again from disk, if
    /// the disk is full and nothing of the commit is on it.
    ///
    /// # Errors
    /// Returns the commit's error, which ends the coordinator, if the commit failed for another reason, or if it is
    /// on disk all the same: callers that wait are then told that the writer has ended.
    fn rolled_back(self, error: StoreError) -> Result<Self, StoreError> {
        let before = self.store.revision();
        if !error.is_full() {
            return Err(error);
        }
        tracing::error!(
            error = error_chain(&error),
            "nothing more can be kept for now"
        );
        let (store, loaded) = self.store.reopen()?;
        if loaded.revision != before {
            return Err(error);
        }
        let settings = self.settings.clone();
        let ledger = Ledger::load(settings, loaded.rows, loaded.revision).map_err(|_| error)?;
        Ok(Self {
            ledger,
            store,
            ..self
        })
    }

    /// Adds a job to the group. Returns whether the group may take further jobs.
    fn take(&mut self, job: Job, group: &mut Group, held: &mut Vec<Held>) -> bool {
        match job {
            Job::Decide(command, answer) => {
                let ledger = &mut self.ledger;
                let (decided, at_ms) = self
                    .environment
                    .decide(|environment| ledger.decide(command, environment));
                let decision = decided.map(|transaction| {
                    let delta = follow(&self.ledger, &transaction);
                    let revision = transaction.revision;
                    add(group, revision, at_ms, transaction.changes);
                    Arc::new(Committed {
                        revision,
                        delta,
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
            Job::Follow(follow) => held.push(Held::Follow(follow)),
            Job::End => return false,
        }
        true
    }

    fn answer(&self, held: Held) {
        // The caller may have gone away: the transaction stands all the same.
        match held {
            Held::Report(answer) => {
                let _ = answer.send(Ok(()));
            }
            // Looked at after the commit: what is shown is durable.
            Held::Read(look) => look(&self.ledger),
            Held::Follow(FollowJob { after, answer }) => {
                let _ = answer.send(self.page(after));
            }
            Held::Decision(answer, Err(refusal)) => {
                let _ = answer.send(Ok((Err(refusal), None)));
            }
            Held::Decision(answer, Ok(committed)) => {
                let (settled, waiting) = oneshot::channel();
                let published = Published {
                    committed: Arc::clone(&committed),
                    at: Instant::now(),
                    settled,
                };
                // Fails only while the coordinator stops: at its next start the ledger is followed.
                let _ = self.published.blocking_send(published);
                let _ = answer.send(Ok((Ok(committed), Some(waiting))));
            }
        }
    }

    /// Returns a page of transactions. It is called between two commits, so that a follower that
    /// gets the last page receives the next commit.
    fn page(&self, after: Revision) -> Result<Page, ChangesError> {
        let (oldest, newest) = (self.store.oldest(), self.store.revision());
        if after > newest {
            return Err(ChangesError::Ahead { after, newest });
        }
        if after < oldest {
            return Err(ChangesError::Compacted { after, oldest });
        }
        let transactions = self.store.page(after, PAGE)?;
        let last = transactions.last().map_or(after, |last| last.revision);
        let live = (last == newest).then(|| self.followed.subscribe());
        Ok(Page { transactions, live })
    }
}

fn add(group: &mut Group, revision: Revision, at_ms: u64, changes: Vec<Change>) {
    for change in &changes {
        if let (RowKey::Container(container), None) = (change.key, &change.after) {
            group.reports.insert(container, None);
        }
    }
    group.transactions.push(Arc::new(Logged {
        revision,
        at_ms,
        changes,
    }));
}

#[cfg(test)]
mod tests;
