//! What images find in their VMs.

use lab::debian_image::DebianImage;
use lab::{Boot, Lab, VmHost, eventually, http};
use serde_json::{Value, json};

use crate::{API, SOON};

/// A VCH whose containers run.
struct Running<'a> {
    host: VmHost<'a>,
}

impl Running<'_> {
    fn run(&self, line: &str) -> String {
        self.host.run(line).unwrap()
    }

    /// Looks into a container.
    fn sh(&self, container: &str, script: &str) -> String {
        let said = self.run(&format!("docker exec {container} sh -c '{script}'"));
        said.replace('\r', "")
    }

    fn create(&self, name: &str, body: &Value) {
        let target = format!("{API}/containers/create?name={name}");
        let answer = http::ask(self.host.socket(), "POST", &target, Some(body)).unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    fn inspect(&self, name: &str) -> Value {
        let target = format!("{API}/containers/{name}/json");
        http::ask(self.host.socket(), "GET", &target, None)
            .unwrap()
            .body
    }
}

#[test]
fn images_of_ordinary_users_and_of_administrators_find_what_they_expect() {
    DebianImage::NETFILTER.root_file_system().unwrap();
    let lab = Lab::of_vms("today-inside").unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, Boot::Clone).unwrap();
    host.import_busybox(&lab).unwrap();
    DebianImage::NETFILTER.import(&host.docker).unwrap();
    let testbed = Running { host };
    ordinary_users(&testbed);
    what_an_administrator_makes(&testbed);
    names_and_published_ports(&testbed);
    endpoints_health_and_chosen_ports(&testbed);
}

fn ordinary_users(testbed: &Running<'_>) {
    let writes = "echo out >/dev/stdout && echo err >/dev/stderr && echo done";
    testbed.run(&format!(
        "docker run -d --name user -u 1000 busybox sh -c '{writes}; exec sleep 1000'"
    ));
    testbed.run(&format!(
        "docker run -d -t --name typist -u 1000 --ulimit nofile=100:200 \
         --sysctl net.ipv4.ip_unprivileged_port_start=1024 --sysctl net.ipv4.ping_group_range=\"5 6\" \
         busybox sh -c '{writes}; exec sleep 1000'"
    ));
    let logs = |name: &str| testbed.run(&format!("docker logs {name} 2>/dev/null"));
    for (name, out) in [("user", "out\ndone"), ("typist", "out\r\nerr\r\ndone")] {
        eventually(SOON, "it has written", || logs(name).ends_with("done")).unwrap();
        assert_eq!(logs(name), out, "{name}");
        let typed = testbed.run(&format!("docker exec {name} sh -c '{writes}' 2>/dev/null"));
        assert_eq!(typed, "out\ndone", "{name}");
        let line = format!("docker exec -t {name} sh -c '{writes}'");
        assert_eq!(testbed.run(&line), "out\r\nerr\r\ndone", "{name}");
    }
    assert_eq!(testbed.run("docker logs user 2>&1 >/dev/null"), "err");

    let settings = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range; \
        ulimit -n; ulimit -Hn; nc -l -p 80 </dev/null >/dev/null 2>&1 & sleep 1; \
        kill $! 2>/dev/null && echo listens";
    assert_eq!(
        testbed.sh("user", settings),
        "0\n0\t2147483647\n1048576\n1048576\nlistens"
    );
    let said = testbed
        .host
        .docker
        .run(&format!("docker exec typist sh -c '{settings}'"));
    assert_eq!(said.unwrap().stdout, "1024\n5\t6\n100\n200\n");
    testbed.run("docker rm -f user typist");
    // By the kernel's echo sockets, which need no right.
    let ping =
        "docker run --rm -u 1000 --cap-drop ALL netfilter /usr/local/bin/ping -c 1 127.0.0.1";
    let said = testbed.run(ping);
    assert!(said.contains("1 received"), "{said}");
}

fn what_an_administrator_makes(testbed: &Running<'_>) {
    let script = "set -e; \
        for kind in dummy bridge wireguard; do ip link add made-$kind type $kind; done; \
        ip link add one type veth peer name two; ip link add link one name one.7 type vlan id 7; \
        ip tuntap add dev tun7 mode tun; \
        nft add table inet t; \
        nft add chain inet t c \"{ type filter hook input priority 0; }\"; \
        nft add rule inet t c tcp dport 80 counter accept; \
        nft list ruleset | grep -o \"tcp dport 80\"; \
        for tables in iptables ip6tables; do \
            $tables -A INPUT -p tcp -m conntrack --ctstate NEW --dport 81 -j ACCEPT; \
            $tables -t nat -A POSTROUTING -j MASQUERADE; \
            $tables -t nat -S | grep -c MASQUERADE; \
        done; \
        mount -t tmpfs none /mnt; cd /mnt; mkdir low up work all; echo below >low/file; \
        mount -t overlay -o lowerdir=low,upperdir=up,workdir=work none all; cat all/file";
    let run =
        "docker run --rm --cap-add NET_ADMIN --cap-add SYS_ADMIN --device /dev/net/tun netfilter";
    let said = testbed.run(&format!("{run} sh -c '{script}'"));
    assert_eq!(said, "tcp dport 80\n1\n1\nbelow");
}

