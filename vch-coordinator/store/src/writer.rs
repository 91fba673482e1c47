//! The one writer: a thread that owns ledger and store.
//!
//! It takes what is waiting, decides each command against the ledger, writes all of them in one
//! commit, and only then answers and publishes, in the order of their revisions.

use super::{
    Changes, ChangesError, Logged, Store, StoreError,
    changes::{BEHIND, PAGE, Page},
    database::{Group, Loaded},
    environment::{HostChecks, SystemEnvironment},
    metrics::CommitMetrics,
};
use protocol::message::Report;
use std::{error::Error, sync::Arc, thread, time::Instant};
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot};
use vch_ledger::{
    Answer, Change, Command, ContainerId, Ledger, LoadError, Refusal, Revision, RowKey, Settings,
    desired::{Delta, follow},
};
use vch_log::error_chain;
use vch_metrics::{RegisterError, Registry};

/// Jobs that may wait: beyond it callers do, so a slow disk slows callers and not memory.
const WAITING_JOBS: usize = 1024;
/// Jobs that share one commit.
const GROUP: usize = 256;

/// A transaction that is durable, with what it changes of the desired state.
#[derive(Debug)]
pub struct Committed {
    /// Its number.
    pub revision: Revision,
    /// What the caller is told.
    pub answer: Answer,
    /// What must be so from now on.
    pub delta: Delta,
}

/// A command's outcome: committed and published, or refused with nothing changed.
pub type Decision = Result<Arc<Committed>, Refusal>;

/// A publication: the transaction, and who wants to know when it has been followed.
pub struct Published {
    /// The transaction.
    pub committed: Arc<Committed>,
    /// When it was published.
    pub at: Instant,
    /// Receives the outcome.
    pub settled: oneshot::Sender<Result<(), FollowError>>,
}

/// What a caller is told of its command.
type Decided = Result<(Decision, Option<Settled>), WriterError>;

enum Job {
    Decide(Command, oneshot::Sender<Decided>),
    Report(
        ContainerId,
        Report,
        oneshot::Sender<Result<(), WriterError>>,
    ),
    Read(Box<dyn FnOnce(&Ledger) + Send>),
    Follow(FollowJob),
    End,
}

/// Asks for transactions behind a revision.
pub(super) struct FollowJob {
    pub after: Revision,
    pub answer: oneshot::Sender<Result<Page, ChangesError>>,
}

/// A way to the writer that does not keep it alive.
pub(super) struct Jobs(mpsc::WeakSender<Job>);

impl Jobs {
    pub async fn send(&self, job: FollowJob) -> Result<(), WriterError> {
        let jobs = self.0.upgrade().ok_or(WriterError::Ended)?;
        jobs.send(Job::Follow(job))
            .await
            .map_err(|_| WriterError::Ended)
    }
}

/// Why a transaction is not in force yet: the error of the follower that could not apply it.
pub type FollowError = Box<dyn Error + Send + Sync>;

/// Resolves when a transaction has been followed.
pub type Settled = oneshot::Receiver<Result<(), FollowError>>;

/// Why the writer did not do what it was asked.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WriterError {
    /// It does not answer any more.
    #[error("the coordinator is stopping or its store has failed: see its log, then ask again")]
    Ended,
    /// It was not written, and nothing has changed.
    #[error(
        "no space left on the disk of `vch.state_dir`: remove containers or images, or make room there, then ask again"
    )]
    Full,
}

/// A handle to the ledger: sends jobs to its writer; cheap to clone.
#[derive(Clone)]
pub struct LedgerHandle {
    jobs: mpsc::Sender<Job>,
    commits: CommitMetrics,
}

/// The running thread.
pub struct WriterThread {
    thread: thread::JoinHandle<Result<(), StoreError>>,
}

impl WriterThread {
    /// Waits for its end, which comes when every [`LedgerHandle`] is dropped, by [`LedgerHandle::end`] or when
    /// the store fails.
    ///
    /// # Errors
    /// The store's, and a panic.
    pub fn join(self) -> Result<(), StoreError> {
        self.thread
            .join()
            .unwrap_or(Err(StoreError::WriterPanicked))
    }
}

/// A writer that was just spawned.
pub struct SpawnedWriter {
    /// Asks it.
    pub ledger_handle: LedgerHandle,
    /// Its thread.
    pub thread: WriterThread,
    /// What it commits from now on, in order.
    pub published: mpsc::Receiver<Published>,
    /// What must be so at the start.
    pub whole: Delta,
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
    /// Loads the ledger, makes the predefined networks where they are missing, and starts the
    /// thread.
    pub fn spawn(
        store: Store,
        loaded: Loaded,
        settings: Settings,
        host: HostChecks,
    ) -> Result<SpawnedWriter, StartError> {
        Self::spawn_amid(SystemEnvironment::system(host), store, loaded, settings)
    }

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
            .name("keeper".to_owned())
            .spawn(move || writer.serve(inbox))
            .map_err(StartError::Thread)?;
        Ok(SpawnedWriter {
            ledger_handle: Self { jobs, commits },
            thread: WriterThread { thread },
            published,
            whole: delta,
        })
    }

    /// Decides a command; when this returns a transaction it is durable. The second value resolves
    /// when the transaction has been followed.
    pub async fn decide(
        &self,
        command: Command,
    ) -> Result<(Decision, Option<Settled>), WriterError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Decide(command, answer);
        self.jobs.send(job).await.map_err(|_| WriterError::Ended)?;
        answered.await.map_err(|_| WriterError::Ended)?
    }

    /// Keeps a container's report; durable when this returns.
    pub async fn record(&self, container: ContainerId, report: Report) -> Result<(), WriterError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Report(container, report, answer);
        self.jobs.send(job).await.map_err(|_| WriterError::Ended)?;
        answered.await.map_err(|_| WriterError::Ended)?
    }

    /// Follows what is committed: every transaction behind `after`, which is the last one that the
    /// caller knows; those that are kept, then new ones as they come.
    ///
    /// # Errors
    /// [`ChangesError::Compacted`] and [`ChangesError::Ahead`] want a [`read`](Self::read) of
    /// [`Ledger::rows`] and [`Ledger::revision`] first.
    pub async fn changes_since(&self, after: Revision) -> Result<Changes, ChangesError> {
        Changes::follow(Jobs(self.jobs.downgrade()), after).await
    }

    /// Ends the thread after what was asked before; later calls return [`WriterError`].
    pub async fn end(&self) {
        // It has ended already then.
        let _ = self.jobs.send(Job::End).await;
    }

    /// Resolves when the thread has ended: the store failed.
    pub async fn ended(&self) {
        self.jobs.closed().await;
    }

    /// Adds what the writer counts: commits, and the jobs that wait for it. Reading them asks nothing of its thread.
    ///
    /// # Errors
    /// [`RegisterError`].
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

    /// Looks at the ledger, as it is after everything decided so far.
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
    /// What was not written is refused, and who only looks is answered. Gives what is left to be answered.
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

    /// After a failed commit nobody can say what the disk holds. Where it is full that is read, and what
    /// was decided last is forgotten. For any other reason, and where something of it is there all the
    /// same, the coordinator ends, and its next start reads what is there; who waits is told so.
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

    /// Whether more may be taken.
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
        // Whoever asked may have gone away: the transaction stands all the same.
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

    /// Asked between two commits: who is given its end hears of the next one.
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
