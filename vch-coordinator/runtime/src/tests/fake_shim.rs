//! A shim that a test plays: its socket is in the test's own process, and its process is a script (`vch-shim`), so that
//! it can be found and killed.

use super::{exited, within, write_outcome};
use crate::event::now_ms;
use nix::{sys::stat::Mode, unistd::mkfifo};
use parking_lot::Mutex;
use protocol::process::{Exit, Output, ProcessId, Usage};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};
use vch_shim::{
    Outcome, Phase, ShimProcess, Stage,
    log::Position,
    testing::{Incoming, Outgoing, Reply, Request, answer},
};

/// The number of the process that a fake shim starts for [`Request::Exec`].
pub const EXEC: ProcessId = ProcessId(7);
/// SIGKILL.
const KILL: u8 = 9;

/// How a fake shim meets requests, except for [`Request::Watch`].
#[derive(Clone, Debug, Default)]
pub enum Manner {
    /// It carries them out; every signal ends the container's process.
    #[default]
    Obeys,
    /// It carries them out, but no signal and no kill ends the container's process.
    Deaf,
    /// It refuses them, with this reason.
    Refuses(&'static str),
    /// It closes the connection.
    Closes,
    /// It never answers, not even those that watch.
    Silent,
}

/// How a process ends that a fake shim starts for [`Request::Exec`].
#[derive(Clone, Copy, Debug)]
pub enum ExecEnd {
    /// At once, with this exit code, after it has written `checked`.
    Code(u8),
    /// When it receives SIGKILL.
    Killed,
}

/// A shim that a test plays. It vanishes when it is dropped.
pub struct FakeShim {
    played: Arc<Played>,
    server: JoinSet<()>,
}

struct Played {
    dir: PathBuf,
    sockets: PathBuf,
    /// Open for reading, too, so that it can be written before the process reads it.
    commands: File,
    /// The stage of the present run; clients of an earlier run keep that run's.
    stage: Mutex<watch::Sender<Stage>>,
    output: watch::Sender<Vec<(Output, Vec<u8>)>>,
    asked: watch::Sender<Vec<Request>>,
    manner: Mutex<Manner>,
    exec_end: Mutex<ExecEnd>,
}

impl FakeShim {
    /// Listens in a container's directory of sockets. The container's own directory is `dir`.
    pub fn listen(sockets: &Path, dir: PathBuf) -> Self {
        fs::create_dir_all(sockets).unwrap();
        fs::create_dir_all(&dir).unwrap();
        let commands = sockets.join("commands");
        mkfifo(&commands, Mode::S_IRWXU).unwrap();
        let played = Arc::new(Played {
            dir,
            sockets: sockets.to_owned(),
            commands: File::options()
                .read(true)
                .write(true)
                .open(commands)
                .unwrap(),
            stage: Mutex::default(),
            output: watch::Sender::default(),
            asked: watch::Sender::default(),
            manner: Mutex::default(),
            exec_end: Mutex::new(ExecEnd::Code(0)),
        });
        let listener = UnixListener::bind(sockets.join("shim.sock")).unwrap();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&played)));
        Self { played, server }
    }

    /// Lets the next process that is started become a shim whose container's process does not run
    /// yet.
    pub fn boots(&self) {
        *self.played.stage.lock() = watch::Sender::new(Stage {
            phases: vec![phase("launched")],
            ..Stage::default()
        });
        self.played.tell("begin");
    }

    /// Shows that the container's process runs since this time, in milliseconds since 1970.
    pub fn process_runs(&self, started_ms: u64) {
        self.played
            .show(|stage| stage.started_ms = Some(started_ms));
    }

    /// Lets the next process that is started become a shim whose container's process runs.
    pub fn begins(&self) {
        self.boots();
        self.process_runs(now_ms());
    }

    /// Lets the next process that is started fail with a message.
    pub fn fails(&self, message: &str) {
        self.played.tell(&format!("fail {message}"));
    }

    /// Changes how requests are met from now on.
    pub fn behave(&self, manner: Manner) {
        *self.played.manner.lock() = manner;
    }

    /// Changes how processes end that are started from now on.
    pub fn let_execs_end(&self, how: ExecEnd) {
        *self.played.exec_end.lock() = how;
    }

    /// Writes output of the container's process.
    pub fn write(&self, bytes: &[u8]) {
        let one = (Output::Stdout, bytes.to_vec());
        self.played.output.send_modify(|all| all.push(one));
    }

    /// Ends the container's process with this code.
    pub async fn exit(&self, code: u8) {
        self.end(exited(code)).await;
    }

    /// Ends the run with this outcome, as a shim does: first on disk, then told.
    pub async fn end(&self, outcome: Outcome) {
        self.played.end(outcome).await;
    }

    /// Ends the run with this outcome, of which no client learns.
    pub async fn end_untold(&mut self, outcome: Outcome) {
        self.played.leave(&outcome).await;
        self.vanish().await;
    }

    /// Closes the socket and all connections, as at the end of a shim's process.
    pub async fn vanish(&mut self) {
        self.server.shutdown().await;
    }

    /// Listens again at the socket.
    pub fn listen_again(&mut self) {
        let socket = self.played.sockets.join("shim.sock");
        fs::remove_file(&socket).unwrap();
        let listener = UnixListener::bind(socket).unwrap();
        self.server.spawn(serve(listener, Arc::clone(&self.played)));
    }

    /// Returns the shim's process.
    pub fn process(&self) -> ShimProcess {
        self.played.process().unwrap()
    }

    /// Waits until the shim's process, which runs now, is killed, and closes the socket then.
    pub fn killed(&mut self) -> impl Future<Output = ()> {
        let process = self.process();
        async move {
            within(process.ended()).await.unwrap();
            self.vanish().await;
        }
    }

    /// Waits until a request has come that `is_it` accepts. Returns all that have come.
    pub async fn asked(&self, is_it: impl Fn(&Request) -> bool) -> Vec<Request> {
        let mut asked = self.played.asked.subscribe();
        let come = asked.wait_for(|all| all.iter().any(&is_it));
        within(come).await.unwrap().clone()
    }

    /// Waits until so many clients have begun to watch.
    pub async fn watched(&self, times: usize) {
        let mut asked = self.played.asked.subscribe();
        let watch = |one: &&Request| **one == Request::Watch;
        let come = asked.wait_for(|all| all.iter().filter(watch).count() >= times);
        within(come).await.unwrap();
    }

    /// Returns the requests that have come, except for those that watch.
    pub fn requests(&self) -> Vec<Request> {
        let all = self.played.asked.borrow();
        let others = all.iter().filter(|one| **one != Request::Watch);
        others.cloned().collect()
    }
}

