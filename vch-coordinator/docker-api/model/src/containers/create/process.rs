//! The process of a container: the body's settings in place of the image's, merged as by dockerd.

use crate::{
    DockerError, Version,
    containers::{
        body::{Body, Healthcheck},
        create::{Image, mounts::clean},
    },
    error::invalid_signal,
    gates,
};
use vch_runtime::{
    signal_number,
    workload::{HealthCheck, Workload},
};

/// dockerd's minimum of a health check's times.
const LEAST_NS: i64 = 1_000_000;

/// Sets the workload's process: command, user, directory and environment.
///
/// # Errors
/// Returns dockerd's error if a field is not valid.
pub fn fill(
    workload: &mut Workload,
    body: &Body,
    image: &Image,
    version: Version,
) -> Result<(), DockerError> {
    command(workload, body, image)?;
    workload.environment = environment(&body.env, &image.environment)?;
    workload.user = or(&body.user, &image.user);
    workload.dir = dir(or(&body.working_dir, &image.dir))?;
    workload.labels = image.labels.clone();
    workload.labels.extend(body.labels.clone());
    workload.terminal = body.tty;
    workload.input = body.open_stdin;
    workload.input_once = body.stdin_once;
    workload.attach = [body.attach_stdin, body.attach_stdout, body.attach_stderr];
    let signal = or(&body.stop_signal, &image.stop_signal);
    if !signal.is_empty() {
        if signal_number(&signal).is_none() {
            return Err(invalid_signal(&signal));
        }
        workload.stop_signal = Some(signal);
    }
    workload.stop_timeout = body.stop_timeout;
    let own = body.healthcheck.clone().map(|mut own| {
        if !gates::HEALTH_START_INTERVAL.is_open(version) {
            own.start_interval = 0;
        }
        own
    });
    workload.health = health(own.as_ref(), image.health.as_ref())?;
    Ok(())
}

fn or(own: &str, image: &str) -> String {
    if own.is_empty() { image } else { own }.to_owned()
}

/// Sets entrypoint and command. An entrypoint in the body also replaces the image's command.
///
/// # Errors
/// Returns 400 if no command is left.
fn command(workload: &mut Workload, body: &Body, image: &Image) -> Result<(), DockerError> {
    let given = body.entrypoint.list();
    workload.entrypoint = match &body.entrypoint.0 {
        None => image.entrypoint.clone(),
        Some(own) if own.is_empty() => image.entrypoint.clone(),
        // `--entrypoint ""` means no entrypoint.
        Some(own) if own.len() == 1 && own.iter().all(String::is_empty) => Vec::new(),
        Some(own) => own.clone(),
    };
    workload.command = body.cmd.list().to_vec();
    if given.is_empty() && workload.command.is_empty() {
        workload.command.clone_from(&image.command);
    }
    if workload.entrypoint.is_empty() && workload.command.is_empty() {
        return Err(DockerError::invalid("no command specified"));
    }
    Ok(())
}

fn environment(own: &[String], image: &[String]) -> Result<Vec<String>, DockerError> {
    let name = |variable: &str| -> String {
        let name = variable.split_once('=').map_or(variable, |(name, _)| name);
        name.to_owned()
    };
    for variable in own {
        if name(variable).is_empty() || variable.contains('\0') {
            return Err(DockerError::invalid(format!(
                "invalid environment variable: {variable}"
            )));
        }
    }
    let names: Vec<String> = own.iter().map(|variable| name(variable)).collect();
    let inherited = image.iter().filter(|one| !names.contains(&name(one)));
    Ok(own.iter().chain(inherited).cloned().collect())
}

fn health(
    own: Option<&Healthcheck>,
    image: Option<&HealthCheck>,
) -> Result<Option<HealthCheck>, DockerError> {
    let Some(own) = own else {
        return Ok(image.cloned());
    };
    let least = |what: &str, value: i64| match value != 0 && value < LEAST_NS {
        true => Err(DockerError::invalid(format!(
            "{what} in Healthcheck cannot be less than 1ms"
        ))),
        false => Ok(()),
    };
    least("Interval", own.interval)?;
    least("Timeout", own.timeout)?;
    if own.retries < 0 {
        return Err(DockerError::invalid(
            "Retries in Healthcheck cannot be negative",
        ));
    }
    least("StartPeriod", own.start_period)?;
    least("StartInterval", own.start_interval)?;
    kind(&own.test)?;
    let base = image.cloned().unwrap_or_default();
    let number = |own: i64, image: i64| if own == 0 { image } else { own };
    Ok(Some(HealthCheck {
        test: if own.test.is_empty() {
            base.test
        } else {
            own.test.clone()
        },
        interval_ns: number(own.interval, base.interval_ns),
        timeout_ns: number(own.timeout, base.timeout_ns),
        start_period_ns: number(own.start_period, base.start_period_ns),
        start_interval_ns: number(own.start_interval, base.start_interval_ns),
        retries: number(own.retries, base.retries),
    }))
}

/// The first word of a health check's test.
const KINDS: [&str; 3] = ["NONE", "CMD", "CMD-SHELL"];

/// Checks the first word of a health check's test. dockerd would store an unknown one and run
/// nothing.
///
/// # Errors
/// Returns 400 if the word is unknown.
fn kind(test: &[String]) -> Result<(), DockerError> {
    match test.first() {
        None => Ok(()),
        Some(kind) if kind.is_empty() || KINDS.contains(&kind.as_str()) => Ok(()),
        Some(kind) => {
            let shown: String = kind.chars().take(100).collect();
            Err(DockerError::invalid(format!(
                "Healthcheck.Test cannot begin with {shown:?}: begin it with NONE, CMD or CMD-SHELL"
            )))
        }
    }
}

/// Cleans the working directory as dockerd does.
///
/// # Errors
/// Returns 400 if the path is not absolute.
fn dir(dir: String) -> Result<String, DockerError> {
    match dir.as_str() {
        "" => Ok(dir),
        whole if whole.starts_with('/') => Ok(clean(whole)),
        _ => Err(DockerError::invalid(format!(
            "the working directory '{dir}' is invalid, it needs to be an absolute path"
        ))),
    }
}