fn names_and_published_ports(testbed: &Running<'_>) {
    testbed.run("docker network create --subnet 10.77.0.0/16 app");
    let serve = "while :; do echo answer | nc -l -p 80; done";
    testbed.run(&format!(
        "docker run -d --name aa --network app --hostname box.d.example -p 8080:80 busybox sh -c '{serve}'"
    ));
    testbed.run(
        "docker run -d --name bb --network app --hostname front --domainname d.example \
         --add-host host.docker.internal:host-gateway busybox sleep 1000",
    );
    assert_eq!(
        testbed.sh("aa", "hostname; hostname -f"),
        "box.d.example\nbox.d.example"
    );
    let own = testbed.sh("aa", "grep box /etc/hosts");
    let address = "10.77.0.2";
    let line = format!("{address}\tbox.d.example box");
    assert!(own.starts_with(&line), "{own}");
    let domain = "hostname -f; cat /proc/sys/kernel/domainname";
    assert_eq!(testbed.sh("bb", domain), "front.d.example\nd.example");
    for name in ["aa", "box.d.example", "aa.app"] {
        let asked = testbed.sh("bb", &format!("ping -c 1 {name} | head -n 1"));
        assert!(asked.contains(&format!("({address})")), "{name}: {asked}");
    }
    for name in ["bb", "front", "front.d.example"] {
        let asked = testbed.sh("aa", &format!("ping -c 1 {name} | head -n 1"));
        assert!(asked.contains("(10.77.0.3)"), "{name}: {asked}");
    }
    for (container, names) in [("aa", ["aa", "box.d.example"]), ("bb", ["bb", "front"])] {
        let shown = testbed.inspect(container);
        let all = &shown["NetworkSettings"]["Networks"]["app"]["DNSNames"];
        for name in names {
            let has = all.as_array().unwrap().contains(&json!(name));
            assert!(has, "{name} of {container}: {all}");
        }
    }
    // The same bridge and another one; each gateway, and the name that means the host.
    testbed.run(
        "docker run -d --name cc --add-host host.docker.internal:host-gateway busybox sleep 1000",
    );
    for container in ["bb", "cc"] {
        let gateway = testbed.sh(
            container,
            "ip route | grep default | head -n 1 | cut -d \" \" -f 3",
        );
        for to in [&*gateway, "host.docker.internal"] {
            let answered = || testbed.sh(container, &format!("nc -w 5 {to} 8080 </dev/null || :"));
            let what = format!("the published port answers {container} at {to}");
            eventually(SOON, &what, || answered() == "answer").unwrap();
        }
    }
    testbed.run("docker rm -f aa bb cc");
}

/// Checks the fields that newer versions of the API have for endpoints, and for a container's
/// health while it starts.
fn endpoints_health_and_chosen_ports(testbed: &Running<'_>) {
    testbed.run("docker network create --subnet 10.78.0.0/16 data");
    let six = json!({ "Name": "six", "EnableIPv4": false, "EnableIPv6": true });
    let target = format!("{API}/networks/create");
    let made = http::ask(testbed.host.socket(), "POST", &target, Some(&six)).unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    // Each counts once.
    let servers: Vec<String> = (0..18)
        .map(|count| format!("192.0.2.{}", count % 9))
        .collect();
    let hour = 3_600_000_000_000_u64;
    testbed.create(
        "placed",
        &json!({
            "Image": "busybox", "Cmd": ["sleep", "1000"],
            "Healthcheck": { "Test": ["CMD", "true"], "Interval": hour, "StartPeriod": hour, "StartInterval": 1_000_000_000 },
            "HostConfig": {
                "NetworkMode": "app", "PortBindings": { "80/tcp": [], "81/udp": null }, "Annotations": { "a": "b" },
                "Dns": servers, "DnsOptions": ["ndots:3"],
            },
            "NetworkingConfig": { "EndpointsConfig": {
                "app": { "MacAddress": "02:00:00:00:00:07" },
                "data": { "GwPriority": 5, "DriverOpts": {
                    "com.docker.network.endpoint.ifname": "lan0",
                    "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1" } },
                "six": {},
            } },
        }),
    );
    testbed.run("docker start placed");
    let way = testbed.sh("placed", "ip route get 192.0.2.200 | head -n 1");
    assert!(way.contains("via 10.78.0.1 dev lan0"), "{way}");
    let said = testbed.sh(
        "placed",
        "cat /sys/class/net/*/address | grep -c 02:00:00:00:00:07; \
         cat /proc/sys/net/ipv4/conf/lan0/log_martians; \
         grep -c ^nameserver /etc/resolv.conf; grep ^options /etc/resolv.conf; \
         ip -4 -o address | grep -c eth",
    );
    // Its third interface has no address of IPv4.
    assert_eq!(said, "1\n1\n1\noptions ndots:3\n1");
    let shown = testbed.inspect("placed");
    let endpoint = &shown["NetworkSettings"]["Networks"]["six"];
    assert_eq!(endpoint["IPAddress"], "", "{endpoint:#}");
    assert_ne!(endpoint["GlobalIPv6Address"], "", "{endpoint:#}");
    assert_eq!(shown["HostConfig"]["Annotations"], json!({ "a": "b" }));
    let ports = &shown["NetworkSettings"]["Ports"];
    for port in ["80/tcp", "81/udp"] {
        let chosen: u16 = ports[port][0]["HostPort"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!(chosen > 1024, "{ports:#}");
    }
    let healthy = || testbed.inspect("placed")["State"]["Health"]["Status"] == "healthy";
    eventually(SOON, "it is healthy before its interval", healthy).unwrap();
    testbed.run("docker rm -f placed && docker network rm app data six");
}
