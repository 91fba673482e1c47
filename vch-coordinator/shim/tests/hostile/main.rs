//! The shim's own process beside a guest whose root says what it likes. QEMU is played by this same program, which
//! the shim starts in its place (`stand_in`): no VM, so that each scene takes seconds.
//!
//! Needs root, as the shim does. `VCH_LONG=1` lets each flood last for a minute.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod scenarios;
mod stand_in;
mod wait;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Instant,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "-chardev") {
        return stand_in::run(&arguments);
    }
    let scenarios = scenarios::all();
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in &scenarios {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let wanted: Vec<&String> = arguments[1..]
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_wanted = |name: &str| {
        wanted.is_empty()
            || wanted.iter().any(|word| match exact {
                true => *word == name,
                false => name.contains(word.as_str()),
            })
    };
    let _stand_in = world::prepare();
    let failed = AtomicU32::new(0);
    // They mostly wait.
    thread::scope(|scope| {
        for (name, scenario) in scenarios.into_iter().filter(|(name, _)| is_wanted(name)) {
            let failed = &failed;
            scope.spawn(move || {
                let began = Instant::now();
                let passed = catch_unwind(AssertUnwindSafe(scenario)).is_ok();
                failed.fetch_add(u32::from(!passed), Ordering::Relaxed);
                let word = if passed { "ok" } else { "FAILED" };
                println!("test {name} ... {word} ({:.1?})", began.elapsed());
            });
        }
    });
    let failed = failed.into_inner();
    println!("{failed} failed");
    ExitCode::from(u8::from(failed > 0))
}
