//! Commands in scenes, as they are written down.

/// Commands that are typed one after another, beginning with no network and no container.
#[derive(Debug, Clone)]
pub struct Scene {
    pub title: String,
    pub rows: Vec<Row>,
}

/// One command.
#[derive(Debug, Clone)]
pub struct Row {
    pub line: String,
    pub expected: Expected,
    /// What dockerd 20.10 said, in the words of [`crate::record`].
    pub dockerd: String,
}

/// How the VCH is to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// As dockerd 20.10.
    Dockerd,
    /// As newer releases of moby: with this status and these parts of a text.
    Moby { status: u16, parts: Vec<String> },
    /// Otherwise, for this reason.
    Deliberate(String),
}

/// `## title`, `$ command`, and before a command `@ deliberate: why` or `@ moby STATUS: part|part`.
pub fn parsed(text: &str) -> Vec<Scene> {
    let mut scenes: Vec<Scene> = Vec::new();
    let mut expected = Expected::Dockerd;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(title) = line.strip_prefix("## ") {
            scenes.push(Scene {
                title: title.to_owned(),
                rows: Vec::new(),
            });
        } else if let Some(reason) = line.strip_prefix("@ deliberate: ") {
            expected = Expected::Deliberate(reason.to_owned());
        } else if let Some(answer) = line.strip_prefix("@ moby ") {
            let (status, parts) = answer.split_once(": ").unwrap();
            expected = Expected::Moby {
                status: status.parse().unwrap(),
                parts: parts.split('|').map(str::to_owned).collect(),
            };
        } else {
            let line = line.strip_prefix("$ ").unwrap().to_owned();
            let expected = std::mem::replace(&mut expected, Expected::Dockerd);
            scenes.last_mut().unwrap().rows.push(Row {
                line,
                expected,
                dockerd: String::new(),
            });
        }
    }
    scenes
}
