//! I/O counters of block devices, and rates made from two readings of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::device::DeviceNumber;

/// One kind of request (reads, writes, discards) since the device appeared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OperationCounters {
    /// Requests completed.
    pub completed: u64,
    /// Requests merged into a neighbour before they reached the device.
    pub merged: u64,
    /// Bytes moved. The kernel counts 512-byte units whatever the device's sector size.
    pub bytes: u64,
    /// Milliseconds that completed requests took, summed over the requests.
    pub milliseconds: u64,
}

/// Cache flushes since the device appeared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlushCounters {
    /// Flushes completed.
    pub completed: u64,
    /// Milliseconds that they took.
    pub milliseconds: u64,
}

/// What the kernel counts for one block device: `Documentation/admin-guide/iostats.rst`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IoCounters {
    /// Reads.
    pub reads: OperationCounters,
    /// Writes.
    pub writes: OperationCounters,
    /// Requests in flight now; a gauge.
    pub in_flight: u64,
    /// Milliseconds during which at least one request was in flight; `None` where nobody counts that, as where several count beside each other.
    pub busy_milliseconds: Option<u64>,
    /// `busy_milliseconds` weighted by the number of requests in flight.
    pub weighted_milliseconds: u64,
    /// Discards (TRIM, UNMAP); counted since Linux 4.18.
    pub discards: Option<OperationCounters>,
    /// Flushes; counted since Linux 5.5.
    pub flushes: Option<FlushCounters>,
}

impl IoCounters {
    /// Those of a device that has done nothing.
    pub const NOTHING: Self = {
        let operations = OperationCounters {
            completed: 0,
            merged: 0,
            bytes: 0,
            milliseconds: 0,
        };
        Self {
            reads: operations,
            writes: operations,
            in_flight: 0,
            busy_milliseconds: Some(0),
            weighted_milliseconds: 0,
            discards: None,
            flushes: None,
        }
    };

    /// The sum of two devices' counters: the paths of one disk. How much of their busy times was at the same time nobody knows, so of these there
    /// is a sum only where one of them was never busy.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        fn operations(one: &OperationCounters, two: &OperationCounters) -> OperationCounters {
            OperationCounters {
                completed: one.completed.saturating_add(two.completed),
                merged: one.merged.saturating_add(two.merged),
                bytes: one.bytes.saturating_add(two.bytes),
                milliseconds: one.milliseconds.saturating_add(two.milliseconds),
            }
        }
        Self {
            reads: operations(&self.reads, &other.reads),
            writes: operations(&self.writes, &other.writes),
            in_flight: self.in_flight.saturating_add(other.in_flight),
            busy_milliseconds: match (self.busy_milliseconds, other.busy_milliseconds) {
                (Some(0), busy) | (busy, Some(0)) => busy,
                _ => None,
            },
            weighted_milliseconds: self
                .weighted_milliseconds
                .saturating_add(other.weighted_milliseconds),
            discards: match (&self.discards, &other.discards) {
                (Some(one), Some(two)) => Some(operations(one, two)),
                (one, two) => one.or(*two),
            },
            flushes: match (&self.flushes, &other.flushes) {
                (Some(one), Some(two)) => Some(FlushCounters {
                    completed: one.completed.saturating_add(two.completed),
                    milliseconds: one.milliseconds.saturating_add(two.milliseconds),
                }),
                (one, two) => one.or(*two),
            },
        }
    }

    /// True where the device has done nothing yet.
    pub fn is_idle(&self) -> bool {
        self.reads.completed == 0 && self.writes.completed == 0
    }
}

/// What the processes of one control group, a pod's, have read from and written to one device since both exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CgroupIo {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written. Writes that wait in the page cache are not in it yet.
    pub written_bytes: u64,
    /// Read requests.
    pub reads: u64,
    /// Write requests.
    pub writes: u64,
}

/// What one pod's control group did on each device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodIo {
    /// Which control group it is of those that had its name: another one where it was made anew, or where the figures are the sum over
    /// others.
    pub incarnation: u64,
    /// False where the pod may have used a device that is not listed.
    pub is_complete: bool,
    /// By device.
    pub devices: BTreeMap<DeviceNumber, CgroupIo>,
}

