//! What is run: the body's wishes over the image's, merged as dockerd merges them.

use super::super::body::{Body, Healthcheck};
use super::{super::super::DockerError, Image};
use crate::runtime::{
    signal_number,
    workload::{HealthCheck, Workload},
};

/// dockerd's: shorter times make no sense.
const LEAST_NS: i64 = 1_000_000;

/// Fills in what is run, by whom, where and with what.
///
/// # Errors
/// In dockerd's words.
pub fn fill(workload: &mut Workload, body: &Body, image: &Image) -> Result<(), DockerError> {
    command(workload, body, image)?;
    workload.environment = environment(&body.env, &image.environment)?;
    workload.user = or(&body.user, &image.user);
    workload.folder = or(&body.working_dir, &image.folder);
    if !workload.folder.is_empty() && !workload.folder.starts_with('/') {
        let folder = &workload.folder;
        return Err(DockerError::invalid(format!(
            "the working directory '{folder}' is invalid, it needs to be an absolute path"
        )));
    }
    workload.labels = image.labels.clone();
    workload.labels.extend(body.labels.clone());
    workload.terminal = body.tty;
    workload.input = body.open_stdin;
    workload.input_once = body.stdin_once;
    workload.attach = [body.attach_stdin, body.attach_stdout, body.attach_stderr];
    let signal = or(&body.stop_signal, &image.stop_signal);
    if !signal.is_empty() {
        if signal_number(&signal).is_none() {
            return Err(DockerError::invalid(format!("invalid signal: {signal}")));
        }
        workload.stop_signal = Some(signal);
    }
    workload.stop_timeout = body.stop_timeout;
    workload.health = health(body.healthcheck.as_ref(), image.health.as_ref())?;
    Ok(())
}

fn or(own: &str, image: &str) -> String {
    if own.is_empty() { image } else { own }.to_owned()
}

/// An entrypoint of the body's takes the image's command away, too.
fn command(workload: &mut Workload, body: &Body, image: &Image) -> Result<(), DockerError> {
    let given = body.entrypoint.list();
    workload.entrypoint = match &body.entrypoint.0 {
        None => image.entrypoint.clone(),
        Some(own) if own.is_empty() => image.entrypoint.clone(),
        // `--entrypoint ""` is none at all.
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
    for (what, value) in [
        ("Interval", own.interval),
        ("Timeout", own.timeout),
        ("StartPeriod", own.start_period),
        ("StartInterval", own.start_interval),
    ] {
        if value != 0 && value < LEAST_NS {
            return Err(DockerError::invalid(format!(
                "{what} in Healthcheck cannot be less than 1ms"
            )));
        }
    }
    if own.retries < 0 {
        return Err(DockerError::invalid(
            "Retries in Healthcheck cannot be negative",
        ));
    }
    if own.start_interval != 0 {
        let remedy = "use Interval, which is kept from the start on";
        let field = "Healthcheck.StartInterval";
        return Err(super::refused::refuse(field, own.start_interval, remedy));
    }
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
        retries: number(own.retries, base.retries),
    }))
}
