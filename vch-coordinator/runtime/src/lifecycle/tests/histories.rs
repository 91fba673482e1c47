//! Random histories: requests, failures, shims that do not answer, and coordinators that die.

use super::*;
use std::collections::BTreeMap;

const HISTORIES: u64 = 100_000;
const STEPS: usize = 40;
const WHEN: [RestartWhen; 4] = [
    RestartWhen::No,
    RestartWhen::OnFailure,
    RestartWhen::Always,
    RestartWhen::UnlessStopped,
];

/// A random number generator (xorshift64*), so that a failure can be reproduced by its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    fn one_in(&mut self, limit: u64) -> bool {
        self.below(limit) == 0
    }
}

/// The store, the VM and the clients around a lifecycle.
#[derive(Default)]
struct Simulated {
    /// The run as it was last stored.
    stored: RunState,
    in_force: bool,
    row_gone: bool,
    /// Whether the VM lives. The lifecycle learns of its end only by an event.
    alive: bool,
    /// Whether [`Action::Prepare`] is under way.
    preparing: bool,
    launching: bool,
    removing: bool,
    readers: bool,
    /// A pending write of the store, which must be answered before anything else.
    storing: Option<Stored>,
    /// The requests without an answer.
    open: BTreeMap<RequestId, Request>,
    /// The number of starts by policy since the last requested start.
    starts: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Stored {
    Start,
    End,
}

struct History {
    world: World,
    simulated: Simulated,
    dice: Dice,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut world = World::new(WHEN[usize::try_from(dice.below(4)).unwrap()]);
        world.policy.remove_at_end = dice.one_in(4);
        world.policy.restart.most = u32::try_from(dice.below(3)).unwrap();
        Self {
            world,
            simulated: Simulated::default(),
            dice,
        }
    }

    fn request(&mut self) -> Request {
        let how = Stop {
            grace: match self.dice.below(3) {
                0 => None,
                1 => Some(Duration::ZERO),
                _ => Some(Duration::MAX),
            },
            signal: None,
        };
        match self.dice.below(7) {
            0 | 1 => Request::Start,
            2 => Request::Stop(how),
            3 => Request::Restart(how),
            4 => Request::Kill(SIGKILL),
            5 => Request::Kill(SIGHUP),
            _ => Request::Remove {
                force: self.dice.one_in(2),
            },
        }
    }

    /// Returns a random event that is possible now.
    fn event(&mut self) -> Event<Error> {
        let simulated = &mut self.simulated;
        if let Some(stored) = simulated.storing.take() {
            if stored == Stored::Start && self.dice.one_in(4) {
                return Event::NotRecorded("full");
            }
            simulated.stored = self.world.lifecycle.run().clone();
            simulated.in_force = stored == Stored::Start;
            return Event::Recorded;
        }
        match self.dice.below(8) {
            0 if simulated.preparing => {
                simulated.preparing = false;
                if self.dice.one_in(3) {
                    return start_failed(128);
                }
                simulated.in_force = true;
                Event::Prepared
            }
            1 if simulated.launching => {
                simulated.launching = false;
                if self.dice.one_in(3) {
                    return start_failed(125);
                }
                simulated.alive = true;
                launched()
            }
            2 if simulated.removing => {
                simulated.removing = false;
                if self.dice.one_in(3) {
                    return Event::RowKept("busy");
                }
                simulated.row_gone = true;
                Event::RowRemoved
            }
            3 if simulated.readers => {
                simulated.readers = false;
                Event::ReadersGone
            }
            4 if simulated.alive && self.dice.one_in(3) => {
                simulated.alive = false;
                ended(u8::try_from(self.dice.below(2)).unwrap())
            }
            5 | 6 => {
                if let Some(at) = self.world.lifecycle.wakes_at() {
                    self.world.now = self.world.now.max(at);
                }
                Event::Woke
            }
            _ => {
                let request = self.request();
                self.world.requests += 1;
                let id = RequestId(self.world.requests);
                self.simulated.open.insert(id, request);
                Event::Requested(id, request)
            }
        }
    }