/// What went over the network for one NFS mount since it was mounted.
///
/// The kernel counts per superblock, not per mount point: all mounts from one filesystem of a server with the same
/// options, whatever folder each has of it, and bind mounts of them, have one device number in `mountinfo` and show the
/// same figures. These must not be added up, and are no single volume's where volumes are folders of one export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NfsIo {
    /// What was mounted: `server:/export`.
    pub source: String,
    /// Whole seconds since the filesystem was first mounted; `None` where the kernel does not say.
    pub age: Option<u64>,
    /// Which filesystem it is of those that had its device number: another one where it was mounted anew.
    pub incarnation: u64,
    /// READ requests answered.
    pub reads: u64,
    /// WRITE requests answered.
    pub writes: u64,
    /// Bytes read from the server. Reads that the page cache served are not in it.
    pub read_bytes: u64,
    /// Bytes written to the server.
    pub written_bytes: u64,
    /// Milliseconds that READ requests took from their making to their end, in the queue and on the network,
    /// summed over the requests.
    pub read_milliseconds: u64,
    /// The same for WRITE requests.
    pub write_milliseconds: u64,
}

/// What was read from and written to one ZFS dataset since it was mounted.
///
/// Counted where programs call ZFS: reads that the cache (ARC) served are in it, and what compression, copies
/// and parity make of the bytes on the disks is not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DatasetIo {
    /// When its counters were begun, in nanoseconds of a clock of the kernel's own: at another time where it was mounted anew.
    pub created: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
}

/// What is counted for those who have no device to themselves.
#[derive(Debug, Clone, Default)]
pub struct CountedElsewhere {
    /// By pod.
    pub pods: BTreeMap<String, PodIo>,
    /// By dataset.
    pub datasets: BTreeMap<String, DatasetIo>,
    /// By mount point.
    pub nfs: BTreeMap<PathBuf, NfsIo>,
}

/// One device's mean rates over the time between two readings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IoRates {
    /// Reads per second.
    pub reads: f64,
    /// Writes per second.
    pub writes: f64,
    /// Bytes read per second.
    pub read_bytes: f64,
    /// Bytes written per second.
    pub written_bytes: f64,
    /// Mean seconds per completed read; `None` where none completed.
    pub read_latency: Option<f64>,
    /// Mean seconds per completed write; `None` where none completed.
    pub write_latency: Option<f64>,
    /// Share of the time during which at least one request was in flight, 0 to 1; `None` where nobody counts it.
    pub utilization: Option<f64>,
}

impl IoRates {
    /// Rates over `elapsed` from an `earlier` to a `later` reading.
    ///
    /// `None` where `elapsed` is zero or where a counter went back: the kernel started counting anew, and no
    /// rate can be known.
    pub fn between(earlier: &IoCounters, later: &IoCounters, elapsed: Duration) -> Option<Self> {
        let seconds = elapsed.as_secs_f64();
        if seconds <= 0.0 {
            return None;
        }
        let reads = later.reads.completed.checked_sub(earlier.reads.completed)?;
        let writes = later.writes.completed.checked_sub(earlier.writes.completed)?;
        let read_bytes = later.reads.bytes.checked_sub(earlier.reads.bytes)?;
        let written_bytes = later.writes.bytes.checked_sub(earlier.writes.bytes)?;
        let busy = match (earlier.busy_milliseconds, later.busy_milliseconds) {
            (Some(earlier), Some(later)) => Some(busy(earlier, later, elapsed)?),
            _ => None,
        };
        // A sum over requests, as of many at once, may have wrapped more than once: that costs one latency.
        let latency = |earlier: &OperationCounters, later: &OperationCounters, completed: u64| {
            let milliseconds = later.milliseconds.checked_sub(earlier.milliseconds)?;
            (completed > 0).then(|| milliseconds as f64 / 1e3 / completed as f64)
        };
        Some(Self {
            reads: reads as f64 / seconds,
            writes: writes as f64 / seconds,
            read_bytes: read_bytes as f64 / seconds,
            written_bytes: written_bytes as f64 / seconds,
            read_latency: latency(&earlier.reads, &later.reads, reads),
            write_latency: latency(&earlier.writes, &later.writes, writes),
            // The kernel rounds busy time up to its tick, so a little more than all the time is possible.
            utilization: busy.map(|busy| (busy as f64 / 1e3 / seconds).min(1.0)),
        })
    }

