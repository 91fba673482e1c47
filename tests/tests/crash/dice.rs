//! Chance that can be had again.

use protocol::session::{Entropy, seeded};

pub struct Dice(Entropy);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seeded(seed))
    }

    pub fn roll(&mut self) -> u64 {
        (self.0)()
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }
}
