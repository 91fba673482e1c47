//! The Prometheus text format, version 0.0.4, read strictly
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;

/// All samples of one scrape.
#[derive(Debug)]
pub struct Exposition {
    /// Each family's type, by name.
    pub families: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Exposition {
    /// Reads a text; whatever is not as the format or Prometheus' naming practices say is an error.
    pub fn parse(text: &str) -> Result<Self> {
        ensure!(text.ends_with('\n'), "the last line does not end");
        let mut read = Self {
            families: BTreeMap::new(),
            samples: BTreeMap::new(),
        };
        let help = Regex::new(r"^# HELP ([a-z_]+) (\S.*)$")?;
        let kind = Regex::new(r"^# TYPE ([a-z_]+) (counter|gauge|histogram)$")?;
        let label = r#"[a-z_]+="(?:[^"\\]|\\[\\"n])*""#;
        let sample = format!(r"^([a-z_]+)(\{{{label}(?:,{label})*\}})? (\S+)$");
        let sample = Regex::new(&sample)?;
        let (mut helped, mut family) = (None, (String::new(), String::new()));
        for line in text.lines() {
            if let Some(found) = help.captures(line) {
                helped = Some(found[1].to_owned());
            } else if let Some(found) = kind.captures(line) {
                family = (found[1].to_owned(), found[2].to_owned());
                ensure!(
                    helped.take().as_ref() == Some(&family.0),
                    "{line}: no help before it"
                );
                named_well(&family.0, &family.1)?;
                let before = read.families.insert(family.0.clone(), family.1.clone());
                ensure!(before.is_none(), "{line}: a second time");
            } else if let Some(found) = sample.captures(line) {
                ensure!(helped.is_none(), "{line}: no type before it");
                let rest = found[1].strip_prefix(&family.0);
                let rest = rest.with_context(|| format!("{line}: amid {}", family.0))?;
                let suffixes: &[&str] = match &*family.1 {
                    "histogram" => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                ensure!(suffixes.contains(&rest), "{line}: not of a {}", family.1);
                let value: f64 = found[3].parse().with_context(|| line.to_owned())?;
                ensure!(value >= 0.0, "{line}: negative");
                let labels = found.get(2).map_or("", |labels| labels.as_str());
                let name = format!("{}{labels}", &found[1]);
                ensure!(
                    read.samples.insert(name, value).is_none(),
                    "{line}: a second time"
                );
            } else {
                bail!("no line of the format: {line}");
            }
        }
        ensure!(helped.is_none(), "help without a type");
        for (name, kind) in &read.families {
            let samples = read.samples.keys();
            ensure!(
                samples.clone().any(|sample| sample.starts_with(name)),
                "{name}: no sample"
            );
            if kind == "histogram" {
                read.whole_histograms(text, name)?;
            }
        }
        Ok(read)
    }

    /// The value of a sample, with its labels as they are written.
    pub fn value(&self, sample: &str) -> Result<f64> {
        let value = self.samples.get(sample);
        value
            .copied()
            .with_context(|| format!("no {sample} in {:?}", self.samples))
    }

    /// Buckets are cumulative and in ascending order, and the last one has all.
    fn whole_histograms(&self, text: &str, name: &str) -> Result<()> {
        let bucket = Regex::new(&format!(r#"^{name}_bucket\{{(.*?),?le="(.+)"\}} (\S+)$"#))?;
        let mut of_labels: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for found in text.lines().filter_map(|line| bucket.captures(line)) {
            let buckets = of_labels.entry(found[1].to_owned()).or_default();
            buckets.push((found[2].parse()?, found[3].parse()?));
        }
        ensure!(!of_labels.is_empty(), "{name}: no bucket");
        for (labels, buckets) in of_labels {
            let ascending = buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1);
            ensure!(ascending, "{name} {labels}: {buckets:?}");
            let labels = match &*labels {
                "" => String::new(),
                labels => format!("{{{labels}}}"),
            };
            let count = self.value(&format!("{name}_count{labels}"))?;
            ensure!(
                buckets.last() == Some(&(f64::INFINITY, count)),
                "{name}: {buckets:?}"
            );
            self.value(&format!("{name}_sum{labels}"))?;
        }
        Ok(())
    }
}

/// <https://prometheus.io/docs/practices/naming/>: a prefix, `_total` for counters alone, base units.
fn named_well(name: &str, kind: &str) -> Result<()> {
    ensure!(name.starts_with("vch_"), "{name}: of another program");
    ensure!(
        name.ends_with("_total") == (kind == "counter"),
        "{name} is a {kind}"
    );
    ensure!(
        name.ends_with("_seconds") == (kind == "histogram"),
        "{name}: no base unit"
    );
    Ok(())
}
