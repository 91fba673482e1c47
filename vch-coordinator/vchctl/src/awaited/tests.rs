use super::*;
use serde_json::json;

fn container(changes: &serde_json::Value) -> Container {
    let mut whole = json!({
        "id": "00", "name": "app", "hostname": "app", "channel": "unix:/run/app.sock",
        "incarnation": "ab", "generation": 3, "created": 0, "endpoints": {},
        "running": true, "healthy": true, "ports": [], "bindings": [],
        "session": {
            "live": true, "agent": "tether-net", "state": "pending", "reported": 3, "failures": [],
        },
    });
    for (field, value) in changes.as_object().unwrap() {
        *whole.pointer_mut(field).unwrap() = value.clone();
    }
    serde_json::from_value(whole).unwrap()
}

#[test]
fn how_a_container_that_does_not_run_is_started_is_told() {
    let lines = lines(&container(&json!({"/incarnation": null})));
    assert_eq!(
        lines,
        ["it does not run: type `vchctl container start app`, then start its VM"]
    );
}

#[test]
fn a_missing_agent_is_told_by_its_channel() {
    let lines = lines(&container(&json!({"/session/live": false})));
    assert_eq!(
        lines,
        ["no agent is there: is its VM running, with the other end of unix:/run/app.sock?"]
    );
}

#[test]
fn an_awaited_nic_is_named_and_one_that_is_up_is_not() {
    let endpoint = |interface: &str, state: &str| {
        json!({
            "id": "01", "container": "app", "network": "web", "addresses": [],
            "mac": "02:00:00:00:00:01", "interface": interface, "attachment": "tap",
            "link": "vt-1", "names": [], "opened": [], "links": [], "gateway_priority": 0, "state": state, "observed": [],
        })
    };
    let both = json!({"store": endpoint("eth0", "up"), "web": endpoint("eth1", "waiting")});
    let lines = lines(&container(&json!({"/endpoints": both})));
    assert_eq!(
        lines,
        [
            "eth1 on network web: no such NIC in the VM yet: plug one with MAC 02:00:00:00:00:01 into link vt-1"
        ]
    );
}

#[test]
fn refusals_come_in_the_agents_words_and_nothing_known_says_so() {
    let told = json!({"/session/failures": ["set MTU 9000 of eth0: refused"]});
    assert_eq!(lines(&container(&told)), ["set MTU 9000 of eth0: refused"]);
    assert_eq!(
        lines(&container(&json!({}))),
        ["its agent has not reported its newest network yet: wait longer"]
    );
}