    fn carry_out(&mut self, action: Action<Error>) {
        let simulated = &mut self.simulated;
        let by_request = |open: &BTreeMap<RequestId, Request>| {
            let starts =
                |request: &Request| matches!(request, Request::Start | Request::Restart(_));
            open.values().any(starts)
        };
        match action {
            Action::Prepare => {
                assert!(!simulated.alive && !simulated.preparing && !simulated.launching);
                simulated.preparing = true;
                simulated.starts = match by_request(&simulated.open) {
                    true => 0,
                    false => simulated.starts + 1,
                };
            }
            Action::Launch => {
                assert!(!simulated.alive && !simulated.launching, "two VMs at once");
                simulated.launching = true;
            }
            Action::Signal(signal, id) => {
                if signal == SIGKILL && simulated.alive && self.dice.one_in(2) {
                    // The end is reported by an event, later.
                }
                if let Some(id) = id {
                    simulated.open.remove(&id).expect("answered once");
                }
            }
            Action::Record(run, id) => {
                simulated.stored = run;
                if let Some(id) = id {
                    simulated.open.remove(&id).expect("answered once");
                }
            }
            Action::RecordStart(_) => {
                assert!(simulated.alive);
                simulated.storing = Some(Stored::Start);
            }
            Action::RecordEnd(run) => {
                assert!(!simulated.alive, "no end is told of a VM that lives");
                assert_ne!(run.status, Status::Running);
                simulated.storing = Some(Stored::End);
            }
            Action::Answer(id, answer) => {
                let request = simulated.open.remove(&id).expect("answered once");
                let ends = matches!(
                    request,
                    Request::Stop(_) | Request::Kill(_) | Request::Remove { .. }
                );
                if answer == Answer::Done && ends {
                    assert!(
                        !simulated.alive && !simulated.in_force,
                        "an end is stored first"
                    );
                }
                if answer == Answer::Done && matches!(request, Request::Remove { .. }) {
                    assert!(simulated.row_gone);
                }
                if answer == Answer::Done && matches!(request, Request::Start) {
                    assert!(simulated.in_force, "a start is stored first");
                }
            }
            Action::AwaitReaders => simulated.readers = true,
            Action::RemoveRow => {
                assert!(!simulated.alive && !simulated.in_force);
                simulated.removing = true;
            }
            Action::Discard => assert!(simulated.row_gone && !simulated.alive),
            Action::AbortLaunch | Action::EndVm | Action::EndShim | Action::Tell(_) => {}
        }
    }

    /// Kills the coordinator, and starts another one with what is stored.
    fn die(&mut self) {
        let simulated = &mut self.simulated;
        simulated.open.clear();
        // A launch that was under way has become a VM, or nothing.
        simulated.alive |= simulated.launching && self.dice.one_in(2);
        let [preparing, removing] = [simulated.preparing, simulated.removing];
        (simulated.preparing, simulated.launching) = (false, false);
        (simulated.removing, simulated.readers, simulated.storing) = (false, false, None);
        simulated.starts = 0;
        if preparing && self.dice.one_in(2) {
            simulated.in_force = true;
        }
        if removing && self.dice.one_in(2) {
            simulated.row_gone = true;
        }
        self.world.lifecycle =
            Lifecycle::new(simulated.stored.clone(), simulated.in_force, self.world.now);
        let event = if !simulated.in_force {
            Event::CoordinatorStarted
        } else if simulated.alive {
            match self.world.lifecycle.state() {
                State::Starting(_) => launched(),
                _ => Event::Resumed,
            }
        } else {
            ended(137)
        };
        self.step(event);
    }

    fn step(&mut self, event: Event<Error>) {
        let removed = *self.world.lifecycle.state() == State::Removed;
        let woke = event == Event::Woke;
        let actions = self.world.step(event);
        for action in actions {
            if removed {
                let gone = Answer::Refused(Refused::Gone);
                assert!(matches!(&action, Action::Answer(_, answer) if *answer == gone));
            }
            if action == Action::Prepare && self.simulated.open.is_empty() {
                assert!(
                    woke || self.simulated.starts == 0,
                    "a start by policy is paced"
                );
            }
            self.carry_out(action);
        }
        let policy = &self.world.policy.restart;
        if policy.when == RestartWhen::OnFailure && policy.most > 0 {
            assert!(self.world.lifecycle.run().restarts <= policy.most);
        }
        let runs = matches!(
            self.world.lifecycle.state(),
            State::Running(_) | State::Stopping(_)
        );
        assert!(!runs || self.simulated.alive || self.simulated.storing.is_some());
    }

    /// Lets all operations complete without failures or further requests.
    fn settle(&mut self) {
        for _ in 0..60 {
            if self.simulated.storing.take().is_some() {
                self.simulated.stored = self.world.lifecycle.run().clone();
                let starts = matches!(self.world.lifecycle.state(), State::Starting(_));
                self.simulated.in_force = starts;
                self.step(Event::Recorded);
                continue;
            }
            let event = match self.world.lifecycle.state() {
                State::Starting(_) if self.simulated.preparing => {
                    self.simulated.preparing = false;
                    self.simulated.in_force = true;
                    Event::Prepared
                }
                State::Starting(_) => {
                    self.simulated.launching = false;
                    self.simulated.alive = true;
                    launched()
                }
                State::Stopping(_) => {
                    self.simulated.alive = false;
                    ended(137)
                }
                State::Removing => {
                    self.simulated.row_gone = true;
                    Event::RowRemoved
                }
                _ => return,
            };
            self.step(event);
        }
        panic!("it does not settle: {:?}", self.world.lifecycle);
    }
}

#[test]
fn every_history_keeps_what_a_lifecycle_promises() {
    for seed in 0..HISTORIES {
        let play = std::panic::catch_unwind(|| {
            let mut history = History::new(seed);
            for _ in 0..STEPS {
                if history.simulated.row_gone && history.dice.one_in(4) {
                    break;
                }
                if !history.simulated.row_gone && history.dice.one_in(30) {
                    history.die();
                    continue;
                }
                let event = history.event();
                history.step(event);
            }
            history.settle();
            assert!(
                history.simulated.open.is_empty(),
                "{:?}",
                history.simulated.open
            );
        });
        assert!(play.is_ok(), "seed {seed}");
    }
}
