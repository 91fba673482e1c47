//! One client: random commands, and a model of what they made.

use control_api::client::{Client as Http, ClientError};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::state::{Command, Expected};

const NETWORKS: u64 = 3;
const CONTAINERS: u64 = 4;
const PORTS: u16 = 4;

pub struct Client {
    http: Http,
    pub prefix: String,
    first_port: u16,
    dice: Dice,
    pub state: Expected,
    /// The command that was not answered when the coordinator was killed.
    pub unanswered: Option<Command>,
    pub refused: Vec<String>,
    pub answered: usize,
}

impl Client {
    pub fn new(http: Http, number: u16, seed: u64) -> Self {
        Self {
            http,
            prefix: format!("k{number}-"),
            first_port: 20_000 + 100 * number,
            dice: Dice::new(seed),
            state: Expected::default(),
            unanswered: None,
            refused: Vec::new(),
            answered: 0,
        }
    }

    /// Until the coordinator is gone.
    pub async fn run(&mut self) {
        // Bounded: the kill comes within some hundred milliseconds.
        for _ in 0..10_000 {
            let Some(command) = self.choose() else {
                continue;
            };
            match self.ask(&command).await {
                Ok(answer) => {
                    self.state.follow(&command, &answer);
                    self.answered += 1;
                }
                Err(ClientError::Unreachable { .. }) => return,
                Err(ClientError::Refused(problem)) if problem.code != "stopping" => {
                    self.refused
                        .push(format!("{command:?}: {}", problem.message));
                    return;
                }
                Err(_) => {
                    self.unanswered = Some(command);
                    return;
                }
            }
        }
    }

    async fn ask(&self, command: &Command) -> Result<Value, ClientError> {
        let container = |name: &str, rest: &str| format!("/v1/containers/{name}{rest}");
        let ports = |port: &u16| json!({ "publish": [format!("{port}:{port}")] });
        let http = &self.http;
        let nothing = json!({});
        match command {
            Command::CreateNetwork { network, shared } => {
                let segment = if *shared { "shared" } else { "dedicated" };
                http.post(
                    "/v1/networks",
                    &json!({ "name": network, "segment": segment }),
                )
                .await
            }
            Command::RemoveNetwork(network) => {
                http.delete(&format!("/v1/networks/{network}")).await
            }
            Command::Add { container, port } => {
                let publish: Vec<_> = port.iter().map(|port| format!("{port}:{port}")).collect();
                let body = json!({ "name": container, "channel": "unix", "publish": publish });
                http.post("/v1/containers", &body).await
            }
            Command::Remove(name) => http.delete(&container(name, "?force=true")).await,
            Command::Connect {
                container: name,
                network,
            } => {
                http.post(
                    &container(name, "/endpoints"),
                    &json!({ "network": network }),
                )
                .await
            }
            Command::Disconnect {
                container: name,
                network,
            } => {
                http.delete(&container(name, &format!("/endpoints/{network}")))
                    .await
            }
            Command::Start(name) => http.post(&container(name, "/start"), &nothing).await,
            Command::Stop(name) => http.post(&container(name, "/stop"), &nothing).await,
            Command::Rename {
                container: name,
                to,
            } => {
                http.post(&container(name, "/rename"), &json!({ "name": to }))
                    .await
            }
            Command::Publish {
                container: name,
                port,
            } => http.post(&container(name, "/ports"), &ports(port)).await,
            Command::Unpublish {
                container: name,
                port,
            } => {
                http.delete_with(&container(name, "/ports"), &ports(port))
                    .await
            }
        }
    }

    /// A command that the model says is possible.
    fn choose(&mut self) -> Option<Command> {
        let network = format!("{}net{}", self.prefix, self.dice.below(NETWORKS));
        let name = format!("{}c{}", self.prefix, self.dice.below(CONTAINERS));
        let port = self.first_port + u16::try_from(self.dice.below(PORTS.into())).unwrap_or(0);
        let has_network = self.state.networks.contains_key(&network);
        let published = format!("{port}:{port}/tcp");
        let free = !self
            .state
            .containers
            .values()
            .any(|one| one.ports.contains(&published));
        let Some(container) = self.state.containers.get(&name) else {
            let port = (self.dice.below(2) == 0 && free).then_some(port);
            return Some(Command::Add {
                container: name,
                port,
            });
        };
        let used = self
            .state
            .containers
            .values()
            .any(|one| one.endpoints.contains_key(&network));
        let connected = container.endpoints.contains_key(&network);
        let has_port = container.ports.contains(&published);
        match self.dice.below(10) {
            0 if !has_network => Some(Command::CreateNetwork {
                network,
                shared: self.dice.below(2) == 0,
            }),
            0 if !used => Some(Command::RemoveNetwork(network)),
            1 => Some(Command::Remove(name)),
            2..=4 if connected => Some(Command::Disconnect {
                container: name,
                network,
            }),
            2..=4 if has_network => Some(Command::Connect {
                container: name,
                network,
            }),
            5 | 6 if container.running => Some(Command::Stop(name)),
            5 | 6 => Some(Command::Start(name)),
            7 if has_port => Some(Command::Unpublish {
                container: name,
                port,
            }),
            7 | 8 if free => Some(Command::Publish {
                container: name,
                port,
            }),
            9 => {
                let to = format!("{}c{}", self.prefix, self.dice.below(CONTAINERS));
                let free = !self.state.containers.contains_key(&to);
                free.then_some(Command::Rename {
                    container: name,
                    to,
                })
            }
            _ => None,
        }
    }
}
