//! The list of what there is.

/// An operation.
#[derive(Debug)]
pub struct Operation {
    pub method: String,
    pub path: String,
    pub fields: Vec<Field>,
    pub statuses: String,
}

/// What can be said to an operation.
#[derive(Debug)]
pub struct Field {
    pub location: Location,
    pub name: String,
    pub kind: String,
}

/// Where a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    Query,
    Header,
    Body,
}

impl Location {
    pub fn mark(self) -> char {
        match self {
            Self::Query => '?',
            Self::Header => '^',
            Self::Body => '.',
        }
    }
}

impl Operation {
    /// A field's name among all.
    pub fn row(&self, field: &Field) -> String {
        let (method, path, mark) = (&self.method, &self.path, field.location.mark());
        format!("{method} {path} {mark}{}", field.name)
    }
}

pub fn read(text: &str) -> Vec<Operation> {
    let mut all: Vec<Operation> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let location = match words[0] {
            "?" => Location::Query,
            "^" => Location::Header,
            "." => Location::Body,
            "=" => {
                all.last_mut().unwrap().statuses = words[1..].join(" ");
                continue;
            }
            method => {
                all.push(Operation {
                    method: method.to_owned(),
                    path: words[1].to_owned(),
                    fields: Vec::new(),
                    statuses: String::new(),
                });
                continue;
            }
        };
        all.last_mut().unwrap().fields.push(Field {
            location,
            name: words[1].to_owned(),
            kind: words[2..].join(" "),
        });
    }
    all
}