fn phase(name: &str) -> Phase {
    Phase {
        name: name.to_owned(),
        at_us: 1,
        uptime_us: None,
    }
}

impl Played {
    fn tell(&self, words: &str) {
        writeln!(&self.commands, "{words}").unwrap();
    }

    fn show(&self, change: impl FnOnce(&mut Stage)) {
        self.stage.lock().send_modify(change);
    }

    fn process(&self) -> Option<ShimProcess> {
        ShimProcess::open(&self.dir, &self.sockets).unwrap()
    }

    /// Writes the outcome, and lets the process go.
    async fn leave(&self, outcome: &Outcome) {
        write_outcome(&self.dir, outcome);
        if let Some(process) = self.process() {
            self.tell("end");
            within(process.ended()).await.unwrap();
            fs::remove_file(self.sockets.join("shim.pid")).unwrap();
        }
    }

    async fn end(&self, outcome: Outcome) {
        self.leave(&outcome).await;
        self.show(|stage| stage.ended = Some(outcome));
    }
}

async fn serve(listener: UnixListener, played: Arc<Played>) {
    let mut clients = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let played = Arc::clone(&played);
        // A client that goes away is no error.
        clients.spawn(async move { converse(stream, &played).await });
    }
}

async fn converse(stream: UnixStream, played: &Played) -> io::Result<()> {
    let Some((mut from, mut to)) = answer(stream).await? else {
        return Ok(());
    };
    let Some(request) = from.next().await? else {
        return Ok(());
    };
    played.asked.send_modify(|all| all.push(request.clone()));
    let manner = played.manner.lock().clone();
    match (&manner, &request) {
        (Manner::Silent, _) => std::future::pending().await,
        (_, Request::Watch) => return watch(played, &mut to).await,
        (Manner::Refuses(reason), _) => {
            let code = "refused".to_owned();
            let reason = (*reason).to_owned();
            return to.send(Reply::Refused { code, reason }).await;
        }
        (Manner::Closes, _) => return Ok(()),
        (Manner::Obeys | Manner::Deaf, _) => {}
    }
    let deaf = matches!(manner, Manner::Deaf);
    let (reply, ends) = match request {
        Request::Attach { from: position, .. } => {
            return attached(played, position, &mut from, &mut to).await;
        }
        Request::Exec(_) => return exec(played, &mut to).await,
        Request::Signal(ProcessId::MAIN, signal) => (Reply::Done, Some(128 + signal)),
        Request::Kill => (Reply::Done, Some(128 + KILL)),
        Request::List => (Reply::Listed(Vec::new()), None),
        Request::Usage => (Reply::Used(Usage::default()), None),
        Request::Update(_) => (Reply::Updated(Vec::new()), None),
        _ => (Reply::Done, None),
    };
    to.send(reply).await?;
    if let Some(code) = ends.filter(|_| !deaf) {
        played.end(exited(code)).await;
    }
    Ok(())
}

