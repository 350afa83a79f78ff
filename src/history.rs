//! Rates of the last minute, from readings that somebody asked for.
//!
//! There is no timer. Each question hands its reading in; a reading at least [`SPACING`] after the previous
//! kept one is kept and gives one interval of rates. Readings in between change nothing, so that two
//! probes and a Prometheus server may ask at any time without spoiling each other's rates, and the dates of
//! the samples are the same in every report that carries them.
//!
//! A device is known by its number **and** its `diskseq`, a partition by its disk's, and where the kernel has none by what names the disk: a
//! disk that is pulled and another plugged in under the same number do not share a counter.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::model::device::DeviceNumber;
use crate::model::graph::BlockDevices;
use crate::model::host::{HostSample, Moment};
use crate::model::io::{IoCounters, IoRates};

/// The least time between two kept readings. Scope asks every second: of one second, every question that comes a millisecond
/// early would be passed over, and every other rate be over two seconds.
pub const SPACING: Duration = Duration::from_millis(900);
/// How far back intervals are kept.
pub const WINDOW: Duration = Duration::from_secs(60);
/// A kept reading older than this is no base for a rate: what an hour ago was is not what is.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(330);
/// At most so many rates are held, over all devices and intervals, but those of one interval in any case: 0.3 MB. A report, which has no
/// partitions and a budget of its own, shows a fifth of that.
const MOST_RATES: usize = 3_000;
/// The wall clock may differ from the steady one by this much before samples' dates are thrown away.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// A device as it must be known across readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct DeviceKey {
    number: DeviceNumber,
    incarnation: u64,
}

/// The rates of all things over one interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval<K> {
    /// When it ended, by the wall clock.
    pub ended_at: SystemTime,
    rates: Vec<(K, IoRates)>,
}

impl<K: Ord> Interval<K> {
    fn get(&self, key: &K) -> Option<&IoRates> {
        let at = self.rates.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        Some(&self.rates[at].1)
    }
}

/// The rates of the last minute of many things: the latest, and the series.
#[derive(Debug, Clone)]
pub struct Series<K> {
    intervals: VecDeque<Arc<Interval<K>>>,
}

impl<K> Default for Series<K> {
    fn default() -> Self {
        Self {
            intervals: VecDeque::new(),
        }
    }
}

impl<K: Ord> Series<K> {
    /// The rates over the latest interval.
    pub fn latest(&self, key: &K) -> Option<&IoRates> {
        self.intervals.back()?.get(key)
    }

    /// The series from the interval at that place on, oldest first: which interval, by its place in [`Series::ends`], and the rates over it.
    pub fn since(&self, first: usize, key: &K) -> impl Iterator<Item = (usize, &IoRates)> {
        let intervals = self.intervals.iter().enumerate().skip(first);
        intervals.filter_map(move |(at, interval)| Some((at, interval.get(key)?)))
    }

    /// When the intervals ended, oldest first.
    pub fn ends(&self) -> impl ExactSizeIterator<Item = SystemTime> {
        self.intervals.iter().map(|interval| interval.ended_at)
    }
}

/// Rates per device.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    series: Series<DeviceKey>,
    keys: Arc<BTreeMap<DeviceNumber, DeviceKey>>,
}

impl Rates {
    /// The rates over the latest interval.
    pub fn latest(&self, number: DeviceNumber) -> Option<&IoRates> {
        self.series.latest(self.keys.get(&number)?)
    }

    /// The series from the interval at that place on, oldest first: which interval, by its place in [`Rates::ends`], and the rates over it.
    pub fn since(&self, first: usize, number: DeviceNumber) -> impl Iterator<Item = (usize, &IoRates)> {
        let key = self.keys.get(&number).into_iter();
        key.flat_map(move |key| self.series.since(first, key))
    }

    /// When the intervals ended, oldest first.
    pub fn ends(&self) -> impl ExactSizeIterator<Item = SystemTime> {
        self.series.ends()
    }
}

/// The history of block devices.
#[derive(Debug, Default)]
pub struct DeviceHistory {
    readings: History<DeviceKey>,
    devices: Arc<BlockDevices>,
    keys: Arc<BTreeMap<DeviceNumber, DeviceKey>>,
}

