//! One arm a command: ask, then print.

use crate::{
    arguments::{Arguments, Command, Container, Format, Network},
    awaited, table,
};
use serde::Serialize;
use vch_coordinator::api::{
    client::{Client, ClientError},
    shape,
};

/// How a command ended that was not refused.
pub enum Outcome {
    /// Everything is in force.
    Done,
    /// Committed; the agent has not reported yet.
    Pending,
}

type Result<T> = std::result::Result<T, ClientError>;

pub async fn run(arguments: &Arguments) -> Result<Outcome> {
    let client = Client::new(&arguments.socket);
    let format = arguments.format;
    match &arguments.command {
        Command::Network(command) => network(&client, format, command).await,
        Command::Container(command) => container(&client, format, command).await,
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
            let started: shape::Answer<shape::Started> =
                client.post(&path, &serde_json::json!({})).await?;
            Ok(show(format, &started, || table::started(&started.body)))
        }
        Container::Wait { container, timeout } => {
            let path = format!("{}/wait?timeout={timeout}", at(container));
            let one: shape::Container = client.get(&path).await?;
            show(format, &one, || table::container(&one));
            if one.session.state == "ready" {
                return Ok(Outcome::Done);
            }
            eprintln!("vchctl: {} is not ready:", one.name);
            for line in awaited::lines(&one) {
                eprintln!("  {line}");
            }
            Ok(Outcome::Pending)
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
                let path = format!("{}?force={force}", at(container));
                let gone: shape::Answer<shape::Removed> = client.delete(&path).await?;
                show(format, &gone, || println!("{container}"));
            }
            Ok(Outcome::Done)
        }
    }
}

fn outcome(progress: &str) -> Outcome {
    match progress {
        "pending" => Outcome::Pending,
        _ => Outcome::Done,
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

/// A name as one segment of a path (RFC 3986, section 2.1).
fn segment(name: &str) -> String {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    name.bytes()
        .map(|b| match unreserved(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}
