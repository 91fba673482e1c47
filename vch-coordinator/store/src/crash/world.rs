//! A VCH that lives through power failures, and a model of what its store must hold.

use super::{
    dice::Dice,
    disk::{Disk, Power},
    store_run::StoreRun,
};
use crate::{
    Logged, Store, StoreError,
    database::Loaded,
    error::failed,
    log::{Bounds, Encoded},
};
use protocol::message::Report;
use redb::Database;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
};
use vch_ledger::{ContainerId, Ledger, Revision, Row, RowKey, Settings, Transaction, VchId};

/// Few, so that transactions are let go of in every world.
const BOUNDS: Bounds = Bounds {
    transactions: 24,
    bytes: 1 << 20,
};

/// Writes and a sync, about, of a commit.
const OPERATIONS: u64 = 12;

/// The state that should be on the disk, with the configuration at that time.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct WorldState {
    pub ledger: Ledger,
    pub reports: BTreeMap<ContainerId, Report>,
    pub log: VecDeque<Logged>,
}

impl WorldState {
    /// Returns whether this is the state on the disk, and whether a ledger begins with it as if
    /// nothing had happened.
    fn is(&self, found: &Found) -> bool {
        let loaded = &found.loaded;
        let settings = self.ledger.settings().clone();
        loaded.revision == self.ledger.revision()
            && loaded.rows == self.ledger.rows()
            && loaded.reports == self.reports
            && found.log == self.log
            && found.oldest == self.oldest()
            && Ledger::load(settings, loaded.rows.clone(), loaded.revision).as_ref()
                == Ok(&self.ledger)
    }

    fn oldest(&self) -> Revision {
        let first = self.log.front();
        first.map_or(self.ledger.revision(), |first| {
            Revision(first.revision.0 - 1)
        })
    }

    /// Applies a transaction that the ledger decided.
    pub fn follow(&mut self, done: &Transaction, at_ms: u64) {
        for change in &done.changes {
            if let (RowKey::Container(container), None) = (change.key, &change.after) {
                self.reports.remove(&container);
            }
        }
        self.log(Logged {
            revision: done.revision,
            at_ms,
            changes: done.changes.clone(),
        });
    }

    fn log(&mut self, logged: Logged) {
        self.log.push_back(logged);
        if self.log.len() > BOUNDS.transactions {
            self.log.pop_front();
        }
    }
}

/// The content of the disk.
struct Found {
    /// Rows in the order of their keys.
    loaded: Loaded,
    log: VecDeque<Logged>,
    oldest: Revision,
}

/// How the disk differs from the model after a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Difference {
    /// An acknowledged transaction is not on the disk.
    Lost,
    /// The disk has a row that was never decided, or only a part of a transaction.
    Strange,
    /// The store or the ledger does not open.
    Unreadable,
    /// The writer's answer differs from the model's.
    Answer,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "an acknowledged transaction is lost",
            Self::Strange => "what is there was never decided so",
            Self::Unreadable => "the store does not open",
            Self::Answer => "the writer's answer is not the model's",
        })
    }
}

/// How a round went.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Round {
    /// The operation during which the power failed.
    pub amid: Amid,
    /// How many groups were acknowledged before the power failed.
    pub acknowledged: usize,
    /// The names of the answers that the writer gave.
    pub answers: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Amid {
    Opening,
    Starting,
    /// A commit that is not there after it.
    LostCommit,
    /// A commit that is there after it, although nobody was told.
    WholeCommit,
    Rest,
}

pub(super) struct World {
    pub image: Vec<u8>,
    pub state: WorldState,
    vch: VchId,
    dice: Dice,
    lies: bool,
}

impl World {
    /// Makes a VCH at its first start: its store is made, and nothing is decided yet.
    pub fn new(seed: u64, lies: bool) -> Self {
        let mut dice = Dice::new(seed);
        let disk = Disk::holding(Vec::new(), Power::Good);
        let (store, loaded) = open(&disk, &mut dice).ok().unwrap();
        drop(store);
        Self {
            image: disk.cached(),
            state: WorldState {
                ledger: Ledger::new(Settings::of(loaded.vch)),
                reports: BTreeMap::new(),
                log: VecDeque::new(),
            },
            vch: loaded.vch,
            dice,
            lies,
        }
    }

    /// Runs one round: opens the store, sends requests until the power fails, and compares what is
    /// on the disk with the model.
    ///
    /// # Errors
    /// Returns [`Difference`] if the disk and the model do not agree.
    pub async fn round(&mut self) -> Result<Round, Difference> {
        // Some lives end while the store is being opened, some after many commits.
        let most = [3, 8, 20][self.dice.below(3)];
        let power = match self.dice.below(8) {
            0 => Power::Good,
            1..4 => Power::Syncs(self.dice.roll() % most),
            _ => Power::Operations(self.dice.roll() % (most * OPERATIONS)),
        };
        let image = std::mem::take(&mut self.image);
        let disk = if self.lies {
            Disk::lying(image, power)
        } else {
            Disk::holding(image, power)
        };
        let mut run = StoreRun::of(self.state.clone(), &mut self.dice);
        let lived = run.live(&disk).await;
        self.image = disk.after_failure(&mut self.dice);
        lived?;
        let found = self.look()?;
        let revision = found.loaded.revision;
        let amid = match run.maybe {
            Some(maybe) if maybe.is(&found) => {
                self.state = maybe;
                Amid::WholeCommit
            }
            maybe if run.sure.is(&found) => {
                let lost = maybe.is_some() && run.amid == Amid::Rest;
                self.state = run.sure;
                if lost { Amid::LostCommit } else { run.amid }
            }
            _ if revision < run.sure.ledger.revision() => return Err(Difference::Lost),
            _ => return Err(Difference::Strange),
        };
        if run.told > revision {
            return Err(Difference::Lost);
        }
        Ok(Round {
            amid,
            acknowledged: run.acknowledged,
            answers: run.answers,
        })
    }

    /// Returns what a new start finds on the disk; the image stays as it is.
    fn look(&mut self) -> Result<Found, Difference> {
        let unreadable = |_| Difference::Unreadable;
        let disk = Disk::holding(self.image.clone(), Power::Good);
        let (store, mut loaded) = open(&disk, &mut self.dice).map_err(unreadable)?;
        if loaded.vch != self.vch {
            return Err(Difference::Lost);
        }
        loaded.rows.sort_by_key(Row::key);
        let all = Bounds {
            transactions: usize::MAX,
            bytes: usize::MAX,
        };
        let page = store.page(Revision(0), all).map_err(unreadable)?;
        let log = page.iter().map(Encoded::decode).collect::<Result<_, _>>();
        Ok(Found {
            loaded,
            log: log.map_err(unreadable)?,
            oldest: store.oldest(),
        })
    }
}

/// Opens the store on a simulated disk.
///
/// # Errors
/// Returns [`StoreError`] if the disk fails or its content can't be read.
pub(crate) fn open(disk: &Disk, dice: &mut Dice) -> Result<(Store, Loaded), StoreError> {
    let database = Database::builder().create_with_backend(disk.clone());
    let database = database.map_err(failed("open"))?;
    let mut random = |bytes: &mut [u8]| {
        dice.fill(bytes);
        Ok(())
    };
    Store::begin(database, None, BOUNDS, &mut random)
}
