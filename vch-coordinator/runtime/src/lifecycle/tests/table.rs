//! Checks every state with every event. `table.txt` is for readers, and changes with the state
//! machine.

use super::*;

const TABLE: &str = include_str!("table.txt");

const STATES: [&str; 9] = [
    "created",
    "starting",
    "running",
    "stopping",
    "ending",
    "exited",
    "restarting",
    "removing",
    "removed",
];

/// Returns a container that was brought into a state as users would do it.
fn world(state: &str) -> World {
    let mut world = match state {
        "created" | "starting" => World::new(RestartWhen::No),
        "restarting" => World::running(RestartWhen::Always),
        _ => World::running(RestartWhen::No),
    };
    match state {
        "starting" => drop(world.ask(Request::Start)),
        "stopping" => drop(world.ask(Request::Stop(Stop::default()))),
        "ending" => drop(world.step(ended(1))),
        "exited" | "restarting" | "removing" | "removed" => {
            world.all([ended(1), Event::Recorded]);
        }
        _ => {}
    }
    if matches!(state, "removing" | "removed") {
        world.ask(Request::Remove { force: false });
    }
    if state == "removed" {
        world.step(Event::RowRemoved);
    }
    assert_eq!(world.state(), state);
    world
}

fn events() -> Vec<(&'static str, Event<Error>)> {
    let ask = |request| Event::Requested(RequestId(9), request);
    let how = Stop::default();
    vec![
        ("start", ask(Request::Start)),
        ("stop", ask(Request::Stop(how))),
        ("restart", ask(Request::Restart(how))),
        ("kill SIGHUP", ask(Request::Kill(SIGHUP))),
        ("kill SIGKILL", ask(Request::Kill(SIGKILL))),
        ("remove", ask(Request::Remove { force: false })),
        ("remove by force", ask(Request::Remove { force: true })),
        (
            "explained",
            Event::Explained(RequestId(9), "port taken".to_owned()),
        ),
        ("coordinator started", Event::CoordinatorStarted),
        ("resumed", Event::Resumed),
        ("prepared", Event::Prepared),
        ("launched", launched()),
        ("start failed", start_failed(125)),
        ("recorded", Event::Recorded),
        ("not recorded", Event::NotRecorded("full")),
        ("ended", ended(0)),
        ("woke", Event::Woke),
        ("readers gone", Event::ReadersGone),
        ("row removed", Event::RowRemoved),
        ("row kept", Event::RowKept("busy")),
    ]
}

fn describe(action: &Action<Error>) -> String {
    let reply = |id: &Option<RequestId>| id.map_or(String::new(), |id| format!(" for {}", id.0));
    match action {
        Action::Prepare => "prepare".to_owned(),
        Action::Launch => "launch".to_owned(),
        Action::AbortLaunch => "abort the launch".to_owned(),
        Action::Signal(signal, id) => format!("signal {signal}{}", reply(id)),
        Action::EndVm => "end the VM".to_owned(),
        Action::EndShim => "end the shim".to_owned(),
        Action::Record(_, id) => format!("record{}", reply(id)),
        Action::RecordStart(_) => "record the start".to_owned(),
        Action::RecordEnd(_) => "record the end".to_owned(),
        Action::Answer(id, Answer::Done) => format!("{} done", id.0),
        Action::Answer(id, Answer::Unchanged) => format!("{} unchanged", id.0),
        Action::Answer(id, Answer::Refused(why)) => format!("{} refused: {why:?}", id.0),
        Action::Tell(Told::Die { .. }) => "tell die".to_owned(),
        Action::Tell(told) => format!("tell {}", format!("{told:?}").to_lowercase()),
        Action::AwaitReaders => "await readers".to_owned(),
        Action::RemoveRow => "remove the row".to_owned(),
        Action::Discard => "discard".to_owned(),
    }
}

#[test]
fn each_state_answers_each_event_as_the_table_says() {
    let mut table = String::new();
    for state in STATES {
        for (what, event) in events() {
            let mut world = world(state);
            if let (Event::Woke, Some(at)) = (&event, world.lifecycle.wakes_at()) {
                world.now = at;
            }
            let before = world.lifecycle.clone();
            let actions = world.step(event);
            if actions.is_empty() && world.lifecycle == before {
                continue;
            }
            let actions: Vec<_> = actions.iter().map(describe).collect();
            let (next, actions) = (world.state(), actions.join(", "));
            table += format!("{state:<11}{what:<20} → {next:<11}{actions}").trim_end();
            table += "\n";
        }
    }
    let same = table
        .lines()
        .zip(TABLE.lines())
        .find(|(is, must)| is != must);
    assert_eq!(same, None);
    assert_eq!(table, TABLE);
}