impl DeviceHistory {
    /// Takes a reading in and returns the rates as they are now known.
    pub fn record(&mut self, sample: &HostSample) -> Rates {
        if !Arc::ptr_eq(&self.devices, &sample.devices) {
            self.keys = Arc::new(keys(&sample.devices));
            self.devices = Arc::clone(&sample.devices);
        }
        let keys = Arc::clone(&self.keys);
        let counters = sample
            .counters
            .iter()
            .filter_map(|(number, counters)| Some((*keys.get(number)?, *counters)));
        Rates {
            series: self.readings.record(sample.taken_at, counters),
            keys,
        }
    }
}

/// The kept reading and the intervals before it.
#[derive(Debug)]
pub struct History<K> {
    base: Option<Base<K>>,
    intervals: VecDeque<Arc<Interval<K>>>,
}

impl<K> Default for History<K> {
    fn default() -> Self {
        Self {
            base: None,
            intervals: VecDeque::new(),
        }
    }
}

#[derive(Debug)]
struct Base<K> {
    taken_at: Moment,
    counters: Vec<(K, IoCounters)>,
}

impl<K: Ord + Clone> History<K> {
    /// Takes a reading in and returns the rates as they are now known.
    pub fn record(&mut self, taken_at: Moment, counters: impl Iterator<Item = (K, IoCounters)>) -> Series<K> {
        let elapsed = self
            .base
            .as_ref()
            .map(|base| taken_at.steady.saturating_duration_since(base.taken_at.steady));
        if elapsed.is_none_or(|elapsed| elapsed >= SPACING) {
            let mut counters = collected(counters);
            counters.sort_unstable_by(|one, two| one.0.cmp(&two.0));
            self.keep(Base { taken_at, counters });
        }
        Series {
            intervals: self.intervals.clone(),
        }
    }

    fn keep(&mut self, later: Base<K>) {
        let now = later.taken_at.wall;
        if let Some(earlier) = &self.base {
            let elapsed = later
                .taken_at
                .steady
                .saturating_duration_since(earlier.taken_at.steady);
            if clock_jumped(&earlier.taken_at, &later.taken_at) || elapsed > LONGEST_INTERVAL {
                self.intervals.clear();
            }
            if elapsed <= LONGEST_INTERVAL {
                let rates = later.counters.iter().filter_map(|(key, counters)| {
                    let at = earlier
                        .counters
                        .binary_search_by(|(known, _)| known.cmp(key))
                        .ok()?;
                    Some((
                        key.clone(),
                        IoRates::between(&earlier.counters[at].1, counters, elapsed)?,
                    ))
                });
                let interval = Interval {
                    ended_at: now,
                    rates: collected(rates),
                };
                self.intervals.push_back(Arc::new(interval));
            }
        }
        self.base = Some(later);
        self.forget_old(now);
    }

    fn forget_old(&mut self, now: SystemTime) {
        let per_interval = self
            .intervals
            .back()
            .map_or(0, |interval| interval.rates.len())
            .max(1);
        let most = MOST_RATES / per_interval;
        let is_old = |interval: &Arc<Interval<K>>| {
            now.duration_since(interval.ended_at)
                .is_ok_and(|age| age > WINDOW)
        };
        while self.intervals.len() > 1
            && (self.intervals.len() > most || self.intervals.front().is_some_and(is_old))
        {
            self.intervals.pop_front();
        }
    }
}

/// Nearly all of what may come does, and a list that grows as it comes leaves holes behind in memory.
fn collected<T>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut all = Vec::with_capacity(values.size_hint().1.unwrap_or_default());
    all.extend(values);
    all
}

fn keys(devices: &BlockDevices) -> BTreeMap<DeviceNumber, DeviceKey> {
    devices
        .iter()
        .map(|device| {
            (
                device.number,
                DeviceKey {
                    number: device.number,
                    incarnation: devices.incarnation(device.number),
                },
            )
        })
        .collect()
}

