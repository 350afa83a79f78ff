//! Metrics pages: their samples, and what is wrong with one that claims to be OpenMetrics.
//!
//! The rules are those of OpenMetrics 1.0.0, read strictly: what a parser may forgive is named all the same.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// With its ending: `…_total`, `…_bucket`.
    pub name: String,
    /// By name.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Sample {
    /// A number for its name and labels, which is another for others: cheaper than a copy where each second has thousands.
    pub fn series(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.name, &self.labels).hash(&mut hasher);
        hasher.finish()
    }
}

/// A page of either form.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    samples: Vec<Sample>,
}

impl Page {
    /// Reads the samples.
    ///
    /// # Panics
    ///
    /// On a line that is no sample.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(|line| sample(line).unwrap_or_else(|wrong| panic!("{wrong}: {line}")));
        Self {
            samples: samples.collect(),
        }
    }

    /// All of them.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// All of them, to keep.
    pub fn into_samples(self) -> Vec<Sample> {
        self.samples
    }

    /// The value of the one sample that has these labels, among others.
    ///
    /// # Panics
    ///
    /// When there are several.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut found = self.samples.iter().filter(|sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(key, value)| sample.labels.get(*key).is_some_and(|found| found == value))
        });
        let value = found.next().map(|sample| sample.value);
        assert_eq!(found.next(), None, "{name} {labels:?} is there more than once");
        value
    }

    /// The value of a family of this program that has one sample for each device.
    pub fn of_device(&self, family: &str, device: &str) -> Option<f64> {
        self.value(&format!("storage_probe_{family}"), &[("device", device)])
    }

    /// The same, for one operation.
    pub fn of_operation(&self, family: &str, device: &str, operation: &str) -> Option<f64> {
        let labels = [("device", device), ("operation", operation)];
        self.value(&format!("storage_probe_{family}"), &labels)
    }

    /// All samples that speak of a device.
    pub fn about<'a>(&'a self, device: &'a str) -> impl Iterator<Item = &'a Sample> {
        let is_it = move |sample: &&Sample| {
            ["device", "parent"]
                .iter()
                .any(|key| sample.labels.get(*key).is_some_and(|found| found == device))
        };
        self.samples.iter().filter(is_it)
    }
}

/// What a page has that OpenMetrics 1.0.0 does not allow; empty where it keeps to it.
pub fn open_metrics_violations(text: &str) -> Vec<String> {
    open_metrics(text).1
}

/// The samples of a page, and what it has that OpenMetrics 1.0.0 does not allow.
pub fn open_metrics(text: &str) -> (Vec<Sample>, Vec<String>) {
    let mut found = Vec::new();
    let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| {
        found.push("the page does not end in `# EOF` and a line feed".to_owned());
        text
    });
    let mut reader = Reader::default();
    for (line, number) in body.split_terminator('\n').zip(1..) {
        if let Err(wrong) = reader.read(line) {
            found.push(format!("line {number}: {wrong}: {line}"));
        }
    }
    let (samples, more) = reader.finish();
    found.extend(more);
    (samples, found)
}

/// One family's lines.
#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: Option<String>,
    has_unit: bool,
    has_help: bool,
    samples: Vec<Sample>,
}

#[derive(Debug, Default)]
struct Reader {
    family: Family,
    earlier: BTreeSet<String>,
    seen: HashSet<u64>,
    samples: Vec<Sample>,
    violations: Vec<String>,
}

impl Reader {
    fn read(&mut self, line: &str) -> Result<(), String> {
        if let Some(descriptor) = line.strip_prefix("# ") {
            self.descriptor(descriptor)
        } else if line.starts_with('#') || line.is_empty() {
            Err("neither a descriptor nor a sample".into())
        } else {
            self.sample(sample(line)?)
        }
    }

