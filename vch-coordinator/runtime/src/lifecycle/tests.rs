mod histories;
mod table;
mod told;

use super::*;
use crate::workload::{RestartPolicy, RestartWhen};

/// The error type of the tests.
type Error = &'static str;

const SIGTERM: u8 = 15;
const SIGHUP: u8 = 1;
const SIGKILL: u8 = 9;
const GRACE: Duration = Duration::from_secs(10);

fn policy(when: RestartWhen) -> Policy {
    Policy {
        restart: RestartPolicy { when, most: 0 },
        remove_at_end: false,
        stop_signal: SIGTERM,
        stop_grace: GRACE,
    }
}

fn launched() -> Event<Error> {
    Event::Launched(Launched {
        started_ms: 1_000,
        ..Launched::default()
    })
}

fn ended(code: u8) -> Event<Error> {
    Event::Ended(Ended {
        code,
        finished_ms: 3_000,
        ..Ended::default()
    })
}

fn start_failed(code: u8) -> Event<Error> {
    Event::StartFailed(StartFailure {
        code,
        reason: "why".to_owned(),
        ended_ms: Some(2_000),
        error: "why",
    })
}

/// A container whose events the test sends.
struct World {
    lifecycle: Lifecycle<Error>,
    policy: Policy,
    now: Instant,
    requests: u64,
}

impl World {
    fn new(when: RestartWhen) -> Self {
        let now = Instant::now();
        Self {
            lifecycle: Lifecycle::new(RunState::default(), false, now),
            policy: policy(when),
            now,
            requests: 0,
        }
    }

    /// Returns a container whose process runs.
    fn running(when: RestartWhen) -> Self {
        let mut world = Self::new(when);
        world.ask(Request::Start);
        world.all([Event::Prepared, launched(), Event::Recorded]);
        world
    }

    fn step(&mut self, event: Event<Error>) -> Vec<Action<Error>> {
        self.lifecycle.step(event, &self.policy, self.now)
    }

    fn all(&mut self, events: impl IntoIterator<Item = Event<Error>>) -> Vec<Action<Error>> {
        let actions = events.into_iter().map(|event| self.step(event));
        actions.collect::<Vec<_>>().concat()
    }

    /// Sends the next request. The first one has number 1.
    fn ask(&mut self, request: Request) -> Vec<Action<Error>> {
        self.requests += 1;
        self.step(Event::Requested(RequestId(self.requests), request))
    }

    /// Advances the clock to the time that the lifecycle waits for.
    fn wake(&mut self) -> Vec<Action<Error>> {
        self.now = self.lifecycle.wakes_at().unwrap();
        self.step(Event::Woke)
    }

    fn state(&self) -> &'static str {
        name(self.lifecycle.state())
    }
}

fn name(state: &State) -> &'static str {
    match state {
        State::Created => "created",
        State::Starting(_) => "starting",
        State::Running(_) => "running",
        State::Stopping(_) => "stopping",
        State::Ending { .. } => "ending",
        State::Exited { .. } => "exited",
        State::Restarting { .. } => "restarting",
        State::Removing => "removing",
        State::Removed => "removed",
    }
}

fn done(request: u64) -> Action<Error> {
    Action::Answer(RequestId(request), Answer::Done)
}

fn unchanged(request: u64) -> Action<Error> {
    Action::Answer(RequestId(request), Answer::Unchanged)
}

fn refused(request: u64, why: Refused<Error>) -> Action<Error> {
    Action::Answer(RequestId(request), Answer::Refused(why))
}

/// Returns the actions without those that only store or report.
fn without_records(actions: Vec<Action<Error>>) -> Vec<Action<Error>> {
    let mut actions = actions;
    actions.retain(|action| {
        !matches!(
            action,
            Action::Record(_, None)
                | Action::RecordStart(_)
                | Action::RecordEnd(_)
                | Action::Tell(_)
        )
    });
    actions
}
