//! Containers in a ledger, as the runtime creates and starts them.

use super::*;
use crate::containers::{
    body::{Body, without_nulls},
    create::{CreateContext, Image, plan},
};
use std::sync::Arc;
use vch_ledger::{CreateNetwork, DocumentKind, Environment, Ledger, Settings, VchId};
use vch_runtime::{
    ContainerRows, Documents,
    workload::{RunState, Status},
};

/// The ledger of a VCH with its predefined networks, and a network `web` with IPv6.
pub struct World {
    ledger: Ledger,
    count: u64,
    pub now_ms: u64,
}

impl World {
    pub fn new() -> Self {
        let settings = Settings::of(VchId([7; 16]));
        let mut world = Self {
            ledger: Ledger::new(settings),
            count: 0,
            now_ms: 1_700_000_000_000,
        };
        world.in_environment(|ledger, environment| {
            ledger.bootstrap(environment).unwrap();
        });
        let mut web = CreateNetwork::named("web".parse().unwrap());
        web.ipv6 = true;
        world.decide(Command::CreateNetwork(web));
        world
    }

    fn in_environment(&mut self, what: impl FnOnce(&mut Ledger, &mut Environment<'_>)) {
        let count = &mut self.count;
        let mut random = |bytes: &mut [u8]| {
            for byte in bytes {
                *count = count
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *byte = count.to_be_bytes()[0];
            }
        };
        let mut environment = Environment {
            random: &mut random,
            now_ms: self.now_ms,
            host_overlap: &|_| None,
            listener: &|_| None,
        };
        what(&mut self.ledger, &mut environment);
    }

    pub fn decide(&mut self, command: Command) {
        self.in_environment(|ledger, environment| {
            ledger.decide(command, environment).unwrap();
        });
    }

    /// Creates a container as the runtime does.
    pub fn create(&mut self, name: &str, body: Value) {
        self.now_ms += 1_000;
        let body: Body = serde_json::from_value(without_nulls(body)).unwrap();
        let image = Image {
            id: format!("sha256:{}", "ab".repeat(32)),
            command: vec!["serve".to_owned()],
            ..Image::default()
        };
        let context = CreateContext {
            version: Version::NEWEST,
            name: name.parse().unwrap(),
            image: &image,
            host_gateway: None,
        };
        let create = plan(&body, context).unwrap().create;
        let mut commands = vec![
            Command::AddContainer(create.add),
            Command::Document {
                container: name.into(),
                kind: DocumentKind::Workload,
                text: serde_json::to_string(&create.workload).unwrap(),
            },
        ];
        commands.extend(create.connect.into_iter().map(|mut connect| {
            connect.container = name.into();
            Command::Connect(connect)
        }));
        self.decide(Command::Batch(commands));
    }

    pub fn start(&mut self, name: &str) {
        let run_state = RunState {
            status: Status::Running,
            started_ms: self.now_ms,
            pid: 77,
            ..RunState::default()
        };
        self.decide(Command::StartContainer(name.into()));
        self.run_state(name, &run_state);
    }

    pub fn end(&mut self, name: &str, exit_code: i32) {
        let run_state = RunState {
            status: Status::Exited,
            exit_code,
            started_ms: self.now_ms,
            finished_ms: self.now_ms,
            ..RunState::default()
        };
        self.decide(Command::StopContainer(name.into()));
        self.run_state(name, &run_state);
    }

    fn run_state(&mut self, name: &str, run_state: &RunState) {
        self.decide(Command::Document {
            container: name.into(),
            kind: DocumentKind::RunState,
            text: serde_json::to_string(run_state).unwrap(),
        });
    }

    pub fn view(&self, name: &str) -> ContainerView {
        let id = self.ledger.container(&name.into()).unwrap().id;
        self.view_of(ContainerRows::of(&self.ledger, id).unwrap())
    }

    fn view_of(&self, rows: ContainerRows) -> ContainerView {
        let snapshot = rows.decode(&Documents::default()).unwrap();
        let endpoints = snapshot.endpoints.iter();
        let ids = endpoints.map(|(_, endpoint)| endpoint.network).collect();
        let networks = ContainerView::networks_of(&self.ledger, &ids);
        ContainerView::of(snapshot, Arc::new(networks))
    }

    /// Returns the views of all containers, newest first.
    pub fn views(&self) -> Vec<ContainerView> {
        let all = ContainerRows::all(&self.ledger).into_iter();
        let mut all: Vec<ContainerView> = all.map(|rows| self.view_of(rows)).collect();
        all.sort_by_key(|view| std::cmp::Reverse(view.snapshot.container.created_ms));
        all
    }

    pub fn listed(&self, all: bool, limit: usize, filters: &Value) -> Vec<String> {
        let views = self.views();
        let params = list::ListParams {
            all,
            limit,
            filters: Filters::parse(Some(&filters.to_string())).unwrap(),
        };
        let chosen = list::chosen(&views, &params).unwrap();
        let names = chosen
            .iter()
            .map(|view| view.snapshot.container.name.to_string());
        names.collect()
    }
}
