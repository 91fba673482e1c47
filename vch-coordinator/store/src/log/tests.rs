use super::*;
use redb::{Database, ReadableDatabase, backends::InMemoryBackend};

/// Bytes of the transactions that are added here.
const BYTES: usize = 11;

struct LogDatabase {
    database: Database,
    log: Log,
}

impl LogDatabase {
    fn new(transactions: usize, bytes: usize) -> Self {
        let database = Database::builder().create_with_backend(InMemoryBackend::new());
        let database = database.unwrap();
        let write = database.begin_write().unwrap();
        Log::prepare(&write).unwrap();
        write.commit().unwrap();
        let bounds = Bounds {
            transactions,
            bytes,
        };
        let log = Log::read(&database.begin_read().unwrap(), bounds).unwrap();
        Self { database, log }
    }

    fn append(&mut self, revisions: impl IntoIterator<Item = u64>) {
        let transactions = revisions.into_iter().map(transaction);
        let transactions: Vec<_> = transactions.collect();
        let write = self.database.begin_write().unwrap();
        self.log.append(&write, &transactions).unwrap();
        write.commit().unwrap();
    }

    fn page(&self, after: u64, transactions: usize, bytes: usize) -> Vec<u64> {
        let read = self.database.begin_read().unwrap();
        let bounds = Bounds {
            transactions,
            bytes,
        };
        let page = Log::page(&read, Revision(after), bounds).unwrap();
        for encoded in &page {
            let logged = encoded.decode().unwrap();
            assert_eq!(logged, transaction(encoded.revision.0));
        }
        page.iter().map(|encoded| encoded.revision.0).collect()
    }
}

fn transaction(revision: u64) -> Logged {
    Logged {
        revision: Revision(revision),
        at_ms: u64::MAX,
        changes: Vec::new(),
    }
}

const ALL: usize = usize::MAX;

#[test]
fn the_oldest_go_beyond_so_many_transactions() {
    let mut database = LogDatabase::new(3, ALL);
    assert_eq!(database.log.oldest(), None);
    database.append(1..=3);
    assert_eq!(database.log.oldest(), Some(Revision(0)));
    database.append([4]);
    assert_eq!(database.log.oldest(), Some(Revision(1)));
    assert_eq!(database.page(0, ALL, ALL), [2, 3, 4]);
    // A group that is more than is kept.
    database.append(5..=20);
    assert_eq!(database.page(0, ALL, ALL), [18, 19, 20]);
}

#[test]
fn the_oldest_go_beyond_so_many_bytes() {
    let mut database = LogDatabase::new(ALL, 4 * BYTES);
    for revision in 1..=30 {
        database.append([revision]);
    }
    assert_eq!(database.page(0, ALL, ALL), [27, 28, 29, 30]);
    let mut database = LogDatabase::new(ALL, 4 * BYTES - 1);
    database.append(1..=30);
    assert_eq!(database.page(0, ALL, ALL), [28, 29, 30]);
}

#[test]
fn the_newest_is_kept_however_much_it_is() {
    for mut database in [LogDatabase::new(0, ALL), LogDatabase::new(ALL, 0)] {
        database.append(1..=5);
        assert_eq!(database.page(0, ALL, ALL), [5]);
        assert_eq!(database.log.oldest(), Some(Revision(4)));
    }
}

#[test]
fn what_is_read_again_is_what_was_written() {
    let mut database = LogDatabase::new(5, ALL);
    database.append(1..=8);
    let read = database.database.begin_read().unwrap();
    let again = Log::read(&read, database.log.bounds).unwrap();
    assert_eq!(again, database.log);
}

#[test]
fn a_page_ends_with_its_transactions_or_bytes_and_is_never_empty_before_the_end() {
    let mut database = LogDatabase::new(ALL, ALL);
    database.append(1..=9);
    assert_eq!(database.page(0, 2, ALL), [1, 2]);
    assert_eq!(database.page(2, 2, ALL), [3, 4]);
    assert_eq!(database.page(4, ALL, 3 * BYTES), [5, 6, 7]);
    assert_eq!(database.page(4, ALL, 3 * BYTES - 1), [5, 6]);
    assert_eq!(database.page(4, ALL, 0), [5]);
    assert!(database.page(9, ALL, ALL).is_empty());
    assert!(database.page(u64::MAX, ALL, ALL).is_empty());
}

#[test]
fn what_is_forgotten_is_gone() {
    let mut database = LogDatabase::new(ALL, ALL);
    database.append(1..=3);
    let write = database.database.begin_write().unwrap();
    Log::forget(&write).unwrap();
    write.commit().unwrap();
    assert!(database.page(0, ALL, ALL).is_empty());
}
