//! Readings of a machine at a fixed time, with known I/O between two of them: what golden files are made of.

use std::time::{Duration, Instant, SystemTime};

use scope_storage_probe::history::{DeviceHistory, History};
use scope_storage_probe::host::Host;
use scope_storage_probe::link::link;
use scope_storage_probe::model::host::Moment;
use scope_storage_probe::model::io::{IoCounters, OperationCounters};
use scope_storage_probe::model::placement::{IoSource, Placement, Volume, VolumeIo};
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
                let busy = counters.busy_milliseconds.get_or_insert(0);
                *busy += (at * 25).min(2000);
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

/// The state of a machine with so many busy PersistentVolumes on devices of their own, after so many readings a second apart.
pub fn with_busy_volumes(machine: &Machine, volumes: usize, readings: u32) -> State {
    let mut state = state(machine, 1);
    let start = state.sample.taken_at;
    let names: Vec<String> = (0..volumes).map(|at| format!("pvc-{at:04}")).collect();
    let (mut devices, mut of_volumes) = (DeviceHistory::default(), History::default());
    let mut io = VolumeIo {
        source: IoSource::Device,
        origin: 0,
        counters: IoCounters::default(),
    };
    for reading in 0..readings {
        let after = Duration::from_secs(reading.into());
        state.sample.taken_at = Moment {
            steady: start.steady + after,
            wall: start.wall + after,
        };
        let operations = OperationCounters {
            completed: u64::from(reading) * 100,
            bytes: u64::from(reading) * 409_600,
            milliseconds: u64::from(reading) * 70,
            ..OperationCounters::default()
        };
        io.counters = IoCounters {
            reads: operations,
            writes: operations,
            busy_milliseconds: Some(u64::from(reading) * 700),
            ..IoCounters::default()
        };
        let counters = (0..volumes as u64).map(|origin| (origin, io.counters));
        state.volume_rates = of_volumes.record(state.sample.taken_at, counters);
        state.rates = devices.record(&state.sample);
    }
    let volume = |(origin, name)| Volume {
        persistent: true,
        io: Some(VolumeIo { origin, ..io }),
        ..Volume::new(name, "disks.example", Placement::not_mounted())
    };
    state.topology.volumes = (0..).zip(names).map(volume).collect();
    state
}
