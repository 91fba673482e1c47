//! A disk whose power fails: after the failure it keeps a random part of what was written since the
//! last sync.
//!
//! What redb asks of a disk (its `docs/design.md`, "Assumptions about underlying media") is kept: a
//! byte is written or not, a synced write stays, and a write touches nothing around it. Anything
//! else may happen: writes are lost, overtake one another, and are torn at any byte or sector.

use super::dice::Dice;
use redb::StorageBackend;
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

/// Bytes that a disk writes at once, or not at all, at best.
const SECTOR: usize = 512;

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<Mutex<Inside>>);

#[derive(Debug)]
struct Inside {
    /// The content that reads see.
    cached: Vec<u8>,
    /// The content that is on the disk for certain after a power failure.
    safe: Vec<u8>,
    /// The operations since the last sync, in order.
    unsynced: Vec<Done>,
    power: Power,
    /// Syncs are answered, and not done.
    lies: bool,
}

/// The moment at which the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    Good,
    /// The power fails after this many writes, resizes and syncs.
    Operations(u64),
    /// The power fails during the sync after this many syncs.
    Syncs(u64),
    Failed,
}

impl Power {
    fn spend(&mut self, sync: bool) -> io::Result<()> {
        match self {
            Self::Operations(left @ 1..) => *left -= 1,
            Self::Syncs(left @ 1..) if sync => *left -= 1,
            Self::Syncs(_) if !sync => {}
            Self::Good => {}
            Self::Operations(_) | Self::Syncs(_) | Self::Failed => {
                *self = Self::Failed;
                return Err(io::Error::other("the power has failed"));
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Done {
    Length(usize),
    Write { offset: usize, bytes: Vec<u8> },
}

impl Done {
    fn on(&self, image: &mut Vec<u8>) {
        match self {
            Self::Length(length) => image.resize(*length, 0),
            Self::Write { offset, bytes } => put(image, *offset, bytes),
        }
    }
}

fn put(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[offset..end].copy_from_slice(bytes);
}

impl Disk {
    /// Returns a disk that holds `image` and fails as `power` says.
    pub fn holding(image: Vec<u8>, power: Power) -> Self {
        Self(Arc::new(Mutex::new(Inside {
            cached: image.clone(),
            safe: image,
            unsynced: Vec::new(),
            power,
            lies: false,
        })))
    }

    /// Returns a disk that holds `image` and answers syncs without doing them.
    pub fn lying(image: Vec<u8>, power: Power) -> Self {
        let disk = Self::holding(image, power);
        disk.inside().lies = true;
        disk
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    /// Returns everything that was written, synced or not: what the kernel keeps when only the process dies.
    pub fn cached(&self) -> Vec<u8> {
        self.inside().cached.clone()
    }

    /// Cuts the power: from now on every operation fails.
    pub fn cut_power(&self) {
        self.inside().power = Power::Failed;
    }

    pub fn has_power(&self) -> bool {
        self.inside().power != Power::Failed
    }

    /// Returns the content of the disk when the power is back.
    pub fn after_failure(&self, dice: &mut Dice) -> Vec<u8> {
        let inside = self.inside();
        let mut image = inside.safe.clone();
        let unsynced = &inside.unsynced;
        match dice.below(4) {
            0 => {}
            // In order up to some point, and the next one torn.
            1 => {
                let whole = dice.below(unsynced.len() + 1);
                for done in &unsynced[..whole] {
                    done.on(&mut image);
                }
                if let Some(done) = unsynced.get(whole) {
                    tear(done, &mut image, dice);
                }
            }
            // Any of them, whole or torn.
            2 => {
                for done in unsynced {
                    match dice.below(4) {
                        0 | 1 => {}
                        2 => done.on(&mut image),
                        _ => tear(done, &mut image, dice),
                    }
                }
            }
            _ => {
                for done in unsynced {
                    done.on(&mut image);
                }
            }
        }
        image
    }
}

fn tear(done: &Done, image: &mut Vec<u8>, dice: &mut Dice) {
    let Done::Write { offset, bytes } = done else {
        // A length is one number: it is set or not.
        return;
    };
    if dice.once_in(2) {
        let kept = dice.below(bytes.len() + 1);
        put(image, *offset, &bytes[..kept]);
        return;
    }
    let mut at = *offset;
    let end = offset + bytes.len();
    while at < end {
        let next = end.min((at / SECTOR + 1) * SECTOR);
        if dice.once_in(2) {
            put(image, at, &bytes[at - offset..next - offset]);
        }
        at = next;
    }
}

impl Inside {
    fn change(&mut self, done: Done) -> Result<(), io::Error> {
        self.power.spend(false)?;
        done.on(&mut self.cached);
        self.unsynced.push(done);
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.inside().cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let inside = self.inside();
        let offset = usize::try_from(offset).unwrap();
        let read = inside.cached.get(offset..offset + out.len());
        let read = read.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(read);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let length = usize::try_from(len).unwrap();
        self.inside().change(Done::Length(length))
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut inside = self.inside();
        inside.power.spend(true)?;
        if inside.lies {
            return Ok(());
        }
        let Inside { safe, unsynced, .. } = &mut *inside;
        for done in unsynced.drain(..) {
            done.on(safe);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let offset = usize::try_from(offset).unwrap();
        self.inside().change(Done::Write {
            offset,
            bytes: data.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests;
