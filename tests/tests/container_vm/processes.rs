//! What a process of a container begins with: descriptors, limits, streams of its own; and the small init of `--init`.

use std::time::Duration;

use lab::Lab;
use protocol::process::{Process, ProcessId};
use tokio::time::timeout;

use crate::world::{Ran, SOON, Shim, launch, process, terminal};

/// SIGRTMIN + 3, as systemd's images have it (signal(7), the C library's SIGRTMIN).
const REAL_TIME: u8 = 37;
/// Lists what the shell itself has open.
const OPEN: &str = "for one in 0 1 2 3 4 5 6 7 8 9 10 11 12; do readlink /proc/$$/fd/$one; done | sed 's/[0-9]*//g' | tr '\n' ' '";

fn as_user(user: &str, process: Process) -> Process {
    Process {
        user: user.to_owned(),
        ..process
    }
}

#[tokio::test]
async fn a_small_init_reaps_and_passes_signals_on_and_holds_nothing_of_the_vm_s() {
    let lab = Lab::of_vms("reaper").unwrap();
    let script = "trap 'echo real-time' 37; trap 'exit 9' TERM; readlink /proc/1/exe; echo up; while :; do sleep 0.1; done";
    let mut launch = launch(&lab, &["sh", "-c", script]);
    launch.start.reaper = true;
    let mut shim = Shim::start(&lab, &launch);
    shim.started().await;
    let client = shim.client();
    let listed = client.list().await.unwrap();
    assert_eq!(listed[0].pid, 1);
    assert!(
        listed[0]
            .command_line
            .starts_with("/sbin/docker-init -- sh -c"),
        "{listed:?}"
    );
    // Descriptors: three pipes, and nothing else; the container's root cannot take init's: the process has no such descriptors.
    let first = shim
        .sh("ls /proc/1/fd; for one in /proc/1/fd/*; do readlink $one; done | sed 's/:.*//'")
        .await;
    assert_eq!(
        first.text(),
        "0\n1\n2\n/dev/null\npipe\npipe\n",
        "{first:?}"
    );
    let own = shim
        .sh("set -- $(cat /proc/1/task/1/children); ls /proc/$1/fd | tr '\n' ' '; cat /proc/1/comm")
        .await;
    // Number 10 is the shell's own.
    assert!(own.text().starts_with("0 1 2 "), "{own:?}");
    assert!(own.text().ends_with("docker-init\n"), "{own:?}");
    let orphans = shim
        .sh("for i in 1 2 3; do (sleep 0.1 &) ; done; sleep 1; ps | grep -c '[Z]ombie'")
        .await;
    assert_eq!(orphans.text(), "0\n");
    client.signal(ProcessId::MAIN, REAL_TIME).await.unwrap();
    let mut streams = client
        .attach(Some(Default::default()), false, false)
        .await
        .unwrap();
    let mut seen = String::new();
    while !seen.contains("real-time\n") {
        let next = timeout(SOON, streams.reader.next()).await.unwrap().unwrap();
        if let vch_shim::StreamItem::Output(_, bytes) = next {
            seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    assert!(seen.contains("up\n"), "{seen}");
    client.signal(ProcessId::MAIN, 15).await.unwrap();
    let outcome = shim.outcome();
    assert_eq!((outcome.code, outcome.failure), (9, None));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_below_a_small_init_too() {
    let lab = Lab::of_vms("reaper-missing").unwrap();
    let mut launch = launch(&lab, &["nosuch"]);
    launch.start.reaper = true;
    let mut shim = Shim::start(&lab, &launch);
    let outcome = shim.outcome();
    let failure = outcome.failure.unwrap();
    assert_eq!(
        (outcome.code, &*failure.code),
        (127, "not-found"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_process_has_its_streams_and_docker_s_limits_and_nothing_of_init_s() {
    let lab = Lab::of_vms("processes").unwrap();
    let mut launch = launch(&lab, &["top"]);
    launch.start.domain = "d.example".to_owned();
    let mut shim = Shim::start(&lab, &launch);
    shim.started().await;
    descriptors(&shim).await;
    streams_of_a_user(&shim).await;
    limits(&shim).await;
    network_as_a_user(&shim).await;
    a_terminal_opened_again(&shim).await;
    late_children(&shim).await;
    let domain = shim.sh("cat /proc/sys/kernel/domainname").await;
    assert_eq!(domain.text(), "d.example\n");
    // The first process of busybox's top has a handler for it.
    shim.client().signal(ProcessId::MAIN, 15).await.unwrap();
    let ended = timeout(SOON, async { shim.outcome() }).await.unwrap();
    assert_eq!(ended.code, 143, "{ended:?}");
}

async fn descriptors(shim: &Shim) {
    let ran = shim.sh(OPEN).await;
    assert_eq!(ran.text().trim(), "/dev/null pipe:[] pipe:[]", "{ran:?}");
    let running = shim
        .client()
        .exec(terminal(&["sh", "-c", OPEN], 24, 80))
        .await;
    let ran = Ran::of(running.unwrap().streams).await;
    assert_eq!(
        ran.text().trim(),
        "/dev/pts/ /dev/pts/ /dev/pts/",
        "{ran:?}"
    );
    let with_input = Process {
        input: true,
        ..process(&["sh", "-c", OPEN])
    };
    let mut running = shim.client().exec(with_input).await.unwrap();
    running.streams.writer.write(&[]).await.unwrap();
    let ran = Ran::of(running.streams).await;
    assert_eq!(ran.text().trim(), "pipe:[] pipe:[] pipe:[]", "{ran:?}");
    let main = shim.sh("ls /proc/1/fd | tr '\n' ' '").await;
    assert_eq!(main.text().trim(), "0 1 2", "{main:?}");
}

/// Checks that a process may open anew the streams that it may write to.
async fn streams_of_a_user(shim: &Shim) {
    let line = "echo out >/dev/stdout && echo err >/dev/stderr; echo $?";
    let ran = shim
        .exec(as_user("1000", process(&["sh", "-c", line])))
        .await
        .unwrap();
    assert_eq!(
        (&*ran.text(), &*ran.errors()),
        ("out\n0\n", "err\n"),
        "{ran:?}"
    );
    let on_terminal = as_user("1000:1000", terminal(&["sh", "-c", line], 24, 80));
    let running = shim.client().exec(on_terminal).await.unwrap();
    let ran = Ran::of(running.streams).await;
    assert_eq!(ran.text(), "out\r\nerr\r\n0\r\n", "{ran:?}");
}

async fn limits(shim: &Shim) {
    let line = "ulimit -n; ulimit -Hn; ulimit -u; ulimit -c";
    let ran = shim.sh(line).await;
    assert_eq!(ran.text(), "1048576\n1048576\nunlimited\nunlimited\n");
    let own = Process {
        limits: vec![(7, 1_000, 2_000_000), (6, 77, 99)],
        ..process(&["sh", "-c", line])
    };
    let ran = shim.exec(own).await.unwrap();
    assert_eq!(ran.text(), "1000\n2000000\n77\nunlimited\n", "{ran:?}");
}

async fn network_as_a_user(shim: &Shim) {
    let listens = as_user(
        "1000",
        process(&[
            "sh",
            "-c",
            "nc -l -p 80 >/dev/null & sleep 1; kill $! && echo listened",
        ]),
    );
    let ran = shim.exec(listens).await.unwrap();
    assert_eq!(ran.text(), "listened\n", "{ran:?}");
    let pings = as_user(
        "1000",
        process(&["ping", "-c", "1", "-W", "2", "127.0.0.1"]),
    );
    let ran = shim.exec(pings).await.unwrap();
    // busybox's ping wants a raw socket; a datagram socket is what the kernel lets every user have.
    let range = shim.sh("cat /proc/sys/net/ipv4/ping_group_range").await;
    assert_eq!(range.text(), "0\t2147483647\n");
    assert!(
        ran.code() == 0 || ran.errors().contains("permission denied"),
        "{ran:?}"
    );
}

/// A process closes its terminal and opens it again, as systemd does: what it writes then is heard.
async fn a_terminal_opened_again(shim: &Shim) {
    let line = "t=$(tty); echo first; exec 0<&- 1>&- 2>&-; sleep 1; exec 1>$t; echo again";
    let running = shim
        .client()
        .exec(terminal(&["sh", "-c", line], 24, 80))
        .await;
    let ran = Ran::of(running.unwrap().streams).await;
    assert_eq!(ran.text(), "first\r\nagain\r\n", "{ran:?}");
}

/// A child that can't go on is given up; meanwhile, and afterwards, all else goes on.
async fn late_children(shim: &Shim) {
    let blocked = shim
        .sh("cp /etc/passwd /tmp/kept; rm /etc/passwd /dev/null; mkfifo /etc/passwd /dev/null; echo done")
        .await;
    assert_eq!(blocked.text(), "done\n", "{blocked:?}");
    let began = std::time::Instant::now();
    let ran = shim.exec(process(&["echo", "on"])).await.unwrap();
    assert_eq!(ran.text(), "on\n", "{ran:?}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    let unknown = shim.exec(as_user("www", process(&["true"]))).await;
    let reason = unknown.unwrap_err().to_string();
    assert!(reason.contains("unable to find user www"), "{reason}");
    let mended = shim
        .sh("rm /etc/passwd /dev/null; mv /tmp/kept /etc/passwd; mknod -m 666 /dev/null c 1 3; echo done")
        .await;
    assert_eq!(mended.text(), "done\n", "{mended:?}");
}