fn clock_jumped(earlier: &Moment, later: &Moment) -> bool {
    let steady = later.steady.saturating_duration_since(earlier.steady);
    match later.wall.duration_since(earlier.wall) {
        Ok(wall) => wall.abs_diff(steady) > CLOCK_TOLERANCE,
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::device::{BlockDevice, DeviceType};
    use crate::model::io::OperationCounters;
    use std::time::Instant;

    const DISK: DeviceNumber = DeviceNumber::new(8, 0);

    struct Clock {
        start: Moment,
    }

    impl Clock {
        fn new() -> Self {
            Self {
                start: Moment {
                    steady: Instant::now(),
                    wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000),
                },
            }
        }

        fn sample(&self, milliseconds: u64, reads: u64, sequence: u64) -> HostSample {
            let after = Duration::from_millis(milliseconds);
            let mut disk = BlockDevice::new(DISK, "sda", DeviceType::Disk);
            disk.sequence = Some(sequence);
            let counters = IoCounters {
                reads: OperationCounters {
                    completed: reads,
                    bytes: reads * 4096,
                    ..OperationCounters::default()
                },
                ..IoCounters::default()
            };
            HostSample {
                taken_at: Moment {
                    steady: self.start.steady + after,
                    wall: self.start.wall + after,
                },
                devices: Arc::new(BlockDevices::new([disk])),
                counters: BTreeMap::from([(DISK, counters)]),
                ..HostSample::default()
            }
        }
    }

    fn reads(rates: &Rates) -> Vec<f64> {
        rates.since(0, DISK).map(|(_, rates)| rates.reads).collect()
    }

    #[test]
    fn the_first_reading_gives_no_rate_and_the_second_does() {
        let (clock, mut history) = (Clock::new(), DeviceHistory::default());
        assert!(history.record(&clock.sample(0, 0, 1)).latest(DISK).is_none());
        let rates = history.record(&clock.sample(2000, 100, 1));
        assert_eq!(reads(&rates), [50.0]);
    }

    #[test]
    fn those_who_ask_in_between_do_not_spoil_the_rates() {
        let (clock, mut history) = (Clock::new(), DeviceHistory::default());
        let mut seen = Vec::new();
        for step in 0..40 {
            // Somebody asks every 250 ms while 10 reads a second are made.
            seen = reads(&history.record(&clock.sample(step * 250, step * 250 / 100, 1)));
        }
        assert_eq!(seen, vec![10.0; 9]);
    }

    #[test]
    fn who_asks_every_second_gets_a_new_rate_each_time_even_if_now_and_then_a_little_early() {
        let (clock, mut history) = (Clock::new(), DeviceHistory::default());
        for second in 0..30 {
            let early = [0, 3, 1, 40][(second % 4) as usize];
            let asked = (second + 1) * 1000 - early;
            let rates = history.record(&clock.sample(asked, asked, 1));
            assert_eq!(reads(&rates).len() as u64, second, "second {second}");
        }
    }

    #[test]
    fn samples_older_than_a_minute_are_forgotten_and_dates_never_change() {
        let (clock, mut history) = (Clock::new(), DeviceHistory::default());
        let mut earlier: Vec<SystemTime> = Vec::new();
        for second in 0..200 {
            let rates = history.record(&clock.sample(second * 1000, second, 1));
            let ends: Vec<_> = rates.ends().collect();
            assert!(ends.len() <= 61);
            assert!(
                earlier.iter().skip(1).all(|end| ends.contains(end)),
                "second {second}"
            );
            earlier = ends;
        }
        assert_eq!(earlier.len(), 61);
    }

    #[test]
    fn another_disk_under_the_same_number_starts_afresh() {
        let (clock, mut history) = (Clock::new(), DeviceHistory::default());
        history.record(&clock.sample(0, 1_000, 1));
        history.record(&clock.sample(1000, 2_000, 1));
        let rates = history.record(&clock.sample(2000, 5_000, 2));
        assert_eq!(reads(&rates), [] as [f64; 0]);
        let rates = history.record(&clock.sample(3000, 5_007, 2));
        assert_eq!(reads(&rates), [7.0]);
    }

    #[test]
    fn a_partition_of_another_disk_starts_afresh() {
        let (clock, mut history) = (Clock::new(), DeviceHistory::default());
        let part = DeviceNumber::new(8, 1);
        let mut reads = |milliseconds: u64, reads: u64, sequence: u64| {
            let mut sample = clock.sample(milliseconds, reads, sequence);
            let mut partition = BlockDevice::new(part, "sda1", DeviceType::Partition);
            partition.sequence = Some(sequence);
            sample.devices = Arc::new(BlockDevices::new([partition]));
            sample.counters = BTreeMap::from([(part, sample.counters[&DISK])]);
            let rates = history.record(&sample);
            rates.latest(part).map(|rates| rates.reads)
        };
        assert_eq!(reads(0, 1_000, 1), None);
        assert_eq!(reads(1000, 1_010, 1), Some(10.0));
        assert_eq!(reads(2000, 5_000, 2), None);
        assert_eq!(reads(3000, 5_007, 2), Some(7.0));
    }

    /// As before Linux 5.15.
    #[test]
    fn where_disks_have_no_running_number_another_serial_number_is_another_disk() {
        let (clock, mut history) = (Clock::new(), DeviceHistory::default());
        let part = DeviceNumber::new(8, 1);
        let mut reads = |milliseconds: u64, reads: u64, serial: &str| {
            let mut sample = clock.sample(milliseconds, reads, 1);
            let mut disk = BlockDevice::new(DISK, "sda", DeviceType::Disk);
            disk.identity.serial = Some(serial.into());
            let partition = BlockDevice::over(part, "sda1", "part", &[DISK]);
            sample.devices = Arc::new(BlockDevices::new([disk, partition]));
            sample.counters.insert(part, sample.counters[&DISK]);
            let rates = history.record(&sample);
            [DISK, part].map(|number| rates.latest(number).map(|rates| rates.reads))
        };
        assert_eq!(reads(0, 1_000, "A"), [None; 2]);
        assert_eq!(reads(1000, 1_010, "A"), [Some(10.0); 2]);
        assert_eq!(reads(2000, 5_000, "B"), [None; 2]);
        assert_eq!(reads(3000, 5_007, "B"), [Some(7.0); 2]);
    }

    #[test]
    fn a_counter_that_goes_back_leaves_a_gap_and_no_negative_rate() {
        let (clock, mut history) = (Clock::new(), DeviceHistory::default());
        for (second, count) in [(0, 100), (1, 200), (2, 50), (3, 60)] {
            history.record(&clock.sample(second * 1000, count, 1));
        }
        let rates = history.record(&clock.sample(4000, 90, 1));
        assert_eq!(reads(&rates), [100.0, 10.0, 30.0]);
    }

    #[test]
    fn a_wall_clock_that_jumps_costs_the_series_but_not_the_rate() {
        let (clock, mut history) = (Clock::new(), DeviceHistory::default());
        history.record(&clock.sample(0, 0, 1));
        history.record(&clock.sample(1000, 10, 1));
        let mut jumped = clock.sample(2000, 30, 1);
        jumped.taken_at.wall -= Duration::from_secs(3600);
        assert_eq!(reads(&history.record(&jumped)), [20.0]);
    }

    #[test]
    fn after_a_long_silence_the_first_answer_has_no_rate() {
        let (clock, mut history) = (Clock::new(), DeviceHistory::default());
        history.record(&clock.sample(0, 0, 1));
        history.record(&clock.sample(1000, 10, 1));
        let rates = history.record(&clock.sample(3_600_000, 50, 1));
        assert!(rates.latest(DISK).is_none());
    }

    #[test]
    fn what_a_thousand_disks_cost_is_bounded() {
        let mut history = DeviceHistory::default();
        let start = Moment::now();
        let devices: Vec<_> = (0..1000)
            .map(|minor| {
                BlockDevice::new(
                    DeviceNumber::new(8, minor),
                    format!("sd{minor}"),
                    DeviceType::Disk,
                )
            })
            .collect();
        let devices = Arc::new(BlockDevices::new(devices));
        let counters: BTreeMap<_, _> = devices
            .iter()
            .map(|device| (device.number, IoCounters::default()))
            .collect();
        let clock = Clock { start };
        for second in 0..100 {
            let sample = HostSample {
                devices: Arc::clone(&devices),
                counters: counters.clone(),
                ..clock.sample(second * 1000, 0, 1)
            };
            history.record(&sample);
        }
        let held: usize = history
            .readings
            .intervals
            .iter()
            .map(|interval| interval.rates.len())
            .sum();
        assert!(held <= MOST_RATES, "{held}");
        assert_eq!(history.readings.intervals.len(), MOST_RATES / 1000);
    }
}
