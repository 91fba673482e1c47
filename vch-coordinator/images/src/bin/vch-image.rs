//! Unpacks and examines images for the coordinator, which starts it: as a user of its own, in one folder.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("vch-image: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let usage = "the coordinator starts this: FOLDER UID GID FILE_BYTES network|alone";
    let mut words = std::env::args_os().skip(1);
    let folder = PathBuf::from(words.next().ok_or(usage)?);
    let mut number = || words.next()?.to_str()?.parse::<u64>().ok();
    let mut id = || u32::try_from(number()?).ok();
    let user = id().zip(id()).ok_or(usage)?;
    let file_bytes = number().ok_or(usage)?;
    let network = words.next().ok_or(usage)? == "network";
    vch_images::subprocess::enter(&folder, user, file_bytes, network).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    })?;
    vch_images::subprocess::work(io::stdin().lock(), io::stdout().lock())
        .map_err(|error| format!("can't answer: {error}"))
}
