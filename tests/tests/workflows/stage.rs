//! A daemon, a namespace outside of it, and the workflows on bridge networks.

use std::net::IpAddr;
use std::time::Duration;

use lab::{Docker, Lab, Namespace, RootFs, Terminal, Way, ask, eventually, eventually_some, paths};
use regex::Regex;

/// Of a single step; the first VM of a kind boots.
pub const SOON: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(5);
const HELLO: &str = "Hello world!";
/// Of busybox's shell, for root.
const PROMPT: &str = "/ # ";

/// The document's server: to `GET /` and an empty line it says hello and closes; an HTTP client gets a status too.
const SAY_HELLO: &str = r#"carriage=$(printf '\r')
while read -r line && [ -n "${line%$carriage}" ]; do
    case $line in *HTTP/1*) printf 'HTTP/1.0 200 OK\r\n\r\n' ;; esac
done
printf 'Hello world!'"#;
/// ^C ends it, though it is the first process of its container.
const SERVE: &str = "trap 'exit 0' INT TERM
for port in $PORTS; do nc -ll -p $port -e say-hello & done
wait";

/// A daemon and who looks at it.
pub struct Stage<'a> {
    /// The CLI at it.
    pub docker: Docker,
    /// From where its published ports are asked.
    pub outside: &'a Namespace,
    /// The address of its that they are published at.
    pub host: IpAddr,
}

impl Stage<'_> {
    /// Makes the document's images: `busybox`, and three that serve.
    pub fn images(&self, lab: &Lab) {
        let busybox = RootFs::busybox(lab, "busybox").unwrap();
        self.docker.import(&busybox, "busybox").unwrap();
        for (image, program, port) in [
            ("my_container", "my_app", 80),
            ("my_server_image", "server_app", 5000),
            ("my_webapp", "webapp", 80),
        ] {
            let files = RootFs::busybox(lab, image).unwrap();
            let files = files.script("/bin/say-hello", SAY_HELLO).unwrap();
            let serve = format!("PORTS={port}\n{SERVE}");
            let files = files.script(&format!("/bin/{program}"), &serve).unwrap();
            self.docker.import_running(&files, image, program).unwrap();
        }
    }

    /// Begins a script at a terminal.
    pub fn terminal(&self, script: &str, of: &str) -> Terminal {
        let script = paths::workspace().join("tests/workflows").join(script);
        let mut shell = self.docker.shell();
        shell.env("of", of);
        Terminal::run(shell, &format!("sh {}", script.display())).unwrap()
    }

    /// Waits until an HTTP client outside gets hello.
    fn serves(&self, port: u16) {
        eventually(SOON, "the published port answers", || {
            let answer = ask(self.outside, self.host, Way::Http(port), ANSWER).unwrap();
            answer.is_some_and(|answer| answer == HELLO)
        })
        .unwrap();
    }

    /// Returns the output of `telnet` outside for `GET /` and an empty line.
    pub fn telnet(&self, to: IpAddr, port: u16) -> String {
        let answered = eventually_some(SOON, "the port answers", || {
            ask(self.outside, to, Way::Typed(port, "GET /\r\n\r\n"), ANSWER).unwrap()
        });
        answered.unwrap()
    }

    /// "User expects port 80 on *test1* to be accessible via the external network interface on the VCH at port 8080."
    pub fn published(&self, of: &str) {
        let mut terminal = self.terminal("published.sh", of);
        self.serves(8080);
        terminal.interrupt().unwrap();
        terminal.end(SOON).unwrap();
    }

    /// "User expects server and client can ping each other by name." Gives the server's address.
    pub fn bridge(&self, of: &str) -> String {
        let mut terminal = self.terminal("bridge.sh", of);
        let before = terminal.until(PROMPT, SOON).unwrap();
        assert!(network_is_listed(&before, of), "{before}");
        terminal.line(&format!("ping server{of}")).unwrap();
        terminal.until("seq=2", SOON).unwrap();
        terminal.interrupt().unwrap();
        let told = terminal.until(PROMPT, SOON).unwrap();
        assert!(told.contains(" packets received, "), "{told}");
        terminal.line("exit").unwrap();
        pinged(&terminal.end(SOON).unwrap(), of)
    }

    /// "server and client can ping each other by name; can connect to server on port 5000 from client container and by
    /// connecting to port 5000 on the VCH external interface."
    pub fn both(&self, of: &str) {
        let mut terminal = self.terminal("both.sh", of);
        let before = terminal.until(PROMPT, SOON).unwrap();
        assert!(network_is_listed(&before, of), "{before}");
        terminal.line(&format!("ping -c 3 server{of}")).unwrap();
        let told = terminal.until(PROMPT, SOON).unwrap();
        assert!(told.contains("3 packets received"), "{told}");
        terminal.line(&format!("telnet server{of} 5000")).unwrap();
        terminal.until("Connected to", SOON).unwrap();
        terminal.line("GET /\n").unwrap();
        let closed = "Hello world!Connection closed by foreign host";
        terminal.until(closed, SOON).unwrap();
        assert_eq!(self.telnet(self.host, 5000), HELLO);
        terminal.until(PROMPT, SOON).unwrap();
        // `telnet` to a server that closes has failed, in busybox's eyes.
        terminal.line("exit 0").unwrap();
        pinged(&terminal.end(SOON).unwrap(), of);
    }
}

/// The document's row of `docker network ls`: short id, name, driver.
fn network_is_listed(shown: &str, of: &str) -> bool {
    let row = format!(r"(?m)^[0-9a-f]{{12}} +my-bridge-network{of} +bridge +local$");
    Regex::new(&row).unwrap().is_match(shown)
}

/// The lines of `ping` are the document's: one address, and three answers from it. Gives the address.
fn pinged(shown: &str, of: &str) -> String {
    let head = format!(r"(?m)^PING server{of} \(([0-9.]+)\): 56 data bytes$");
    let head = Regex::new(&head).unwrap();
    let head = head.captures(shown).unwrap_or_else(|| panic!("{shown}"));
    let address = head[1].to_owned();
    for seq in 0..3 {
        let answer =
            format!(r"(?m)^64 bytes from {address}: seq={seq} ttl=64 time=[0-9]+\.[0-9]{{3}} ms$");
        assert!(Regex::new(&answer).unwrap().is_match(shown), "{shown}");
    }
    address
}
