use super::*;

fn parsed(line: &str, kernel: &str) -> Result<Command, OptionError> {
    parse(line.split_whitespace().map(str::to_owned), kernel)
}

fn options(line: &str, kernel: &str) -> Options {
    match parsed(line, kernel) {
        Ok(Command::Run(options)) => options,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_channel_is_enough() {
    let options = options("--channel unix:/run/vch.sock", "");
    assert_eq!(options.channel, "unix:/run/vch.sock".parse().unwrap());
    assert_eq!(options.root, PathBuf::from("/"));
    assert_eq!(options.hostname, HostnameScope::Auto);
    assert_eq!(options.log, Destination::Stderr);
    assert!(!options.verbose);
    assert!(!options.hold);
}

#[test]
fn all_options_are_read_in_both_ways_of_writing() {
    let line =
        "--channel=virtio:tether --root /newroot --hostname=kernel --log kmsg --verbose --hold";
    let options = options(line, "tether.channel=unix:/other");
    assert_eq!(options.channel, "virtio:tether".parse().unwrap());
    assert_eq!(options.root, PathBuf::from("/newroot"));
    assert_eq!(options.hostname, HostnameScope::Kernel);
    assert_eq!(options.log, Destination::Kmsg);
    assert!(options.verbose);
    assert!(options.hold);
}

#[test]
fn the_kernels_last_word_counts_where_the_command_line_has_none() {
    let kernel =
        "console=ttyS0 tether.channel=unix:/first quiet tether.channel=vsock-listen:1023\n";
    assert_eq!(
        options("", kernel).channel,
        "vsock-listen:1023".parse().unwrap()
    );
    assert_eq!(parsed("", "quiet"), Err(OptionError::NoChannel));
    assert!(matches!(
        parsed("", "tether.channel=x"),
        Err(OptionError::Channel(_))
    ));
}

#[test]
fn what_is_wrong_is_named_with_a_remedy() {
    for (line, part) in [
        ("--chanel x", "`--chanel` is no option"),
        ("--verbose=yes", "`--verbose=yes` is no option"),
        ("--channel", "write --channel vsock-listen:1023"),
        ("--channel vsock-listen:4096", "1 to 1023"),
        ("--channel unix:/x --root here", "use an absolute path"),
        ("--channel unix:/x --log syslog", "use stderr or kmsg"),
        (
            "--channel unix:/x --hostname mine",
            "use auto, kernel or file",
        ),
        ("stray", "`stray` is no option"),
    ] {
        let error = parsed(line, "").unwrap_err().to_string();
        assert!(error.contains(part), "{line}: {error}");
    }
}

#[test]
fn help_and_version_need_no_channel() {
    assert_eq!(parsed("--help", ""), Ok(Command::Help));
    assert_eq!(parsed("--version", ""), Ok(Command::Version));
}
