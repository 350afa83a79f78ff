//! The page at `/` of the metrics address: links, and how each source fares.

use std::fmt::Write as _;

use super::answers::Answers;
use super::backends::Backends;

/// The page, in HTML.
pub(super) fn landing_page(answers: &Answers, backends: &Backends) -> String {
    let mut rows = String::new();
    let sample = match answers {
        Answers::Node(observation) => Some(&observation.state.sample),
        Answers::Cluster(_) | Answers::Tenant(_) => None,
    };
    for outcome in sample.into_iter().flat_map(|sample| &sample.collectors) {
        let word = if outcome.success {
            "readable"
        } else {
            "not readable"
        };
        let milliseconds = outcome.duration.as_secs_f64() * 1e3;
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td>{word}</td><td>{milliseconds:.2} ms</td></tr>",
            outcome.collector
        );
    }
    for (kind, watch) in answers
        .inventory()
        .into_iter()
        .flat_map(|inventory| &inventory.watches)
    {
        let (word, more) = match (&watch.error, watch.synced) {
            (None, true) => ("watched", String::new()),
            (None, false) => ("not all seen yet", String::new()),
            (Some(error), true) => ("as last known", escaped(&error.message)),
            (Some(error), false) => ("not readable", escaped(&error.message)),
        };
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td>{word}</td><td>{more}</td></tr>",
            kind.name()
        );
    }
    let mut links = String::new();
    for name in backends.names() {
        let _ = write!(
            links,
            "<li><a href=\"/metrics/{name}\">Metrics of {name} alone</a></li>"
        );
    }
    for (name, instance, latest) in backends.states() {
        let (word, more) = match &latest {
            None => ("not asked yet", String::new()),
            Some(outcome) => match &outcome.error {
                None => (
                    "answered",
                    format!("{:.0} ms", outcome.duration.as_secs_f64() * 1e3),
                ),
                Some(error) => ("did not answer", escaped(&error.reason)),
            },
        };
        let _ = writeln!(
            rows,
            "<tr><td>{name} {}</td><td>{word}</td><td>{more}</td></tr>",
            escaped(&instance)
        );
    }
    let mut faults = String::new();
    let own = sample.into_iter().flat_map(|sample| &sample.faults);
    for fault in own.chain(
        answers
            .inventory()
            .into_iter()
            .flat_map(|inventory| &inventory.faults),
    ) {
        let _ = writeln!(faults, "<li>{}</li>", escaped(&fault.to_string()));
    }
    for remark in backends.remarks() {
        let _ = writeln!(faults, "<li>{}</li>", escaped(&remark));
    }
    if faults.is_empty() {
        faults.push_str("<li>none</li>\n");
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>scope-storage-probe</title></head><body>\n\
         <h1>scope-storage-probe {version}</h1>\n\
         <p>{summary}</p>\n\
         <ul><li><a href=\"/metrics\">Metrics</a></li>{links}<li><a href=\"/healthz\">Health</a></li><li><a href=\"/readyz\">Readiness</a></li></ul>\n\
         <h2>Sources</h2>\n<table><tr><th>collector</th><th>state</th><th>took</th></tr>\n{rows}</table>\n\
         <h2>Faults</h2>\n<ul>{faults}</ul>\n</body></html>\n",
        version = env!("CARGO_PKG_VERSION"),
        summary = escaped(&summary(answers)),
    )
}

/// What there is, in a line.
fn summary(answers: &Answers) -> String {
    match answers {
        Answers::Node(observation) => {
            let state = &observation.state;
            format!(
                "Node {}: {} disks, {} block devices, {} filesystems.",
                state.host_id,
                state.topology.disks.len(),
                state.topology.devices.len(),
                state.sample.filesystems.len()
            )
        }
        Answers::Cluster(observation) => {
            let inventory = &observation.inventory;
            format!(
                "The cluster: {} pods, {} claims, {} volumes, {} storage classes.",
                inventory.pods.len(),
                inventory.claims.len(),
                inventory.volumes.len(),
                inventory.classes.len()
            )
        }
        Answers::Tenant(namespaces) => format!("Namespaces: {}.", namespaces.join(", ")),
    }
}

/// Text without what HTML would take for markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_is_no_markup() {
        assert_eq!(escaped("<b>&\"x\""), "&lt;b&gt;&amp;&quot;x&quot;");
    }
}
