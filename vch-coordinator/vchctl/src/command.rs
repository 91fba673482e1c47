//! Carries out the commands of `vchctl`: each arm of a `match` sends a request and prints the answer.

use crate::{
    arguments::{Arguments, Command, Container, Format, Network, Port, Rate},
    awaited, table,
};
use control_api::{
    client::{Client, ClientError},
    shape,
};
use serde::Serialize;

/// The result of a command that the coordinator carried out. It decides about the exit code.
pub enum Outcome {
    /// The change is in force, or the command changed nothing.
    Done,
    /// The change is stored, but the agent in the container's VM has not applied it yet.
    Pending,
}

type Result<T> = std::result::Result<T, ClientError>;

/// Sends the request of a command to the coordinator, and prints the answer as a table or as JSON.
///
/// # Errors
/// Returns [`ClientError::Unreachable`] if no coordinator answers at the socket, [`ClientError::Refused`] if it
/// refuses the request, [`ClientError::Broken`] if the connection breaks, and [`ClientError::Answer`] if the answer
/// is not as expected.
pub async fn run(arguments: &Arguments) -> Result<Outcome> {
    let client = Client::new(&arguments.socket);
    let format = arguments.format;
    match &arguments.command {
        Command::Network(command) => network(&client, format, command).await,
        Command::Container(command) => container(&client, format, command).await,
        Command::Port(command) => port(&client, format, command).await,
        Command::Reload => {
            let nothing = serde_json::json!({});
            let done: shape::Answer<shape::Reloaded> = client.post("/v1/reload", &nothing).await?;
            Ok(show(format, &done, || table::reloaded(&done.body)))
        }
        Command::Changes { from, follow } => {
            let path = format!("/v1/changes?from={from}&follow={follow}");
            client.lines(&path, |line| println!("{line}")).await?;
            Ok(Outcome::Done)
        }
        Command::Trace { container } => {
            let path = format!("/v1/containers/{}/trace", segment(container));
            let phases: Vec<shape::Phase> = client.get(&path).await?;
            Ok(show(format, &phases, || table::trace(&phases)))
        }
        // `main` handles this command, which sends no request.
        Command::Certs(_) => Ok(Outcome::Done),
        Command::Status => {
            let status: shape::Status = client.get("/v1/status").await?;
            Ok(show(format, &status, || table::status(&status)))
        }
    }
}

async fn network(client: &Client, format: Format, command: &Network) -> Result<Outcome> {
    match command {
        Network::Create(words) => {
            let made: shape::Answer<shape::Network> =
                client.post("/v1/networks", &words.request()).await?;
            Ok(show(format, &made, || println!("{}", made.body.id)))
        }
        Network::Ls => {
            let list: Vec<shape::Network> = client.get("/v1/networks").await?;
            Ok(show(format, &list, || table::networks(&list)))
        }
        Network::Inspect { network } => {
            let path = format!("/v1/networks/{}", segment(network));
            let one: shape::Network = client.get(&path).await?;
            Ok(show(format, &one, || table::network(&one)))
        }
        Network::Set { network, dns_ttl } => {
            let path = format!("/v1/networks/{}/dns-ttl", segment(network));
            let set: shape::Answer<shape::Network> = client.put(&path, dns_ttl).await?;
            Ok(show(format, &set, || println!("{}", set.body.name)))
        }
        Network::Rm { networks } => {
            for network in networks {
                let path = format!("/v1/networks/{}", segment(network));
                let gone: shape::Answer<shape::Removed> = client.delete(&path).await?;
                show(format, &gone, || println!("{network}"));
            }
            Ok(Outcome::Done)
        }
    }
}

