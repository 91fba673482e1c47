//! Converts events of containers to Docker's.

use super::{DockerEvent, EventKind};
use std::time::Duration;
use vch_runtime::event::{ContainerAction, ContainerEvent, ExecAction};

/// Returns Docker's event for a container's event, with the container's labels and the action's
/// data as attributes.
pub(super) fn event_of(event: &ContainerEvent) -> DockerEvent {
    let (action, own) = describe(&event.action);
    let mut attributes = event.labels.clone();
    let own = own.into_iter();
    attributes.extend(own.map(|(key, value)| (key.to_owned(), value)));
    attributes.insert("name".to_owned(), event.name.clone());
    attributes.insert("image".to_owned(), event.image.clone());
    DockerEvent {
        kind: EventKind::Container,
        action,
        id: event.container.to_string(),
        attributes,
        at: Duration::from_nanos(u64::try_from(event.at_ns).unwrap_or(u64::MAX)),
    }
}

type ActionAttributes = Vec<(&'static str, String)>;

fn describe(action: &ContainerAction) -> (String, ActionAttributes) {
    let (word, attributes) = match action {
        ContainerAction::Created => ("create", vec![]),
        ContainerAction::Started => ("start", vec![]),
        ContainerAction::Died { code, ran } => {
            let ran = ("execDuration", ran.as_secs().to_string());
            ("die", vec![ran, ("exitCode", code.to_string())])
        }
        ContainerAction::Stopped => ("stop", vec![]),
        ContainerAction::Signalled(signal) => ("kill", vec![("signal", signal.to_string())]),
        ContainerAction::OutOfMemory => ("oom", vec![]),
        ContainerAction::Restarted => ("restart", vec![]),
        ContainerAction::Renamed { from } => ("rename", vec![("oldName", format!("/{from}"))]),
        ContainerAction::Updated => ("update", vec![]),
        ContainerAction::Removed => ("destroy", vec![]),
        ContainerAction::Attached => ("attach", vec![]),
        ContainerAction::Detached => ("detach", vec![]),
        ContainerAction::Resized(size) => {
            let height = ("height", size.rows.to_string());
            ("resize", vec![height, ("width", size.columns.to_string())])
        }
        ContainerAction::Listed => ("top", vec![]),
        ContainerAction::HealthChanged(status) => {
            return (format!("health_status: {}", status.as_str()), vec![]);
        }
        ContainerAction::Exec { exec, action } => return exec_words(exec, action),
    };
    (word.to_owned(), attributes)
}

fn exec_words(exec: &str, action: &ExecAction) -> (String, ActionAttributes) {
    let mut attributes = vec![("execID", exec.to_owned())];
    let word = match action {
        ExecAction::Created(args) => format!("exec_create: {}", command(args)),
        ExecAction::Started(args) => format!("exec_start: {}", command(args)),
        ExecAction::Detached => "exec_detach".to_owned(),
        ExecAction::Died(code) => {
            attributes.push(("exitCode", code.to_string()));
            "exec_die".to_owned()
        }
    };
    (word, attributes)
}

/// Returns a command as it is shown in events. As in dockerd, a program without arguments is
/// followed by a space.
fn command(args: &[String]) -> String {
    let (program, arguments) = args.split_first().unzip();
    let arguments: &[String] = arguments.unwrap_or_default();
    format!(
        "{} {}",
        program.map_or("", String::as_str),
        arguments.join(" ")
    )
}

#[cfg(test)]
mod tests;
