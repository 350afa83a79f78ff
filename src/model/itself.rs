//! Figures of the program itself: what it answered, and what it takes for that.

/// Upper bounds of the histogram of answer times, in seconds. Scope waits for half a second.
pub const DURATION_BOUNDS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5];

/// Reports given to Scope since the start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportFigures {
    /// Answered with a report.
    pub answered: u64,
    /// Refused: wrong version, wrong path or method.
    pub refused: u64,
    /// For each of [`DURATION_BOUNDS`] how many took at most so long.
    pub at_most: [u64; DURATION_BOUNDS.len()],
    /// All answer times, in seconds.
    pub seconds: f64,
    /// Size of the latest report; `None` before the first.
    pub latest_bytes: Option<usize>,
}

impl ReportFigures {
    /// Counts one report that took so many seconds and has so many bytes.
    pub fn count(&mut self, seconds: f64, bytes: usize) {
        self.answered += 1;
        self.seconds += seconds;
        self.latest_bytes = Some(bytes);
        for (bound, count) in DURATION_BOUNDS.iter().zip(&mut self.at_most) {
            *count += u64::from(seconds <= *bound);
        }
    }
}

/// What the kernel says of this process. Figures that it does not give are `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessFigures {
    /// CPU time used, in milliseconds.
    pub cpu_milliseconds: Option<u64>,
    /// Memory in RAM.
    pub resident_bytes: Option<u64>,
    /// Address space.
    pub virtual_bytes: Option<u64>,
    /// Start, in seconds since 1970.
    pub started_at: Option<u64>,
    /// Open file descriptors.
    pub open_files: Option<u64>,
    /// Most that may be open.
    pub open_files_limit: Option<u64>,
}

/// All that the program tells of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SelfFigures {
    /// The reports that it gave.
    pub reports: ReportFigures,
    /// Its process.
    pub process: ProcessFigures,
}
