//! What clients and images of today expect of a Docker host, asked of a whole VCH: docs/docker-rows.md names the rest.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod bodies;
mod inside;
mod requests;

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use lab::{
    Coordinator, Lab, Member, Need, Responder, RootFs, Topology, Way, ask, http, prerequisites,
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);
const API: &str = "/v1.51";

/// A VCH with an image of busybox, of which nothing is started.
struct Testbed<'a> {
    vch: Coordinator<'a>,
}

impl<'a> Testbed<'a> {
    fn build(lab: &Lab, topology: &'a Topology) -> Self {
        let tables = [
            Coordinator::docker_table(&lab.path("docker.sock")),
            Coordinator::runtime_table().unwrap(),
        ];
        let vch = Coordinator::start_with(lab, &topology.vch, &tables.concat()).unwrap();
        let testbed = Self { vch };
        let tar = RootFs::busybox(lab, "busybox").unwrap().tar().unwrap();
        let query = "fromSrc=-&repo=busybox&tag=latest&changes=CMD%20%5B%22sh%22%5D";
        let request = format!("POST {API}/images/create?{query}");
        let body = fs::read(tar).unwrap();
        let answer = testbed.send(&request, &[], Some(("application/x-tar", &*body)));
        assert_eq!(answer.status, 200, "{answer:?}");
        testbed
    }

    fn send(
        &self,
        request: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, &[u8])>,
    ) -> http::Answer {
        let socket = self.vch.lab().path("docker.sock");
        http::send(&socket, request, headers, body).unwrap()
    }

    fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> http::Answer {
        let text = body.map(ToString::to_string);
        let body = text.as_ref();
        let body = body.map(|text| ("application/json", text.as_bytes()));
        self.send(&format!("{method} {API}{target}"), &[], body)
    }

    /// Asks for what must be answered with this status, and with these words if it is refused.
    fn answers(&self, (method, target): (&str, &str), body: Option<&Value>, comes: (u16, &str)) {
        let answer = self.ask(method, target, body);
        let (status, words) = comes;
        let told = answer.message().contains(words);
        assert!(
            answer.status == status && told,
            "{method} {target} {body:?}: not {status} {words:?}, but {} {}",
            answer.status,
            answer.body
        );
    }

    fn nothing_is_there(&self) {
        let all = self.ask("GET", "/containers/json?all=1", None).body;
        assert_eq!(all, json!([]));
    }
}

const CREATE: (&str, &str) = ("POST", "/containers/create?name=asked");

fn of_host(host: &Value) -> Value {
    json!({ "Image": "busybox", "HostConfig": host })
}

#[test]
fn what_is_empty_is_absent_and_what_is_wrong_is_refused_in_words_and_leaves_nothing() {
    let lab = Lab::of_namespaces("today").unwrap();
    let topology = lab.topology().unwrap();
    let testbed = Testbed::build(&lab, &topology);
    requests::an_empty_text_is_an_absent_one(&testbed);
    requests::a_body_that_cannot_be_read_is_refused_before_anything_else(&testbed);
    requests::paths_and_versions(&testbed);
    bodies::modes_of_namespaces(&testbed);
    bodies::volumes_links_and_other_containers(&testbed);
    bodies::volumes_and_links_of_their_own(&testbed);
    bodies::long_names(&testbed);
    bodies::options_of_networks(&testbed);
    bodies::ports_and_name_servers(&testbed);
    bodies::a_network_that_went(&testbed);
    testbed.nothing_is_there();
}

#[test]
fn the_options_that_a_network_is_made_with_are_in_force() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("today-options").unwrap();
    let topology = lab.topology().unwrap();
    let testbed = Testbed::build(&lab, &topology);
    let network = json!({ "Name": "web", "IPAM": { "Config": [{ "Subnet": "10.79.0.0/16" }] }, "Options": {
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "false",
        "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1",
        "com.docker.network.container_iface_prefix": "lan",
        "com.docker.network.driver.mtu": "1400",
    } });
    testbed.answers(("POST", "/networks/create"), Some(&network), (201, ""));
    let member = |words: &str| {
        let mut member = Member::add(&lab, &testbed.vch, words).unwrap();
        member.connect(&testbed.vch, "web").unwrap();
        member.begin(&testbed.vch).unwrap();
        member.restart_agent().unwrap();
        testbed.vch.ready(member.name(), SOON).unwrap();
        member
    };
    let one = member("one -p 8080:7000");
    let two = member("two");
    let _at_one = Responder::start(one.namespace(), "one", 7000).unwrap();
    let short = Duration::from_secs(1);
    let reaches = |to: IpAddr, way: Way| ask(two.namespace(), to, way, short).unwrap().is_some();
    assert!(!reaches(
        one.address(&testbed.vch, "web").unwrap(),
        Way::Tcp(7000)
    ));
    let link = one.namespace().ip("link show lan0").unwrap();
    assert!(link.contains("mtu 1400"), "{link}");

    let published = |to: IpAddr| {
        ask(&topology.vch, to, Way::Tcp(8080), short)
            .unwrap()
            .is_some()
    };
    assert!(published([127, 0, 0, 1].into()));
    assert!(!published(Topology::VCH.into()));
    let outside = ask(
        &topology.outside,
        Topology::VCH.into(),
        Way::Tcp(8080),
        short,
    );
    assert_eq!(outside.unwrap(), None);

    // Who is asked outside sees the container's own address, to which there must be a way back.
    let back = format!("route add 10.79.0.0/16 via {}", Topology::VCH);
    topology.outside.ip(&back).unwrap();
    let _outside = Responder::start(&topology.outside, "outside", 7001).unwrap();
    let answer = ask(
        two.namespace(),
        Topology::GATEWAY.into(),
        Way::Tcp(7001),
        SOON,
    )
    .unwrap();
    let own = two.address(&testbed.vch, "web").unwrap();
    assert_eq!(answer, Some(format!("outside {own}")));
}
