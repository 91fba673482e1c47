//! Tests of the questions that the state diagram raises.

use super::*;

#[test]
fn a_container_lives_and_ends() {
    let mut world = World::new(RestartWhen::No);
    assert_eq!(world.ask(Request::Start), [Action::Prepare]);
    assert_eq!(world.step(Event::Prepared), [Action::Launch]);
    let run = RunState {
        status: Status::Running,
        started_ms: 1_000,
        ..RunState::default()
    };
    assert_eq!(world.step(launched()), [Action::RecordStart(run)]);
    // The request is answered once the end is stored.
    assert_eq!(
        world.step(Event::Recorded),
        [Action::Tell(Told::Start), done(1)]
    );
    let actions = world.all([ended(3), Event::Recorded]);
    let ran = Duration::from_millis(2_000);
    assert_eq!(actions[1..], [Action::Tell(Told::Die { code: 3, ran })]);
    assert_eq!(world.state(), "exited");
    assert_eq!(world.lifecycle.run().exit_code, 3);
}

#[test]
fn one_that_hears_no_signal_is_ended_by_force_and_never_said_to_have_ended() {
    let mut world = World::running(RestartWhen::Always);
    let stop = Stop {
        grace: Some(Duration::from_secs(1)),
        signal: Some(SIGHUP),
    };
    assert_eq!(
        without_records(world.ask(Request::Stop(stop))),
        [Action::Signal(SIGHUP, None)]
    );
    assert_eq!(world.wake(), [Action::Signal(SIGKILL, None)]);
    assert_eq!(world.wake(), [Action::EndVm]);
    assert_eq!(world.wake(), [Action::EndShim]);
    assert_eq!(world.wake(), [refused(2, Refused::Unkillable)]);
    assert_eq!(world.state(), "stopping");
    assert_eq!(world.lifecycle.wakes_at(), None);
    // The next request tries again.
    let again = world.ask(Request::Remove { force: true });
    assert_eq!(again, [Action::EndShim]);
    let actions = without_records(world.all([ended(137), Event::Recorded, Event::RowRemoved]));
    assert_eq!(actions, [Action::RemoveRow, Action::Discard, done(3)]);
}

#[test]
fn a_stop_with_less_patience_shortens_one_with_more() {
    let mut world = World::running(RestartWhen::No);
    let patient = |seconds| {
        Request::Stop(Stop {
            grace: Some(Duration::from_secs(seconds)),
            signal: None,
        })
    };
    world.ask(patient(u64::MAX >> 1));
    assert_eq!(world.lifecycle.wakes_at(), None);
    world.ask(patient(5));
    let due = world.now + Duration::from_secs(5);
    assert_eq!(world.lifecycle.wakes_at(), Some(due));
    world.ask(patient(60));
    assert_eq!(world.lifecycle.wakes_at(), Some(due));
    // A removal by force does not wait for a stop.
    let killed = without_records(world.ask(Request::Remove { force: true }));
    assert_eq!(killed, [Action::Signal(SIGKILL, None)]);
    let actions = without_records(world.all([ended(137), Event::Recorded]));
    assert_eq!(actions, [done(2), done(3), done(4), Action::RemoveRow]);
}

#[test]
fn a_start_by_policy_that_fails_is_tried_again_and_later_each_time() {
    let mut world = World::running(RestartWhen::Always);
    world.all([ended(1), Event::Recorded]);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        assert_eq!(world.state(), "restarting");
        let at = world.lifecycle.wakes_at().unwrap();
        pauses.push(at - world.now);
        assert_eq!(world.wake(), [Action::Prepare]);
        world.all([Event::Prepared, start_failed(125), Event::Recorded]);
    }
    assert!(
        pauses.windows(2).all(|pair| pair[0] <= pair[1]),
        "{pauses:?}"
    );
    assert_eq!(pauses[11], Duration::from_secs(60));
    assert_eq!(world.lifecycle.run().restarts, 12);
    // A user ends the container.
    assert_eq!(world.ask(Request::Stop(Stop::default())).len(), 1);
    assert_eq!(
        (world.state(), world.lifecycle.wakes_at()),
        ("exited", None)
    );
}

#[test]
fn a_start_by_policy_is_tried_no_more_often_than_the_policy_says() {
    let mut world = World::running(RestartWhen::OnFailure);
    world.policy.restart.most = 2;
    world.all([ended(1), Event::Recorded]);
    for _ in 0..2 {
        world.wake();
        world.all([start_failed(125), Event::Recorded]);
    }
    assert_eq!(world.state(), "exited");
}

#[test]
fn who_asked_for_a_start_that_failed_is_told_why_and_it_is_not_tried_again() {
    let mut world = World::new(RestartWhen::Always);
    world.ask(Request::Start);
    world.ask(Request::Start);
    world.ask(Request::Stop(Stop::default()));
    world.ask(Request::Kill(SIGHUP));
    let actions = without_records(world.all([start_failed(127), Event::Recorded]));
    let expected = [
        refused(1, Refused::Failed("why")),
        refused(2, Refused::Failed("why")),
        unchanged(3),
        refused(4, Refused::NotRunning),
    ];
    assert_eq!(actions, expected);
    assert_eq!(world.state(), "created");
    let run = world.lifecycle.run();
    assert_eq!((run.exit_code, &*run.error), (127, "why"));
}

