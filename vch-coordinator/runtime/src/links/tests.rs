use super::*;

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|&one| one.to_owned()).collect()
}

#[test]
fn a_link_s_variables_are_named_as_docker_names_them() {
    let exposed = texts(&["53/udp", "8080", "80/tcp"]);
    let environment = texts(&["PATH=/bin", "HOME=/", "COLOUR=green=blue", "BARE"]);
    let linked = Linked {
        by: "web",
        alias: "my-db",
        address: "172.17.0.2".parse().unwrap(),
        exposed: &exposed,
        environment: &environment,
    };
    assert_eq!(
        variables(&linked),
        [
            "MY_DB_PORT=tcp://172.17.0.2:80",
            "MY_DB_PORT_80_TCP=tcp://172.17.0.2:80",
            "MY_DB_PORT_80_TCP_ADDR=172.17.0.2",
            "MY_DB_PORT_80_TCP_PORT=80",
            "MY_DB_PORT_80_TCP_PROTO=tcp",
            "MY_DB_PORT_8080_TCP=tcp://172.17.0.2:8080",
            "MY_DB_PORT_8080_TCP_ADDR=172.17.0.2",
            "MY_DB_PORT_8080_TCP_PORT=8080",
            "MY_DB_PORT_8080_TCP_PROTO=tcp",
            "MY_DB_PORT_53_UDP=udp://172.17.0.2:53",
            "MY_DB_PORT_53_UDP_ADDR=172.17.0.2",
            "MY_DB_PORT_53_UDP_PORT=53",
            "MY_DB_PORT_53_UDP_PROTO=udp",
            "MY_DB_NAME=/web/my-db",
            "MY_DB_ENV_COLOUR=green=blue",
        ]
    );
}

#[test]
fn a_link_to_a_container_without_ports_tells_its_name_alone() {
    let linked = Linked {
        by: "web",
        alias: "db",
        address: "172.17.0.2".parse().unwrap(),
        exposed: &[],
        environment: &[],
    };
    assert_eq!(variables(&linked), ["DB_NAME=/web/db"]);
}
