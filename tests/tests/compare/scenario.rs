//! Commands in scenarios, as they are written down.

/// Commands that are typed one after another, beginning with no network and no container.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub title: String,
    pub rows: Vec<Row>,
}

/// One command.
#[derive(Debug, Clone)]
pub struct Row {
    pub line: String,
    pub expected: Expected,
    /// What dockerd 26.1 said, in the words of [`crate::record`].
    pub dockerd: String,
}

/// How the VCH is to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// As dockerd 26.1.
    Dockerd,
    /// As newer releases of moby.
    Moby(Answer),
    /// Otherwise, for this reason, and so.
    Deliberate(String, Answer),
}

/// What is answered: a status, and parts of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    parts: Vec<String>,
}

impl Answer {
    /// `STATUS: part|part`.
    fn parsed(text: &str) -> Self {
        let (status, parts) = text.split_once(": ").unwrap();
        Self {
            status: status.parse().unwrap(),
            parts: parts.split('|').map(str::to_owned).collect(),
        }
    }

    /// Whether it was answered so.
    pub fn is(&self, said: &str) -> bool {
        let status = format!(" {} ", self.status);
        let mut requests = said.lines().filter(|line| line.starts_with("> "));
        let answered = requests.any(|line| format!("{line} ").contains(&status));
        answered && self.parts.iter().all(|part| said.contains(part))
    }
}

/// `## title`, `$ command`, and before a command `@ moby STATUS: part|part`, or `@ deliberate: why` and behind it
/// `@ answer STATUS: part|part`.
pub fn parsed(text: &str) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    let mut expected = Expected::Dockerd;
    let mut reason = None;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(title) = line.strip_prefix("## ") {
            scenarios.push(Scenario {
                title: title.to_owned(),
                rows: Vec::new(),
            });
        } else if let Some(why) = line.strip_prefix("@ deliberate: ") {
            reason = Some(why.to_owned());
        } else if let Some(answer) = line.strip_prefix("@ answer ") {
            let reason = reason.take().unwrap();
            expected = Expected::Deliberate(reason, Answer::parsed(answer));
        } else if let Some(answer) = line.strip_prefix("@ moby ") {
            expected = Expected::Moby(Answer::parsed(answer));
        } else {
            let line = line.strip_prefix("$ ").unwrap().to_owned();
            assert!(
                reason.is_none(),
                "`{line}`: say how the VCH answers by `@ answer`"
            );
            let expected = std::mem::replace(&mut expected, Expected::Dockerd);
            scenarios.last_mut().unwrap().rows.push(Row {
                line,
                expected,
                dockerd: String::new(),
            });
        }
    }
    scenarios
}