#[test]
fn one_that_removes_itself_goes_with_a_failed_start_and_then_its_error_is_told() {
    let mut world = World::new(RestartWhen::No);
    world.policy.remove_at_end = true;
    world.ask(Request::Start);
    let actions = world.all([start_failed(125), Event::Recorded]);
    assert_eq!(actions[1..], [Action::RemoveRow]);
    let actions = without_records(world.step(Event::RowRemoved));
    assert_eq!(
        actions,
        [Action::Discard, refused(1, Refused::Failed("why"))]
    );
}

#[test]
fn one_that_removes_itself_waits_for_its_readers_but_not_for_ever() {
    let mut world = World::running(RestartWhen::No);
    world.policy.remove_at_end = true;
    let actions = without_records(world.all([ended(0), Event::Recorded]));
    assert_eq!(actions, [Action::AwaitReaders]);
    let mut patient = world.lifecycle.clone();
    assert_eq!(world.step(Event::ReadersGone), [Action::RemoveRow]);
    let later = world.now + LAST_READS;
    assert_eq!(patient.wakes_at(), Some(later));
    let woke = patient.step(Event::Woke, &world.policy, later);
    assert_eq!(woke, [Action::RemoveRow]);
}

#[test]
fn a_start_that_is_not_stored_ends_its_vm() {
    let mut world = World::new(RestartWhen::Always);
    world.ask(Request::Start);
    world.all([Event::Prepared, launched()]);
    let actions = world.step(Event::NotRecorded("full"));
    assert_eq!(
        actions,
        [refused(1, Refused::Failed("full")), Action::EndVm]
    );
    assert_eq!(world.state(), "stopping");
}

#[test]
fn a_removal_by_force_ends_a_start_that_is_under_way() {
    for prepared in [false, true] {
        let mut world = World::new(RestartWhen::Always);
        world.ask(Request::Start);
        if prepared {
            world.step(Event::Prepared);
        }
        let actions = world.ask(Request::Remove { force: true });
        assert_eq!(actions, [Action::AbortLaunch]);
        if !prepared {
            let actions = world.step(Event::Prepared);
            assert_eq!(actions, [Action::Launch, Action::AbortLaunch]);
        }
        let actions = world.all([start_failed(137), Event::Recorded, Event::RowRemoved]);
        let answers = without_records(actions);
        assert_eq!(
            answers,
            [
                Action::RemoveRow,
                Action::Discard,
                refused(1, Refused::Failed("why")),
                done(2)
            ]
        );
    }
}

#[test]
fn a_restart_tells_each_step_and_one_that_comes_while_it_starts_is_not_lost() {
    let mut world = World::new(RestartWhen::No);
    world.ask(Request::Start);
    let how = Stop::default();
    world.ask(Request::Restart(how));
    let actions = world.all([Event::Prepared, launched(), Event::Recorded]);
    assert!(actions.contains(&done(1)) && !actions.contains(&done(2)));
    assert_eq!(world.state(), "stopping");
    let actions = world.all([
        ended(143),
        Event::Recorded,
        Event::Prepared,
        launched(),
        Event::Recorded,
    ]);
    let told: Vec<_> = actions
        .iter()
        .filter(|action| matches!(action, Action::Tell(_)))
        .collect();
    let ran = Duration::from_millis(2_000);
    let expected = [
        Told::Die { code: 143, ran },
        Told::Stop,
        Told::Start,
        Told::Restart,
    ]
    .map(Action::Tell);
    assert_eq!(told, expected.iter().collect::<Vec<_>>());
    assert!(actions.contains(&done(2)));
}

#[test]
fn what_an_earlier_coordinator_left_running_is_ended_by_its_shim_s_end_alone() {
    let run = RunState {
        status: Status::Running,
        started_ms: 1,
        ..RunState::default()
    };
    let now = Instant::now();
    for (when, state) in [
        (RestartWhen::No, "exited"),
        (RestartWhen::OnFailure, "starting"),
        (RestartWhen::Always, "starting"),
    ] {
        let mut lifecycle = Lifecycle::<Error>::new(run.clone(), true, now);
        let policy = policy(when);
        assert!(
            lifecycle
                .step(Event::CoordinatorStarted, &policy, now)
                .is_empty()
        );
        assert_eq!(name(lifecycle.state()), "running");
        // The container ended while no coordinator ran, with code 0. That does not count as a
        // success of its own.
        lifecycle.step(ended(0), &policy, now);
        lifecycle.step(Event::Recorded, &policy, now);
        assert_eq!(name(lifecycle.state()), state, "{when:?}");
    }
    // A container whose shim has answered ends like any other.
    let mut lifecycle = Lifecycle::<Error>::new(run, true, now);
    let policy = policy(RestartWhen::OnFailure);
    lifecycle.step(Event::Resumed, &policy, now);
    lifecycle.step(ended(0), &policy, now);
    lifecycle.step(Event::Recorded, &policy, now);
    assert_eq!(name(lifecycle.state()), "exited");
}

#[test]
fn a_start_that_an_earlier_coordinator_left_goes_on() {
    let run = RunState {
        pid: 7,
        ..RunState::default()
    };
    let now = Instant::now();
    let policy = policy(RestartWhen::No);
    let mut lifecycle = Lifecycle::<Error>::new(run, true, now);
    assert_eq!(name(lifecycle.state()), "starting");
    lifecycle.step(launched(), &policy, now);
    lifecycle.step(Event::Recorded, &policy, now);
    assert_eq!(name(lifecycle.state()), "running");
    assert_eq!(
        (lifecycle.run().pid, lifecycle.run().started_ms),
        (7, 1_000)
    );
}