    /// Reads and writes per second.
    pub fn operations(&self) -> f64 {
        self.reads + self.writes
    }

    /// Bytes read and written per second.
    pub fn throughput(&self) -> f64 {
        self.read_bytes + self.written_bytes
    }
}

/// Busy milliseconds between two readings. The kernel's counters of time are 32 bits wide: this one wraps after 49 days of work, and
/// has wrapped where there was no more work meanwhile than there was time. `None` where it went back otherwise.
fn busy(earlier: u64, later: u64, elapsed: Duration) -> Option<u64> {
    /// The kernel adds its tick, and looks at the clock a little later than we do.
    const TOLERANCE: u128 = 100;
    later.checked_sub(earlier).or_else(|| {
        let wrapped = later.checked_add(1 << 32)?.checked_sub(earlier)?;
        (u128::from(wrapped) <= elapsed.as_millis() + TOLERANCE).then_some(wrapped)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(reads: u64, bytes: u64, milliseconds: u64, busy: u64) -> IoCounters {
        IoCounters {
            reads: OperationCounters {
                completed: reads,
                merged: 0,
                bytes,
                milliseconds,
            },
            busy_milliseconds: Some(busy),
            ..IoCounters::default()
        }
    }

    #[test]
    fn rates_are_means_over_the_time_between_two_readings() {
        let rates = IoRates::between(
            &counters(100, 4096, 10, 0),
            &counters(300, 823_296, 410, 1000),
            Duration::from_secs(2),
        );
        let rates = rates.unwrap();
        assert_eq!(rates.reads.to_bits(), 100_f64.to_bits());
        assert_eq!(rates.read_bytes.to_bits(), 409_600_f64.to_bits());
        assert_eq!(rates.read_latency, Some(0.002));
        assert_eq!(rates.write_latency, None);
        assert_eq!(rates.utilization, Some(0.5));
    }

    /// Four paths that are busy in the same quarter of a second are not a busy second.
    #[test]
    fn busy_times_of_several_have_no_sum() {
        let [idle, one, other] = [0, 250, 400].map(|busy| counters(busy, 0, 0, busy));
        assert_eq!(one.plus(&other).busy_milliseconds, None);
        assert_eq!(one.plus(&idle).busy_milliseconds, Some(250));
        assert_eq!(IoCounters::NOTHING.plus(&one), one);
        let rates = IoRates::between(&one.plus(&idle), &one.plus(&other), Duration::from_secs(1)).unwrap();
        assert_eq!((rates.reads, rates.utilization), (400.0, None));
    }

    #[test]
    fn a_counter_that_goes_back_gives_no_rate() {
        let (high, low) = (counters(100, 4096, 10, 5), counters(1, 512, 1, 1));
        assert_eq!(IoRates::between(&high, &low, Duration::from_secs(1)), None);
        assert_eq!(IoRates::between(&low, &high, Duration::ZERO), None);
    }

    #[test]
    fn a_wrapped_time_counter_costs_the_latency_alone() {
        let earlier = counters(100, 4096, u64::from(u32::MAX), 5);
        let rates = IoRates::between(&earlier, &counters(200, 8192, 3, 6), Duration::from_secs(1)).unwrap();
        assert_eq!(rates.read_latency, None);
        assert_eq!(rates.reads.to_bits(), 100_f64.to_bits());
    }

    #[test]
    fn a_wrapped_busy_time_costs_nothing_and_one_that_went_back_all() {
        let earlier = counters(100, 4096, 0, u64::from(u32::MAX) - 299);
        let second = Duration::from_secs(1);
        let rates = IoRates::between(&earlier, &counters(200, 8192, 1, 200), second).unwrap();
        assert_eq!(rates.reads.to_bits(), 100_f64.to_bits());
        assert_eq!(rates.utilization, Some(0.5));
        let back = counters(200, 8192, 1, 1_000_000);
        assert_eq!(IoRates::between(&earlier, &back, second), None);
    }

    #[test]
    fn utilization_never_exceeds_one() {
        let rates = IoRates::between(
            &counters(0, 0, 0, 0),
            &counters(1, 1, 1, 1004),
            Duration::from_secs(1),
        );
        assert_eq!(rates.unwrap().utilization, Some(1.0));
    }
}
