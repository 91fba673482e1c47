use super::*;
use serde_json::{Value, json};

fn processes() -> [Listed; 2] {
    let one = |pid, parent, uid, started_ms, words: &str| Listed {
        pid,
        parent,
        uid,
        cpu_ms: 61_000,
        started_ms,
        command_line: words.to_owned(),
        state: "Ss".to_owned(),
        memory_kib: [2_268, 1_380],
    };
    [
        one(1, 0, 0, 2_000, "/bin/sh -c serve"),
        one(7, 1, 33, 62_000, "a-name-that-is-too-long -v"),
    ]
}

/// Returns the table two minutes after the start, at 1970-01-01 01:00.
fn table(options: &str) -> Value {
    let context = TopContext {
        started_ms: 3_600_000,
        memory_kib: 256 << 10,
        now: Duration::from_secs(3_720),
    };
    let table = response(&columns(options).unwrap(), &processes(), context);
    serde_json::to_value(table).unwrap()
}

#[test]
fn without_options_it_is_ps_ef() {
    let full = json!({
        "Titles": ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"],
        "Processes": [
            ["root", "1", "0", "50", "01:00", "?", "00:01:01", "/bin/sh -c serve"],
            ["33", "7", "1", "99", "01:01", "?", "00:01:01", "a-name-that-is-too-long -v"],
        ],
    });
    for options in ["", "-ef", "-e -f", "ef"] {
        assert_eq!(table(options), full, "{options}");
    }
}

#[test]
fn bsd_s_options_have_their_own_columns() {
    let by_user = json!({
        "Titles": ["USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND"],
        "Processes": [
            ["root", "1", "50.8", "0.5", "2268", "1380", "?", "Ss", "01:00", "1:01", "/bin/sh -c serve"],
            ["33", "7", "101.6", "0.5", "2268", "1380", "?", "Ss", "01:01", "1:01", "a-name-that-is-too-long -v"],
        ],
    });
    for options in ["aux", "-aux", "auxww", "u"] {
        assert_eq!(table(options), by_user, "{options}");
    }
    let all = json!(["PID", "TTY", "STAT", "TIME", "COMMAND"]);
    assert_eq!(table("ax")["Titles"], all);
    let chosen = json!([["1", "1380", "S"], ["7", "1380", "S"]]);
    assert_eq!(table("axo pid,rss,s")["Processes"], chosen);
}

#[test]
fn columns_are_chosen_by_the_names_that_ps_has() {
    let chosen = json!({
        "Titles": ["PID", "COMMAND", "ELAPSED"],
        "Processes": [["1", "sh", "02:00"], ["7", "a-name-that-is-", "01:00"]],
    });
    for options in [
        "-o pid,comm,etime",
        "-eo pid,comm,etime",
        "-opid,comm -o etime",
    ] {
        assert_eq!(table(options), chosen, "{options}");
    }
    assert_eq!(table("-o pid,uid=WHO")["Titles"], json!(["PID", "WHO"]));
}

#[test]
fn what_is_not_there_is_refused_by_its_name() {
    let refused = |options: &str| columns(options).unwrap_err();
    assert_eq!(
        refused("-o comm").message,
        "Couldn't find PID field in ps output"
    );
    assert!(refused("auxf").message.contains("the option `auxf` of ps"));
    assert!(
        refused("-o pid,wchan")
            .message
            .contains("the column `wchan` of ps")
    );
}
