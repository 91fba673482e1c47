//! A second namespace beside a test's own, for who is at the other end of its links.

use crate::namespace::ip;
use nix::sched::{CloneFlags, unshare};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Another namespace, which goes with it; `ip` is asked there.
pub struct Elsewhere {
    asked: Sender<String>,
    answers: Receiver<String>,
    thread: nix::unistd::Pid,
}

impl Elsewhere {
    pub fn make() -> Self {
        let ((asked, asks), (says, answers)) = (channel::<String>(), channel());
        let (tell, told) = channel();
        std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("another network namespace");
            tell.send(nix::unistd::gettid()).unwrap();
            for arguments in asks {
                says.send(ip(&arguments)).unwrap();
            }
        });
        let thread = told.recv().unwrap();
        Self {
            asked,
            answers,
            thread,
        }
    }

    pub fn ip(&self, arguments: &str) -> String {
        self.asked.send(arguments.to_owned()).unwrap();
        self.answers.recv().unwrap()
    }

    /// Moves a link there from the calling thread's namespace.
    pub fn take(&self, link: &str) {
        ip(&format!("link set {link} netns {}", self.thread));
        self.ip(&format!("link set {link} up"));
    }
}
