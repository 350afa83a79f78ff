//! Arguments, log, runtime, exit code; nothing else.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use scope_storage_probe::app;
use scope_storage_probe::app::log::LogLine;
use scope_storage_probe::args::{Arguments, Command, LogArguments, LogFormat};
use scope_storage_probe::model::backend::BackendReadings;
use scope_storage_probe::model::text::printable_but;
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::tree;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Wrong use or configuration: `EX_USAGE` of sysexits.h.
const WRONG_USE: u8 = 64;

fn main() -> ExitCode {
    // Tokens and passwords are held: no core file may have them, and no other process of the same user (nobody is a user of many) may
    // look into this one.
    let closed = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => {
            let _ = told.print();
            return if told.use_stderr() {
                ExitCode::from(WRONG_USE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    if let Err(error) = start_log(&arguments.log) {
        let _ = writeln!(io::stderr(), "error: {error:#}");
        return ExitCode::from(WRONG_USE);
    }
    if let Err(error) = closed {
        tracing::warn!("a core file could hold credentials: {error}");
    }
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let sources = &arguments.sources;
    match &arguments.command {
        Command::Serve(serving) => done(app::serve(sources, serving))??,
        Command::Report(reading) => {
            let (answers, backends) = if sources.backends.any() {
                done(app::observe_report_once(sources, reading.interval))??
            } else {
                let answers = done(app::observe_once(sources, reading.interval))??;
                (answers, BackendReadings::default())
            };
            print(&answers.report(&backends).concat())?;
        }
        Command::Metrics(metrics) => {
            let (answers, backends) = done(app::observe_page_once(sources, metrics.reading.interval))??;
            let format = if metrics.openmetrics {
                Format::OpenMetrics("1.0.0")
            } else {
                Format::Text
            };
            let mut page = Vec::new();
            answers.write_page(&backends, &app::self_figures(), format, &mut |piece| {
                page.extend_from_slice(piece.as_bytes());
            });
            print(&page)?;
        }
        Command::Tree(wanted) => {
            let answers = done(app::observe_once(sources, wanted.reading.interval))??;
            let state = &answers.state();
            let text = match &wanted.disk {
                Some(disk) => tree::disk(state, disk)
                    .with_context(|| no_disk(disk, &tree::disks_beside(state, disk)))?,
                None if wanted.json => tree::json(state),
                None => tree::text(state),
            };
            print(text.as_bytes())?;
        }
        Command::Check(checking) => {
            let findings = done(app::check::check(sources, &checking.scope.plugin_dir))?;
            print(findings.text.as_bytes())?;
            return Ok(if findings.works {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What this work comes to. What it has left on other threads, a name that is looked up or a program that gives credentials, is not waited for:
/// nothing bounds it.
fn done<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(done)
}

fn no_disk(name: &str, others: &[String]) -> String {
    if others.is_empty() {
        format!("no disk is called {name} here")
    } else {
        format!(
            "no one disk is called {name} here; it may be one of these: {}",
            others.join(", ")
        )
    }
}

/// Writes to standard output. A reader that has seen enough (`| head`) is no error. A terminal gets nothing that it would obey.
fn print(bytes: &[u8]) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    let written = if output.is_terminal() {
        let text = String::from_utf8_lossy(bytes);
        output.write_all(printable_but(&text, |letter| letter == '\n').as_bytes())
    } else {
        output.write_all(bytes)
    };
    match written.and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

fn start_log(arguments: &LogArguments) -> anyhow::Result<()> {
    // What the client meets is a fault of ours, told once; it would tell it at every attempt, and whole answers with it.
    // Where a filter says nothing of all the rest, what happens is told all the same.
    let directives = format!("info,kube_client=off,kube_runtime=error,{}", arguments.log_level);
    let filter: Targets = directives.parse().with_context(|| {
        format!(
            "`--log-level {}` is neither a level nor a filter",
            arguments.log_level
        )
    })?;
    let coloured = arguments.log_format == LogFormat::Text && io::stderr().is_terminal();
    // A line that cannot be written is lost. To complain of it on the same standard error would end the program.
    let log = tracing_subscriber::fmt::layer()
        .with_writer(move || LogLine { coloured })
        .log_internal_errors(false);
    let wanted = tracing_subscriber::registry().with(filter);
    match arguments.log_format {
        LogFormat::Text => wanted.with(log.with_target(false).with_ansi(coloured)).init(),
        LogFormat::Json => wanted.with(log.json().flatten_event(true)).init(),
    }
    Ok(())
}
