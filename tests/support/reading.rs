//! Readings of a machine at a fixed time, with known I/O between two of them: what golden files are made of.

use std::time::{Duration, Instant, SystemTime};

use scope_storage_probe::history::DeviceHistory;
use scope_storage_probe::host::Host;
use scope_storage_probe::link::link;
use scope_storage_probe::model::host::Moment;
use scope_storage_probe::state::State;

use super::fixture::Machine;

/// 2026-01-02T03:04:05Z.
pub const WALL: Duration = Duration::from_secs(1_767_323_045);

/// The state of a machine after so many readings two seconds apart. In each interval the device that comes at place N
/// (from 0) did N × 20 reads of 4 KiB at 0.5 ms and N × 10 writes of 16 KiB at 2 ms.
pub fn state(machine: &Machine, readings: u32) -> State {
    let mut host = Host::new(machine.roots());
    let mut sample = host.sample(Instant::now() + Duration::from_secs(5));
    let start = Moment {
        steady: Instant::now(),
        wall: SystemTime::UNIX_EPOCH + WALL,
    };
    for outcome in &mut sample.collectors {
        outcome.duration = Duration::from_micros(125);
    }
    let mut history = DeviceHistory::default();
    let mut rates = None;
    for reading in 0..readings {
        sample.taken_at = Moment {
            steady: start.steady + Duration::from_secs(2) * reading,
            wall: start.wall + Duration::from_secs(2) * reading,
        };
        if reading > 0 {
            for (at, counters) in (0_u64..).zip(sample.counters.values_mut()) {
                counters.reads.completed += at * 20;
                counters.reads.bytes += at * 20 * 4096;
                counters.reads.milliseconds += at * 10;
                counters.writes.completed += at * 10;
                counters.writes.bytes += at * 10 * 16_384;
                counters.writes.milliseconds += at * 20;
                counters.busy_milliseconds += (at * 25).min(2000);
            }
        }
        rates = Some(history.record(&sample));
    }
    let topology = link(&sample, None);
    let host_id = sample.host_name.clone().expect("the machine has a name");
    State {
        host_id,
        topology,
        rates: rates.expect("at least one reading"),
        volume_rates: scope_storage_probe::history::Series::default(),
        sample,
    }
}