async fn container(client: &Client, format: Format, command: &Container) -> Result<Outcome> {
    let at = |container: &str| format!("/v1/containers/{}", segment(container));
    match command {
        Container::Add(words) => {
            let made: shape::Answer<shape::Container> =
                client.post("/v1/containers", &words.request()).await?;
            Ok(show(format, &made, || println!("{}", made.body.id)))
        }
        Container::Connect(words) => {
            let path = format!("{}/endpoints", at(&words.container));
            let made: shape::Answer<shape::Endpoint> = client.post(&path, &words.request()).await?;
            show(format, &made, || table::endpoints([&made.body]));
            Ok(outcome(&made.progress))
        }
        Container::Disconnect { container, network } => {
            let path = format!("{}/endpoints/{}", at(container), segment(network));
            let gone: shape::Answer<shape::Removed> = client.delete(&path).await?;
            show(format, &gone, || println!("{container} left {network}"));
            Ok(outcome(&gone.progress))
        }
        Container::Start { container } => {
            let path = format!("{}/start", at(container));
            let nothing = serde_json::json!({});
            let started: shape::Answer<shape::Started> = client.post(&path, &nothing).await?;
            Ok(show(format, &started, || table::started(&started.body)))
        }
        Container::Stop { container } => {
            let path = format!("{}/stop", at(container));
            let nothing = serde_json::json!({});
            let stopped: shape::Answer<shape::Container> = client.post(&path, &nothing).await?;
            Ok(show(format, &stopped, || println!("{container}")))
        }
        Container::Rename { container, name } => {
            let path = format!("{}/rename", at(container));
            let request = shape::Rename { name: name.clone() };
            let renamed: shape::Answer<shape::Container> = client.post(&path, &request).await?;
            Ok(show(format, &renamed, || println!("{}", renamed.body.name)))
        }
        Container::Health { container, health } => {
            let path = format!("{}/health", at(container));
            let healthy = health == "healthy";
            let request = shape::Health { healthy };
            let told: shape::Answer<shape::Container> = client.post(&path, &request).await?;
            Ok(show(format, &told, || println!("{container} is {health}")))
        }
        Container::Alias {
            container,
            network,
            aliases,
        } => {
            let path = format!("{}/endpoints/{}/aliases", at(container), segment(network));
            let request = shape::Aliases {
                aliases: aliases.clone(),
            };
            let endpoint: shape::Answer<shape::Endpoint> = client.put(&path, &request).await?;
            Ok(show(format, &endpoint, || {
                println!("{}", endpoint.body.names.join(" "));
            }))
        }
        Container::Rate(words) => rate(client, format, words).await,
        Container::Wait { container, timeout } => {
            let path = format!("{}/wait?timeout={timeout}", at(container));
            wait(client, format, &path).await
        }
        Container::Ls => {
            let list: Vec<shape::Container> = client.get("/v1/containers").await?;
            Ok(show(format, &list, || table::containers(&list)))
        }
        Container::Inspect { container } => {
            let one: shape::Container = client.get(&at(container)).await?;
            Ok(show(format, &one, || table::container(&one)))
        }
        Container::Rm { containers, force } => {
            for container in containers {
                remove(client, format, container, *force).await?;
            }
            Ok(Outcome::Done)
        }
    }
}

async fn remove(client: &Client, format: Format, container: &str, force: bool) -> Result<()> {
    let path = format!("/v1/containers/{}?force={force}", segment(container));
    let gone: shape::Answer<shape::Removed> = client.delete(&path).await?;
    show(format, &gone, || println!("{container}"));
    Ok(())
}

async fn rate(client: &Client, format: Format, words: &Rate) -> Result<Outcome> {
    let path = format!("/v1/containers/{}/rate", segment(&words.container));
    let set: shape::Answer<shape::Container> = client.put(&path, &words.request()).await?;
    show(format, &set, || {
        table::endpoints(set.body.endpoints.values());
    });
    Ok(outcome(&set.progress))
}

async fn wait(client: &Client, format: Format, path: &str) -> Result<Outcome> {
    let one: shape::Container = client.get(path).await?;
    show(format, &one, || table::container(&one));
    if one.session.state == shape::Readiness::Ready {
        return Ok(Outcome::Done);
    }
    eprintln!("vchctl: {} is not ready:", one.name);
    for line in awaited::lines(&one) {
        eprintln!("  {line}");
    }
    Ok(Outcome::Pending)
}

async fn port(client: &Client, format: Format, command: &Port) -> Result<Outcome> {
    let at = |container: &str| format!("/v1/containers/{}/ports", segment(container));
    match command {
        Port::Add(words) => {
            let path = at(&words.container);
            let made: shape::Answer<shape::Container> =
                client.post(&path, &words.request()).await?;
            Ok(show(format, &made, || table::bindings(&made.body.bindings)))
        }
        Port::Rm(words) => {
            let path = at(&words.container);
            let gone: shape::Answer<shape::Container> =
                client.delete_with(&path, &words.request()).await?;
            Ok(show(format, &gone, || table::bindings(&gone.body.bindings)))
        }
        Port::Ls { container } => {
            let path = container.as_deref().map_or("/v1/ports".to_owned(), at);
            let list: Vec<shape::Binding> = client.get(&path).await?;
            Ok(show(format, &list, || table::bindings(&list)))
        }
    }
}

/// Returns how a command ended by an answer's progress. A word of a newer coordinator counts as done: the request was
/// carried out.
fn outcome(progress: &shape::Progress) -> Outcome {
    match progress {
        shape::Progress::Pending => Outcome::Pending,
        shape::Progress::Done | shape::Progress::Other(_) => Outcome::Done,
    }
}

fn show(format: Format, value: &impl Serialize, table: impl FnOnce()) -> Outcome {
    match format {
        Format::Table => table(),
        Format::Json => match serde_json::to_string_pretty(value) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("vchctl: cannot print the answer: {error}"),
        },
    }
    Outcome::Done
}

/// Percent-encodes a name as one segment of a path (RFC 3986, section 2.1).
fn segment(name: &str) -> String {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    name.bytes()
        .map(|b| match unreserved(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}