    fn descriptor(&mut self, text: &str) -> Result<(), String> {
        let mut words = text.splitn(3, ' ');
        let (Some(keyword), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else {
            return Err("a descriptor has a keyword, a name and a text".into());
        };
        if !is_name(name) {
            return Err(format!("`{name}` is no name"));
        }
        if self.family.name != name {
            self.end_family();
            if !self.earlier.insert(name.to_owned()) {
                return Err(format!("{name} comes in two places"));
            }
            name.clone_into(&mut self.family.name);
        }
        let family = &mut self.family;
        if !family.samples.is_empty() {
            return Err("a descriptor after a sample of its family".into());
        }
        match keyword {
            "TYPE" => {
                if name.ends_with("_total") {
                    return Err("`_total` belongs on the samples, not on the family".into());
                }
                let known = ["counter", "gauge", "histogram"];
                if !known.contains(&rest) {
                    return Err(format!("this program has no {rest}"));
                }
                once(family.kind.replace(rest.to_owned()).is_some(), keyword)
            }
            "UNIT" => {
                if !name.ends_with(&format!("_{rest}")) {
                    return Err(format!("{name} does not end in its unit"));
                }
                once(std::mem::replace(&mut family.has_unit, true), keyword)
            }
            "HELP" => {
                let mut escaped = rest.chars();
                while let Some(character) = escaped.next() {
                    if character == '"' {
                        return Err("a quotation mark that is not escaped".into());
                    }
                    let follows = (character == '\\').then(|| escaped.next());
                    if let Some(follows) = follows
                        && !matches!(follows, Some('\\' | '"' | 'n'))
                    {
                        return Err("an unknown escape".into());
                    }
                }
                once(std::mem::replace(&mut family.has_help, true), keyword)
            }
            _ => Err(format!("unknown keyword {keyword}")),
        }
    }

    fn sample(&mut self, sample: Sample) -> Result<(), String> {
        let family = &mut self.family;
        let Some(kind) = &family.kind else {
            return Err("a sample before the TYPE of its family".into());
        };
        let endings: &[&str] = match kind.as_str() {
            "counter" => &["_total", "_created"],
            "histogram" => &["_bucket", "_sum", "_count", "_created"],
            _ => &[""],
        };
        let ending = sample
            .name
            .strip_prefix(&family.name)
            .filter(|ending| endings.contains(ending))
            .ok_or_else(|| format!("no sample of the {kind} {}", family.name))?;
        if kind != "gauge" && (sample.value.is_nan() || sample.value < 0.0) {
            return Err(format!("a {kind} is never {}", sample.value));
        }
        if (ending == "_bucket") != sample.labels.contains_key("le") {
            return Err("`le` belongs on buckets, and on nothing else".into());
        }
        if !self.seen.insert(sample.series()) {
            return Err("the same sample twice".into());
        }
        family.samples.push(sample);
        Ok(())
    }

    fn end_family(&mut self) {
        let family = std::mem::take(&mut self.family);
        if family.name.is_empty() {
            return;
        }
        if family.kind.is_none() || !family.has_help {
            self.violations
                .push(format!("{} has no TYPE or no HELP", family.name));
        }
        if family.kind.as_deref() == Some("histogram") {
            self.violations.extend(histogram_violations(&family));
        }
        self.samples.extend(family.samples);
    }

    fn finish(mut self) -> (Vec<Sample>, Vec<String>) {
        self.end_family();
        (self.samples, self.violations)
    }
}

fn once(again: bool, keyword: &str) -> Result<(), String> {
    if again {
        Err(format!("a second {keyword}"))
    } else {
        Ok(())
    }
}

/// Of a histogram without labels of its own: this program has no other.
fn histogram_violations(family: &Family) -> Vec<String> {
    let mut found = Vec::new();
    let mut last = (f64::NEG_INFINITY, 0.0);
    for bucket in &family.samples {
        let Some(le) = bucket.labels.get("le") else {
            continue;
        };
        let bound = number(le).unwrap_or(f64::NAN);
        if le != "+Inf" && !le.contains(['.', 'e']) {
            found.push(format!(
                "{}: a bound is written as a float, not {le}",
                family.name
            ));
        }
        // NaN is caught as well: it is not greater than anything.
        if !matches!(bound.partial_cmp(&last.0), Some(std::cmp::Ordering::Greater)) || bucket.value < last.1 {
            found.push(format!("{}: the bucket {le} is out of order", family.name));
        }
        last = (bound, bucket.value);
    }
    let of = |ending: &str| {
        let name = format!("{}{ending}", family.name);
        family.samples.iter().find(|sample| sample.name == name)
    };
    let count = of("_count").map(|sample| sample.value.to_bits());
    if last.0 != f64::INFINITY || count != Some(last.1.to_bits()) {
        found.push(format!(
            "{}: the last bucket is +Inf and equals the count",
            family.name
        ));
    }
    if of("_sum").is_none() {
        found.push(format!("{}: no sum", family.name));
    }
    found
}

/// `name{label="value",…} 1.5`. No sample here has a timestamp: what is told is what is.
fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    if !is_name(name) {
        return Err(format!("`{name}` is no name"));
    }
    let mut labels = BTreeMap::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            let (label, after) = inside.split_once("=\"").ok_or("a label without a value")?;
            if !is_name(label) || label.contains(':') {
                return Err(format!("`{label}` is no label"));
            }
            let (value, after) = unescaped(after)?;
            if labels.insert(label.to_owned(), value).is_some() {
                return Err(format!("the label {label} twice"));
            }
            if let Some(after) = after.strip_prefix(',') {
                inside = after;
            } else {
                rest = after.strip_prefix('}').ok_or("labels without an end")?;
                break;
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    Ok(Sample {
        name: name.to_owned(),
        labels,
        value: number(value)?,
    })
}

/// A label's value up to its closing quote, and what follows that.
fn unescaped(text: &str) -> Result<(String, &str), String> {
    // Few have an escape, and a test that asks for minutes reads millions.
    if let Some((value, after)) = text.split_once('"')
        && !value.contains('\\')
    {
        return Ok((value.to_owned(), after));
    }
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, same @ ('\\' | '"'))) => same,
                _ => return Err("an unknown escape".into()),
            }),
            other => value.push(other),
        }
    }
    Err("a label's value without an end".into())
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        _ if text.starts_with(|first: char| first.is_ascii_digit() || first == '-') => {
            text.parse().map_err(|_| format!("`{text}` is no number"))
        }
        _ => Err(format!("`{text}` is no number")),
    }
}

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_' || first == ':')
        && characters.all(|other| other.is_ascii_alphanumeric() || other == '_' || other == ':')
}
