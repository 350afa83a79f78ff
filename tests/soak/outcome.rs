//! What came of a run: its table, and what is wrong with it.

use std::time::Duration;

use super::api_changes::RATE;
use super::askers::{Asking, Seen};
use super::support::server::Server;
use super::support::time_slack;
use super::usage::Usage;
use super::{PROBES, SCRAPERS};

/// Fewer changes or questions than this share of their rates, and it was another test.
const LEAST_OF_RATE: f64 = 0.9;

/// What the run itself did.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) length: Duration,
    /// Changes of the API's objects in each second.
    pub(super) changes: f64,
    /// How many volumes were mounted and unmounted.
    pub(super) mounted: u32,
    /// Bytes that were written to the busy disk, as the test counts them and as the kernel does.
    pub(super) written: [u64; 2],
}

/// Prints the table.
#[allow(clippy::print_stdout, reason = "the table is what it is run for")]
pub(super) fn print(done: &Done, asked: &[Asking<'_>], usages: &[Usage; 2]) {
    println!(
        "{:.1} minutes, {:.1} changes of the API a second, {} volumes mounted and unmounted, {:.1} GB written\n",
        done.length.as_secs_f64() / 60.0,
        done.changes,
        done.mounted,
        done.written[0] as f64 / 1e9
    );
    println!("| answers | asked | failed | late | wrong | p50 ms | p99 ms | most ms | stalest ms |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for asking in asked {
        for (seen, what) in [
            (&asking.reports, format!("report, {PROBES} probes at 1 Hz")),
            (&asking.pages, format!("page, {SCRAPERS} scrapers at 5 Hz")),
        ] {
            let name = format!("{}: {what}", asking.process.name());
            println!("{}", Seen::row(&mut seen.lock().unwrap(), &name));
        }
    }
    let unknown = asked.iter().map(|asking| asking.pages.lock().unwrap().unknown());
    println!(
        "\nfigures of volumes told as not known yet, since the kernel took longer than 20 ms: {}",
        unknown.sum::<usize>()
    );
    println!(
        "\n| quarter | node: most resident, MB | open files | cluster: most resident, MB | open files |"
    );
    println!("|---|---|---|---|---|");
    let [node, cluster] = usages.each_ref().map(Usage::quarters);
    for (number, (node, cluster)) in (1..).zip(node.iter().zip(&cluster)) {
        let [of_node, of_cluster] = [node, cluster].map(|used| used.0 as f64 / 1e6);
        println!(
            "| {number} | {of_node:.2} | {} | {of_cluster:.2} | {} |",
            node.1, cluster.1
        );
    }
}

/// What is wrong with it; empty where nothing is.
pub(super) fn complaints(
    done: &Done,
    asked: &[Asking<'_>],
    usages: &[Usage],
    servers: &[Server],
) -> Vec<String> {
    let mut found = Vec::new();
    for seen in asked.iter().flat_map(|asking| [&asking.reports, &asking.pages]) {
        found.extend(seen.lock().unwrap().complaints());
    }
    let seconds = done.length.as_secs_f64();
    for asking in asked {
        for (seen, what, each_second) in [
            (&asking.reports, "reports", PROBES),
            (&asking.pages, "pages", 5 * SCRAPERS),
        ] {
            let [number, ..] = seen.lock().unwrap().numbers();
            if (number as f64) < seconds * f64::from(each_second) * LEAST_OF_RATE / time_slack() {
                found.push(format!("only {number} {what} were asked for in {seconds:.0} s"));
            }
        }
    }
    for usage in usages {
        found.extend(usage.growth(done.length));
    }
    // Nothing is broken, so that nothing is to be warned of but that this machine has no kubelet to make control groups.
    let log = servers.iter().flat_map(Server::log);
    let is_of_this_machine = |line: &String| line.contains("no kubelet's control groups");
    let warned = log.filter(|line| line.contains(" WARN ") || line.contains(" ERROR "));
    found.extend(warned.filter(|line| !is_of_this_machine(line)));
    let [ours, kernels] = done.written;
    if ours != kernels {
        found.push(format!(
            "we wrote {ours} bytes to our disk, and the kernel counted {kernels}"
        ));
    }
    if done.mounted == 0 {
        found.push("no volume came or went".to_owned());
    }
    if done.changes < f64::from(RATE) * LEAST_OF_RATE / time_slack() {
        found.push(format!("{:.1} changes a second, not {RATE}", done.changes));
    }
    found
}