async fn watch(played: &Played, to: &mut Outgoing<Reply>) -> io::Result<()> {
    let mut stage = played.stage.lock().subscribe();
    loop {
        let now = stage.borrow_and_update().clone();
        let last = now.ended.is_some();
        to.send(Reply::Stage(now)).await?;
        if last || stage.changed().await.is_err() {
            return Ok(());
        }
    }
}

async fn attached(
    played: &Played,
    position: Option<Position>,
    from: &mut Incoming<Request>,
    to: &mut Outgoing<Reply>,
) -> io::Result<()> {
    let mut output = played.output.subscribe();
    let mut stage = played.stage.lock().subscribe();
    let mut sent = match position {
        Some(_) => 0,
        None => output.borrow().len(),
    };
    to.send(Reply::Done).await?;
    let inputs = async {
        while let Ok(Some(input)) = from.next().await {
            played.asked.send_modify(|all| all.push(input));
        }
        std::future::pending().await
    };
    let outputs = async {
        loop {
            let ended = stage.borrow_and_update().ended.is_some();
            let news = output.borrow_and_update()[sent..].to_vec();
            for (stream, bytes) in news {
                sent += 1;
                to.send(Reply::Output(stream, bytes)).await?;
            }
            if ended {
                return to.send(Reply::Done).await;
            }
            tokio::select! {
                _ = output.changed() => {}
                _ = stage.changed() => {}
            }
        }
    };
    tokio::select! {
        done = outputs => done,
        done = inputs => done,
    }
}

async fn exec(played: &Played, to: &mut Outgoing<Reply>) -> io::Result<()> {
    to.send(Reply::Started(EXEC, 70)).await?;
    let how = *played.exec_end.lock();
    let code = match how {
        ExecEnd::Code(code) => {
            let written = b"checked".to_vec();
            to.send(Reply::Output(Output::Stdout, written)).await?;
            code
        }
        ExecEnd::Killed => {
            let mut asked = played.asked.subscribe();
            let kill = Request::Signal(EXEC, KILL);
            let _ = asked.wait_for(|all| all.contains(&kill)).await;
            128 + KILL
        }
    };
    let exit = Exit {
        code,
        out_of_memory: false,
    };
    to.send(Reply::Exited(exit)).await
}
